"""Graphs over an IndexSDC that FAISS made: they get the search of this package."""

from __future__ import annotations

from typing import Any

import faiss

from faiss_bebr import swigfaiss_bebr as own
from faiss_bebr.index_io.containers import assign, children


def take_over_graphs(obj: Any) -> Any:
    """Exchange each `faiss.IndexHNSW` over an IndexSDC for one with the search of
    swig/indexes/SDCGraph.h.

    Parameters
    ----------
    obj : Index, IndexBinary or VectorTransform
        As the class that it is; nothing else may hold what is inside it.

    Returns
    -------
    obj
        The same object, or another one if it is such a graph, which is left empty.
    """
    for path, part in children(obj):
        taken = take_over_graphs(part)
        if taken is not part:
            assign(obj, path, taken)
            taken.this.disown()
            part.__swig_destroy__(part)
    is_stock = isinstance(obj, faiss.IndexHNSW) and own.is_stock_graph(obj)
    return own.take_over_graph(obj) if is_stock else obj
