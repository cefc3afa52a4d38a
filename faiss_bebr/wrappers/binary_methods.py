"""What the binary index types share, and FAISS gives to its float types only."""

from __future__ import annotations

from typing import Any

import numpy as np
from faiss import class_wrappers
from faiss.loader import swig_ptr


def search_and_reconstruct(
    self: Any,
    x: np.ndarray,
    k: int,
    *,
    params: Any = None,
    D: np.ndarray | None = None,
    I: np.ndarray | None = None,
    R: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the k nearest codes and return them too.

    Parameters
    ----------
    x : array_like
        Queries, shape (n, code_size), uint8.
    k : int
        Number of nearest neighbors.
    params : SearchParameters
        Search parameters of the current search.
    D, I, R : array_like, optional
        Arrays to store the results.

    Returns
    -------
    D : ndarray
        Distances, shape (n, k), int32.
    I : ndarray
        Labels, shape (n, k), int64; -1 where there is no result.
    R : ndarray
        Codes, shape (n, k, code_size), uint8; 255 where there is none.
    """
    n = len(x)
    D = np.empty((n, k), dtype=np.int32) if D is None else D
    I = np.empty((n, k), dtype=np.int64) if I is None else I
    R = np.empty((n, k, self.code_size), dtype=np.uint8) if R is None else R
    for name, array, shape in (
        ("D", D, (n, k)),
        ("I", I, (n, k)),
        ("R", R, (n, k, self.code_size)),
    ):
        if array.shape != shape:
            raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    x = class_wrappers._check_dtype_uint8(x)
    self.search_and_reconstruct_c(
        n, swig_ptr(x), k, swig_ptr(D), swig_ptr(I), swig_ptr(R), params
    )
    return D, I, R
