"""Third ABI check: how long the wheel's objects are.

An object of ours begins with a FAISS object, and our fields follow at the
declared size. So the wheel must not write past that size, and a field that
FAISS has must not be missing. Three sources say how long a class is in the
wheel: its exported constructor run on a buffer filled with a pattern, the size
its `new` asks for, and where a derived class has its first field.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from dwarf_layout import Namespace
from object_memory import memory_of, observe_field, python_fields
from probes import HERE, Declared, run_compiler
from record_allocations import ALLOCATED
from slot_checks import Problems, is_polymorphic

BUFFER_SIZE = 512  # bytes
PATTERNS = (0xA5, 0x5A)
POINTER_SIZE = 8
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
    "FaissException": (
        "_ZN5faiss14FaissExceptionC1ERKNSt7__cxx1112basic_string"
        "IcSt11char_traitsIcESaIcEEE",
        (ctypes.byref(STRING),),
    ),
}
# declared class -> an object of a class of the wheel that begins with it, the
# first field of that class, and at which offset the declared one begins
DERIVED: dict[str, tuple[Callable[[], Any], str, int]] = {
    "Index": (lambda: faiss.IndexPQFastScan(8, 4, 4), "implem", 0),
    "IndexFlatCodes": (lambda: faiss.IndexLSH(8, 8), "nbits", 0),
    "IndexBinary": (lambda: faiss.IndexBinaryFlat(64), "xb", 0),
    "VectorTransform": (lambda: faiss.LinearTransform(4, 2), "have_bias", 0),
    "IDSelector": (lambda: faiss.IDSelectorRange(1, 2), "imin", 0),
    "SearchParameters": (faiss.SearchParametersHNSW, "efSearch", 0),
    "DistanceComputer": (
        lambda: faiss.IndexFlatCodes(8, 2).get_FlatCodesDistanceComputer(),
        "codes",
        0,
    ),
    # behind the pointer to Clustering's own virtual table
    "ClusteringParameters": (lambda: faiss.Clustering(4, 2), "d", POINTER_SIZE),
}
# see test_flat_computer_is_as_long_as_declared and the comment there
OTHERWISE = {"FlatCodesDistanceComputer", "ResultHandlerUnordered<float, long>"}
# only has static functions
NEVER_MADE = {"SIMDConfig"}


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
    return problems


@pytest.fixture(scope="module")
def libfaiss(wheel_dir: Path) -> ctypes.CDLL:
    return ctypes.CDLL(str(wheel_dir / "libfaiss.so"))


@pytest.fixture(scope="module")
def allocated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, int]]:
    """Class -> its size in the wheel, and whether it was overrun."""
    library = tmp_path_factory.mktemp("recorder") / "recorder.so"
    run_compiler(["-shared", HERE / "allocation_recorder.cpp", "-o", library])
    result = subprocess.run(
        [sys.executable, str(HERE / "record_allocations.py"), str(library)],
        capture_output=True,
        text=True,
        env=os.environ | {"LD_PRELOAD": str(library)},
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_every_declared_class_is_measured(declared: Declared) -> None:
    measured = CONSTRUCTORS.keys() | ALLOCATED.keys() | DERIVED.keys()
    assert set(declared.namespace.classes) - measured == OTHERWISE | NEVER_MADE


def test_declared_sizes_are_those_of_the_wheel(
    declared: Declared,
    libfaiss: ctypes.CDLL,
    allocated: dict[str, dict[str, int]],
) -> None:
    assert find_size_problems(declared, libfaiss, allocated) == {}


def test_nothing_is_written_past_an_allocated_object(
    allocated: dict[str, dict[str, int]],
) -> None:
    assert allocated.keys() == ALLOCATED.keys()
    assert [name for name, found in allocated.items() if found["overrun"]] == []


@pytest.mark.parametrize(
    ("name", "make_object"),
    [
        ("ClusteringParameters", faiss.ClusteringParameters),
        ("RangeSearchResult", lambda: faiss.RangeSearchResult(3)),
        ("SearchParameters", faiss.SearchParameters),
        ("InvertedListScannerStats", faiss.InvertedListScannerStats),
        ("MaybeOwnedVector<unsigned char>", faiss.MaybeOwnedVectorUInt8),
        ("IndexFlatCodes", lambda: faiss.IndexFlatCodes(8, 8)),
    ],
)
def test_python_fields_fill_the_wheels_object(
    name: str,
    make_object: Callable[[], Any],
    declared: Declared,
    allocated: dict[str, dict[str, int]],
) -> None:
    """No room for a field that neither FAISS's Python nor the declaration has.

    What the fields leave free is less than the alignment of the next one.
    """
    obj = make_object()
    sizes = {f.name: f.size for f in declared.namespace.all_fields(name)}
    names = {n for c in type(obj).__mro__[:-1] for n in python_fields(c)}
    extents = sorted((*observe_field(obj, n), n) for n in names)
    end = POINTER_SIZE if has_table_pointer(declared, name) else 0
    for offset, size, field_name in extents:
        gap = offset - end
        assert 0 <= gap < (size or POINTER_SIZE), f"a hole before {field_name}"
        end = offset + (size or sizes[field_name])
    assert 0 <= allocated[name]["size"] - end < POINTER_SIZE, "a hole at the end"


def has_table_pointer(declared: Declared, name: str) -> bool:
    classes = declared.namespace.classes
    return is_polymorphic(classes[name], classes)


def test_flat_computer_is_as_long_as_declared(declared: Declared) -> None:
    """FAISS's own flat computer goes on with the dimension.

    The other class without a constructor, the result handler, is checked by
    the exercise handler_fields: the probe's handler has its fields right
    behind the declared ones, which FAISS changes.
    """
    offsets = None
    for d in (37, 41):
        index = faiss.IndexFlatL2(d)
        computer = index.get_FlatCodesDistanceComputer()
        words = np.frombuffer(memory_of(computer), "uint64")
        found = {int(i) * 8 for i in np.flatnonzero(words == d)}
        offsets = found if offsets is None else offsets & found
    assert offsets == {declared.namespace.classes["FlatCodesDistanceComputer"].size}


# wrong headers -> the classes to be reported
WRONG_SIZES = {
    "one more": {
        "Index",
        "IndexFlatCodes",  # by its base
        "IndexBinary",
        "VectorTransform",
        "RangeSearchResult",
        "IDSelector",
        "FaissException",
        "InvertedListScannerStats",
    },
    "one less": {
        "Index",
        "IndexFlatCodes",  # by its base and its vector
        "IndexBinary",
        "RangeSearchResult",
        "MaybeOwnedVector<unsigned char>",
        "SearchParameters",
    },
    "other version": {"ClusteringParameters"},
}


@pytest.mark.parametrize("name", WRONG_SIZES)
def test_wrong_sizes_are_found(
    name: str,
    wrong_declared: Callable[[str], Declared],
    libfaiss: ctypes.CDLL,
    allocated: dict[str, dict[str, int]],
) -> None:
    problems = find_size_problems(wrong_declared(name), libfaiss, allocated)
    assert set(problems) == WRONG_SIZES[name]
