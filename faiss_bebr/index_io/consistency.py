"""Checks of what FAISS's reader made of a payload.

FAISS checks what it reads object by object, not whether objects fit together;
its searches trust that they do.
"""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np

from faiss_bebr import swigfaiss_bebr as own
from faiss_bebr.index_io.containers import INVERTED_FILES, REPLICAS, SHARDS, children
from faiss_bebr.index_io.inverted_lists import check_lists
from faiss_bebr.index_io.stock_checks import check_stock, require

_GRAPHS = (faiss.IndexHNSW, faiss.IndexBinaryHNSW)
_MAPS = (faiss.IndexIDMap, faiss.IndexBinaryIDMap)
# attributes of containers that are never missing
_NEEDED = ("index", "quantizer", "base_index", "refine_index", "index_ivf")


def check(obj: Any) -> None:
    """Check an object and all that are inside it.

    Parameters
    ----------
    obj : Index, IndexBinary or VectorTransform
        As the class that it is.

    Raises
    ------
    RuntimeError
        If things do not fit together.
    """
    parts = dict(children(obj))
    for part in parts.values():
        check(part)
    if isinstance(obj, INVERTED_FILES):
        check_lists(obj)
    check_stock(obj)
    name = type(obj).__name__
    for attribute in _NEEDED:
        if hasattr(type(obj), attribute):
            require(attribute in parts, f"an {name} without {attribute}")
    if isinstance(obj, faiss.IndexPreTransform):
        _check_chain(obj, parts)
    else:
        _check_parts(obj, parts)
    if isinstance(obj, INVERTED_FILES):
        _check_labels(parts["quantizer"], obj.nlist)
    elif isinstance(obj, _GRAPHS):
        own.check_graph(obj.hnsw)


def _check_chain(obj: Any, parts: dict[str, Any]) -> None:
    d = obj.d
    for path, part in parts.items():
        is_index = path == "index"
        d_in = part.d if is_index else part.d_in
        require(d_in == d, f"{path} of an IndexPreTransform has other dimensions")
        d = d if is_index else part.d_out


def _check_parts(obj: Any, parts: dict[str, Any]) -> None:
    name = type(obj).__name__
    for path, part in parts.items():
        if path not in ("index_ivf", "vt") and not path.startswith("at("):
            require(part.d == obj.d, f"{path} of an {name} has other dimensions")
    if isinstance(obj, faiss.IndexRefine):
        _check_labels(parts["base_index"], parts["refine_index"].ntotal)
    elif isinstance(obj, _MAPS):
        _check_labels(parts["index"], obj.ntotal)
    if "storage" in parts:
        require(parts["storage"].ntotal == obj.ntotal, f"an {name} without vectors")


def _check_labels(index: Any, n: int) -> None:
    """Whether all labels that searches of an index give are below n.

    What is inside the index was checked before.
    """
    message = f"an {type(index).__name__} with labels beyond {n}"
    parts = dict(children(index))
    if isinstance(index, _MAPS):
        ids = faiss.vector_to_array(index.id_map)
        require(bool(np.all((ids >= 0) & (ids < n))), message)
    elif isinstance(index, INVERTED_FILES):
        if index.invlists is not None:
            own.check_ids(index.invlists, n)
    elif isinstance(index, SHARDS + REPLICAS) and not _shifts_labels(index):
        for part in parts.values():
            _check_labels(part, n)
    else:
        require(index.ntotal <= n, message)
        for attribute in ("index", "base_index", "index_ivf"):
            if attribute in parts:
                _check_labels(parts[attribute], n)


def _shifts_labels(group: Any) -> bool:
    """Whether the labels of shards are numbers of vectors, in their order."""
    return isinstance(group, SHARDS) and group.successive_ids
