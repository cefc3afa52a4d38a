"""Builds the C++ part against the installed faiss-cpu wheel.

One extension module is compiled for each supported FAISS version, as a
version's classes have their own layout in memory; the right one is chosen at
import. All of them link to `libfaiss.so` by name only: importing `faiss` loads
it first, with its own OpenMP runtime and BLAS.

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
from importlib.util import find_spec
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
SWIG_DIR = Path("swig")
VERSIONS = runpy.run_path(str(ROOT / "faiss_bebr" / "_versions.py"))
STABLE_ABI = "0x030A0000"  # Python 3.10

AVX512 = ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mpopcnt"]
# one file per instruction set, chosen at run time by kernels/dispatch.cpp
KERNEL_FLAGS = {
    "avx2.cpp": ["-mavx2"],
    "avx512.cpp": AVX512,
    "avx512_vnni.cpp": [*AVX512, "-mavx512vnni"],
    "avx512_vpopcntdq.cpp": [*AVX512, "-mavx512vpopcntdq"],
}
COMPILE_FLAGS = [
    "-std=c++17",
    "-O3",
    "-fopenmp",
    # all instruction sets have to give the same bits
    "-ffp-contract=off",
    "-Wall",
    # GCC 12 warns about its own AVX512 headers
    "-Wno-maybe-uninitialized",
]


def find_libfaiss() -> Path:
    """Path of the faiss-cpu wheel's libfaiss.so, without importing faiss."""
    spec = find_spec("faiss")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("building faiss_bebr needs faiss-cpu: pip install faiss-cpu")
    path = Path(list(spec.submodule_search_locations)[0]) / "libfaiss.so"
    if not path.exists():
        raise SystemExit(f"{path} does not exist: faiss_bebr needs the faiss-cpu wheel")
    return path


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

    def build_extension(self, ext: Extension) -> None:
        def compile_one(source: str) -> list[str]:
            flags = [*COMPILE_FLAGS, *KERNEL_FLAGS.get(Path(source).name, [])]
            return self.compiler.compile(
                [source],
                output_dir=str(Path(self.build_temp) / ext.name),
                macros=ext.define_macros,
                include_dirs=ext.include_dirs,
                extra_postargs=flags,
                depends=ext.depends,
            )

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = [o for part in pool.map(compile_one, ext.sources) for o in part]
        self.compiler.link_shared_object(
            [*objects, str(find_libfaiss())],
            self.get_ext_fullpath(ext.name),
            extra_postargs=["-Wl,-z,now"],
            target_lang="c++",
        )


def make_extension(version: str) -> Extension:
    major, minor, patch = version.split(".")
    macros: list[tuple[str, str | None]] = [
        ("Py_LIMITED_API", STABLE_ABI),
        ("FAISS_BEBR_COMPILED_VERSION", f'"{version}"'),
    ]
    include_dir = os.environ.get("FAISS_INCLUDE_DIR")
    if not include_dir:
        macros += [
            ("FAISS_VERSION_MAJOR", major),
            ("FAISS_VERSION_MINOR", minor),
            ("FAISS_VERSION_PATCH", patch),
        ]
    sources = [
        str(path)
        for folder in ("codes", "indexes", "kernels", "transform")
        for path in sorted((SWIG_DIR / folder).glob("*.cpp"))
    ]
    return Extension(
        f"faiss_bebr.{VERSIONS['variant_package'](version)}._swigfaiss_bebr",
        sources=[str(SWIG_DIR / "swigfaiss_bebr_wrap.cpp"), *sources],
        include_dirs=[str(SWIG_DIR), include_dir or str(SWIG_DIR / "include")],
        define_macros=macros,
        depends=[str(path) for path in sorted(SWIG_DIR.rglob("*.h"))],
        py_limited_api=True,
    )


if platform.system() != "Linux":
    raise SystemExit("faiss_bebr builds on Linux only, for the wheel's libfaiss.so")
if platform.machine() != "x86_64":
    KERNEL_FLAGS.clear()

setup(
    ext_modules=[make_extension(version) for version in faiss_versions()],
    cmdclass={"build_py": BuildPyWithSwig, "build_ext": BuildVariants},
    options={"bdist_wheel": {"py_limited_api": "cp310"}},
)
