"""Comparisons of search results."""

from __future__ import annotations

import numpy as np


def assert_same(ours, theirs) -> None:
    """Tuples of arrays with the same bits."""
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


def assert_same_neighbors(ours, theirs) -> None:
    """(D, I) pairs with the same bits in D, and labels that differ only in the
    choice and order among equal distances."""
    D, I = ours
    D_other, I_other = theirs
    np.testing.assert_array_equal(D, D_other)
    k = D.shape[1]
    for q in range(len(D)):
        certain = D[q] != D[q, -1]
        assert set(I[q][certain]) == set(I_other[q][certain])
        for distance in np.unique(D[q][certain]):
            same = D[q] == distance
            assert set(I[q][same]) == set(I_other[q][same])
        valid = I[q][I[q] >= 0]
        assert len(set(valid)) == len(valid) <= k
