"""Checks of what FAISS's reader made of a payload.

FAISS checks what it reads object by object, not whether objects fit together;
its searches trust that they do.
"""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np

from faiss_bebr import swigfaiss_bebr as own
from faiss_bebr.index_io.containers import INVERTED_FILES, children, walk
from faiss_bebr.index_io.inverted_lists import check_lists

_GRAPHS = (faiss.IndexHNSW, faiss.IndexBinaryHNSW)
_MAPS = (faiss.IndexIDMap, faiss.IndexBinaryIDMap)
# attributes of containers that are never missing
_NEEDED = ("index", "quantizer", "base_index", "refine_index", "index_ivf")
_CODECS = ("pq", "sq")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise RuntimeError(f"the index file is corrupted: {message}")


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
    name = type(obj).__name__
    for attribute in _NEEDED:
        if hasattr(type(obj), attribute):
            _require(attribute in parts, f"an {name} without {attribute}")
    if isinstance(obj, faiss.IndexPreTransform):
        _check_chain(obj, parts)
    else:
        _check_parts(obj, parts)
    if isinstance(obj, INVERTED_FILES):
        _check_inverted_file(obj)
    elif isinstance(obj, _GRAPHS):
        own.check_graph(obj.hnsw)
    for part in parts.values():
        check(part)


def _check_chain(obj: Any, parts: dict[str, Any]) -> None:
    d = obj.d
    for path, part in parts.items():
        is_index = path == "index"
        d_in = part.d if is_index else part.d_in
        _require(d_in == d, f"{path} of an IndexPreTransform has other dimensions")
        d = d if is_index else part.d_out


def _check_parts(obj: Any, parts: dict[str, Any]) -> None:
    name = type(obj).__name__
    for path, part in parts.items():
        if path not in ("index_ivf", "vt") and not path.startswith("at("):
            _require(part.d == obj.d, f"{path} of an {name} has other dimensions")
    if isinstance(obj, faiss.IndexRefine):
        base, vectors = parts["base_index"], parts["refine_index"]
        _require(base.ntotal <= vectors.ntotal, f"an {name} without vectors")
    if "storage" in parts:
        _require(parts["storage"].ntotal == obj.ntotal, f"an {name} without vectors")


def _check_inverted_file(index: Any) -> None:
    _check_labels(index.quantizer, index.nlist)
    for attribute in _CODECS:
        codec = getattr(index, attribute, None)
        if codec is not None:
            _require(
                codec.d == index.d and codec.code_size == index.code_size,
                "codes of other dimensions",
            )
    check_lists(index)


def _check_labels(quantizer: Any, nlist: int) -> None:
    """A quantizer's labels are numbers of lists."""
    message = f"a quantizer for other lists than {nlist}"
    _require(quantizer.ntotal <= nlist, message)
    for part in walk(quantizer):
        labels = []
        if isinstance(part, _MAPS):
            labels = [faiss.vector_to_array(part.id_map)]
        elif isinstance(part, INVERTED_FILES):
            check_lists(part)
            lists = part.invlists
            labels = [
                faiss.rev_swig_ptr(lists.get_ids(i), lists.list_size(i))
                for i in range(part.nlist if lists else 0)
                if lists.list_size(i)
            ]
        for ids in labels:
            _require(bool(np.all((ids >= 0) & (ids < nlist))), message)
