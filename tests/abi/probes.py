"""Compiles probes of FAISS headers, and describes what those headers declare."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dwarf_layout import Namespace, read_namespace
from elf_vtables import Place, SharedLibrary, Slot, demangle, read_library

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DECLARED_HEADERS = ROOT / "swig" / "include"
PROBE_NAMESPACE = "abi_probe"
COMPILE_FLAGS = ("-std=c++17", "-fPIC", "-fopenmp", "-Wall")
# every class and constant of the headers, also those that are in libfaiss
DEBUG_FLAGS = (
    "-g",
    "-fno-eliminate-unused-debug-types",
    "-fno-eliminate-unused-debug-symbols",
    "-femit-class-debug-always",
)


@dataclass(frozen=True)
class Declared:
    """What a folder of headers declares, as the compiler sees it."""

    namespace: Namespace
    # those of the probe's classes, whose own functions fill the slots of pure
    # functions and of the destructor; under the name of the declared class
    tables: dict[Place, tuple[Slot, ...]]
    # declared class -> its name in typeinfos
    mangled: dict[str, str]


def list_headers() -> list[str]:
    """The declared headers as they are included: faiss/Index.h, ..."""
    paths = DECLARED_HEADERS.rglob("*.h")
    return sorted(str(path.relative_to(DECLARED_HEADERS)) for path in paths)


def version_flags(version: str) -> list[str]:
    """What setup.py defines; official headers have the version in them."""
    parts = zip(("MAJOR", "MINOR", "PATCH"), version.split("."), strict=True)
    return [f"-DFAISS_VERSION_{name}={number}" for name, number in parts]


def run_compiler(arguments: Sequence[str | Path]) -> None:
    """Run the C++ compiler; what it says is the text of the failure."""
    command = [os.environ.get("CXX", "g++"), *COMPILE_FLAGS, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stderr}"


def include_flags(include_dir: Path) -> list[str]:
    """Flags that include all declared headers, from a folder."""
    includes = [flag for name in list_headers() for flag in ("-include", name)]
    return [f"-I{include_dir}", *includes]


def read_declared(include_dir: Path, flags: Sequence[str], build_dir: Path) -> Declared:
    """Compile layout_probe.cpp with the headers of a folder, and read it."""
    library = build_dir / "layout_probe.so"
    run_compiler(
        [
            *DEBUG_FLAGS,
            *flags,
            *include_flags(include_dir),
            "-shared",
            HERE / "layout_probe.cpp",
            "-o",
            library,
        ]
    )
    return describe(read_library(library), read_namespace(library, "faiss"))


def build_calls_probe(
    include_dir: Path, flags: Sequence[str], libfaiss: Path, build_dir: Path
) -> Path:
    """Compile the calls, linked to the wheel as the extension is."""
    library = build_dir / "calls.so"
    sources = [HERE / f"calls_{of}.cpp" for of in ("search", "lists", "io")]
    include = f"-I{include_dir}"
    run_compiler([*flags, include, "-shared", *sources, libfaiss, "-o", library])
    return library


def describe(library: SharedLibrary, namespace: Namespace) -> Declared:
    bases = {base for found in library.bases.values() for base, _ in found}
    names = demangle(f"_ZTI{name}" for name in library.bases.keys() | bases)
    tables = {}
    mangled = {}
    for (probe, offset), (table, *_) in library.tables.items():
        if PROBE_NAMESPACE in names[f"_ZTI{probe}"]:
            ((declared, _),) = library.bases[probe]
            class_name = names[f"_ZTI{declared}"].removeprefix("typeinfo for faiss::")
            tables[Place(class_name, offset)] = table
            mangled[class_name] = declared
    return Declared(namespace, tables, mangled)


def copy_headers(target: Path) -> Path:
    """A copy of the declared headers, to be made wrong."""
    return Path(shutil.copytree(DECLARED_HEADERS, target))


def replace_once(path: Path, old: str, new: str) -> None:
    """Change a copied header; it is an error if the text is not there."""
    text = path.read_text()
    assert text.count(old) == 1, (
        f"{path.name} has {text.count(old)} times {old!r}: adapt this mutation"
    )
    path.write_text(text.replace(old, new))
