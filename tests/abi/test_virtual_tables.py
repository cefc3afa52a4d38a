"""First ABI check: the order of virtual functions, slot by slot, by name.

FAISS calls our overrides, and we call FAISS's, by the number of a slot. The
wheel's own tables say which function is meant by each number: a class's
exported table, and those of all classes derived from it, which name what they
override.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from elf_vtables import SharedLibrary
from exercise_calls import CALLED_FUNCTIONS
from probes import Declared
from slot_checks import (
    find_base_problems,
    find_slot_problems,
    find_unnamed_functions,
    is_polymorphic,
    list_affected,
)


def test_every_declared_class_is_probed(declared: Declared) -> None:
    """A class that is missing in layout_probe.cpp would go unchecked."""
    classes = declared.namespace.classes
    polymorphic = {
        n for n, layout in classes.items() if is_polymorphic(layout, classes)
    }
    assert len(polymorphic) >= 47
    assert polymorphic == declared.mangled.keys()


def test_every_base_with_functions_has_a_table(declared: Declared) -> None:
    """That of the second base of IndexIVF is none that an own class has."""
    places = {place for place in declared.tables if place.offset}
    assert places == {("IndexIVF", 40)}


def test_declared_tables_are_those_of_the_wheel(
    declared: Declared, wheel: SharedLibrary
) -> None:
    assert find_slot_problems(declared, wheel) == {}


def test_bases_are_those_of_the_wheel(declared: Declared, wheel: SharedLibrary) -> None:
    assert find_base_problems(declared, wheel) == {}


def test_functions_without_a_name_in_the_wheel_are_called(
    declared: Declared, wheel: SharedLibrary
) -> None:
    """What names cannot tell, test_virtual_calls finds out by calling."""
    unnamed = find_unnamed_functions(declared, wheel)
    assert unnamed - CALLED_FUNCTIONS == set()


# wrong headers -> the classes to be reported; those that derive from them may be
WRONG_TABLES = {
    "order": {
        "Index",
        "IndexBinary",
        "IndexIVFInterface",
        "RangeSearchResult",
        "DistanceComputer",
    },
    "type": {"IndexFlatCodes", "IndexBinary", "VectorTransform", "InterruptCallback"},
    "one more": {"VectorTransform", "ResultHandlerUnordered<float, long>"},
    # the second table of IndexIVF moves with the size of Index
    "one less": {"IndexBinary", "IndexIVF"},
}


@pytest.mark.parametrize("name", WRONG_TABLES)
def test_wrong_tables_are_found(
    name: str, wrong_declared: Callable[[str], Declared], wheel: SharedLibrary
) -> None:
    declared = wrong_declared(name)
    problems = find_slot_problems(declared, wheel)
    wrong = WRONG_TABLES[name]
    assert wrong <= problems.keys() <= list_affected(wrong, declared)


def test_wrong_base_is_found(
    wrong_declared: Callable[[str], Declared], wheel: SharedLibrary
) -> None:
    problems = find_base_problems(wrong_declared("type"), wheel)
    assert set(problems) == {"VectorTransform"}
