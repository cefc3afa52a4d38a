"""How the C++ part is compiled, for setup.py and the C++ tests.

Both load this file with runpy: a build under PEP 517 does not have this folder
on its path.
"""

import platform
from importlib.util import find_spec
from pathlib import Path

SWIG_DIR = Path("swig")
SOURCES = [
    str(path.relative_to(Path(__file__).parent))
    for path in sorted((Path(__file__).parent / SWIG_DIR).glob("*/*.cpp"))
]

# GCC 12 warns about its own AVX512 headers, here and below
AVX512 = ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mpopcnt"]
AVX512 += ["-Wno-uninitialized"]
# one file per instruction set, chosen at run time by kernels/dispatch.cpp; on
# other machines it is empty
MACHINE_KERNEL_FLAGS = {
    "x86_64": {
        "avx2.cpp": ["-mavx2", "-mfma"],
        "avx2_tables.cpp": ["-mavx2", "-mf16c"],
        "avx2_vnni.cpp": ["-mavx2", "-mavxvnni"],
        "avx512.cpp": AVX512,
        "avx512_gfni.cpp": [
            *AVX512,
            *("-mavx512vbmi", "-mavx512vnni", "-mavx512vpopcntdq", "-mgfni"),
        ],
        "avx512_vbmi.cpp": [*AVX512, "-mavx512vbmi"],
        "avx512_vnni.cpp": [*AVX512, "-mavx512vnni"],
        "avx512_vpopcntdq.cpp": [*AVX512, "-mavx512vpopcntdq"],
    },
    "aarch64": {
        "neon.cpp": [],
        "neon_tables.cpp": [],
        "neon_dotprod.cpp": ["-march=armv8.2-a+dotprod"],
        "neon_i8mm.cpp": ["-march=armv8.2-a+i8mm"],
    },
}
KERNEL_FLAGS = MACHINE_KERNEL_FLAGS.get(platform.machine(), {})
COMPILE_FLAGS = [
    "-std=c++17",
    "-O3",
    "-g0",
    "-fopenmp",
    # all instruction sets have to give the same bits
    "-ffp-contract=off",
    "-Wall",
    "-Wno-maybe-uninitialized",
]


def version_macros(version: str) -> list[tuple[str, str]]:
    """What the declarations of swig/include need to know."""
    parts = zip(("MAJOR", "MINOR", "PATCH"), version.split("."), strict=True)
    return [(f"FAISS_VERSION_{part}", number) for part, number in parts]


def find_libfaiss() -> Path:
    """Path of the faiss-cpu wheel's libfaiss.so, without importing faiss."""
    spec = find_spec("faiss")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("building faiss_bebr needs faiss-cpu: pip install faiss-cpu")
    path = Path(list(spec.submodule_search_locations)[0]) / "libfaiss.so"
    if not path.exists():
        raise SystemExit(f"{path} does not exist: faiss_bebr needs the faiss-cpu wheel")
    return path
