"""Bounds for what FAISS's reader allocates, by the size of what it reads.

FAISS takes sizes from the file and allocates before it reads. Its bounds are
global, so while several threads read, the widest one is in force.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

import faiss

from faiss_bebr import swigfaiss_bebr as own
from faiss_bebr.index_io.containers import INVERTED_FILES, walk

# what small files may ask for: tables that FAISS computes, empty lists. FAISS
# has up to two arrays that turn out to be missing.
_LEAST_ARRAY_BYTES = 80 << 20
_LEAST_COUNT = 1 << 18


class _Limits(NamedTuple):
    array_bytes: int
    """one array"""
    count: int
    """things that are made one by one"""


_NONE = _Limits(1 << 63, 1 << 63)

_lock = threading.Lock()
_active: list[_Limits] = []
_before: tuple[int, int] = (0, 0)


def _for_payload(nbytes: int) -> _Limits:
    # the smallest code of a centroid, which a list has, takes three bytes
    return _Limits(max(nbytes, _LEAST_ARRAY_BYTES), max(nbytes // 3, _LEAST_COUNT))


def check_tables(quantizer: faiss.ResidualCoarseQuantizer) -> None:
    """Whether FAISS, for which the number of centroids is no size of a file, may
    make tables for so many when it reads them.

    Raises
    ------
    RuntimeError
        If it may not.
    """
    if quantizer.ntotal * quantizer.rq.M * 4 >= _LEAST_ARRAY_BYTES:
        raise RuntimeError(
            f"cannot write a ResidualCoarseQuantizer of {quantizer.ntotal} centroids "
            "inside an index with types of faiss_bebr"
        )


def count_unwritten_bytes(obj: Any) -> int:
    """Bytes of memory that an object takes, with all inside it, beside what is
    written of it.

    Parameters
    ----------
    obj : Index, IndexBinary or VectorTransform
        As the class that it is.
    """
    nbytes = 0
    for part in walk(obj):
        if isinstance(part, INVERTED_FILES):
            nbytes += own.empty_lists_bytes(part.nlist)
        elif isinstance(part, faiss.ResidualCoarseQuantizer):
            nbytes += 4 * part.ntotal  # norms of centroids
    return nbytes


def _apply() -> None:
    array_bytes, count = _before
    faiss.set_deserialization_vector_byte_limit(
        min(array_bytes, max(limits.array_bytes for limits in _active))
    )
    widest = max(limits.count for limits in _active)
    if widest < _NONE.count:  # 0 is no limit to FAISS
        count = min(widest, count or widest)
    faiss.set_deserialization_loop_limit(count)


@contextmanager
def _reading(limits: _Limits) -> Iterator[None]:
    global _before
    with _lock:
        if not _active:
            _before = (
                faiss.get_deserialization_vector_byte_limit(),
                faiss.get_deserialization_loop_limit(),
            )
        _active.append(limits)
        _apply()
    try:
        yield
    finally:
        with _lock:
            _active.remove(limits)
            if _active:
                _apply()
            else:
                faiss.set_deserialization_vector_byte_limit(_before[0])
                faiss.set_deserialization_loop_limit(_before[1])


def reading_payload(nbytes: int) -> AbstractContextManager[None]:
    """In the context, FAISS allocates no more than that many bytes justify.

    Parameters
    ----------
    nbytes : int
        Of the payload up to the end of what is read.
    """
    return _reading(_for_payload(nbytes))


def reading_anything() -> AbstractContextManager[None]:
    """In the context, FAISS has the bounds that the user has set, whatever other
    threads read."""
    return _reading(_NONE)
