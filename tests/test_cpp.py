"""Compiles tests/cpp with the flags of the build and runs it.

The tests marked `sanitizer` do so once more under AddressSanitizer and
UndefinedBehaviorSanitizer; they take minutes and are not in the default run:

    pytest tests/test_cpp.py -m sanitizer
"""

from __future__ import annotations

from pathlib import Path

import faiss
import pytest
from cpp_build import BUILD, CPP_DIR, CXX, ROOT, compile_files, run

# tests that use what depends on the instruction set that FAISS has chosen
INDEX_TESTS = [
    "test_index_binary_ivf_sdc",
    "test_index_binary_sdc",
    "test_index_ivf_sdc",
    "test_index_sdc",
    "test_index_sdc_fast_scan",
    "test_sdc_graph",
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
    sources = [ROOT / source for source in BUILD["SOURCES"]]
    sources += sorted(CPP_DIR.glob("*.cpp"))
    objects = compile_files(CXX, sources, folder, BUILD["KERNEL_FLAGS"], extra_flags)
    # not -fopenmp, which would link the compiler's own OpenMP runtime beside
    # that of the wheel
    libfaiss = BUILD["find_libfaiss"]()
    libraries = libfaiss.parent.parent / "faiss_cpu.libs"
    runtimes = list(libraries.glob("libgomp*"))
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


def simd_levels() -> list[str]:
    """Names that FAISS_SIMD_LEVEL takes and this processor has."""
    return [
        name
        for name in ("NONE", "AVX2", "AVX512", "ARM_NEON")
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
        # or with an extension, where it is the level that FAISS detects
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
