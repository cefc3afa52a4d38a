"""Shared fixtures: seeded random data, and every SIMD level of this machine."""

from __future__ import annotations

from collections.abc import Iterator

import faiss
import numpy as np
import pytest

SIMD_LEVELS = [
    name.removeprefix("SIMDLevel_")
    for name in dir(faiss)
    if name in ("SIMDLevel_NONE", "SIMDLevel_AVX2", "SIMDLevel_AVX512")
]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(1234)


@pytest.fixture(params=[*SIMD_LEVELS, "detected"])
def simd_level(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run the test at a level of FAISS, then restore the detected one."""
    detected = faiss.SIMDConfig.get_level()
    if request.param != "detected":
        level = getattr(faiss, f"SIMDLevel_{request.param}")
        if not faiss.SIMDConfig.is_simd_level_available(level) or level > detected:
            pytest.skip(f"this processor has no {request.param}")
        faiss.SIMDConfig.set_level(level)
    yield request.param
    faiss.SIMDConfig.set_level(detected)


@pytest.fixture(params=[1, 2, 3])
def nthreads(request: pytest.FixtureRequest) -> Iterator[int]:
    """Run the test with a number of OpenMP threads, then restore it."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(request.param)
    yield request.param
    faiss.omp_set_num_threads(before)
