"""Third ABI check: how long the wheel's objects are.

An object of ours begins with a FAISS object, and our fields follow at the
declared size. So the wheel must not write past that size, and a field that
FAISS has must not be missing.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import pytest
from probes import Declared
from size_checks import (
    CONSTRUCTORS,
    DERIVED,
    FOLLOWED,
    NEVER_MADE,
    OTHERWISE,
    POINTER_SIZE,
    find_size_problems,
    list_extents,
)
from slot_checks import list_affected
from wheel_objects import ALLOCATED, OBJECTS


def test_every_declared_class_is_measured(declared: Declared) -> None:
    measured = CONSTRUCTORS.keys() | ALLOCATED.keys() | DERIVED.keys() | FOLLOWED.keys()
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


@pytest.mark.parametrize("name", sorted(OBJECTS.keys() & ALLOCATED.keys()))
def test_python_fields_fill_the_wheels_object(
    name: str,
    declared: Declared,
    allocated: dict[str, dict[str, int]],
) -> None:
    """No room for a field that neither FAISS's Python nor the declaration has.

    What the fields leave free is less than the alignment of the next one.
    """
    end = 0
    for offset, size, what in list_extents(name, declared):
        gap = offset - end
        assert 0 <= gap < (size or POINTER_SIZE), f"a hole before {what}"
        end = offset + size
    assert 0 <= allocated[name]["size"] - end < POINTER_SIZE, "a hole at the end"


# wrong headers -> the classes to be reported; those they are a part of may be
WRONG_SIZES = {
    "one more": {
        "Index",
        "IndexFlatCodes",
        "IndexBinary",
        "VectorTransform",
        "RangeSearchResult",
        "IDSelector",
        "FaissException",
        "FlatCodesDistanceComputer",
        "InvertedListScannerStats",
    },
    "one less": {
        "Index",
        "IndexFlatCodes",
        "IndexBinary",
        "RangeSearchResult",
        "MaybeOwnedVector<int>",
        "MaybeOwnedVector<unsigned char>",
        "SearchParameters",
    },
    "other version": {"ClusteringParameters", "IndexHNSW"},
}


@pytest.mark.parametrize("name", WRONG_SIZES)
def test_wrong_sizes_are_found(
    name: str,
    wrong_declared: Callable[[str], Declared],
    libfaiss: ctypes.CDLL,
    allocated: dict[str, dict[str, int]],
) -> None:
    declared = wrong_declared(name)
    problems = find_size_problems(declared, libfaiss, allocated)
    wrong = WRONG_SIZES[name]
    assert wrong <= problems.keys() <= list_affected(wrong, declared)
