"""What FAISS's containers hold, and how parts of them are exchanged.

FAISS writes and clones containers with all that is inside them, in C++, and
knows only its own types. It is given hollow copies of containers for that: with
placeholders, which it knows, where parts were.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import faiss

from faiss_bebr import swigfaiss_bebr as own
from faiss_bebr.index_io.domains import domain_of

# attributes of FAISS's containers that are indexes or transforms
_ATTRIBUTES = (
    "index",
    "quantizer",
    "base_index",
    "refine_index",
    "storage",
    "index_ivf",
    "vt",
)
_FAMILIES = (faiss.Index, faiss.IndexBinary, faiss.VectorTransform)
# that could be of other classes
_HOLD_NOTHING = (faiss.VectorTransform, faiss.IndexBinaryMultiHash)
SHARDS = (faiss.IndexShards, faiss.IndexBinaryShards)
REPLICAS = (faiss.IndexReplicas, faiss.IndexBinaryReplicas)
INVERTED_FILES = (faiss.IndexIVF, faiss.IndexBinaryIVF, own.IndexBinaryIVFSDC)


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
    elif not isinstance(container, _HOLD_NOTHING):
        if isinstance(container, faiss.IndexPreTransform):
            chain = container.chain
            found = [(f"chain[{i}]", chain.at(i)) for i in range(chain.size())]
        found += [(name, getattr(container, name, None)) for name in _ATTRIBUTES]
    return [
        Part(path, domain_of(obj).downcast(obj))
        for path, obj in found
        if isinstance(obj, _FAMILIES)
    ]


def walk(obj: Any) -> Iterator[Any]:
    """An object and all that are inside it.

    Parameters
    ----------
    obj : Index, IndexBinary or VectorTransform
        As the class that it is.
    """
    yield obj
    for part in children(obj):
        yield from walk(part.obj)


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


def _is_graph(obj: Any) -> bool:
    """Whether a `faiss.IndexHNSW` is ours, see swig/indexes/SDCGraph.h."""
    return isinstance(obj, faiss.IndexHNSW) and own.is_graph(obj)


def contains_own(obj: Any) -> bool:
    """Whether an object, or one inside it, is of one of our classes."""
    parts = walk(domain_of(obj).downcast(obj))
    return any(is_own(part) or _is_graph(part) for part in parts)


def assign(container: Any, path: str, obj: Any) -> None:
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


class HollowCopy:
    """A container of FAISS's without some of its parts, to be read by FAISS.

    The container itself stays as it is, so that others may search it.

    Attributes
    ----------
    container : Index, IndexBinary or VectorTransform
        Has placeholders where parts were, and shares all else with the original
        one, which must live. It is to be read only.
    parts : list of Part
    """

    def __init__(self, container: Any, is_part: Callable[[Any, Part], bool]) -> None:
        """
        Parameters
        ----------
        is_part : callable
            Of a container and what it holds directly, whether that is a part.
            Of other things the parts are looked for inside them.

        Raises
        ------
        RuntimeError
            For a container whose parts FAISS's Python module cannot exchange.
        """
        # what the copy does not own
        self._kept: list[Any] = []
        self._is_part = is_part
        self.parts: list[Part] = []
        """what is not in there"""
        self.container = self._hollow(container, "")

    def _hollow(self, container: Any, prefix: str) -> Any:
        exchanged = []
        for child in children(container):
            if self._is_part(container, child):
                self.parts.append(Part(prefix + child.path, child.obj))
                replacement = domain_of(child.obj).make_placeholder(child)
                self._kept.append(replacement)
            else:
                replacement = self._hollow(child.obj, f"{prefix}{child.path}.")
            if replacement is not child.obj:
                exchanged.append(Part(child.path, replacement))
        if not exchanged and not _is_graph(container):
            return container
        domain = domain_of(container)
        shell = domain.shell(container)
        self._kept.append(shell)
        copy = domain.downcast(shell.get())
        if type(copy) is not type(container):
            # FAISS's Python module does not know all its classes
            raise RuntimeError(
                f"cannot write or clone an {type(container).__name__} with types of "
                "faiss_bebr inside"
            )
        for path, replacement in exchanged:
            assign(copy, path, replacement)
        return copy


def _find_places(container: Any) -> list[Part]:
    """All objects inside a FAISS container."""
    found = []
    for path, obj in children(container):
        found.append(Part(path, obj))
        found += [Part(f"{path}.{below}", part) for below, part in _find_places(obj)]
    return found


def put_parts(container: Any, parts: list[Part]) -> None:
    """Puts parts at the places of what placeholders were read or cloned as,
    which are deleted. The container then owns the parts.

    Raises
    ------
    ValueError
        If there is no such place, or a part does not fit there. Nothing has
        changed then.
    """
    places = dict(_find_places(container))
    found = []
    for path, part in parts:
        old = places.pop(path, None)
        if old is None or any(path.startswith(f"{other}.") for other, _ in parts):
            raise ValueError(f"there is no place for a part at {path!r}")
        domain_of(part).check_place(Part(path, part), old)
        found.append(old)
    for (path, part), old in zip(parts, found, strict=True):
        assign(container, path, part)
        part.this.disown()
        old.__swig_destroy__(old)
