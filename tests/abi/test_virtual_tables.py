"""First ABI check: the order of virtual functions, slot by slot, by name.

FAISS calls our overrides, and we call FAISS's, by the number of a slot. The
wheel's own tables say which function is meant by each number: a class's
exported table, and those of all classes derived from it, which name what they
override.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import faiss
import pytest
from dwarf_layout import ClassLayout
from elf_vtables import SharedLibrary, demangle, read_library
from exercise_calls import CALLED_FUNCTIONS
from probes import (
    DECLARED_HEADERS,
    HERE,
    PROBE_NAMESPACE,
    Declared,
    include_flags,
    run_compiler,
    version_flags,
)
from slot_checks import (
    find_base_problems,
    find_slot_problems,
    find_unnamed_functions,
    is_polymorphic,
    method_of,
)


def test_every_declared_class_is_probed(declared: Declared) -> None:
    """A class that is missing in layout_probe.cpp would go unchecked."""
    classes = declared.namespace.classes
    names = demangle(f"_ZTI{mangled}" for mangled in declared.mangled.values())
    probed = {name.removeprefix("typeinfo for faiss::") for name in names.values()}
    polymorphic = {
        n for n, layout in classes.items() if is_polymorphic(layout, classes)
    }
    assert len(probed) >= 13
    assert polymorphic == probed


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


def test_declared_functions_are_exported_or_inline(
    declared: Declared, wheel: SharedLibrary, tmp_path: Path
) -> None:
    """A declared function is in libfaiss or defined in the header, not both,
    so that the slots that are inline in FAISS are those that are inline here.
    """
    library = tmp_path / "inline.so"
    run_compiler(
        [
            "-fkeep-inline-functions",
            *version_flags(faiss.__version__),
            *include_flags(DECLARED_HEADERS),
            "-shared",
            HERE / "layout_probe.cpp",
            "-o",
            library,
        ]
    )
    defined_here = set(read_library(library).exports)
    exported = set(wheel.exports)
    functions = list_functions(declared)
    assert len(functions) > 80
    missing = {f for f in functions if not spellings(f) & (defined_here | exported)}
    assert missing == find_pure_functions(declared, missing)
    assert [f for f in functions if spellings(f) & defined_here & exported] == []


def list_functions(declared: Declared) -> list[str]:
    """All functions but those of templates, which are compiled where used."""
    layouts: list[ClassLayout] = list(declared.namespace.classes.values())
    return [f.mangled for c in layouts if "<" not in c.name for f in c.functions]


def find_pure_functions(declared: Declared, functions: set[str]) -> set[str]:
    """Those that the probe's class had to override."""
    slots = [slot for table in declared.tables.values() for slot in table]
    names = demangle({name for slot in slots for name in slot.names} | functions)
    overridden = {
        method_of(names[name])
        for slot in slots
        for name in slot.names
        if PROBE_NAMESPACE in name
    }
    methods = {(scope.rpartition("::")[2], method) for scope, method in overridden}
    return {
        function
        for function in functions
        for scope, method in [method_of(names[function])]
        if (scope.rpartition("::")[2], method) in methods
    }


def spellings(mangled: str) -> set[str]:
    """The symbols of a function; a constructor or destructor has several."""
    return {mangled} | {
        re.sub(rf"{letter}4(?=E)", f"{letter}{digit}", mangled)
        for letter in "CD"
        for digit in "012"
    }


def test_static_fields_have_the_wheels_size(
    declared: Declared, wheel: SharedLibrary
) -> None:
    sizes = {
        mangled: size
        for layout in declared.namespace.classes.values()
        for mangled, size in layout.static_fields.items()
    }
    assert len(sizes) >= 2
    assert sizes == {mangled: wheel.exports[mangled].size for mangled in sizes}


def test_enumerators_have_the_wheels_values(declared: Declared) -> None:
    """FAISS's Python has them as METRIC_L2 of MetricType, or SIMDLevel_AVX2."""
    for enum, values in declared.namespace.enums.items():
        for name, value in values.items():
            scoped = getattr(faiss, f"{enum}_{name}", None)
            assert value == (getattr(faiss, name) if scoped is None else scoped), name
    assert len(declared.namespace.enums) >= 4


# wrong headers -> the classes to be reported
WRONG_TABLES = {
    "order": {
        "Index",
        "IndexFlatCodes",  # by its base
        "IndexBinary",
        "RangeSearchResult",
        "DistanceComputer",
        "FlatCodesDistanceComputer",  # by its base
    },
    "type": {"IndexFlatCodes", "IndexBinary", "VectorTransform", "InterruptCallback"},
    "one more": {"VectorTransform", "ResultHandler"},
    "one less": {"IndexBinary"},
}


@pytest.mark.parametrize("name", WRONG_TABLES)
def test_wrong_tables_are_found(
    name: str, wrong_declared: Callable[[str], Declared], wheel: SharedLibrary
) -> None:
    problems = find_slot_problems(wrong_declared(name), wheel)
    assert set(problems) == WRONG_TABLES[name]


def test_wrong_base_is_found(
    wrong_declared: Callable[[str], Declared], wheel: SharedLibrary
) -> None:
    problems = find_base_problems(wrong_declared("type"), wheel)
    assert set(problems) == {"VectorTransform"}
