"""The declared interface against official FAISS headers.

Skipped unless FAISS_INCLUDE_DIR names a folder that holds them (faiss/Index.h
...). Their own version counts, which need not be the installed one, as headers
are compared with headers.
"""

from __future__ import annotations

import os
import re
import sysconfig
from pathlib import Path

import pytest
from dwarf_layout import ClassLayout
from free_functions import find_needed_symbols, write_addresses
from probes import (
    DECLARED_HEADERS,
    ROOT,
    Declared,
    copy_headers,
    read_declared,
    replace_once,
    run_compiler,
    version_flags,
)
from slot_checks import Problems

from faiss_bebr._versions import SUPPORTED_FAISS_VERSIONS

INCLUDE_DIR = os.environ.get("FAISS_INCLUDE_DIR", "")
pytestmark = pytest.mark.skipif(not INCLUDE_DIR, reason="FAISS_INCLUDE_DIR is not set")

SWIG_DIR = ROOT / "swig"
WRAPPER = SWIG_DIR / "swigfaiss_bebr_wrap.cpp"
SOURCES = sorted(SWIG_DIR.rglob("*.cpp"))
STABLE_ABI = re.search(
    r'STABLE_ABI = "(\w+)"', (ROOT / "setup.py").read_text()
)  # the same as in the build


@pytest.fixture(scope="module")
def version() -> str:
    text = (Path(INCLUDE_DIR) / "faiss" / "Index.h").read_text()
    found = re.findall(r"define FAISS_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", text)
    version = ".".join(found)
    assert version in SUPPORTED_FAISS_VERSIONS
    return version


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Declared:
    return read_declared(Path(INCLUDE_DIR), [], tmp_path_factory.mktemp("official"))


@pytest.fixture(scope="module")
def declared_alike(version: str, tmp_path_factory: pytest.TempPathFactory) -> Declared:
    """The declared interface for the version of the official headers."""
    return read_declared(
        DECLARED_HEADERS, version_flags(version), tmp_path_factory.mktemp("alike")
    )


def find_layout_problems(ours: ClassLayout, theirs: ClassLayout) -> list[str]:
    problems = []
    for what in ("size", "bases", "has_table_pointer", "fields"):
        our, their = getattr(ours, what), getattr(theirs, what)
        if our != their:
            problems.append(f"{what}: {our}, official {their}")
    if not ours.static_fields.items() <= theirs.static_fields.items():
        problems.append(f"{ours.static_fields}, official {theirs.static_fields}")
    official = {function.mangled: function for function in theirs.functions}
    for function in ours.functions:
        # a helper of ours is not FAISS's interface
        if not function.is_private and official.get(function.mangled) != function:
            problems.append(f"{function}, official {official.get(function.mangled)}")
    return problems


def find_problems(ours: Declared, theirs: Declared) -> Problems:
    problems: Problems = {}
    for name, layout in ours.namespace.classes.items():
        found = ["unknown"]
        if name in theirs.namespace.classes:
            found = find_layout_problems(layout, theirs.namespace.classes[name])
        if found:
            problems[name] = found
    for place, table in ours.tables.items():
        their_table = theirs.tables.get(place, ())
        if [slot.names for slot in table] != [slot.names for slot in their_table]:
            problems.setdefault(place.class_name, []).append("the tables differ")
    for name, values in ours.namespace.enums.items():
        official = theirs.namespace.enums.get(name, {})
        if not values.items() <= official.items():
            problems[name] = [f"{values}, official {official}"]
    return problems


def test_declarations_are_the_official_ones(
    declared_alike: Declared, official: Declared
) -> None:
    assert len(declared_alike.namespace.classes) >= 60
    assert find_problems(declared_alike, official) == {}


def test_functions_constants_and_variables_are_the_official_ones(
    declared_alike: Declared, official: Declared, tmp_path: Path
) -> None:
    ours, theirs = declared_alike.namespace, official.namespace
    assert ours.constants.items() <= theirs.constants.items()
    assert ours.variables.items() <= theirs.variables.items()
    # compiles if the arguments and results are the official ones
    lines = write_addresses(DECLARED_HEADERS)
    assert len(find_needed_symbols(lines, Path(INCLUDE_DIR), [], tmp_path)) == len(
        lines
    )


def test_inline_functions_are_the_official_ones(
    declared_alike: Declared, official: Declared
) -> None:
    """A slot's function is in the header in both, or in libfaiss in both."""
    for place, table in declared_alike.tables.items():
        # the official header defines these, ours only has what is called
        if place.class_name.startswith("ThreadedIndex<"):
            continue
        for our, their in zip(table, official.tables[place], strict=True):
            assert our.is_local == their.is_local, (place, our.names)


def test_wrong_declarations_are_found(
    version: str, official: Declared, tmp_path: Path
) -> None:
    include_dir = copy_headers(tmp_path / "include")
    for file, old, new in (
        (
            "Index.h",
            "    bool verbose;\n    bool is_t",
            "    char verbose;\n    bool is_t",
        ),
        (
            "IndexIVF.h",
            "    virtual idx_t train_encoder_num_vectors() const;\n",
            "",
        ),
        ("invlists/DirectMap.h", "        Array, ", "        Array = 3, "),
        ("MetricType.h", "METRIC_Canberra = 20", "METRIC_Canberra = 5"),
        (
            "IndexFlatCodes.h",
            "    CodePacker* get_CodePacker",
            "    void* get_CodePacker",
        ),
    ):
        replace_once(include_dir / "faiss" / file, old, new)
    mutant = read_declared(include_dir, version_flags(version), tmp_path)
    wrong = {"Index", "IndexIVF", "MetricType", "DirectMap::Type", "IndexFlatCodes"}
    assert find_problems(mutant, official).keys() == wrong


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_source_compiles(source: Path, version: str) -> None:
    """With the flags of the highest instruction set, which all kernels need."""
    flags = ["-fsyntax-only", "-Werror", "-Wno-maybe-uninitialized"]
    if sysconfig.get_platform().endswith("x86_64"):
        flags.append("-march=sapphirerapids")
    if source == WRAPPER:
        assert STABLE_ABI
        flags += [
            "-w",
            f"-I{sysconfig.get_path('include')}",
            f"-DPy_LIMITED_API={STABLE_ABI[1]}",
            f'-DFAISS_BEBR_COMPILED_VERSION="{version}"',
        ]
    run_compiler([*flags, f"-I{SWIG_DIR}", f"-I{INCLUDE_DIR}", source])
