"""Shared fixtures: seeded random data, and every SIMD level of this machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator

# threads that spin while they wait take the processor from those that work;
# read when the first OpenMP runtime is loaded
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import faiss  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

SIMD_LEVELS = ["NONE", "AVX2", "AVX512"]
if platform.machine() == "aarch64":
    SIMD_LEVELS = ["NONE", "ARM_NEON"]


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


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """With several, the links of an HNSW graph depend on who comes first."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(before)


@pytest.fixture(scope="session")
def embeddings() -> np.ndarray:
    """(1500, 32) float32 unit rows in clusters, of falling variance and a mean."""
    rng = np.random.default_rng(123)
    spectrum = 1 / np.sqrt(1 + np.arange(32))
    centres = rng.standard_normal((40, 32)) * spectrum
    x = centres[rng.integers(0, 40, 1500)]
    x = x + 0.6 * rng.standard_normal(x.shape) * spectrum + 0.1
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def named_binarizers() -> Iterator[None]:
    """The binarizers of random factory strings, under their names."""
    from factory_strings import register_binarizers, unregister_binarizers

    register_binarizers()
    yield
    unregister_binarizers()
