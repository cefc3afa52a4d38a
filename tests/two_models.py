"""Two embedding models for the tests: the old one is smaller, bent and noisy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

NUM_DOCUMENTS = 2000
NUM_QUERIES = 300
NEW_D, OLD_D = 48, 32
NOISE = 0.05


class Embedded(NamedTuple):
    """float32 of unit length, by one model."""

    documents: np.ndarray
    queries: np.ndarray


class TwoModels(NamedTuple):
    """The same items by both."""

    old: Embedded
    new: Embedded


def two_models() -> TwoModels:
    """Items in clusters, of falling variance and a mean in either space."""
    rng = np.random.default_rng(11)
    n = NUM_DOCUMENTS + NUM_QUERIES
    spectrum = 1 / np.sqrt(1 + np.arange(NEW_D))
    centres = rng.standard_normal((60, NEW_D)) * spectrum
    x = centres[rng.integers(0, 60, n)]
    x = x + 0.6 * rng.standard_normal(x.shape) * spectrum
    turned = np.linalg.qr(rng.standard_normal((NEW_D, NEW_D)))[0]
    new = _unit(x @ turned + 0.08)
    mixing = np.linalg.qr(rng.standard_normal((NEW_D, OLD_D)))[0]
    bent = np.tanh(3 * new @ mixing) / 3
    old = _unit(bent + NOISE * rng.standard_normal(bent.shape))
    return TwoModels(
        Embedded(old[NUM_QUERIES:], old[:NUM_QUERIES]),
        Embedded(new[NUM_QUERIES:], new[:NUM_QUERIES]),
    )


def _unit(x: np.ndarray) -> np.ndarray:
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
