"""Where an index file is written to and read from: paths, file objects, FAISS's
readers and writers. See swig/io/payload_write.h for the format.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import faiss

from faiss_bebr import swigfaiss_bebr as own
from faiss_bebr.index_io.foreign import NBYTES
from faiss_bebr.replaced_file import replaced_file, write_all

MAGIC = b"BEBR"


def is_mapping(io_flags: int) -> bool:
    """Whether the flags ask for a memory-mapped index."""
    return bool(
        io_flags & faiss.IO_FLAG_MMAP_IFC
        or io_flags & faiss.IO_FLAG_MMAP == faiss.IO_FLAG_MMAP
    )


def to_path(target: Any) -> str | None:
    """The path that `target` is, or None."""
    if isinstance(target, (str, os.PathLike)):
        return os.fsdecode(target)
    return None


@contextlib.contextmanager
def open_writer(target: Any) -> Iterator[Any]:
    """An IOWriter for a path, a binary file object or an IOWriter.

    A file at a path is replaced as a whole when the context ends, or not at all
    if it ends with an exception.

    Raises
    ------
    RuntimeError
        If the file system refuses something of a path, as FAISS says it.
    TypeError
        If `target` is none of these.
    """
    path = to_path(target)
    if path is not None:
        with _runtime_errors(path), replaced_file(path) as stream:
            yield _to_writer(stream, path)
    elif isinstance(target, faiss.IOWriter):
        yield target
    elif callable(getattr(target, "write", None)):
        yield _to_writer(target, str(getattr(target, "name", "")))
    else:
        raise TypeError(
            "expected a path, a binary file object or an IOWriter, got "
            f"{type(target).__name__}"
        )


@contextlib.contextmanager
def _runtime_errors(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # the name in it may be that of a temporary file
        raise RuntimeError(f"{path}: {error.strerror or error}") from error


def _to_writer(stream: Any, name: str) -> faiss.IOWriter:
    def write(data: bytes) -> None:
        write_all(stream, data, name)

    writer = faiss.PyCallbackIOWriter(write)
    writer.name = _printable(name)
    return writer


def _printable(path: str) -> str:
    """SWIG takes no strings with bytes that are not UTF-8."""
    return os.fsencode(path).decode(errors="replace")


def write_payload(
    target: Any, write: Callable[[Any], None], unwritten_bytes: int
) -> None:
    """Write a file whose payload `write` makes; it is called twice.

    Parameters
    ----------
    target : path, binary file object or IOWriter
    write : callable
        Writes to the IOWriter that it is given.
    unwritten_bytes : int
        Bytes of memory that what is written takes beside its payload.

    Raises
    ------
    RuntimeError
        If these are too many for the payload, which nobody could read then.
    """
    summary = own.PayloadSummary()
    write(summary)
    if unwritten_bytes > own.max_unwritten_bytes(summary.size):
        raise RuntimeError(
            f"cannot write an index of {unwritten_bytes} bytes of empty lists and "
            f"tables, and {summary.size} of other things: add vectors before"
        )
    with open_writer(target) as writer:
        payload = own.PayloadWriter(writer, summary)
        write(payload)
        payload.finish()


class Source(NamedTuple):
    """What an index is read from."""

    start: bytes
    """the first bytes"""
    reader: Any
    """of the payload if `is_ours`, else what FAISS's functions take"""
    is_ours: bool
    """whether it is a file of faiss_bebr"""
    name: str
    kept: tuple[Any, ...] = ()
    """what the reader reads from, without owning it"""


@contextlib.contextmanager
def open_source(source: Any, io_flags: int) -> Iterator[Source]:
    """Open a path, a binary file object or an IOReader for reading.

    Raises
    ------
    RuntimeError
        If the file system refuses something of a path, as FAISS says it.
    TypeError
        If `source` is none of these.
    ValueError
        If a file of faiss_bebr is to be mapped, but is not given by its path.
    """
    path = to_path(source)
    if path is not None:
        with _runtime_errors(path), open(path, "rb", buffering=0) as stream:
            if stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                yield _open_file(path, stream, io_flags)
            else:  # a pipe or a device
                reader = faiss.PyCallbackIOReader(stream.read)
                yield _open_stream(reader, path, io_flags)
    elif isinstance(source, faiss.IOReader):
        yield _open_stream(source, source.name, io_flags)
    elif callable(getattr(source, "read", None)):
        name = str(getattr(source, "name", ""))
        opened = _open_stream(faiss.PyCallbackIOReader(source.read), name, io_flags)
        available = _count_bytes(source)
        if opened.is_ours and available is not None:
            opened.reader.set_available_bytes(available)
        yield opened
    else:
        raise TypeError(
            "expected a path, a binary file object or an IOReader, got "
            f"{type(source).__name__}"
        )


def _count_bytes(stream: Any) -> int | None:
    """How many bytes there are to read, if that costs nothing to know."""
    if isinstance(stream, io.BytesIO):
        return len(stream.getbuffer()) - stream.tell()
    if isinstance(getattr(stream, "raw", stream), io.FileIO):
        status = os.fstat(stream.fileno())
        if stat.S_ISREG(status.st_mode):
            return status.st_size - stream.tell()
    return None


def _open_file(path: str, stream: io.FileIO, io_flags: int) -> Source:
    start = stream.read(NBYTES)
    name = _printable(path)
    if name != path:
        path = f"/dev/fd/{stream.fileno()}"
    if not start.startswith(MAGIC):
        return Source(start, path, False, name)
    return Source(start, own.FilePayloadReader(path, is_mapping(io_flags)), True, name)


def _open_stream(reader: faiss.IOReader, name: str, io_flags: int) -> Source:
    # no more, as the stream may go on behind a very small index
    peeked = own.PeekedReader(reader, len(MAGIC))
    start = faiss.vector_to_array(peeked.first_bytes).tobytes()
    rest = reader if peeked.was_rewound else peeked
    kept = (reader, peeked)
    if start != MAGIC:
        return Source(start, rest, False, name, kept)
    if is_mapping(io_flags):
        raise ValueError("an index has to be mapped by the path of its file")
    return Source(start, own.StreamPayloadReader(rest), True, name, kept)
