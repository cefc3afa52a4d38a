"""Compiles tests/cpp with the flags of the build and runs it.

The tests marked `sanitizer` do so once more under AddressSanitizer and
UndefinedBehaviorSanitizer; they take minutes and are not in the default run:

    pytest tests/test_cpp.py -m sanitizer
"""

from __future__ import annotations

import importlib.metadata
import os
import runpy
import shutil
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import faiss
import pytest

ROOT = Path(__file__).parent.parent
CPP_DIR = ROOT / "tests" / "cpp"
BUILD = runpy.run_path(str(ROOT / "build_flags.py"))
CXX = os.environ.get("CXX", "g++")

# tests that use what depends on the instruction set that FAISS has chosen
INDEX_TESTS = [
    "test_index_binary_ivf_sdc",
    "test_index_binary_sdc",
    "test_index_ivf_sdc",
    "test_index_sdc",
    "test_two_pass",
]
ALL_TESTS = sorted(path.stem for path in CPP_DIR.glob("test_*.cpp"))
ALL_TESTS.remove("test_data")

SANITIZE = [
    "-O1",
    "-g",
    "-fno-omit-frame-pointer",
    "-fsanitize=address,undefined,float-cast-overflow",
    "-fno-sanitize-recover=all",
]


def compile_program(folder: Path, extra_flags: list[str]) -> Path:
    """Compile the C++ part and its tests into one program in the folder."""
    if shutil.which(CXX) is None:
        pytest.skip(f"there is no compiler {CXX}")
    version = importlib.metadata.version("faiss-cpu")
    common = [f"-D{name}={value}" for name, value in BUILD["version_macros"](version)]
    common += [f"-I{ROOT / 'swig'}", f"-I{ROOT / 'swig' / 'include'}", f"-I{CPP_DIR}"]

    def compile_one(source: Path) -> str:
        # tests are not worth optimizing much; what is tested is, as it ships
        flags = [*BUILD["COMPILE_FLAGS"], *BUILD["KERNEL_FLAGS"].get(source.name, [])]
        if source.parent == CPP_DIR:
            flags.append("-O1")
        target = folder / f"{source.parent.name}_{source.stem}.o"
        run([CXX, *flags, *common, *extra_flags, "-c", str(source), "-o", str(target)])
        return str(target)

    sources = [ROOT / source for source in BUILD["SOURCES"]]
    sources += sorted(CPP_DIR.glob("*.cpp"))
    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(compile_one, sources))

    # not -fopenmp, which would link the compiler's own OpenMP runtime beside
    # that of the wheel
    libfaiss = BUILD["find_libfaiss"]()
    libraries = libfaiss.parent.parent / "faiss_cpu.libs"
    runtimes = [*libraries.glob("libgomp*"), *libraries.glob("libopenblas*")]
    program = folder / "cpp_tests"
    run(
        [
            CXX,
            *extra_flags,
            *objects,
            str(libfaiss),
            *map(str, runtimes),
            # DT_RPATH and not DT_RUNPATH: it also holds for what these need
            "-Wl,--disable-new-dtags",
            f"-Wl,-rpath,{libfaiss.parent}:{libraries}",
            "-o",
            str(program),
        ]
    )
    return program


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


def simd_levels() -> list[str]:
    """Names that FAISS_SIMD_LEVEL takes and this processor has."""
    return [
        name
        for name in ("NONE", "AVX2", "AVX512")
        if faiss.SIMDConfig.is_simd_level_available(getattr(faiss, f"SIMDLevel_{name}"))
    ]


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_program(tmp_path_factory.mktemp("cpp"), [])


@pytest.fixture(scope="session")
def sanitized_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_program(tmp_path_factory.mktemp("cpp_sanitized"), SANITIZE)


@pytest.mark.parametrize("name", ALL_TESTS)
def test_cpp(program: Path, name: str) -> None:
    run([str(program), name])


@pytest.mark.parametrize("name", INDEX_TESTS)
def test_cpp_same_bits_at_all_levels(program: Path, name: str) -> None:
    outputs = [run([str(program), name])]
    for level in simd_levels():
        output = run([str(program), name], {"FAISS_SIMD_LEVEL": level})
        # or AVX512_VNNI, where FAISS 1.15.0 has no level above AVX512
        assert output.startswith(f"level {level}")
        outputs.append(output)
    # but for that line, all is the same: also the digests of all results
    assert len({output.split("\n", 1)[1] for output in outputs}) == 1, outputs


@pytest.mark.sanitizer
@pytest.mark.parametrize("name", ALL_TESTS)
def test_cpp_sanitized(sanitized_program: Path, name: str) -> None:
    options = {
        "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    run([str(sanitized_program), name], options)
