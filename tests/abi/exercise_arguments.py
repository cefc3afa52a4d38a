"""Data for the exercises, and how to hand it to the probe."""

from __future__ import annotations

from ctypes import c_void_p
from typing import Any

import faiss
import numpy as np

D = 8
N = 200


def make_vectors(n: int, seed: int) -> np.ndarray:
    """(n, D) float32 of small integers, so that all distances are exact."""
    rng = np.random.default_rng(seed)
    return rng.integers(-9, 10, size=(n, D)).astype("float32")


X = make_vectors(N, seed=1)
QUERY = make_vectors(1, seed=2)
DISTANCES = ((X - QUERY) ** 2).sum(axis=1)


def make_flat() -> faiss.IndexFlatL2:
    index = faiss.IndexFlatL2(D)
    index.add(X)
    return index


def address(proxy: Any) -> c_void_p:
    return c_void_p(int(proxy.this))


def pointer(array: np.ndarray) -> c_void_p:
    return c_void_p(array.ctypes.data)


def check_equal(found: Any, expected: Any) -> None:
    np.testing.assert_array_equal(found, expected)
