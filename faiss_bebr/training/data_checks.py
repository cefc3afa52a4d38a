"""What the trainer refuses of the user's data, before it begins."""

from __future__ import annotations

from typing import Any

import numpy as np

from .user_warnings import warn_user

MIN_TRAIN_POINTS = 64
NAMED_ROWS = 5
# Columns are compared on this many rows first, which nearly always settles it.
COLUMN_ROWS = 2048
MAX_LENGTH_VARIATION = 0.1
# Squares of lengths are float32, and sums of squared scores.
LEAST_LENGTH, MAX_LENGTH = 1e-15, 1e8


def check_rows(block: np.ndarray, name: str, numbers: np.ndarray) -> None:
    """Refuse NaN, infinity, zero vectors, and others too long or short for float32
    arithmetic, with their row numbers.

    A zero vector has no direction, so nothing is near it or far from it.

    block: (b, d) float32; numbers: (b,) of its rows in the source.
    """
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        squares = np.einsum("ij,ij->i", block, block)
        good = (squares >= LEAST_LENGTH**2) & (squares <= MAX_LENGTH**2)
    if good.all():
        return
    block, numbers = block[~good], numbers[~good]
    bad = ~np.isfinite(block).all(axis=1)
    if bad.any():
        raise ValueError(f"{name}: NaN or infinite values in {_rows(numbers[bad])}")
    zero = ~block.any(axis=1)
    if zero.any():
        raise ValueError(
            f"{name}: zero vectors, which have no direction, in {_rows(numbers[zero])}"
        )
    raise ValueError(
        f"{name}: vectors of length {LEAST_LENGTH:g} to {MAX_LENGTH:g} expected, got "
        f"longer or shorter ones in {_rows(numbers)}"
    )


def check_distinct(sample: np.ndarray, ncentroids: int, name: str = "x") -> None:
    """Refuse data that cannot be clustered: each centroid needs a vector of its own,
    and one vector has to be apart from them.

    sample: (n, d) float32, without what is held out.
    """
    found: set[int] = set()
    for row in sample:
        found.add(hash(row.tobytes()))
        if len(found) > ncentroids:
            return
    raise ValueError(
        f"{name}: more than {ncentroids} different vectors expected beside those held "
        f"out, as there are so many centroids, got {len(found)} among {len(sample)}"
    )


def check_size(n: int, name: str, m: int = 0) -> None:
    """Refuse fewer vectors than train a code of ``m`` dimensions: their principal
    directions are less than that many."""
    least = max(MIN_TRAIN_POINTS, m)
    if n < least:
        reason = f" for {m} code dimensions" if least > MIN_TRAIN_POINTS else ""
        raise ValueError(
            f"{name}: at least {least} training points expected{reason}, got {n}"
        )


def check_columns(sample: np.ndarray, m: int, name: str = "x") -> None:
    """Refuse data that cannot fill ``m`` code dimensions.

    A column that is constant or a copy of another does no harm by itself, as the
    start rotates it away; but every code dimension needs a column that tells
    something.

    sample: (n, d) float32 rows in random order.
    """
    d = sample.shape[1]
    if m > d:
        raise ValueError(f"m: at most the embeddings' {d} dimensions expected, got {m}")
    for part in (sample[:COLUMN_ROWS], sample):
        varying = np.flatnonzero(part.min(axis=0) < part.max(axis=0))
        distinct = len({part[:, column].tobytes() for column in varying})
        if distinct >= m:
            return
    if not distinct:
        raise ValueError(f"{name}: different vectors expected, all are equal")
    raise ValueError(
        f"{name}: at least {m} columns that tell something expected, for as many code "
        f"dimensions, got {distinct}: of {d} columns {d - len(varying)} are constant "
        f"and {len(varying) - distinct} are copies of others"
    )


def warn_of_lengths(sample: np.ndarray) -> None:
    """Codes keep directions well and lengths less so; say so where these differ."""
    lengths = np.linalg.norm(sample, axis=1)
    if lengths.std() > MAX_LENGTH_VARIATION * lengths.mean():
        warn_user(
            f"the embeddings' lengths vary by {lengths.std() / lengths.mean():.0%}; "
            "binarizers are made for unit length: normalize them, as with "
            "faiss.normalize_L2"
        )


def check_dimension(rows: np.ndarray, d: int, name: str, like: str) -> None:
    """Refuse embeddings, (n, other), of another dimension than what ``like`` names."""
    if rows.shape[1] != d:
        raise ValueError(
            f"{name}: {d} dimensions expected, as {like} has, got {rows.shape[1]}"
        )


def check_pairs(queries: Any, documents: Any) -> None:
    """Refuse pairs of unequal length: row i of one belongs to row i of the other."""
    if len(queries) != len(documents):
        raise ValueError(
            "pairs: as many queries as documents expected, "
            f"got {len(queries)} and {len(documents)}"
        )


def _rows(numbers: np.ndarray) -> str:
    named = ", ".join(str(number) for number in numbers[:NAMED_ROWS])
    more = ", ..." if len(numbers) > NAMED_ROWS else ""
    return f"row{'s' if len(numbers) > 1 else ''} {named}{more}"
