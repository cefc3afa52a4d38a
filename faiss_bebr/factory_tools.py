"""What `faiss.contrib.factory_tools` says of strings and indexes of this package."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import faiss
from faiss.contrib import factory_tools

from faiss_bebr.factory import index_factory
from faiss_bebr.factory.tokens import SCALE_BYTES, get_widths, has_own_token
from faiss_bebr.index_io import downcast_index, downcast_VectorTransform
from faiss_bebr.index_io.containers import contains_own
from faiss_bebr.swigfaiss_bebr import (
    BinarizerTransform,
    IndexIVFSDC,
    IndexSDC,
    IndexSDCFastScan,
)

_stock_get_code_size = factory_tools.get_code_size
_stock_reverse_index_factory = factory_tools.reverse_index_factory
_BYTES_OF_LINK = 4
_SCALES = {nbytes: name for name, nbytes in SCALE_BYTES.items()}


def replacements() -> Iterator[tuple[Any, str, Any]]:
    """Module, name and function of what `register` replaces."""
    yield factory_tools, "get_code_size", get_code_size
    yield factory_tools, "reverse_index_factory", reverse_index_factory


def get_code_size(d: int, indexkey: str) -> int:
    """Bytes of one vector in an index, as
    `faiss.contrib.factory_tools.get_code_size`.

    Parameters
    ----------
    d : int
        Dimension of the vectors.
    indexkey : str
        A factory string.

    Raises
    ------
    RuntimeError
        If it is none.
    """
    if not has_own_token(indexkey):
        return _stock_get_code_size(d, indexkey)
    try:
        index = index_factory(d, indexkey, faiss.METRIC_L2, False)
    except ValueError as error:
        raise RuntimeError(f"cannot parse {indexkey}: {error}") from error
    return _measure(downcast_index(index), None)


def _measure(index: Any, binarizer: Any) -> int:
    """`binarizer`: the one before the index."""
    if isinstance(index, faiss.IndexPreTransform):
        binarizer = _last_binarizer(_get_transforms(index), binarizer)
        return _measure(downcast_index(index.index), binarizer)
    if isinstance(index, faiss.IndexIDMap):
        return _measure(downcast_index(index.index), binarizer)
    if isinstance(index, faiss.IndexRefine):
        parts = (index.base_index, index.refine_index)
        return sum(_measure(downcast_index(part), binarizer) for part in parts)
    if isinstance(index, faiss.IndexHNSW):
        links = 2 * factory_tools.get_hnsw_M(index) * _BYTES_OF_LINK
        return _measure(downcast_index(index.storage), binarizer) + links
    if _is_for_budget(index, binarizer):
        return binarizer.document_code_size  # training chooses that much or less
    if isinstance(index, faiss.IndexIVF):
        return index.code_size
    return index.sa_code_size()


def reverse_index_factory(index: Any) -> str:
    """The factory string of an index, as
    `faiss.contrib.factory_tools.reverse_index_factory`.

    Raises
    ------
    NotImplementedError
        If something inside has no factory string.
    """
    return _name(index, None)


def _name(general: Any, binarizer: Any) -> str:
    """`binarizer`: the one before the index; `general`: stays referenced here, as
    the caller may have no other reference to its owner."""
    index = downcast_index(general)
    if not contains_own(index):
        return _stock_reverse_index_factory(index)
    if isinstance(index, (IndexSDC, IndexSDCFastScan)):
        return _name_encoding(index, binarizer)
    if isinstance(index, IndexIVFSDC):
        encoding = _name_encoding(index, binarizer)
        return f"{_name_coarse(index, binarizer)},{encoding}"
    if isinstance(index, faiss.IndexIVF):
        # FAISS would not name the storage of a graph
        code = _stock_reverse_index_factory(index).rpartition(",")[2]
        return f"{_name_coarse(index, binarizer)},{code}"
    if isinstance(index, faiss.IndexHNSW):
        degree = factory_tools.get_hnsw_M(index)
        return f"HNSW{degree},{_name(index.storage, binarizer)}"
    if isinstance(index, faiss.IndexPreTransform):
        transforms = _get_transforms(index)
        binarizer = _last_binarizer(transforms, binarizer)
        tokens = [_name_transform(transform) for transform in transforms]
        return ",".join([*tokens, _name(index.index, binarizer)])
    return _stock_reverse_index_factory(index)


def _get_transforms(index: Any) -> list[Any]:
    chain = index.chain
    return [downcast_VectorTransform(chain.at(i)) for i in range(chain.size())]


def _last_binarizer(transforms: list[Any], before: Any) -> Any:
    for transform in transforms:
        if isinstance(transform, BinarizerTransform):
            before = transform
    return before


def _has_budget(binarizer: Any) -> bool:
    """Whether training is to choose what indexes of its codes store."""
    return not binarizer.is_trained and binarizer.document_code_size > 0


def _is_for_budget(index: Any, binarizer: Any) -> bool:
    return (
        binarizer is not None
        and _has_budget(binarizer)
        and isinstance(index, (IndexSDC, IndexSDCFastScan, IndexIVFSDC))
        and index.follows_binarizer
    )


def _name_encoding(index: Any, binarizer: Any) -> str:
    fast_scan = "fs" if isinstance(index, IndexSDCFastScan) else ""
    if _is_for_budget(index, binarizer):
        return f"SDC{fast_scan}"
    widths = get_widths(index.sdc.layout)
    deep = [index.d] * len(widths)
    if binarizer is not None:
        deep = get_widths(binarizer.layout)
    are_first_planes = widths == deep[: len(widths)]
    if are_first_planes:
        name = f"SDC{len(widths)}"
    elif widths == [8]:
        raise NotImplementedError("a single plane of 8 dimensions has no token")
    else:
        name = "SDC" + "-".join(map(str, widths))
    if index.sdc.ncentroids:
        name += f"_{index.sdc.ncentroids}"
    name += fast_scan
    is_learned = binarizer is None or not are_first_planes or index.sdc.ncentroids > 0
    if index.sdc.scale_bytes == (1 if is_learned else 2):
        return name
    return f"{name}_S{_SCALES[index.sdc.scale_bytes]}"


def _name_coarse(index: Any, binarizer: Any) -> str:
    quantizer = downcast_index(index.quantizer)
    if not contains_own(quantizer):
        holder = faiss.IndexIVFFlat(quantizer, index.d, index.nlist)
        return _stock_reverse_index_factory(holder).rpartition(",")[0]
    return f"IVF{index.nlist}({_name(quantizer, binarizer)})"


def _name_transform(transform: Any) -> str:
    if isinstance(transform, BinarizerTransform):
        if _has_budget(transform):
            return f"BEBR{transform.document_code_size}B"
        planes = get_widths(transform.layout)
        if len(set(planes)) == 1:
            return f"BEBR{planes[0]}x{len(planes)}"
        return "BEBR" + "-".join(map(str, planes))
    if isinstance(transform, faiss.PCAMatrix):
        white = "W" if transform.eigen_power else ""
        rotated = "R" if transform.random_rotation else ""
        return f"PCA{white}{rotated}{transform.d_out}"
    if isinstance(transform, faiss.OPQMatrix):
        return f"OPQ{transform.M}_{transform.d_out}"
    if isinstance(transform, faiss.ITQTransform):
        return f"ITQ{transform.d_out}"
    if isinstance(transform, faiss.RandomRotationMatrix):
        return f"RR{transform.d_out}"
    if isinstance(transform, faiss.HadamardRotation):
        return f"HR{transform.seed}"
    if isinstance(transform, faiss.NormalizationTransform):
        return "L2norm"
    if isinstance(transform, faiss.RemapDimensionsTransform):
        return f"Pad{transform.d_out}"
    raise NotImplementedError(f"{type(transform).__name__} has no factory string")
