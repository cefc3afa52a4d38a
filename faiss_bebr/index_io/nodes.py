"""The payload of an index file: a tree of nodes.

A node is four characters and what they announce:

    SDC_ SDFS BSDC BEBR
                     the fields of one of our types, see swig/io/types_io.cpp
    MAPV             where the vectors of an IndexMappedVectors are
    IVFS BIVS        a node for the quantizer, then the fields likewise
    FAIS             an object of FAISS with nothing inside that has a node of
                     its own: uint64 number of FAISS's bytes, and these
    TREE             a FAISS container with such things inside: uint32 number of
                     them, for each uint16 length of its path, the path, one
                     character for its family and a node; then the container, as
                     in FAIS, with placeholders at those places
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
    INVERTED_FILES,
    REPLICAS,
    SHARDS,
    HollowCopy,
    Part,
    contains_own,
    is_own,
    make_group,
    put_parts,
    walk,
)
from faiss_bebr.index_io.domains import (
    BINARY,
    DOMAINS,
    INDEX,
    TRANSFORM,
    Domain,
    domain_of,
)
from faiss_bebr.index_io.fields import read_bytes, read_numbers, write_fields
from faiss_bebr.index_io.flat import FLOAT_CLASSES, is_flat, read_flat, write_flat
from faiss_bebr.index_io.graphs import take_over_graphs
from faiss_bebr.index_io.inverted_lists import (
    PQ_INVERTED_FILES,
    are_in_index_file,
    check_writable,
)
from faiss_bebr.index_io.limits import (
    check_tables,
    count_unwritten_bytes,
    reading_payload,
)

# of containers in containers; no real index has so many
MAX_DEPTH = 32
# of shards or replicas, each of which may have a thread
MAX_GROUP = 4096
# of refine stages, as FAISS's reader
MAX_K_FACTOR = 1000


class OwnType(NamedTuple):
    """How one of our types is written and read."""

    the_class: type
    domain: Domain
    write: Callable[[Any, Any], None]
    """object, IOWriter"""
    read: Callable[[Any, int, int], Any]
    """payload reader, io_flags, depth"""


def _fields(the_class: type, domain: Domain, write: Any, read: Any) -> OwnType:
    """A type that has no other objects inside."""
    return OwnType(
        the_class, domain, write, lambda reader, io_flags, depth: read(reader)
    )


def _inverted_file(the_class: type, domain: Domain, write: Any, read: Any) -> OwnType:
    def write_index(index: Any, writer: Any) -> None:
        write_node(index.quantizer, writer)
        write(index, writer, are_in_index_file(index))

    def read_index(reader: Any, io_flags: int, depth: int) -> Any:
        quantizer = read_node(reader, domain, io_flags, depth + 1)
        with reading_payload(reader.size):
            index = read(reader, quantizer, io_flags)
        index.own_fields = True
        quantizer.this.disown()
        return index

    return OwnType(the_class, domain, write_index, read_index)


OWN_TYPES = {
    b"SDC_": _fields(own.IndexSDC, INDEX, own.write_IndexSDC, own.read_IndexSDC),
    b"SDFS": _fields(
        own.IndexSDCFastScan,
        INDEX,
        own.write_IndexSDCFastScan,
        own.read_IndexSDCFastScan,
    ),
    b"IVFS": _inverted_file(
        own.IndexIVFSDC, INDEX, own.write_IndexIVFSDC, own.read_IndexIVFSDC
    ),
    b"MAPV": OwnType(
        own.IndexMappedVectors,
        INDEX,
        own.write_IndexMappedVectors,
        lambda reader, io_flags, depth: own.read_IndexMappedVectors(reader, io_flags),
    ),
    b"BSDC": _fields(
        own.IndexBinarySDC, BINARY, own.write_IndexBinarySDC, own.read_IndexBinarySDC
    ),
    b"BIVS": _inverted_file(
        own.IndexBinaryIVFSDC,
        BINARY,
        own.write_IndexBinaryIVFSDC,
        own.read_IndexBinaryIVFSDC,
    ),
    b"BEBR": _fields(
        own.BinarizerTransform,
        TRANSFORM,
        own.write_BinarizerTransform,
        own.read_BinarizerTransform,
    ),
}


def _has_own_node(container: Any, child: Part) -> bool:
    """Whether FAISS is not to write what its container holds: ours, what it has
    no bytes for, the vectors of a refine stage, which can be mapped then, and
    quantizers that it would make tables for when it reads them."""
    name, obj = child
    if is_own(obj):
        if name == "index_ivf":
            raise RuntimeError(
                f"cannot write an {type(container).__name__} around an "
                f"{type(obj).__name__}"
            )
        return True
    if type(obj) in SHARDS + REPLICAS + (faiss.IndexRefineFlat,):
        return contains_own(obj)
    if name == "quantizer":
        return isinstance(container, PQ_INVERTED_FILES)
    return name == "refine_index" and is_flat(obj)


def write_node(obj: Any, writer: Any, io_flags: int = 0) -> None:
    """Write an object with all that is inside it.

    Parameters
    ----------
    obj : Index, IndexBinary or VectorTransform
    writer : IOWriter
    io_flags : int
        See `faiss.write_index`; not for what is inside, as there.

    Raises
    ------
    RuntimeError
        If FAISS cannot write a type that is inside, or the writer fails.
    """
    domain = domain_of(obj)
    obj = domain.downcast(obj)
    for tag, own_type in OWN_TYPES.items():
        if isinstance(obj, own_type.the_class):
            write_fields(writer, tag)
            own_type.write(obj, writer)
            return
    if isinstance(obj, SHARDS + REPLICAS):
        _write_group(obj, writer, io_flags)
    elif is_flat(obj):
        write_fields(writer, b"FLAT")
        write_flat(obj, writer)
    elif type(obj) is faiss.IndexRefineFlat and contains_own(obj):
        _write_refine_flat(obj, writer)
    else:
        _write_tree(obj, domain, writer, io_flags)


def _write_tree(obj: Any, domain: Domain, writer: Any, io_flags: int) -> None:
    copy = HollowCopy(obj, _has_own_node)
    for part in walk(obj):
        if isinstance(part, INVERTED_FILES) and not is_own(part):
            check_writable(part)
        elif isinstance(part, faiss.ResidualCoarseQuantizer):
            check_tables(part)
    parts = copy.parts
    if isinstance(obj, faiss.IndexHNSW) and io_flags & faiss.IO_FLAG_SKIP_STORAGE:
        parts = [part for part in parts if part.path.split(".")[0] != "storage"]
    if not parts:
        write_fields(writer, b"FAIS")
    else:
        write_fields(writer, b"TREE", struct.pack("<I", len(parts)))
    for path, part in parts:
        name = path.encode("ascii")
        family = domain_of(part).tag
        write_fields(writer, struct.pack("<H", len(name)), name, family)
        write_node(part, writer)
    counter = own.ByteCounter()
    domain.native_write(copy.container, counter, io_flags)
    write_fields(writer, struct.pack("<Q", counter.size))
    domain.native_write(copy.container, writer, io_flags)


def _write_group(obj: Any, writer: Any, io_flags: int) -> None:
    name, count = type(obj).__name__, obj.count()
    if type(obj) not in SHARDS + REPLICAS:
        raise RuntimeError(f"cannot write an index of type {name}")
    if count > MAX_GROUP or obj.d < 1:
        raise RuntimeError(f"cannot write an {name} of {count} indexes, d={obj.d}")
    is_shards = isinstance(obj, SHARDS)
    successive_ids = is_shards and obj.successive_ids
    numbers = (obj.d, own.is_threaded(obj), successive_ids, count)
    tag = b"SHRD" if is_shards else b"REPL"
    write_fields(writer, tag, struct.pack("<iBBI", *numbers))
    for i in range(count):
        write_node(obj.at(i), writer, io_flags)


def _write_refine_flat(obj: Any, writer: Any) -> None:
    if not 1 <= obj.k_factor <= MAX_K_FACTOR:
        raise RuntimeError(
            f"cannot write an IndexRefineFlat of k_factor={obj.k_factor}"
        )
    write_fields(writer, b"RFLT", struct.pack("<f", obj.k_factor))
    write_node(obj.base_index, writer)
    write_node(obj.refine_index, writer)


def read_node(reader: Any, domain: Domain, io_flags: int, depth: int = 0) -> Any:
    """Read an object that `write_node` wrote.

    It is not checked whether all in it fits together, and some derived data is
    missing: see `finish`.

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
    tag = read_bytes(reader, 4)
    if tag in OWN_TYPES:
        own_type = OWN_TYPES[tag]
        if own_type.domain is not domain:
            raise RuntimeError(
                f"expected {domain.name}, but the file has a "
                f"{own_type.the_class.__name__}"
            )
        return own_type.read(reader, io_flags, depth)
    if tag in (b"SHRD", b"REPL"):
        return _read_group(reader, domain, io_flags, depth, tag == b"SHRD")
    if tag in (b"FAIS", b"TREE"):
        return _read_tree(reader, domain, io_flags, depth, tag == b"TREE")
    if domain is INDEX and tag == b"FLAT":
        return read_flat(reader)
    if domain is INDEX and tag == b"RFLT":
        return _read_refine_flat(reader, io_flags, depth)
    raise RuntimeError(f"expected {domain.name}, but the file has a type {tag!r}")


def _read_tree(
    reader: Any, domain: Domain, io_flags: int, depth: int, has_parts: bool
) -> Any:
    nparts = read_numbers(reader, "<I")[0] if has_parts else 0
    parts = [_read_part(reader, io_flags, depth) for _ in range(nparts)]
    obj = _read_stock(reader, domain, io_flags)
    try:
        put_parts(obj, parts)
    except ValueError as error:
        raise RuntimeError(f"the index file is corrupted: {error}") from error
    return take_over_graphs(obj) if has_parts else obj


def _read_stock(reader: Any, domain: Domain, io_flags: int) -> Any:
    (nbytes,) = read_numbers(reader, "<Q")
    if nbytes > reader.remaining():
        raise RuntimeError("the index file is corrupted: it ends too early")
    end = reader.tell() + nbytes
    source = reader
    if not reader.is_complete:
        # FAISS believes what bytes say of their number
        source = faiss.VectorIOReader()
        own.read_into_memory(reader, nbytes, source)
    with reading_payload(end):
        obj = domain.native_read(source, io_flags)
    if obj is None or reader.tell() != end:
        raise RuntimeError("the index file is corrupted: a part of another size")
    reader.take_unwritten(count_unwritten_bytes(domain.downcast(obj)))
    return obj


def _read_part(reader: Any, io_flags: int, depth: int) -> Part:
    (length,) = read_numbers(reader, "<H")
    path = read_bytes(reader, length).decode("ascii", "replace")
    tag = read_bytes(reader, 1)
    for domain in DOMAINS:
        if domain.tag == tag:
            return Part(path, read_node(reader, domain, io_flags, depth + 1))
    raise RuntimeError(f"the index file has an unknown family {tag!r}")


def _read_group(
    reader: Any, domain: Domain, io_flags: int, depth: int, is_shards: bool
) -> Any:
    d, threaded, successive_ids, count = read_numbers(reader, "<iBBI")
    if (
        domain is TRANSFORM
        or max(threaded, successive_ids) > 1
        or d < 1
        or count > MAX_GROUP
    ):
        raise RuntimeError("the index file is corrupted: impossible shards")
    the_class = (SHARDS if is_shards else REPLICAS)[domain is BINARY]
    indexes = [read_node(reader, domain, io_flags, depth + 1) for _ in range(count)]
    return make_group(the_class, d, bool(threaded), bool(successive_ids), indexes)


def _read_refine_flat(reader: Any, io_flags: int, depth: int) -> Any:
    (k_factor,) = read_numbers(reader, "<f")
    base = read_node(reader, INDEX, io_flags, depth + 1)
    vectors = read_node(reader, INDEX, io_flags, depth + 1)
    if not isinstance(vectors, FLOAT_CLASSES) or not 1 <= k_factor <= MAX_K_FACTOR:
        raise RuntimeError("the index file is corrupted: an impossible refine stage")
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
