"""The vectors and queries that `tune` measures with. Needs PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np

from faiss_bebr.training.data_checks import check_rows
from faiss_bebr.training.sampling import draw_sample
from faiss_bebr.training.sources import row_blocks

# Of few vectors, not more than this part are queries.
MAX_HELD_OUT = 0.2


def draw(
    x: Any, queries: Any, sample_size: int, num_queries: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Documents (n, d) and queries (nq, d), float32; without `queries`, rows of x
    that are not among the documents.

    Raises
    ------
    TypeError, ValueError
        With the argument's name and, of bad values, the rows.
    """
    rng = np.random.default_rng(seed)
    if queries is None:
        rows = draw_sample(x, sample_size + num_queries, rng).rows
        count = min(num_queries, int(len(rows) * MAX_HELD_OUT))
        return rows[count:], rows[:count]
    documents = draw_sample(x, sample_size, rng).rows
    asked = _read_queries(queries, documents.shape[1])
    return documents, asked[rng.permutation(len(asked))[:num_queries]]


def count_columns(x: np.ndarray) -> int:
    """How many columns are not constant, copies counted once."""
    varying = np.flatnonzero(x.min(axis=0) < x.max(axis=0))
    return len({x[:, column].tobytes() for column in varying})


def _read_queries(queries: Any, d: int) -> np.ndarray:
    blocks = [block.copy() for block in row_blocks(queries, "queries")]
    if not blocks:
        raise ValueError("queries: at least 1 expected, got none")
    asked = np.concatenate(blocks)
    if asked.shape[1] != d:
        raise ValueError(f"queries: {d} columns expected as in x, got {asked.shape[1]}")
    check_rows(asked, "queries", np.arange(len(asked)))
    return asked
