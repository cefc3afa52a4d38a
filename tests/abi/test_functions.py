"""First ABI check, third part: functions that are called by their symbol."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import faiss
from dwarf_layout import ClassLayout
from elf_vtables import SharedLibrary, demangle, read_library
from free_functions import find_needed_symbols, write_addresses
from probes import (
    DECLARED_HEADERS,
    HERE,
    PROBE_NAMESPACE,
    Declared,
    include_flags,
    run_compiler,
    version_flags,
)
from slot_checks import method_of


def find_function_problems(
    declared: Declared, wheel: SharedLibrary, include_dir: Path, build_dir: Path
) -> set[str]:
    """Names of functions that are neither in libfaiss nor in the header, or both.

    So the slots that are inline in FAISS are those that are inline here.
    """
    library = build_dir / "inline.so"
    run_compiler(
        [
            "-fkeep-inline-functions",
            *version_flags(faiss.__version__),
            *include_flags(include_dir),
            "-shared",
            HERE / "layout_probe.cpp",
            "-o",
            library,
        ]
    )
    here = set(read_library(library).exports)
    functions = list_functions(declared, wheel)
    missing = {f for f in functions if not spellings(f) & (here | wheel.exports.keys())}
    missing -= find_pure_functions(declared, missing)
    twice = {f for f in functions if spellings(f) & here & wheel.exports.keys()}
    return set(demangle(missing | twice).values())


def list_functions(declared: Declared, wheel: SharedLibrary) -> list[str]:
    """All member functions but those of templates that libfaiss does not have,
    which are compiled where they are used.
    """
    layouts: list[ClassLayout] = list(declared.namespace.classes.values())
    return [
        function.mangled
        for layout in layouts
        for function in layout.functions
        if "<" not in layout.name
        or any(f.mangled in wheel.exports for f in layout.functions)
    ]


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


def test_declared_functions_are_exported_or_inline(
    declared: Declared, wheel: SharedLibrary, tmp_path: Path
) -> None:
    functions = list_functions(declared, wheel)
    assert len(functions) >= 350
    assert find_function_problems(declared, wheel, DECLARED_HEADERS, tmp_path) == set()


def test_wrong_functions_are_found(
    wrong_headers: Callable[[str], Path],
    wrong_declared: Callable[[str], Declared],
    wheel: SharedLibrary,
) -> None:
    include_dir = wrong_headers("functions")
    problems = find_function_problems(
        wrong_declared("functions"), wheel, include_dir, include_dir.parent
    )
    assert problems == {
        "faiss::IndexIVF::make_direct_map(int)",
        "faiss::IndexIVFInterface::train_encoder()",
        "faiss::IndexIDMap2Template<faiss::Index>::construct_rev_map(long)",
        "faiss::IndexIDMap2Template<faiss::IndexBinary>::construct_rev_map(long)",
        "faiss::IndexIVFStats::reset()",
    }


def test_declared_free_functions_are_exported(
    wheel: SharedLibrary, tmp_path: Path
) -> None:
    lines = write_addresses(DECLARED_HEADERS)
    needed = find_needed_symbols(
        lines, DECLARED_HEADERS, version_flags(faiss.__version__), tmp_path
    )
    assert len(needed) == len(lines) >= 27
    assert needed <= wheel.exports.keys()


def test_wrong_free_functions_are_found(
    wrong_headers: Callable[[str], Path], wheel: SharedLibrary
) -> None:
    include_dir = wrong_headers("functions")
    needed = find_needed_symbols(
        write_addresses(include_dir),
        include_dir,
        version_flags(faiss.__version__),
        include_dir.parent,
    )
    missing = demangle(needed - wheel.exports.keys()).values()
    assert set(missing) == {
        "faiss::read_index(faiss::IOReader*, long)",
        "faiss::write_flat_index(faiss::Index const*)",
    }
