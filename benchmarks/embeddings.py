"""What a data set of the benchmarks is, and where its arrays are kept."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

NUM_QUERIES = 10_000


@dataclass
class Embeddings:
    """Documents (n, d) and queries (10000, d), float32 of unit length.

    Queries 0-4999 are for choosing, 5000-9999 for the figures that are reported.
    `relevant` (10000,) is the row of the document that a query belongs to, where
    the data set has such.
    """

    documents: np.ndarray
    queries: np.ndarray
    relevant: np.ndarray | None = None

    @property
    def reported_queries(self) -> np.ndarray:
        return self.queries[NUM_QUERIES // 2 :]


def find_folder(variable: str, name: str) -> Path:
    """The folder that an environment variable names, else one in the cache."""
    chosen = os.environ.get(variable)
    if chosen:
        return Path(chosen)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "faiss_bebr" / name


def save(path: Path, array: np.ndarray) -> None:
    """Write whole or not at all."""
    temporary = path.with_suffix(".tmp.npy")
    np.save(temporary, array)
    temporary.replace(path)
