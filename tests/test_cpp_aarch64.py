"""The C++ part on a 64-bit ARM processor: all of it is compiled by a
cross-compiler, and its kernels run under the emulator of QEMU.

These tests take minutes and are not in the default run. They need what Debian
has as g++-aarch64-linux-gnu and qemu-user-static:

    pytest tests/test_cpp_aarch64.py -m emulator
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from cpp_build import BUILD, CPP_DIR, ROOT, compile_files, run

pytestmark = pytest.mark.emulator

CXX = os.environ.get("AARCH64_CXX", "aarch64-linux-gnu-g++")
KERNEL_FLAGS = BUILD["MACHINE_KERNEL_FLAGS"]["aarch64"]
SOURCES = [ROOT / source for source in BUILD["SOURCES"]]
# these know nothing of FAISS but what tests/cpp/standalone defines
PARTS = [source for source in SOURCES if source.parent.name == "kernels"]
PARTS.append(ROOT / "swig" / "codes" / "PlaneLayout.cpp")
TESTS = ["test_kernels", "test_code_kernels", "test_row_kernels"]
TESTS += ["test_table_kernels", "test_column_kernels"]
TESTS += ["test_product_kernels", "test_dispatch"]
# a processor of QEMU, and the kernels that are the best on it
PROCESSORS = [
    ("cortex-a53", "ARM_NEON"),
    ("neoverse-n1", "ARM_NEON_DOTPROD"),
    ("max", "ARM_NEON_I8MM"),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kernels and their tests, without shared libraries."""
    folder = tmp_path_factory.mktemp("aarch64")
    sources = [*PARTS, *(CPP_DIR / f"{name}.cpp" for name in ["main", "test_data"])]
    sources += [CPP_DIR / f"{name}.cpp" for name in TESTS]
    sources += sorted((CPP_DIR / "standalone").glob("*.cpp"))
    objects = compile_files(CXX, sources, folder, KERNEL_FLAGS, ["-Werror"])
    target = folder / "kernel_tests"
    run([CXX, "-static", "-fopenmp", *objects, "-o", str(target)])
    return target


@pytest.mark.parametrize(("processor", "level"), PROCESSORS)
def test_kernels_on_aarch64(program: Path, processor: str, level: str) -> None:
    names = ("qemu-aarch64-static", "qemu-aarch64")
    emulator = next(filter(None, map(shutil.which, names)), None)
    if emulator is None:
        pytest.skip(f"there is no emulator {' or '.join(names)}")
    output = run([emulator, "-cpu", processor, str(program)])
    assert output.startswith(f"level {level}\n")
    for name in TESTS:
        assert f"{name}." in output


def test_all_sources_compile_without_warnings(tmp_path: Path) -> None:
    assert compile_files(CXX, SOURCES, tmp_path, KERNEL_FLAGS, ["-Werror"])
