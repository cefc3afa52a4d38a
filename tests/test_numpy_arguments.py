"""Integers of numpy's as arguments, which compiled methods do not take."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import pytest
from comparisons import assert_same
from inputs import random_codes

import faiss_bebr

D, NLIST = 64, 5


def make_binary(rng: np.random.Generator) -> tuple[Any, np.ndarray]:
    return faiss_bebr.IndexBinarySDC(D, 2), random_codes(rng, 100, D)


def make_binary_ivf(rng: np.random.Generator) -> tuple[Any, np.ndarray]:
    quantizer = faiss_bebr.IndexBinarySDC(D, 2)
    index = faiss_bebr.IndexBinaryIVFSDC(quantizer, D, NLIST, 2)
    return index, random_codes(rng, 100, D)


def make_flat(rng: np.random.Generator) -> tuple[Any, np.ndarray]:
    return faiss_bebr.IndexSDC(D, 4), rng.standard_normal((100, D), dtype=np.float32)


def make_ivf(rng: np.random.Generator) -> tuple[Any, np.ndarray]:
    index = faiss_bebr.IndexIVFSDC(faiss.IndexFlatL2(D), D, NLIST, 4)
    return index, rng.standard_normal((100, D), dtype=np.float32)


@pytest.mark.parametrize("integer", [np.int64, np.int32, np.uint8])
@pytest.mark.parametrize("make", [make_binary, make_binary_ivf, make_flat, make_ivf])
def test_integers(make, integer, rng):
    index, x = make(rng)
    index.train(x)
    index.add(x)
    if hasattr(index, "make_direct_map"):
        index.make_direct_map()
    assert_same(index.search(x, integer(7)), index.search(x, 7))
    np.testing.assert_array_equal(index.assign(x, integer(3)), index.assign(x, 3))
    assert_same(
        index.search_and_reconstruct(x, k=integer(4)),
        index.search_and_reconstruct(x, k=4),
    )
    np.testing.assert_array_equal(
        index.reconstruct_n(integer(20), integer(9)), index.reconstruct_n(20, 9)
    )
    np.testing.assert_array_equal(index.reconstruct(integer(8)), index.reconstruct(8))
