"""The payload of an index file: a tree of nodes.

A node is four characters and what they announce:

    SDC_ BSDC BEBR   the fields of one of our types, see swig/io/types_io.h
    IVFS BIVS        a node for the quantizer, then the fields likewise
    FAIS             an object of FAISS with none of ours inside, in FAISS's bytes
    TREE             a FAISS container with ours inside: uint32 number of parts,
                     for each uint16 length of its path, the path, one character
                     for its family and a node; then the container in FAISS's
                     bytes, with stand-ins at those places
    SHRD REPL        shards or replicas of indexes, which FAISS has no bytes for:
                     int32 d, uint8 threaded, uint8 successive_ids (0 for
                     replicas), uint32 number of indexes, and a node for each
    FLAT             IndexFlat and the like, so that they can be mapped: uint8
                     number of the class, int32 d, int32 metric, float32
                     metric_arg, int32 type of scalar quantizer (0 for others),
                     int64 ntotal, codes
    RFLT             IndexRefineFlat: float32 k_factor, a node for its base, and
                     its vectors as FLAT

Numbers are little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import faiss

from faiss_bebr import swigfaiss_bebr as own
from faiss_bebr.index_io.containers import (
    FLAT_CLASSES,
    FLAT_QUANTIZERS,
    REPLICAS,
    SHARDS,
    Part,
    contains_own,
    find_parts,
    is_flat,
    make_group,
    put_parts,
    stand_ins,
)
from faiss_bebr.index_io.domains import (
    BINARY,
    DOMAINS,
    INDEX,
    TRANSFORM,
    Domain,
    domain_of,
)
from faiss_bebr.index_io.limits import reading_limits

# of containers in containers; no real index has so many
MAX_DEPTH = 32


class OwnType(NamedTuple):
    """How one of our types is written and read."""

    the_class: type
    domain: Domain
    write: Callable[[Any, Any, int], None]
    """object, IOWriter, io_flags"""
    read: Callable[[Any, int, int], Any]
    """payload reader, io_flags, depth"""


def _fields(the_class: type, domain: Domain, write: Any, read: Any) -> OwnType:
    """A type that has no other objects inside."""
    return OwnType(
        the_class,
        domain,
        lambda obj, writer, io_flags: write(obj, writer),
        lambda reader, io_flags, depth: read(reader),
    )


def _write_ivf(write: Any) -> Callable[[Any, Any, int], None]:
    def write_index(index: Any, writer: Any, io_flags: int) -> None:
        write_node(index.quantizer, writer, io_flags)
        write(index, writer)

    return write_index


def _read_ivf(read: Any, domain: Domain) -> Callable[[Any, int, int], Any]:
    def read_index(reader: Any, io_flags: int, depth: int) -> Any:
        quantizer = read_node(reader, domain, io_flags, depth + 1)
        with reading_limits(reader.remaining()):
            index = read(reader, quantizer, io_flags)
        index.own_fields = True
        quantizer.this.disown()
        return index

    return read_index


# their places are in files
_FLAT_TYPES = (*FLAT_CLASSES, faiss.IndexScalarQuantizer)

OWN_TYPES = {
    b"SDC_": _fields(own.IndexSDC, INDEX, own.write_IndexSDC, own.read_IndexSDC),
    b"IVFS": OwnType(
        own.IndexIVFSDC,
        INDEX,
        _write_ivf(own.write_IndexIVFSDC),
        _read_ivf(own.read_IndexIVFSDC, INDEX),
    ),
    b"BSDC": _fields(
        own.IndexBinarySDC, BINARY, own.write_IndexBinarySDC, own.read_IndexBinarySDC
    ),
    b"BIVS": OwnType(
        own.IndexBinaryIVFSDC,
        BINARY,
        _write_ivf(own.write_IndexBinaryIVFSDC),
        _read_ivf(own.read_IndexBinaryIVFSDC, BINARY),
    ),
    b"BEBR": _fields(
        own.BinarizerTransform,
        TRANSFORM,
        own.write_BinarizerTransform,
        own.read_BinarizerTransform,
    ),
}


def _write(writer: Any, *pieces: bytes) -> None:
    data = b"".join(pieces)
    if writer.write_bytes(data) != len(data):
        raise RuntimeError(f"write error in {writer.name}")


def _read(reader: Any, nbytes: int) -> bytes:
    data: bytes = reader.read_bytes(nbytes)
    if len(data) != nbytes:
        raise RuntimeError("the index file is corrupted: it ends too early")
    return data


def _read_numbers(reader: Any, layout: str) -> tuple[int, ...]:
    return struct.unpack(layout, _read(reader, struct.calcsize(layout)))


def write_node(obj: Any, writer: Any, io_flags: int) -> None:
    """Write an object with all that is inside it.

    Parameters
    ----------
    obj : Index, IndexBinary or VectorTransform
    writer : IOWriter
    io_flags : int
        See `faiss.write_index`.

    Raises
    ------
    RuntimeError
        If FAISS cannot write a type that is inside, or the writer fails.
    """
    domain = domain_of(obj)
    obj = domain.downcast(obj)
    for tag, own_type in OWN_TYPES.items():
        if isinstance(obj, own_type.the_class):
            _write(writer, tag)
            own_type.write(obj, writer, io_flags)
            return
    if isinstance(obj, SHARDS + REPLICAS):
        _write_group(obj, writer, io_flags)
    elif is_flat(obj):
        _write_flat(obj, writer)
    elif type(obj) is faiss.IndexRefineFlat and contains_own(obj):
        _write_refine_flat(obj, writer, io_flags)
    else:
        _write_tree(obj, domain, writer, io_flags)


def _write_tree(obj: Any, domain: Domain, writer: Any, io_flags: int) -> None:
    parts = find_parts(obj)
    if not parts:
        _write(writer, b"FAIS")
        domain.native_write(obj, writer, io_flags)
        return
    _write(writer, b"TREE", struct.pack("<I", len(parts)))
    for path, part in parts:
        name = path.encode("ascii")
        family = domain_of(part).tag
        _write(writer, struct.pack("<H", len(name)), name, family)
        write_node(part, writer, io_flags)
    with stand_ins(obj, parts):
        domain.native_write(obj, writer, io_flags)


def _write_group(obj: Any, writer: Any, io_flags: int) -> None:
    if type(obj) not in SHARDS + REPLICAS:
        raise RuntimeError(f"cannot write an index of type {type(obj).__name__}")
    is_shards = isinstance(obj, SHARDS)
    successive_ids = is_shards and obj.successive_ids
    numbers = (obj.d, own.is_threaded(obj), successive_ids, obj.count())
    _write(writer, b"SHRD" if is_shards else b"REPL", struct.pack("<iBBI", *numbers))
    for i in range(obj.count()):
        write_node(obj.at(i), writer, io_flags)


_FLAT_HEADER = "<Biifi"


def _write_flat(obj: Any, writer: Any) -> None:
    number = _FLAT_TYPES.index(type(obj))
    qtype = obj.sq.qtype if type(obj) is faiss.IndexScalarQuantizer else 0
    numbers = (number, obj.d, obj.metric_type, obj.metric_arg, qtype)
    _write(writer, b"FLAT", struct.pack(_FLAT_HEADER, *numbers))
    own.write_flat_codes(obj, writer)


def _write_refine_flat(obj: Any, writer: Any, io_flags: int) -> None:
    _write(writer, b"RFLT", struct.pack("<f", obj.k_factor))
    write_node(obj.base_index, writer, io_flags)
    write_node(obj.refine_index, writer, io_flags)


def read_node(reader: Any, domain: Domain, io_flags: int, depth: int = 0) -> Any:
    """Read an object that `write_node` wrote.

    Parameters
    ----------
    reader : FilePayloadReader or StreamPayloadReader
    domain : Domain
        The family that the object has to be of.
    io_flags : int
        See `faiss.read_index`.
    depth : int
        How many containers it is inside of.

    Raises
    ------
    RuntimeError
        If the payload is not what was written.
    """
    if depth > MAX_DEPTH:
        raise RuntimeError(
            f"the index file is corrupted: containers of depth {MAX_DEPTH}"
        )
    tag = _read(reader, 4)
    if tag in OWN_TYPES:
        own_type = OWN_TYPES[tag]
        if own_type.domain is not domain:
            raise RuntimeError(
                f"expected a {domain.name}, but the file has a "
                f"{own_type.the_class.__name__}"
            )
        return own_type.read(reader, io_flags, depth)
    if tag in (b"SHRD", b"REPL"):
        return _read_group(reader, domain, io_flags, depth, tag == b"SHRD")
    if tag in (b"FAIS", b"TREE"):
        return _read_tree(reader, domain, io_flags, depth, tag == b"TREE")
    if domain is INDEX and tag == b"FLAT":
        return _read_flat(reader)
    if domain is INDEX and tag == b"RFLT":
        return _read_refine_flat(reader, io_flags, depth)
    raise RuntimeError(f"expected a {domain.name}, but the file has a type {tag!r}")


def _read_tree(
    reader: Any, domain: Domain, io_flags: int, depth: int, has_parts: bool
) -> Any:
    nparts = _read_numbers(reader, "<I")[0] if has_parts else 0
    parts = [_read_part(reader, io_flags, depth) for _ in range(nparts)]
    with reading_limits(reader.remaining()):
        obj = domain.native_read(reader, io_flags)
    put_parts(obj, parts)
    return obj


def _read_part(reader: Any, io_flags: int, depth: int) -> Part:
    (length,) = _read_numbers(reader, "<H")
    path = _read(reader, length).decode("ascii", "replace")
    tag = _read(reader, 1)
    for domain in DOMAINS:
        if domain.tag == tag:
            return Part(path, read_node(reader, domain, io_flags, depth + 1))
    raise RuntimeError(f"the index file has an unknown family {tag!r}")


def _read_group(
    reader: Any, domain: Domain, io_flags: int, depth: int, is_shards: bool
) -> Any:
    d, threaded, successive_ids, count = _read_numbers(reader, "<iBBI")
    if domain is TRANSFORM or max(threaded, successive_ids) > 1 or d < 1:
        raise RuntimeError("the index file is corrupted: impossible shards")
    the_class = (SHARDS if is_shards else REPLICAS)[domain is BINARY]
    indexes = [read_node(reader, domain, io_flags, depth + 1) for _ in range(count)]
    return make_group(the_class, d, bool(threaded), bool(successive_ids), indexes)


def _read_flat(reader: Any) -> Any:
    number, d, metric, metric_arg, qtype = _read_numbers(reader, _FLAT_HEADER)
    if number >= len(_FLAT_TYPES) or d < 1:
        raise RuntimeError("the index file is corrupted: an impossible flat index")
    the_class = _FLAT_TYPES[number]
    if the_class is faiss.IndexScalarQuantizer:
        if qtype not in FLAT_QUANTIZERS:
            raise RuntimeError(f"the index file has a scalar quantizer {qtype}")
        index = the_class(d, qtype, metric)
    elif the_class is faiss.IndexFlat:
        index = the_class(d, metric)
        index.metric_arg = metric_arg
    else:
        index = the_class(d)
    own.read_flat_codes(index, reader)
    return index


def _read_refine_flat(reader: Any, io_flags: int, depth: int) -> Any:
    (k_factor,) = _read_numbers(reader, "<f")
    base = read_node(reader, INDEX, io_flags, depth + 1)
    vectors = read_node(reader, INDEX, io_flags, depth + 1)
    if type(vectors) not in FLAT_CLASSES or (vectors.d, vectors.ntotal) != (
        base.d,
        base.ntotal,
    ):
        raise RuntimeError("the index file is corrupted: vectors of another index")
    # FAISS makes one around an empty index only
    index = faiss.IndexRefineFlat(faiss.IndexFlat(base.d, base.metric_type))
    index.ntotal = base.ntotal
    index.is_trained = base.is_trained
    index.k_factor = k_factor
    index.base_index = base
    index.own_fields = True
    base.this.disown()
    empty = index.refine_index
    index.refine_index = vectors
    vectors.this.disown()
    empty.__swig_destroy__(empty)
    return index
