"""What is left to do when an object was read."""

from __future__ import annotations

from typing import Any

import faiss

from faiss_bebr.index_io.consistency import check
from faiss_bebr.index_io.containers import walk
from faiss_bebr.index_io.inverted_lists import PQ_INVERTED_FILES, map_lists
from faiss_bebr.index_io.links import link_binarizers


def finish(obj: Any, io_flags: int) -> None:
    """Map, check, and compute what is not in files.

    Parameters
    ----------
    obj : Index, IndexBinary or VectorTransform
        That `nodes.read_node` gave.
    io_flags : int
        See `faiss.read_index`.

    Raises
    ------
    RuntimeError
        If the object is none that can be used.
    """
    if io_flags & faiss.IO_FLAG_MMAP == faiss.IO_FLAG_MMAP:
        map_lists(obj)
    check(obj)
    if not io_flags & faiss.IO_FLAG_SKIP_PRECOMPUTE_TABLE:
        for index in walk(obj):
            if isinstance(index, PQ_INVERTED_FILES) and index.is_trained:
                # FAISS could not, as their quantizers were placeholders
                index.precompute_table()
    link_binarizers(obj)
