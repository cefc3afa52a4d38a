"""Bounds for what FAISS's reader allocates, by the size of what it reads.

FAISS takes sizes from the file and allocates before it reads. Its bounds are
global, so while several threads read, the widest one is in force.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import faiss

# other threads may read small files of FAISS's own at the same time
_LEAST_BYTES = 64 << 20

_lock = threading.Lock()
_active: list[int] = []
_before: tuple[int, int] = (0, 0)


def _apply() -> None:
    limit = max(_active)
    vector_limit, loop_limit = _before
    faiss.set_deserialization_vector_byte_limit(min(limit, vector_limit))
    faiss.set_deserialization_loop_limit(min(limit, loop_limit or limit))


@contextmanager
def reading_limits(nbytes: int) -> Iterator[None]:
    """In the context, FAISS allocates no more than `nbytes` for one array, or
    64 MiB if that is more."""
    global _before
    limit = max(nbytes, _LEAST_BYTES)
    with _lock:
        if not _active:
            _before = (
                faiss.get_deserialization_vector_byte_limit(),
                faiss.get_deserialization_loop_limit(),
            )
        _active.append(limit)
        _apply()
    try:
        yield
    finally:
        with _lock:
            _active.remove(limit)
            if _active:
                _apply()
            else:
                faiss.set_deserialization_vector_byte_limit(_before[0])
                faiss.set_deserialization_loop_limit(_before[1])
