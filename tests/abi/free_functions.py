"""The declared functions that are in no class.

The compiler leaves no trace of a function that is declared and not used, so
they are read from the text of the headers, which clang-format keeps regular,
and a source is made that takes the address of each.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from elf_vtables import read_library
from probes import include_flags, list_headers, run_compiler

DECLARATION = re.compile(
    r"^(?!extern|using)(?P<returns>[a-z][\w:<>*& ]*[ *&])(?P<name>\w+)"
    r"\((?P<arguments>[^(){};]*)\);$",
    re.IGNORECASE | re.MULTILINE,
)
DEFAULT_VALUE = re.compile(r" = [^,]+")


def write_addresses(include_dir: Path) -> list[str]:
    """A line for each function that the headers of a folder declare."""
    texts = [(include_dir / name).read_text() for name in list_headers()]
    found = [match for text in texts for match in DECLARATION.finditer(text)]
    return [
        f"{match['returns']}(*address_{number})"
        f"({DEFAULT_VALUE.sub('', match['arguments'])}) = &faiss::{match['name']};"
        for number, match in enumerate(found)
    ]


def find_needed_symbols(
    lines: Sequence[str], include_dir: Path, flags: Sequence[str], build_dir: Path
) -> set[str]:
    """What the lines need from libfaiss; the headers have to fit them."""
    source = build_dir / "addresses.cpp"
    library = build_dir / "addresses.so"
    source.write_text("\n".join(["using namespace faiss;", *lines, ""]))
    include = include_flags(include_dir)
    run_compiler([*flags, *include, "-shared", source, "-o", library])
    return {name for name in read_library(library).imports if "5faiss" in name}
