"""First ABI check, fourth part: constants, enumerators and variables."""

from __future__ import annotations

import operator
from collections.abc import Callable

import faiss
from elf_vtables import SharedLibrary
from probes import Declared


def find_variable_problems(declared: Declared, wheel: SharedLibrary) -> set[str]:
    """Global variables and static fields of another size, or not in libfaiss."""
    sizes = dict(declared.namespace.variables)
    for layout in declared.namespace.classes.values():
        sizes |= layout.static_fields
    return {
        mangled
        for mangled, size in sizes.items()
        if mangled not in wheel.exports or wheel.exports[mangled].size != size
    }


def find_constant_problems(declared: Declared) -> set[str]:
    """Constants and enumerators that FAISS's Python has with another value."""
    values = dict(declared.namespace.constants)
    for name, layout in declared.namespace.classes.items():
        values |= {f"{name}.{n}": value for n, value in layout.constants.items()}
    for enum, enumerators in declared.namespace.enums.items():
        values |= {
            python_name(enum, enumerator): value
            for enumerator, value in enumerators.items()
        }
    return {
        name
        for name, value in values.items()
        if operator.attrgetter(name)(faiss) != value
    }


def python_name(enum: str, enumerator: str) -> str:
    """DirectMap.NoMap, SIMDLevel_AVX2 of an `enum class`, METRIC_L2 of others."""
    scope, _, _ = enum.rpartition("::")
    if scope:
        return f"{scope}.{enumerator}"
    scoped = f"{enum}_{enumerator}"
    return scoped if hasattr(faiss, scoped) else enumerator


def test_variables_have_the_wheels_size(
    declared: Declared, wheel: SharedLibrary
) -> None:
    assert len(declared.namespace.variables) >= 2
    assert declared.namespace.classes["InterruptCallback"].static_fields
    assert find_variable_problems(declared, wheel) == set()


def test_constants_have_the_wheels_values(declared: Declared) -> None:
    assert len(declared.namespace.constants) >= 8
    assert declared.namespace.classes["InvertedLists"].constants
    assert {"DirectMap::Type", "ApproxTopK_mode_t"} <= declared.namespace.enums.keys()
    assert find_constant_problems(declared) == set()


def test_wrong_variables_and_constants_are_found(
    wrong_declared: Callable[[str], Declared], wheel: SharedLibrary
) -> None:
    declared = wrong_declared("functions")
    assert find_variable_problems(declared, wheel) == {
        "_ZN5faiss14indexIVF_statsE",
        "_ZN5faiss13one_more_flagE",
    }
    assert find_constant_problems(declared) == {
        "IO_FLAG_READ_ONLY",
        "InvertedLists.INVALID_CODE_SIZE",
        "DirectMap.Hashtable",
        "DirectMap.DMT_count",
        "APPROX_TOPK_BUCKETS_B8_D2",
        "METRIC_Canberra",
    }
