"""Second ABI check: each declared field is where FAISS's own Python puts it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import faiss
import pytest
from exercise_calls import EXERCISES
from field_checks import find_field_problems
from object_memory import address_of
from probes import Declared
from slot_checks import list_affected
from wheel_objects import OBJECTS

# class -> the exercise of exercise_calls.py that uses its fields
NOT_IN_PYTHON = {
    "DirectMapAdd": "direct_map_of_faiss",
    "LockVector": "locks_of_faiss",
    "ResultHandlerUnordered<float, long>": "handler_fields",
    "FaissException": "exception_of_faiss",
}


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


# wrong headers -> the classes to be reported; those they are a part of may be
WRONG_FIELDS = {
    "order": {
        "Index",
        "MaybeOwnedVector<int>",
        "MaybeOwnedVector<unsigned char>",
        "RangeSearchResult",
    },
    "type": {
        "IndexBinary",
        "IndexFlatCodes",
        "ClusteringParameters",
        "RangeSearchResult",
        "VectorTransform",
    },
    "one more": {
        "Index",
        "IndexBinary",
        "VectorTransform",
        "RangeSearchResult",
        "InvertedListScannerStats",
        "FlatCodesDistanceComputer",
        # its fields move with the size of IDSelector
        "IDSelectorArray",
    },
    "one less": {
        "Index",
        "IndexFlatCodes",
        "IndexBinary",
        "RangeSearchResult",
        "SearchParameters",
        "MaybeOwnedVector<int>",
        "MaybeOwnedVector<unsigned char>",
        # its place in IndexIVF moves with the size of Index
        "IndexIVFInterface",
    },
    "other version": {"ClusteringParameters", "HNSW", "IndexHNSW"},
}


@pytest.mark.parametrize("name", WRONG_FIELDS)
def test_wrong_fields_are_found(
    name: str, wrong_declared: Callable[[str], Declared]
) -> None:
    declared = wrong_declared(name)
    problems = find_field_problems(declared)
    wrong = WRONG_FIELDS[name]
    assert wrong <= problems.keys() <= list_affected(wrong, declared)
