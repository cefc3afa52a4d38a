"""What the trainer sees of the embeddings: a sample of rows, and batches of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

from .data_checks import check_dimension, check_rows, check_size
from .sources import as_float32, mapped_array, row_blocks

NEIGHBORHOOD = 256
MAX_QUERIES = 50_000


class Sample(NamedTuple):
    """Random rows of the user's embeddings."""

    rows: np.ndarray
    """(n, d) float32 in random order: any leading part is itself a random sample."""
    total: int
    """Rows that the source has."""

    def statistics(self) -> dict[str, Any]:
        """For reports and files; ``fingerprint`` tells other data, or another order."""
        return {
            "n": self.total,
            "d": self.rows.shape[1],
            "sampled": len(self.rows),
            "mean_norm": float(np.linalg.norm(self.rows, axis=1).mean()),
            "fingerprint": hashlib.blake2b(
                np.ascontiguousarray(self.rows), digest_size=16
            ).hexdigest(),
        }


def draw_sample(
    x: Any, max_points: int, rng: np.random.Generator, name: str = "x"
) -> Sample:
    """At most ``max_points`` random rows of ``x``, which alone are held in memory.

    x: see ``row_blocks``. A memory map is read at the sampled rows only, so bad
    values are looked for in these alone; all else is read once and checked.
    A seed draws the same rows from an array, a map of it, and batches of it.
    Raises ``TypeError`` for a type that is not real numbers, ``ValueError`` otherwise.
    """
    check_size(max_points, "max_train_points")
    mapped = mapped_array(x, name)
    if mapped is not None:
        return _draw_from_map(mapped, max_points, rng, name)
    reservoir = _Reservoir(max_points, rng)
    for block in row_blocks(x, name):
        seen = reservoir.total
        check_rows(block, name, np.arange(seen, seen + len(block)))
        reservoir.add(block)
    check_size(reservoir.total, name)
    return Sample(reservoir.rows(), reservoir.total)


def draw_queries(queries: Any, d: int, rng: np.random.Generator, like: str) -> Sample:
    """``draw_sample`` of at most ``MAX_QUERIES``, of the dimensions of ``like``."""
    sample = draw_sample(queries, MAX_QUERIES, rng, "queries")
    check_dimension(sample.rows, d, "queries", like)
    return sample


def sample_rows(x: Any, max_points: int, rng: np.random.Generator) -> np.ndarray:
    """The rows of ``draw_sample``."""
    return draw_sample(x, max_points, rng).rows


def _draw_from_map(
    array: np.ndarray, max_points: int, rng: np.random.Generator, name: str
) -> Sample:
    check_size(len(array), name)
    rows = _smallest(rng.random(len(array)), max_points)
    # Read in the file's order, which is what a memory map is fast at.
    order = np.argsort(rows)
    found = as_float32(array[rows[order]])
    check_rows(found, name, rows[order])
    sample = np.empty(found.shape, dtype=np.float32)
    sample[order] = found
    return Sample(sample, len(array))


def _smallest(keys: np.ndarray, count: int) -> np.ndarray:
    """Positions of the ``count`` smallest keys, by rising key."""
    if count < len(keys):
        chosen = np.argpartition(keys, count)[:count]
    else:
        chosen = np.arange(len(keys))
    return chosen[np.argsort(keys[chosen])]


class _Reservoir:
    """The rows of smallest random key among all that were added.

    Rows above the largest key that may stay are dropped at once; the rest is thinned
    out whenever it has grown by a quarter, so a row costs the same in any batch.
    """

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self.size = size
        self.total = 0
        self._rng = rng
        self._limit = np.inf
        self._rows: list[np.ndarray] = []
        self._keys: list[np.ndarray] = []
        self._held = 0

    def add(self, block: np.ndarray) -> None:
        """block: (b, d); copied."""
        keys = self._rng.random(len(block))
        near = keys < self._limit
        self.total += len(block)
        self._rows.append(block[near])
        self._keys.append(keys[near])
        self._held += len(self._keys[-1])
        if self._held >= self.size + self.size // 4:
            self._thin_out()

    def rows(self) -> np.ndarray:
        """(min(size, total), d), by rising key."""
        self._thin_out()
        return self._rows[0]

    def _thin_out(self) -> None:
        keys = np.concatenate(self._keys)
        chosen = _smallest(keys, self.size)
        self._rows = [np.concatenate(self._rows)[chosen]]
        self._keys = [keys[chosen]]
        self._held = len(chosen)
        if self._held == self.size:
            self._limit = self._keys[0][-1]


def _batch_shape(n: int, batch_size: int) -> tuple[int, int]:
    size = min(NEIGHBORHOOD, batch_size, n)
    return max(1, batch_size // size), size


def count_batches(n: int, batch_size: int) -> int:
    """Batches in an epoch of ``neighborhood_batches`` over ``n`` rows."""
    groups, size = _batch_shape(n, batch_size)
    return max(1, n // (groups * size))


def neighborhood_batches(
    x: torch.Tensor, batch_size: int, generator: torch.Generator, first: int = 0
) -> Iterator[torch.Tensor]:
    """One epoch of batches, each of whole neighbourhoods: (groups, size) row numbers.

    Hard negatives are rare in a random batch. So a batch is the nearest rows of a few
    random seeds, by inner product, and every pair within a group is a hard one.

    x: (n, d); a batch holds about ``batch_size`` rows, an epoch about n.
    first: the batch to begin with; the ones before are not computed.
    """
    groups, size = _batch_shape(len(x), batch_size)
    seeds = torch.randperm(len(x), generator=generator)
    for step in range(first, count_batches(len(x), batch_size)):
        chosen = seeds[step * groups : (step + 1) * groups].to(x.device)
        yield (x[chosen] @ x.T).topk(size, dim=1).indices
