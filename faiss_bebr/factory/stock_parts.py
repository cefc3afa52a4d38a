"""Parts of FAISS's own that are built from a factory string and then taken out
of the index that FAISS made around them."""

from __future__ import annotations

from typing import Any

import faiss

from faiss_bebr import stock
from faiss_bebr.swigfaiss_bebr import take_ownership


def build(d: int, text: str, metric: int, own_invlists: bool) -> Any:
    """FAISS's index for a string without tokens of this package.

    Raises
    ------
    ValueError
        If FAISS refuses it; the text names the string.
    """
    try:
        return stock.index_factory(d, text, metric, own_invlists)
    except RuntimeError as error:
        reason = str(error).rpartition(": ")[2]
        raise ValueError(f"FAISS refused {text!r}: {reason}") from error


def build_transforms(d: int, text: str) -> list[Any]:
    """The transforms of a string such as "PCA64,L2norm", owned by the caller."""
    index = build(d, text + ",Flat", faiss.METRIC_L2, True)
    index.own_fields = False
    take_ownership(index.index)  # and delete it
    chain = index.chain
    return [take_ownership(chain.at(i)) for i in range(chain.size())]


def build_coarse_quantizer(d: int, text: str, metric: int) -> tuple[Any, int, str]:
    """What a string such as "IVF64_HNSW32" or "IMI2x8" stands for.

    Returns
    -------
    quantizer : faiss.Index
        Owned by the caller.
    nlist : int
    trains_alone : str
        One character, see `faiss.IndexIVF.quantizer_trains_alone`.
    """
    index = build(d, text + ",Flat", metric, False)
    index.own_fields = False
    quantizer = take_ownership(index.quantizer)
    return quantizer, index.nlist, index.quantizer_trains_alone


def build_ivf_with_quantizer(
    quantizer: Any, nlist: int, code: str, metric: int, own_invlists: bool
) -> Any:
    """FAISS's inverted file of a code such as "PQ16x4fs" with this quantizer."""
    index = build(quantizer.d, f"IVF{nlist},{code}", metric, own_invlists)
    replaced = index.quantizer
    index.quantizer = quantizer
    take_ownership(replaced)  # and delete it
    index.quantizer_trains_alone = TRAIN_ON_CENTROIDS
    quantizer.this.disown()
    return index


# of IndexIVF.quantizer_trains_alone: centroids come from k-means, and the
# quantizer is trained on them and filled with them
TRAIN_ON_CENTROIDS = "\x02"
