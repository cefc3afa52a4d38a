"""Builds the C++ part against the installed faiss-cpu wheel.

One extension module is compiled for each supported FAISS version, as a
version's classes have their own layout in memory; the right one is chosen at
import. All of them link to `libfaiss.so` by name only: importing `faiss` loads
it first, with its own OpenMP runtime.

Environment variables:
    FAISS_INCLUDE_DIR  a folder with official FAISS headers (faiss/Index.h ...),
                       used in place of swig/include; builds for their version.
"""

import os
import platform
import re
import runpy
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
VERSIONS = runpy.run_path(str(ROOT / "faiss_bebr" / "_versions.py"))
BUILD = runpy.run_path(str(ROOT / "build_flags.py"))
SWIG_DIR = BUILD["SWIG_DIR"]
STABLE_ABI = "0x030A0000"  # Python 3.10


def faiss_versions() -> tuple[str, ...]:
    """The versions to compile for."""
    supported = VERSIONS["SUPPORTED_FAISS_VERSIONS"]
    include_dir = os.environ.get("FAISS_INCLUDE_DIR")
    if not include_dir:
        return supported
    text = (Path(include_dir) / "faiss" / "Index.h").read_text()
    numbers = [
        re.search(rf"define FAISS_VERSION_{part} (\d+)", text)
        for part in ("MAJOR", "MINOR", "PATCH")
    ]
    version = ".".join(match.group(1) for match in numbers if match)
    if version not in supported:
        raise SystemExit(
            f"FAISS_INCLUDE_DIR has the headers of FAISS {version}; "
            f"supported are {', '.join(supported)}"
        )
    return (version,)


def run_swig() -> None:
    """Write the C++ wrapper and the Python proxies, the same for all versions."""
    # the program of the PyPI package, also where pip's build isolation has not
    # put scripts on the path
    command = [sys.executable, "-c", "import swig; swig.swig()"]
    subprocess.run(
        [
            *command,
            "-c++",
            "-python",
            "-doxygen",
            "-DSWIGWORDSIZE64",
            "-Iswig/include",
            "-Iswig",
            "-DFAISS_VERSION_PATCH=0",
            "-outdir",
            "faiss_bebr",
            "-o",
            "swig/swigfaiss_bebr_wrap.cpp",
            "swig/swigfaiss_bebr.swig",
        ],
        check=True,
        cwd=ROOT,
    )


class BuildPyWithSwig(build_py):
    """SWIG first: it writes one of the Python files."""

    def run(self) -> None:
        run_swig()
        super().run()


class BuildVariants(build_ext):
    """Compiles every file with its own flags, then links one variant."""

    def run(self) -> None:
        run_swig()
        if self.inplace:
            for ext in self.extensions:
                Path(self.get_ext_fullpath(ext.name)).parent.mkdir(exist_ok=True)
        super().run()

    def compile_all(self, sources: list[str], ext: Extension, folder: str) -> list[str]:
        """Compile to build_temp/folder; the paths of the objects."""

        def compile_one(source: str) -> list[str]:
            kernel_flags = BUILD["KERNEL_FLAGS"].get(Path(source).name, [])
            return self.compiler.compile(
                [source],
                output_dir=str(Path(self.build_temp) / folder),
                macros=ext.define_macros,
                include_dirs=ext.include_dirs,
                extra_postargs=[*BUILD["COMPILE_FLAGS"], *kernel_flags],
                depends=ext.depends,
            )

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return [o for part in pool.map(compile_one, sources) for o in part]

    def build_extensions(self) -> None:
        # these know nothing of FAISS, so one object serves all variants
        first = self.extensions[0]
        kernels = [s for s in first.sources if Path(s).name in BUILD["KERNEL_FLAGS"]]
        self.kernel_objects = self.compile_all(kernels, first, "kernels")
        super().build_extensions()

    def build_extension(self, ext: Extension) -> None:
        sources = [s for s in ext.sources if Path(s).name not in BUILD["KERNEL_FLAGS"]]
        objects = self.compile_all(sources, ext, ext.name) + self.kernel_objects
        self.compiler.link_shared_object(
            [*objects, str(BUILD["find_libfaiss"]())],
            self.get_ext_fullpath(ext.name),
            extra_postargs=["-Wl,-z,now"],
            target_lang="c++",
        )


def make_extension(version: str) -> Extension:
    macros: list[tuple[str, str | None]] = [
        ("Py_LIMITED_API", STABLE_ABI),
        ("FAISS_BEBR_COMPILED_VERSION", f'"{version}"'),
    ]
    include_dir = os.environ.get("FAISS_INCLUDE_DIR")
    if not include_dir:
        macros += BUILD["version_macros"](version)
    return Extension(
        f"faiss_bebr.{VERSIONS['variant_package'](version)}._swigfaiss_bebr",
        sources=[str(SWIG_DIR / "swigfaiss_bebr_wrap.cpp"), *BUILD["SOURCES"]],
        include_dirs=[str(SWIG_DIR), include_dir or str(SWIG_DIR / "include")],
        define_macros=macros,
        depends=[str(path) for path in sorted(SWIG_DIR.rglob("*.h"))],
        py_limited_api=True,
    )


if platform.system() != "Linux":
    raise SystemExit("faiss_bebr builds on Linux only, for the wheel's libfaiss.so")

setup(
    ext_modules=[make_extension(version) for version in faiss_versions()],
    cmdclass={"build_py": BuildPyWithSwig, "build_ext": BuildVariants},
    options={"bdist_wheel": {"py_limited_api": "cp310"}},
)
