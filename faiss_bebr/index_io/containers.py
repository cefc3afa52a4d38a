"""What FAISS's containers hold, and how parts of them are exchanged.

FAISS writes and clones containers with all that is inside them, in C++, and
knows only its own types. `stand_ins` takes ours out while it does that.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import faiss

from faiss_bebr import swigfaiss_bebr as own
from faiss_bebr.index_io.domains import domain_of

# attributes of FAISS's containers that are indexes
_ATTRIBUTES = (
    "index",
    "quantizer",
    "base_index",
    "refine_index",
    "storage",
    "index_ivf",
)
_FAMILIES = (faiss.Index, faiss.IndexBinary, faiss.VectorTransform)
SHARDS = (faiss.IndexShards, faiss.IndexBinaryShards)
REPLICAS = (faiss.IndexReplicas, faiss.IndexBinaryReplicas)
# what has no other state than its codes
FLAT_CLASSES = (faiss.IndexFlat, faiss.IndexFlatL2, faiss.IndexFlatIP)
FLAT_QUANTIZERS = (
    faiss.ScalarQuantizer.QT_fp16,
    faiss.ScalarQuantizer.QT_bf16,
    faiss.ScalarQuantizer.QT_8bit_direct,
    faiss.ScalarQuantizer.QT_8bit_direct_signed,
)

# two threads must not exchange parts of one container
_lock = threading.RLock()


class Part(NamedTuple):
    """An object inside a container."""

    path: str
    """attributes from the container on, as "index.chain[0]" """
    obj: Any
    """as the class that it is, not owned"""


def children(container: Any) -> list[Part]:
    """The objects that a FAISS container holds directly; none for other objects.

    Parameters
    ----------
    container : Index, IndexBinary or VectorTransform
        As the class that it is.
    """
    found: list[tuple[str, Any]] = []
    if isinstance(container, SHARDS + REPLICAS):
        found = [(f"at({i})", container.at(i)) for i in range(container.count())]
    elif isinstance(container, faiss.Index2Layer):
        found = [("q1.quantizer", container.q1.quantizer)]
    elif not isinstance(container, faiss.VectorTransform):
        if isinstance(container, faiss.IndexPreTransform):
            chain = container.chain
            found = [(f"chain[{i}]", chain.at(i)) for i in range(chain.size())]
        found += [(name, getattr(container, name, None)) for name in _ATTRIBUTES]
    return [
        Part(path, domain_of(obj).downcast(obj))
        for path, obj in found
        if isinstance(obj, _FAMILIES)
    ]


def make_group(
    the_class: type, d: int, threaded: bool, successive_ids: bool, indexes: list[Any]
) -> Any:
    """Shards or replicas, which own their indexes.

    Raises
    ------
    RuntimeError
        If the indexes do not fit together.
    """
    settings = (threaded, successive_ids) if the_class in SHARDS else (threaded,)
    group = the_class(d, *settings)
    for index in indexes:
        group.addIndex(index)
    group.own_indices = True
    for index in indexes:
        index.this.disown()
    return group


def is_own(obj: Any) -> bool:
    """Whether an object is of one of our classes."""
    return domain_of(obj).find_own(obj) is not None


def contains_own(obj: Any) -> bool:
    """Whether an object, or one inside it, is of one of our classes."""
    return is_own(obj) or any(
        contains_own(part.obj) for part in children(domain_of(obj).downcast(obj))
    )


def is_flat(obj: Any) -> bool:
    """Whether an object of FAISS's is codes and nothing else that was learned, so
    that it can be mapped."""
    if type(obj) is faiss.IndexScalarQuantizer:
        return obj.sq.qtype in FLAT_QUANTIZERS
    return type(obj) in FLAT_CLASSES


def has_own_node(name: str, obj: Any) -> bool:
    """Whether an object is not to be written by FAISS as a part of its container,
    the attribute `name`: ours, what FAISS has no bytes for, and the vectors of
    a refine stage, which can be mapped then."""
    if is_own(obj):
        return True
    if type(obj) in SHARDS + REPLICAS + (faiss.IndexRefineFlat,):
        return contains_own(obj)
    return name == "refine_index" and is_flat(obj)


def find_parts(container: Any) -> list[Part]:
    """The objects inside a FAISS container that have nodes of their own."""
    found = []
    for path, obj in children(container):
        if has_own_node(path, obj):
            found.append(Part(path, obj))
        else:
            found += [Part(f"{path}.{below}", part) for below, part in find_parts(obj)]
    return found


def _find_places(container: Any) -> list[Part]:
    """All objects inside a FAISS container."""
    found = []
    for path, obj in children(container):
        found.append(Part(path, obj))
        found += [Part(f"{path}.{below}", part) for below, part in _find_places(obj)]
    return found


def _assign(container: Any, path: str, obj: Any) -> None:
    """Puts an object at an existing place; ownership stays as it is."""
    *attributes, last = path.split(".")
    holder = container
    for attribute in attributes:
        value = getattr(holder, attribute)
        is_object = isinstance(value, _FAMILIES)
        holder = domain_of(value).downcast(value) if is_object else value
    element = re.fullmatch(r"chain\[(\d+)\]", last)
    if element:
        own.set_transform(holder, int(element[1]), obj)
    else:
        setattr(holder, last, obj)


@contextmanager
def stand_ins(container: Any, parts: list[Part]) -> Iterator[None]:
    """In the context, stand-ins are at the places of `parts`."""
    with _lock:
        kept = [domain_of(obj).stand_in(obj) for _, obj in parts]
        try:
            for (path, _), stand_in in zip(parts, kept, strict=True):
                _assign(container, path, stand_in)
            yield
        finally:
            for path, obj in parts:
                _assign(container, path, obj)


def put_parts(container: Any, parts: list[Part]) -> None:
    """Puts parts at the places of what stand-ins were read or cloned as, which
    are deleted. The container then owns the parts.

    Raises
    ------
    ValueError
        If there is no such place, or a part does not fit there.
    """
    places = dict(_find_places(container))
    for path, part in parts:
        domain = domain_of(part)
        old = places.pop(path, None)
        if not isinstance(old, domain.placeholder):
            raise ValueError(f"there is no place for a part at {path!r}")
        for name in domain.sizes:
            if getattr(old, name) != getattr(part, name):
                raise ValueError(
                    f"{name} of the part at {path!r} is {getattr(part, name)}, "
                    f"that of its place {getattr(old, name)}"
                )
        _assign(container, path, part)
        part.this.disown()
        old.__swig_destroy__(old)
