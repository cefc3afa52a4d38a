"""Compares declared sizes with those of the wheel's objects.

Four sources say how long a class is in the wheel: its exported constructor run
on a buffer filled with a pattern, the size its `new` asks for, where a derived
class has its first field, and where an object has a number that is known.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
from dwarf_layout import Namespace
from object_memory import is_read_only, memory_of, observe_field, python_fields
from probes import Declared
from slot_checks import Problems, is_polymorphic
from wheel_objects import (
    HIDDEN_FIELDS,
    OBJECTS,
    make_flat_codes_computer,
    make_ivf,
)

BUFFER_SIZE = 512  # bytes
PATTERNS = (0xA5, 0x5A)
POINTER_SIZE = 8
INDEX_SIZE = 40  # bytes, of the class Index, as the first check confirms
L2 = ctypes.c_int(1)
size_t = ctypes.c_size_t
TEXT = ctypes.create_string_buffer(b"fifteen letters")
# a std::string: address and length of the text, and room for a short one; the
# copy of a text this long fills all of it
STRING = (ctypes.c_uint64 * 4)(ctypes.addressof(TEXT), len(TEXT.value), 0, 0)

# declared class -> a constructor that libfaiss exports, and its arguments
CONSTRUCTORS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "IndexFlatCodes": (
        "_ZN5faiss14IndexFlatCodesC1EmlNS_10MetricTypeE",
        (size_t(8), size_t(8), L2),
    ),
    "IndexBinary": ("_ZN5faiss11IndexBinaryC1ElNS_10MetricTypeE", (size_t(64), L2)),
    "RangeSearchResult": ("_ZN5faiss17RangeSearchResultC1Emb", (size_t(3), True)),
    "LockVector": (
        "_ZN5faiss10LockVectorC1EOS0_",
        (ctypes.create_string_buffer(BUFFER_SIZE),),
    ),
    "FaissException": (
        "_ZN5faiss14FaissExceptionC1ERKNSt7__cxx1112basic_string"
        "IcSt11char_traitsIcESaIcEEE",
        (ctypes.byref(STRING),),
    ),
}
# declared class -> an object of a class of the wheel that has it as a base, the
# first field behind it, and where in the object the declared class begins
DERIVED: dict[str, tuple[Callable[[], Any], str, int]] = {
    "Index": (lambda: faiss.IndexPQFastScan(8, 4, 4), "implem", 0),
    "IndexFlatCodes": (lambda: faiss.IndexLSH(8, 8), "nbits", 0),
    "IndexBinary": (lambda: faiss.IndexBinaryFlat(64), "xb", 0),
    "VectorTransform": (lambda: faiss.LinearTransform(4, 2), "have_bias", 0),
    "IDSelector": (lambda: faiss.IDSelectorRange(1, 2), "imin", 0),
    "SearchParameters": (faiss.SearchParametersHNSW, "efSearch", 0),
    "DistanceComputer": (make_flat_codes_computer, "codes", 0),
    # behind the pointer to Clustering's own virtual table
    "ClusteringParameters": (lambda: faiss.Clustering(4, 2), "d", POINTER_SIZE),
    "IOReader": (faiss.VectorIOReader, "data", 0),
    "IOWriter": (faiss.VectorIOWriter, "data", 0),
    "InvertedLists": (lambda: faiss.ArrayInvertedLists(2, 4), "codes", 0),
    "ThreadedIndex<faiss::Index>": (lambda: faiss.IndexShards(8), "successive_ids", 0),
    "ThreadedIndex<faiss::IndexBinary>": (
        lambda: faiss.IndexBinaryShards(64),
        "successive_ids",
        0,
    ),
    "IndexIVFInterface": (make_ivf, "invlists", INDEX_SIZE),
    "Level1Quantizer": (make_ivf, "nprobe", INDEX_SIZE + POINTER_SIZE),
}
# FAISS's own classes begin with these, and go on with a number that is known
FOLLOWED: dict[str, Callable[[int], Any]] = {
    "FlatCodesDistanceComputer": lambda number: faiss.IndexFlatL2(
        number
    ).get_FlatCodesDistanceComputer(),
    "InvertedListScanner": lambda number: make_trained_ivf(
        number
    ).get_InvertedListScanner(False, None, None),
    "InvertedListsIterator": lambda number: make_lists(number).get_iterator(0),
}
# the exercise handler_fields checks it: the probe's handler has its fields right
# behind the declared ones, which FAISS changes
OTHERWISE = {"ResultHandlerUnordered<float, long>"}
# only has static functions
NEVER_MADE = {"SIMDConfig"}


def make_trained_ivf(d: int) -> faiss.IndexIVF:
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(d), d, 2)
    index.is_trained = True
    return index


def make_lists(n: int) -> faiss.InvertedLists:
    """One list of n entries, with code_size 1."""
    lists = faiss.ArrayInvertedLists(1, 1)
    ids = np.arange(n)
    codes = np.zeros(n, "uint8")
    lists.add_entries(0, n, faiss.swig_ptr(ids), faiss.swig_ptr(codes))
    return lists


def field_bytes(namespace: Namespace, name: str) -> set[int]:
    """The bytes of a class that are not padding."""
    found = {
        byte
        for field in namespace.all_fields(name)
        for byte in range(field.offset, field.end)
    }
    # objects inside have padding too
    for field in namespace.all_fields(name):
        if field.kind == "class" and field.size == vector_size(namespace):
            inner = field_bytes(namespace, "MaybeOwnedVector<unsigned char>")
            found -= set(range(field.offset, field.end))
            found |= {field.offset + byte for byte in inner}
    if is_polymorphic(namespace.classes[name], namespace.classes):
        found |= set(range(POINTER_SIZE))
    return found


def vector_size(namespace: Namespace) -> int:
    return namespace.classes["MaybeOwnedVector<unsigned char>"].size


def bytes_written(libfaiss: ctypes.CDLL, symbol: str, arguments: Any) -> set[int]:
    """The bytes that a constructor writes, of a buffer longer than the object.

    Two patterns, as one of them may be what is written.
    """
    kept = set(range(BUFFER_SIZE))
    for pattern in PATTERNS:
        buffer = ctypes.create_string_buffer(bytes([pattern]) * BUFFER_SIZE)
        libfaiss[symbol](buffer, *arguments)
        kept &= {i for i in range(BUFFER_SIZE) if buffer.raw[i] == pattern}
    return set(range(BUFFER_SIZE)) - kept


def find_size_problems(
    declared: Declared, libfaiss: ctypes.CDLL, allocated: dict[str, dict[str, int]]
) -> Problems:
    namespace = declared.namespace
    problems: Problems = {}

    def report(name: str, problem: str) -> None:
        problems.setdefault(name, []).append(problem)

    for name, (symbol, arguments) in CONSTRUCTORS.items():
        written = bytes_written(libfaiss, symbol, arguments)
        expected = field_bytes(namespace, name)
        if written != expected:
            report(
                name,
                f"written and not declared {sorted(written - expected)}, "
                f"declared and not written {sorted(expected - written)}",
            )
    for name, found in allocated.items():
        size = namespace.classes[name].size
        if size != found["size"]:
            report(name, f"declared {size} bytes, allocated {found['size']}")
    for name, (make_object, next_field, offset) in DERIVED.items():
        first = observe_field(make_object(), next_field)
        end = offset + max(field_bytes(namespace, name)) + 1
        # an object inside, whose size is not seen, begins at a multiple of 8
        alignment = first.size or POINTER_SIZE
        expected_first = -(-end // alignment) * alignment
        if first.offset != expected_first:
            report(name, f"ends at {end}, but {next_field} follows at {first.offset}")
    for name, make_followed in FOLLOWED.items():
        size = namespace.classes[name].size
        follows_at = find_number(make_followed)
        if follows_at != {size}:
            report(name, f"declared {size} bytes, the next field is at {follows_at}")
    return problems


def find_number(make: Callable[[int], Any]) -> set[int]:
    """Where in an object the number is that it is made with."""
    places = []
    for number in (37, 41):
        memory = memory_of(make(number))
        words = np.frombuffer(memory[: len(memory) & ~7], "uint64")
        places.append({int(i) * 8 for i in np.flatnonzero(words == number)})
    return set.intersection(*places)


def list_extents(name: str, declared: Declared) -> list[tuple[int, int, str]]:
    """Offset and size of all that a class has, as far as Python shows it."""
    obj = OBJECTS[name].make()
    fields = {f.name: f for f in declared.namespace.all_fields(name)}
    shown = {n for c in type(obj).__mro__[:-1] for n in python_fields(c)}
    extents = [
        (place.offset, POINTER_SIZE, "a virtual table")
        for place in declared.tables
        if place.class_name == name
    ]
    for field_name in shown | (fields.keys() & HIDDEN_FIELDS):
        field = fields[field_name]
        offset, size = field.offset, field.size
        if field_name not in HIDDEN_FIELDS and not is_read_only(obj, field_name):
            offset, observed_size = observe_field(obj, field_name)
            size = observed_size or size
        extents.append((offset, size, field_name))
    return sorted(extents)
