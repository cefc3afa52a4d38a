"""The three families of FAISS objects that have files: indexes, binary indexes
and vector transforms, with FAISS's own functions for them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import faiss

from faiss_bebr import swigfaiss_bebr as own

# FAISS's functions themselves: registration puts others under their names
_native = faiss.swigfaiss._swigfaiss


def _write_index_binary(index: Any, writer: Any, io_flags: int) -> None:
    if io_flags:
        raise ValueError("binary indexes are written without io_flags")
    _NATIVE_WRITE_BINARY(index, writer)


def _write_transform(transform: Any, writer: Any, io_flags: int) -> None:
    _NATIVE_WRITE_TRANSFORM(transform, writer)


def _read_transform(reader: Any, io_flags: int) -> Any:
    return _NATIVE_READ_TRANSFORM(reader)


_NATIVE_WRITE_BINARY = _native.write_index_binary
_NATIVE_WRITE_TRANSFORM = _native.write_VectorTransform
_NATIVE_READ_TRANSFORM = _native.read_VectorTransform


@dataclass(frozen=True)
class Domain:
    """One of the families."""

    tag: bytes
    """in a file"""
    name: str
    base: type
    native_write: Callable[[Any, Any, int], None]
    """object, IOWriter, io_flags"""
    native_read: Callable[[Any, int], Any]
    """IOReader, io_flags"""
    native_clone: Callable[[Any], Any] | None
    native_downcast: Callable[[Any], Any]
    casts: tuple[Callable[[Any], Any], ...]
    """give an object as one of our classes, or None"""
    stand_in: type
    """see swig/io/stand_ins.h"""
    placeholder: type
    """the class that FAISS makes of a stand-in"""
    sizes: tuple[str, ...] = ("d", "ntotal", "is_trained", "metric_type")
    """attributes that a stand-in has of its part"""

    def find_own(self, obj: Any) -> Any | None:
        """The object as one of our classes, or None."""
        for cast in self.casts:
            found = cast(obj)
            if found is not None:
                return found
        return None

    def downcast(self, obj: Any) -> Any:
        """The object as the class that it is, ours or FAISS's."""
        found = self.find_own(obj)
        return self.native_downcast(obj) if found is None else found


INDEX = Domain(
    tag=b"I",
    name="index",
    base=faiss.Index,
    native_write=_native.write_index,
    native_read=_native.read_index,
    native_clone=_native.clone_index,
    native_downcast=_native.downcast_index,
    casts=(own.as_IndexSDC, own.as_IndexIVFSDC),
    stand_in=own.StandInIndex,
    placeholder=faiss.IndexPreTransform,
)
BINARY = Domain(
    tag=b"B",
    name="binary index",
    base=faiss.IndexBinary,
    native_write=_write_index_binary,
    native_read=_native.read_index_binary,
    native_clone=_native.clone_binary_index,
    native_downcast=_native.downcast_IndexBinary,
    casts=(own.as_IndexBinarySDC, own.as_IndexBinaryIVFSDC),
    stand_in=own.StandInIndexBinary,
    placeholder=faiss.IndexBinaryFromFloat,
)
TRANSFORM = Domain(
    tag=b"T",
    name="vector transform",
    base=faiss.VectorTransform,
    native_write=_write_transform,
    native_read=_read_transform,
    native_clone=None,
    native_downcast=_native.downcast_VectorTransform,
    casts=(own.as_BinarizerTransform,),
    stand_in=own.StandInTransform,
    placeholder=faiss.RemapDimensionsTransform,
    sizes=("d_in", "d_out", "is_trained"),
)
DOMAINS = (INDEX, BINARY, TRANSFORM)


def domain_of(obj: Any) -> Domain:
    """The family of an object.

    Raises
    ------
    TypeError
        If it is of none.
    """
    for domain in DOMAINS:
        if isinstance(obj, domain.base):
            return domain
    raise TypeError(
        f"expected an index or a vector transform, got {type(obj).__name__}"
    )
