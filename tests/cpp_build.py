"""How the tests compile and run C++."""

from __future__ import annotations

import importlib.metadata
import os
import runpy
import shutil
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CPP_DIR = ROOT / "tests" / "cpp"
BUILD = runpy.run_path(str(ROOT / "build_flags.py"))
CXX = os.environ.get("CXX", "g++")


def compile_files(
    compiler: str,
    sources: list[Path],
    folder: Path,
    kernel_flags: Mapping[str, list[str]],
    extra_flags: list[str],
) -> list[str]:
    """Compile with the flags of the build; the objects' paths, in the folder."""
    if shutil.which(compiler) is None:
        pytest.skip(f"there is no compiler {compiler}")
    version = importlib.metadata.version("faiss-cpu")
    common = [f"-D{name}={value}" for name, value in BUILD["version_macros"](version)]
    common += [f"-I{ROOT / 'swig'}", f"-I{ROOT / 'swig' / 'include'}", f"-I{CPP_DIR}"]

    def compile_one(source: Path) -> str:
        # tests are not worth optimizing much; what is tested is, as it ships
        flags = [*BUILD["COMPILE_FLAGS"], *kernel_flags.get(source.name, [])]
        if CPP_DIR in source.parents:
            flags.append("-O1")
        target = folder / f"{source.parent.name}_{source.stem}.o"
        run(
            [
                compiler,
                *flags,
                *common,
                *extra_flags,
                "-c",
                str(source),
                "-o",
                str(target),
            ]
        )
        return str(target)

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(compile_one, sources))


def run(command: list[str], env: Mapping[str, str] | None = None) -> str:
    """The command's output; a failure of the test with it if it fails."""
    result = subprocess.run(
        command,
        # threads that spin would take the processor from those that work
        env={**os.environ, "OMP_WAIT_POLICY": "passive", **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        pytest.fail(
            f"{' '.join(command)}\nexit code {result.returncode}\n{result.stdout}",
            pytrace=False,
        )
    return result.stdout
