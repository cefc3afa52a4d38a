"""The installed wheel and the declared headers, each read once."""

from __future__ import annotations

import ctypes
import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import faiss
import pytest
from elf_vtables import SharedLibrary, merge_libraries, read_library
from probes import (
    DECLARED_HEADERS,
    HERE,
    Declared,
    copy_headers,
    read_declared,
    replace_once,
    run_compiler,
    version_flags,
)
from wrong_headers import WRONG_HEADERS


@pytest.fixture(scope="session")
def wheel_dir() -> Path:
    return Path(faiss.__file__).parent


@pytest.fixture(scope="session")
def wheel(wheel_dir: Path) -> SharedLibrary:
    """Virtual tables of the wheel.

    Those of classes without any compiled function are in the Python module.
    """
    return merge_libraries(
        read_library(wheel_dir / "libfaiss.so"),
        read_library(wheel_dir / "_swigfaiss.abi3.so"),
    )


@pytest.fixture(scope="session")
def declared(tmp_path_factory: pytest.TempPathFactory) -> Declared:
    """The declared interface, for the installed version."""
    return read_declared(
        DECLARED_HEADERS,
        version_flags(faiss.__version__),
        tmp_path_factory.mktemp("declared"),
    )


@pytest.fixture(scope="session")
def wrong_headers(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes a folder of wrong headers, see wrong_headers.py."""

    def make(name: str) -> Path:
        include_dir = copy_headers(tmp_path_factory.mktemp("wrong") / "include")
        for file, old, new in WRONG_HEADERS[name]:
            replace_once(include_dir / "faiss" / file, old, new)
        return include_dir

    return make


@pytest.fixture(scope="session")
def wrong_declared(wrong_headers: Callable[[str], Path]) -> Callable[[str], Declared]:
    """Reads wrong headers, each once."""

    @functools.cache
    def read(name: str) -> Declared:
        include_dir = wrong_headers(name)
        flags = version_flags(faiss.__version__)
        return read_declared(include_dir, flags, include_dir.parent)

    return read


@pytest.fixture(scope="session")
def libfaiss(wheel_dir: Path) -> ctypes.CDLL:
    return ctypes.CDLL(str(wheel_dir / "libfaiss.so"))


@pytest.fixture(scope="session")
def allocated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, int]]:
    """Class -> its size in the wheel, and whether it was overrun."""
    library = tmp_path_factory.mktemp("recorder") / "recorder.so"
    run_compiler(["-shared", HERE / "allocation_recorder.cpp", "-o", library])
    result = subprocess.run(
        [sys.executable, str(HERE / "record_allocations.py"), str(library)],
        capture_output=True,
        text=True,
        env=os.environ | {"LD_PRELOAD": str(library)},
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)
