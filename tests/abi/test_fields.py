"""Second ABI check: each declared field is where FAISS's own Python puts it.

A field is set through FAISS's Python and read through the declaration, and the
other way round, on objects of the wheel.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import faiss
import pytest
from dwarf_layout import Field
from exercise_calls import EXERCISES
from object_memory import (
    Extent,
    address_of,
    extreme_values,
    observe_field,
    python_fields,
)
from probes import Declared
from slot_checks import Problems

C_TYPES: dict[tuple[str, int], Any] = {
    ("bool", 1): ctypes.c_bool,
    ("signed", 4): ctypes.c_int32,
    ("signed", 8): ctypes.c_int64,
    ("unsigned", 1): ctypes.c_uint8,
    ("unsigned", 2): ctypes.c_uint16,
    ("unsigned", 4): ctypes.c_uint32,
    ("unsigned", 8): ctypes.c_uint64,
    ("float", 4): ctypes.c_float,
    ("float", 8): ctypes.c_double,
    ("enum", 1): ctypes.c_uint8,
    ("enum", 4): ctypes.c_int32,
    ("pointer", 8): ctypes.c_uint64,
}
# class -> its name in FAISS's Python, and an object that has its fields
OBJECTS: dict[str, tuple[str, Callable[[], Any]]] = {
    "Index": ("Index", lambda: faiss.IndexFlatCodes(8, 8)),
    "IndexFlatCodes": ("IndexFlatCodes", lambda: faiss.IndexFlatCodes(8, 8)),
    "MaybeOwnedVector<unsigned char>": (
        "MaybeOwnedVectorUInt8",
        faiss.MaybeOwnedVectorUInt8,
    ),
    "IndexBinary": ("IndexBinary", lambda: faiss.IndexBinaryFlat(64)),
    "VectorTransform": ("VectorTransform", lambda: faiss.LinearTransform(4, 2)),
    "ClusteringParameters": ("ClusteringParameters", faiss.ClusteringParameters),
    "RangeSearchResult": ("RangeSearchResult", lambda: faiss.RangeSearchResult(3)),
    "SearchParameters": ("SearchParameters", faiss.SearchParameters),
    "FlatCodesDistanceComputer": (
        "FlatCodesDistanceComputer",
        lambda: faiss.IndexFlatCodes(8, 2).get_FlatCodesDistanceComputer(),
    ),
    "InvertedListScannerStats": (
        "InvertedListScannerStats",
        faiss.InvertedListScannerStats,
    ),
}
# class -> the exercise of exercise_calls.py that uses its fields
NOT_IN_PYTHON = {
    "ResultHandlerUnordered<float, long>": "handler_fields",
    "FaissException": "exception_of_faiss",
}


def values_to_try(obj: Any, name: str, kind: str) -> tuple[Any, ...]:
    """Values that another type would read as something else."""
    low, high = extreme_values(obj, name)
    if kind in ("signed", "unsigned"):
        # neither is the same number in an integer of the other sign or size
        return low, high, high - 1, 0x12
    if kind == "enum":
        return low, 1, 2
    return low, high, low


def find_field_problem(obj: Any, declared_field: Field) -> str | None:
    """What differs between a declared field and the one of the same name."""
    name, kind = declared_field.name, declared_field.kind
    extent = observe_field(obj, name)
    if kind == "class":
        if extent != Extent(declared_field.offset, 0):
            return f"declared at {declared_field.offset}, in FAISS {extent}"
        return None
    if extent != Extent(declared_field.offset, declared_field.size):
        return f"declared at {declared_field.offset}, in FAISS {extent}"
    before = getattr(obj, name)
    try:
        return find_value_problem(obj, declared_field)
    finally:
        setattr(obj, name, before)


def find_value_problem(obj: Any, declared_field: Field) -> str | None:
    """Set through Python and read in memory, then the other way round."""
    name, kind = declared_field.name, declared_field.kind
    memory = C_TYPES[kind, declared_field.size].from_address(
        address_of(obj) + declared_field.offset
    )
    values = values_to_try(obj, name, kind)
    for value in values:
        setattr(obj, name, value)
        if memory.value != number_of(value, declared_field):
            return f"Python set {value}, read as {memory.value}"
    for value in values:
        memory.value = number_of(value, declared_field)
        found = number_of(getattr(obj, name), declared_field)
        if found != number_of(value, declared_field):
            return f"{value} was written, Python reads {found}"
    return None


def number_of(value: Any, declared_field: Field) -> Any:
    """What a field holds for a value of FAISS's Python."""
    if declared_field.kind == "pointer":
        return address_of(value)
    if declared_field.kind == "float":
        return C_TYPES["float", declared_field.size](value).value
    return value


def find_field_problems(declared: Declared) -> Problems:
    problems: Problems = {}
    for class_name, (python_name, make_object) in OBJECTS.items():
        fields = {f.name: f for f in declared.namespace.classes[class_name].fields}
        theirs = python_fields(getattr(faiss, python_name))
        found = [f"{name} is not declared" for name in sorted(theirs - fields.keys())]
        for name in sorted(fields.keys() - theirs):
            found.append(f"{name} is not in FAISS")
        obj = make_object()
        for name in sorted(fields.keys() & theirs):
            problem = find_field_problem(obj, fields[name])
            if problem:
                found.append(f"{name}: {problem}")
        if found:
            problems[class_name] = found
    return problems


def test_every_class_with_fields_is_checked(declared: Declared) -> None:
    """A class that is missing above would go unchecked."""
    with_fields = {n for n, c in declared.namespace.classes.items() if c.fields}
    assert with_fields == OBJECTS.keys() | NOT_IN_PYTHON.keys()
    exercises = {exercise.__name__ for exercise in EXERCISES}
    assert set(NOT_IN_PYTHON.values()) <= exercises


def test_declared_fields_are_those_of_the_wheel(declared: Declared) -> None:
    assert find_field_problems(declared) == {}


def test_vector_in_an_index(declared: Declared) -> None:
    """The vector of codes, whose fields lie in the index, holds what is added."""
    index = faiss.IndexFlatL2(2)
    index.add(faiss.rand((5, 2)))
    namespace = declared.namespace
    fields = {f.name: f for f in namespace.all_fields("IndexFlatCodes")}
    vector = namespace.classes["MaybeOwnedVector<unsigned char>"]
    assert fields["codes"].size == vector.size
    start = address_of(index) + fields["codes"].offset
    assert address_of(index.codes) == start
    words = {
        f.name: ctypes.c_uint64.from_address(start + f.offset).value
        for f in vector.fields
    }
    assert words["c_size"] == 5 * 2 * 4
    # a std::vector starts with the address of its data
    assert words["c_ptr"] == words["owned_data"] == address_of(index.get_xb())


# wrong headers -> the classes to be reported
WRONG_FIELDS = {
    "order": {"Index", "MaybeOwnedVector<unsigned char>", "RangeSearchResult"},
    "type": {
        "IndexBinary",
        "IndexFlatCodes",
        "ClusteringParameters",
        "RangeSearchResult",
        "VectorTransform",  # by its base
    },
    "one more": {
        "Index",
        "IndexBinary",
        "VectorTransform",
        "RangeSearchResult",
        "InvertedListScannerStats",
        "FlatCodesDistanceComputer",
    },
    "one less": {
        "Index",
        "IndexFlatCodes",  # by its base
        "IndexBinary",
        "RangeSearchResult",
        "SearchParameters",
        "MaybeOwnedVector<unsigned char>",
    },
    "other version": {"ClusteringParameters"},
}


@pytest.mark.parametrize("name", WRONG_FIELDS)
def test_wrong_fields_are_found(
    name: str, wrong_declared: Callable[[str], Declared]
) -> None:
    assert set(find_field_problems(wrong_declared(name))) == WRONG_FIELDS[name]
