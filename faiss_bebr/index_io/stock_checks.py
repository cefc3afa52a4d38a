"""Checks of FAISS's own types that its reader leaves out, and whose absence ends
the process when such an index is used.
"""

from __future__ import annotations

import math
from typing import Any

import faiss
import numpy as np

from faiss_bebr import swigfaiss_bebr as own

# vectors, and queries, in one block of FAISS's fast scan: 32 or some more
_MAX_BLOCK = 4096
# of fast scan, which makes tables for all lists that it looks at
_MAX_NPROBE = 1 << 16
# of a local search, FAISS's default is 16
_MAX_ITERATIONS = 1 << 12
# hash codes that a search looks up for a query
_MAX_LOOKUPS = 1 << 24
_CODECS = ("pq", "sq")


def require(condition: bool, message: str) -> None:
    """Raise a RuntimeError that says so if the condition is not fulfilled."""
    if not condition:
        raise RuntimeError(f"the index file is corrupted: {message}")


def check_stock(obj: Any) -> None:
    """Check one of FAISS's objects, not what is inside it.

    Parameters
    ----------
    obj : Index, IndexBinary or VectorTransform
        As the class that it is.

    Raises
    ------
    RuntimeError
        If its fields do not fit together.
    """
    name = type(obj).__name__
    if isinstance(obj, faiss.RemapDimensionsTransform):
        places = faiss.vector_to_array(obj.map)
        require(bool(np.all(places < obj.d_in)), f"an {name} of other dimensions")
    if isinstance(obj, (faiss.Index, faiss.IndexBinary)):
        require(obj.ntotal >= 0, f"ntotal is {obj.ntotal}")
    if isinstance(obj, faiss.IndexIVF):
        _check_code_size(obj)
    if hasattr(obj, "sq") or hasattr(obj, "rabitq"):
        check_codec_metric(obj.metric_type)
    if hasattr(obj, "aq") and obj.is_trained:
        require(obj.aq.is_trained, f"an {name} without codebooks")
    if hasattr(obj, "lsq") and obj.lsq.M:
        _check_local_search(obj.lsq)
    if hasattr(obj, "rabitq"):
        _check_rabitq(obj)
    if hasattr(obj, "M2") or hasattr(obj, "rabitq"):
        _check_blocks(obj)
    if isinstance(obj, faiss.IndexFlatCodes):
        nbytes = obj.codes.size()
        require(nbytes >= obj.ntotal * obj.code_size, f"an {name} without codes")
    if isinstance(obj, faiss.IndexIVFPQR):
        _check_refine_codes(obj)
    elif isinstance(obj, faiss.Index2Layer):
        _check_list_numbers(obj)
    elif isinstance(obj, (faiss.IndexBinaryHash, faiss.IndexBinaryMultiHash)):
        _check_lookups(obj)


def check_codec_metric(metric: int) -> None:
    """Whether FAISS has distances to codes in a metric."""
    require(
        metric in (faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT),
        f"codes in metric {metric}",
    )


def _check_code_size(index: faiss.IndexIVF) -> None:
    for attribute in _CODECS:
        codec = getattr(index, attribute, None)
        if codec is not None:
            require(
                codec.d == index.d and codec.code_size == index.code_size,
                "codes of other dimensions",
            )


def _check_local_search(codec: faiss.LocalSearchQuantizer) -> None:
    require(codec.K == 1 << codec.nbits.at(0), "codebooks of another size")
    niter = max(codec.encode_ils_iters, codec.icm_iters)
    require(0 <= niter <= _MAX_ITERATIONS, f"{niter} iterations to encode a vector")


def _check_rabitq(index: Any) -> None:
    codec, d = index.rabitq, index.d
    require(
        codec.metric_type == index.metric_type
        and codec.d == d
        and 1 <= codec.nb_bits <= 9
        and codec.compute_code_size(d, codec.nb_bits)
        == codec.code_size
        == index.code_size,
        f"an {type(index).__name__} of another metric or codes of another size",
    )
    if hasattr(index, "center"):
        is_right = index.center.size() == (d if index.is_trained else 0)
        require(is_right, f"an {type(index).__name__} without a center")


def _check_blocks(index: Any) -> None:
    """Whether codes, several of which may share a block, are as long as searches
    expect them."""
    name = type(index).__name__
    block_size = getattr(index, "bbs", 32)
    require(0 < block_size <= _MAX_BLOCK, f"an {name} of blocks of {block_size}")
    if not hasattr(index, "codes"):
        lists = index.invlists and faiss.downcast_InvertedLists(index.invlists)
        is_right = (
            lists is None
            or not hasattr(index, "bbs")
            or isinstance(lists, faiss.BlockInvertedLists)
        )
        most = max(index.nlist, _MAX_NPROBE)
        require(index.nprobe <= most, f"nprobe is {index.nprobe}")
        nqueries = getattr(index, "qbs2", 0)
        require(nqueries <= _MAX_BLOCK, f"an {name} of blocks of {nqueries} queries")
    elif index.is_trained:
        packer = index.get_CodePacker()
        nblocks = -(-index.ntotal // packer.nvec)
        is_right = index.codes.size() == nblocks * packer.block_size
        if hasattr(index, "ntotal2"):
            is_right &= index.ntotal2 == nblocks * packer.nvec
    else:
        is_right = index.codes.size() == 0
    require(is_right, f"an {name} of blocks of another size")


def _check_refine_codes(index: faiss.IndexIVFPQR) -> None:
    if index.invlists is not None:
        own.check_ids(index.invlists, index.ntotal)
    if index.is_trained:
        size = index.ntotal * index.refine_pq.code_size
        require(index.refine_codes.size() == size, "codes to refine with are missing")


def _check_list_numbers(index: faiss.Index2Layer) -> None:
    """That each code begins with."""
    codes = faiss.vector_to_array(index.codes).reshape(index.ntotal, index.code_size)
    width = index.code_size_1
    numbers = np.zeros((index.ntotal, 8), np.uint8)
    numbers[:, :width] = codes[:, :width]
    is_right = numbers.view("<u8") < index.q1.nlist
    require(width <= 8 and bool(np.all(is_right)), "codes of lists that do not exist")


def _check_lookups(index: Any) -> None:
    nflip, b = index.nflip, index.b
    require(0 <= nflip <= b, f"{nflip} bits to flip, of {b}")
    lookups = sum(math.comb(b, n) for n in range(nflip + 1))
    require(lookups <= _MAX_LOOKUPS, f"{lookups} hash codes of a query")
