"""Where an index file is written to and read from: paths, file objects, FAISS's
readers and writers. See swig/io/payload_write.h for the format.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faiss

from faiss_bebr import swigfaiss_bebr as own

MAGIC = "BEBR"


def is_mapping(io_flags: int) -> bool:
    """Whether the flags ask for a memory-mapped index."""
    return bool(
        io_flags & faiss.IO_FLAG_MMAP_IFC
        or io_flags & faiss.IO_FLAG_MMAP == faiss.IO_FLAG_MMAP
    )


@contextlib.contextmanager
def open_writer(target: Any) -> Iterator[Any]:
    """An IOWriter for a path, a binary file object or an IOWriter.

    A file at a path is replaced as a whole when the context ends, or not at all
    if it ends with an exception.

    Raises
    ------
    TypeError
        If `target` is none of these.
    """
    if isinstance(target, (str, os.PathLike)):
        with _replaced_file(Path(os.fspath(target))) as stream:
            yield faiss.PyCallbackIOWriter(stream.write)
    elif isinstance(target, faiss.IOWriter):
        yield target
    elif callable(getattr(target, "write", None)):
        yield faiss.PyCallbackIOWriter(target.write)
    else:
        raise TypeError(
            "expected a path, a binary file object or an IOWriter, got "
            f"{type(target).__name__}"
        )


@contextlib.contextmanager
def _replaced_file(path: Path) -> Iterator[Any]:
    # a link stays, and what it leads to is replaced
    path = path.resolve()
    if path.exists() and not path.is_file():
        with open(path, "wb") as stream:  # a pipe or a device
            yield stream
        return
    new = path.with_name(f"{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with open(new, "xb") as stream:
            yield stream
            stream.flush()
            if path.exists():
                os.fchmod(stream.fileno(), path.stat().st_mode)
            os.fsync(stream.fileno())
        os.replace(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    # so that the new name outlasts a power failure
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_payload(target: Any, write: Callable[[Any], None]) -> None:
    """Write a file whose payload `write` makes; it is called twice.

    Parameters
    ----------
    target : path, binary file object or IOWriter
    write : callable
        Writes to the IOWriter that it is given.
    """
    summary = own.PayloadSummary()
    write(summary)
    with open_writer(target) as writer:
        payload = own.PayloadWriter(writer, summary)
        write(payload)
        payload.finish()


@contextlib.contextmanager
def open_reader(source: Any, io_flags: int) -> Iterator[tuple[bool, Any]]:
    """What to read from a path, a binary file object or an IOReader.

    Yields
    ------
    is_ours : bool
        Whether it is a file of faiss_bebr.
    reader
        If it is, a reader of its payload; else what FAISS's functions take.

    Raises
    ------
    TypeError
        If `source` is none of these.
    ValueError
        If a file of faiss_bebr is to be mapped, but is not given by its path.
    """
    if isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        with open(path, "rb") as stream:
            is_ours = stream.read(len(MAGIC)) == MAGIC.encode()
        reader = path
        if is_ours:
            reader = own.FilePayloadReader(path, is_mapping(io_flags))
        yield is_ours, reader
        return
    if isinstance(source, faiss.IOReader):
        reader = source
    elif callable(getattr(source, "read", None)):
        reader = faiss.PyCallbackIOReader(source.read)
    else:
        raise TypeError(
            "expected a path, a binary file object or an IOReader, got "
            f"{type(source).__name__}"
        )
    peeked = own.PeekedReader(reader, len(MAGIC))
    if not peeked.starts_with(MAGIC):
        yield False, reader if peeked.was_rewound else peeked
    elif is_mapping(io_flags):
        raise ValueError("an index has to be mapped by the path of its file")
    else:
        yield True, own.StreamPayloadReader(peeked)
