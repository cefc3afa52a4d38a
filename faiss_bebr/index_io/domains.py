"""The three families of FAISS objects that have files: indexes, binary indexes
and vector transforms, with FAISS's own functions for them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import faiss

from faiss_bebr import swigfaiss_bebr as own
from faiss_bebr.stock import native


def _write_index_binary(index: Any, target: Any, io_flags: int) -> None:
    if io_flags:
        raise ValueError("binary indexes are written without io_flags")
    _NATIVE_WRITE_BINARY(index, target)


def _write_transform(transform: Any, target: Any, io_flags: int) -> None:
    _NATIVE_WRITE_TRANSFORM(transform, target)


def _read_transform(source: Any, io_flags: int) -> Any:
    return _NATIVE_READ_TRANSFORM(source)


# registration puts others in the module
_NATIVE_WRITE_BINARY = native.write_index_binary
_NATIVE_WRITE_TRANSFORM = native.write_VectorTransform
_NATIVE_READ_TRANSFORM = native.read_VectorTransform


def _make_index(part: faiss.Index) -> faiss.Index:
    index = faiss.IndexPreTransform(faiss.IndexFlatIP(part.d))
    # FAISS computes tables for quantizers of METRIC_L2 when it reads them
    index.metric_type = faiss.METRIC_INNER_PRODUCT
    return index


def _make_index_binary(part: faiss.IndexBinary) -> faiss.IndexBinary:
    # a class that FAISS clones, and reads with any ntotal
    return faiss.IndexBinaryIVF(faiss.IndexBinaryFlat(part.d), part.d, 1)


def _make_transform(part: faiss.VectorTransform) -> faiss.VectorTransform:
    return faiss.RemapDimensionsTransform(part.d_in, part.d_out, False)


@dataclass(frozen=True)
class Domain:
    """One of the families."""

    tag: bytes
    """in a file"""
    name: str
    """with its article"""
    base: type
    read_function: str
    native_write: Callable[[Any, Any, int], None]
    """object, path or IOWriter, io_flags"""
    native_read: Callable[[Any, int], Any]
    """path or IOReader, io_flags"""
    native_clone: Callable[[Any], Any] | None
    """None for transforms"""
    native_downcast: Callable[[Any], Any]
    casts: tuple[Callable[[Any], Any], ...]
    """give an object as one of our classes, or None"""
    shell: Callable[[Any], Any] | None
    """see swig/io/ContainerShell.h; transforms hold nothing"""
    new_placeholder: Callable[[Any], Any]
    """of the dimensions of an object"""
    placeholder_class: type
    sizes: tuple[str, ...]
    """attributes that a placeholder has of the part, beside ntotal"""

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
        if found is None and self.base is faiss.IndexBinary:
            found = own.as_IndexBinaryShards(obj)
        if found is None:
            found = self.native_downcast(obj)
        # FAISS does not know all its classes
        return obj if isinstance(obj, type(found)) else found

    def _get_sizes(self, part: Any) -> dict[str, Any]:
        sizes = {name: getattr(part.obj, name) for name in self.sizes}
        if isinstance(part.obj, (faiss.Index, faiss.IndexBinary)):
            # FAISS makes tables for the vectors of quantizers when it reads
            # them, so placeholders of these have none
            is_quantizer = part.path.split(".")[-1] == "quantizer"
            sizes["ntotal"] = 0 if is_quantizer else part.obj.ntotal
        return sizes

    def make_placeholder(self, part: Any) -> Any:
        """What FAISS writes and clones in place of a part; owned by the caller."""
        placeholder = self.new_placeholder(part.obj)
        for name, value in self._get_sizes(part).items():
            setattr(placeholder, name, value)
        return placeholder

    def check_place(self, part: Any, old: Any) -> None:
        """Whether `old` was a placeholder of such a part.

        Raises
        ------
        ValueError
            If it was not.
        """
        if not isinstance(old, self.placeholder_class):
            raise ValueError(f"there is no place for a part at {part.path!r}")
        for name, value in self._get_sizes(part).items():
            if getattr(old, name) != value:
                raise ValueError(
                    f"{name} of the part at {part.path!r} is {value}, "
                    f"that of its place {getattr(old, name)}"
                )


INDEX = Domain(
    tag=b"I",
    name="an index",
    base=faiss.Index,
    read_function="read_index",
    native_write=native.write_index,
    native_read=native.read_index,
    native_clone=native.clone_index,
    native_downcast=native.downcast_index,
    casts=(
        own.as_IndexSDC,
        own.as_IndexSDCFastScan,
        own.as_IndexIVFSDC,
        own.as_IndexMappedVectors,
    ),
    shell=own.IndexShell,
    new_placeholder=_make_index,
    placeholder_class=faiss.IndexPreTransform,
    sizes=("d", "is_trained"),
)
BINARY = Domain(
    tag=b"B",
    name="a binary index",
    base=faiss.IndexBinary,
    read_function="read_index_binary",
    native_write=_write_index_binary,
    native_read=native.read_index_binary,
    native_clone=native.clone_binary_index,
    native_downcast=native.downcast_IndexBinary,
    casts=(own.as_IndexBinarySDC, own.as_IndexBinaryIVFSDC),
    shell=own.IndexBinaryShell,
    new_placeholder=_make_index_binary,
    placeholder_class=faiss.IndexBinaryIVF,
    sizes=("d", "is_trained"),
)
TRANSFORM = Domain(
    tag=b"T",
    name="a vector transform",
    base=faiss.VectorTransform,
    read_function="read_VectorTransform",
    native_write=_write_transform,
    native_read=_read_transform,
    native_clone=None,
    native_downcast=native.downcast_VectorTransform,
    casts=(own.as_BinarizerTransform,),
    shell=None,
    new_placeholder=_make_transform,
    placeholder_class=faiss.RemapDimensionsTransform,
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
