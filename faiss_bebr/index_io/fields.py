"""Bytes and numbers of a payload, little-endian."""

from __future__ import annotations

import struct
from typing import Any


def write_fields(writer: Any, *pieces: bytes) -> None:
    """Write bytes to an IOWriter.

    Raises
    ------
    RuntimeError
        If it does not take them all.
    """
    data = b"".join(pieces)
    if writer.write_bytes(data) != len(data):
        raise RuntimeError(f"write error in {writer.name}")


def read_bytes(reader: Any, nbytes: int) -> bytes:
    """Read bytes from an IOReader.

    Raises
    ------
    RuntimeError
        If there are fewer.
    """
    data: bytes = reader.read_bytes(nbytes)
    if len(data) != nbytes:
        raise RuntimeError("the index file is corrupted: it ends too early")
    return data


def read_numbers(reader: Any, layout: str) -> tuple[Any, ...]:
    """Read numbers, `layout` as for `struct.unpack`.

    Raises
    ------
    RuntimeError
        If there are too few bytes.
    """
    return struct.unpack(layout, read_bytes(reader, struct.calcsize(layout)))
