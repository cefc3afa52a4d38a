"""Files and copies of indexes, whatever is inside them.

The functions have the names and arguments of FAISS's functions. Objects with no
type of ours inside, and files of FAISS's own, go to FAISS.
"""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np

from faiss_bebr.index_io.clone import clone
from faiss_bebr.index_io.containers import contains_own
from faiss_bebr.index_io.domains import BINARY, DOMAINS, INDEX, TRANSFORM, Domain
from faiss_bebr.index_io.fields import read_bytes, write_fields
from faiss_bebr.index_io.files import (
    Source,
    open_source,
    open_writer,
    to_path,
    write_payload,
)
from faiss_bebr.index_io.finish import finish
from faiss_bebr.index_io.foreign import describe
from faiss_bebr.index_io.limits import count_unwritten_bytes, reading_anything
from faiss_bebr.index_io.nodes import OWN_TYPES, read_node, write_node
from faiss_bebr.index_io.pickling import add_pickling

__all__ = [
    "clone_binary_index",
    "clone_index",
    "deserialize_index",
    "deserialize_index_binary",
    "downcast_IndexBinary",
    "downcast_VectorTransform",
    "downcast_index",
    "read_VectorTransform",
    "read_index",
    "read_index_binary",
    "serialize_index",
    "serialize_index_binary",
    "write_VectorTransform",
    "write_index",
    "write_index_binary",
]


def _write(obj: Any, domain: Domain, f: Any, io_flags: int) -> None:
    if not isinstance(obj, domain.base):
        raise TypeError(f"expected {domain.name}, got {type(obj).__name__}")
    if not contains_own(obj):
        _write_stock(obj, domain, f, io_flags)
        return

    def write(writer: Any) -> None:
        write_fields(writer, domain.tag)
        write_node(obj, writer, io_flags)

    write_payload(f, write, count_unwritten_bytes(domain.downcast(obj)))


def _write_stock(obj: Any, domain: Domain, f: Any, io_flags: int) -> None:
    path = to_path(f)
    if path is not None:
        domain.native_write(obj, path, io_flags)
        return
    with open_writer(f) as writer:
        domain.native_write(obj, writer, io_flags)


def _read(domain: Domain, f: Any, io_flags: int) -> Any:
    with open_source(f, io_flags) as source:
        if not source.is_ours:
            return _read_stock(domain, source, io_flags)
        try:
            return _read_payload(domain, source.reader, io_flags)
        except UnicodeDecodeError as error:
            # a message that names a file as the bytes that its name is
            message = error.object.decode(errors="replace")
            raise RuntimeError(message) from None


def _read_stock(domain: Domain, source: Source, io_flags: int) -> Any:
    with reading_anything():
        try:
            return domain.native_read(source.reader, io_flags)
        except RuntimeError as error:
            description = describe(source.start)
            reads = f"which {domain.read_function} reads"
            if description is None or reads in description:
                raise
            name = source.name or "the index file"
            raise RuntimeError(
                f"cannot read {name} as {domain.name}: it is {description} ({error})"
            ) from error


def _read_payload(domain: Domain, reader: Any, io_flags: int) -> Any:
    tag = read_bytes(reader, 1)
    if tag != domain.tag:
        for other in DOMAINS:
            if other.tag == tag:
                raise RuntimeError(
                    f"expected {domain.name}, but the file has {other.name}, which "
                    f"{other.read_function} reads"
                )
        raise RuntimeError(f"the index file has an unknown family {tag!r}")
    obj = read_node(reader, domain, io_flags)
    if reader.remaining():
        raise RuntimeError(
            f"the index file is corrupted: {reader.remaining()} bytes too many"
        )
    finish(obj, io_flags)
    return obj


def write_index(index: faiss.Index, f: Any, io_flags: int = 0) -> None:
    """Write an index, as `faiss.write_index`.

    A file at a path is replaced as a whole or, if anything fails, not at all.

    Parameters
    ----------
    index : Index
        Of any type, with any types inside, `IndexShards` and `IndexReplicas`
        too.
    f : str, Path, binary file object or IOWriter
        File objects need only `write`.
    io_flags : int
        See `faiss.write_index`.

    Raises
    ------
    RuntimeError
        If FAISS cannot write a type that is inside, or writing fails.
    TypeError
        If `index` is no index, or `f` nothing to write to.
    """
    _write(index, INDEX, f, io_flags)


def read_index(f: Any, io_flags: int = 0) -> faiss.Index:
    """Read an index, as `faiss.read_index`.

    Parameters
    ----------
    f : str, Path, binary file object or IOReader
        File objects need only `read`.
    io_flags : int
        See `faiss.read_index`. `IO_FLAG_MMAP` maps inverted lists and the codes
        of flat indexes, `IO_FLAG_MMAP_IFC` the latter only; both need a path.
        What is mapped cannot be changed, and its checksums are not looked at;
        of lists the ids are, if an index around them takes them as places.

    Raises
    ------
    RuntimeError
        If the file is missing, truncated, corrupted, or of another kind.
    ValueError
        If a file is to be mapped that is not given by its path.
    """
    return _read(INDEX, f, io_flags)


def write_index_binary(index: faiss.IndexBinary, f: Any) -> None:
    """Write a binary index; see `write_index`."""
    _write(index, BINARY, f, 0)


def read_index_binary(f: Any, io_flags: int = 0) -> faiss.IndexBinary:
    """Read a binary index; see `read_index`."""
    return _read(BINARY, f, io_flags)


def write_VectorTransform(vt: faiss.VectorTransform, f: Any) -> None:
    """Write a vector transform; see `write_index`."""
    _write(vt, TRANSFORM, f, 0)


def read_VectorTransform(f: Any) -> faiss.VectorTransform:
    """Read a vector transform; see `read_index`."""
    return _read(TRANSFORM, f, 0)


def _serialize(obj: Any, domain: Domain, io_flags: int) -> np.ndarray:
    writer = faiss.VectorIOWriter()
    _write(obj, domain, writer, io_flags)
    return faiss.vector_to_array(writer.data)


def _deserialize(data: np.ndarray, domain: Domain, io_flags: int) -> Any:
    reader = faiss.VectorIOReader()
    faiss.copy_array_to_vector(np.ascontiguousarray(data, np.uint8), reader.data)
    return _read(domain, reader, io_flags)


def serialize_index(index: faiss.Index, io_flags: int = 0) -> np.ndarray:
    """The bytes of `write_index`, as `faiss.serialize_index`.

    Returns
    -------
    data : ndarray
        uint8.
    """
    return _serialize(index, INDEX, io_flags)


def deserialize_index(data: np.ndarray, io_flags: int = 0) -> faiss.Index:
    """The index that `serialize_index` made bytes of.

    Parameters
    ----------
    data : array_like
        uint8.

    Raises
    ------
    RuntimeError
        If the bytes are truncated, corrupted, or of another kind.
    """
    return _deserialize(data, INDEX, io_flags)


def serialize_index_binary(index: faiss.IndexBinary) -> np.ndarray:
    """The bytes of `write_index_binary`; see `serialize_index`."""
    return _serialize(index, BINARY, 0)


def deserialize_index_binary(data: np.ndarray) -> faiss.IndexBinary:
    """The index that `serialize_index_binary` made bytes of."""
    return _deserialize(data, BINARY, 0)


def clone_index(index: faiss.Index) -> faiss.Index:
    """A copy that shares nothing with the index, as `faiss.clone_index`."""
    return clone(index, INDEX)


def clone_binary_index(index: faiss.IndexBinary) -> faiss.IndexBinary:
    """A copy of a binary index; see `clone_index`."""
    return clone(index, BINARY)


def downcast_index(index: faiss.Index) -> Any:
    """The index as the class that it is, as `faiss.downcast_index`."""
    return INDEX.downcast(index)


def downcast_IndexBinary(index: faiss.IndexBinary) -> Any:
    """The binary index as the class that it is."""
    return BINARY.downcast(index)


def downcast_VectorTransform(vt: faiss.VectorTransform) -> Any:
    """The vector transform as the class that it is."""
    return TRANSFORM.downcast(vt)


def _add_pickling() -> None:
    for own_type in OWN_TYPES.values():
        domain = own_type.domain
        add_pickling(
            own_type.the_class,
            lambda obj, domain=domain: _serialize(obj, domain, 0),
            lambda data, domain=domain: _deserialize(data, domain, 0),
        )


_add_pickling()
