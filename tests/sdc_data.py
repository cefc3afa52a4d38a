"""Vectors and query maps for the tests of indexes over SDC codes."""

from __future__ import annotations

import numpy as np


def random_vectors(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Values in and beyond (-2, 2), with zeros and grid points among them."""
    x = rng.standard_normal((n, d)).astype(np.float32)
    x[: n // 20] = np.round(x[: n // 20] * 4) / 4
    x[n // 20 : n // 10] *= 10
    x[n // 10 : n // 10 + 1] = 0
    x[n // 10 + 1 : n // 10 + 2] = -0.0
    return x


def random_map(rng: np.random.Generator, d: int) -> tuple[np.ndarray, np.ndarray]:
    weight = rng.random(d).astype(np.float32)
    weight[0] = 0
    return weight, (0.2 * rng.standard_normal(d)).astype(np.float32)
