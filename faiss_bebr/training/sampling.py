"""What the trainer reads of the user's embeddings: checks, sample, batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

MIN_TRAIN_POINTS = 64
NEIGHBORHOOD = 256


def sample_rows(x: Any, max_points: int, rng: np.random.Generator) -> np.ndarray:
    """At most ``max_points`` random rows of ``x`` as (n, d) float32 in memory.

    x: (n, d) real numbers, whatever ``np.asarray`` takes; a memory map is read at the
    sampled rows only, so NaN and infinity are looked for in these alone.
    Raises ``TypeError`` for a type that is not real numbers, ``ValueError`` otherwise.
    """
    array = np.asarray(x)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"x: real numbers expected, got dtype {array.dtype}")
    if array.ndim != 2 or array.shape[1] == 0:
        raise ValueError(f"x: shape (n, d) expected, got {array.shape}")
    if max_points < MIN_TRAIN_POINTS:
        raise ValueError(
            f"max_train_points: at least {MIN_TRAIN_POINTS} expected, got {max_points}"
        )
    if len(array) < MIN_TRAIN_POINTS:
        raise ValueError(
            f"x: at least {MIN_TRAIN_POINTS} training points expected, got {len(array)}"
        )
    # Rows in random order, so that any leading part is itself a random sample; read in
    # the file's order, which is what a memory map is fast at.
    rows = rng.permutation(len(array))[:max_points]
    order = np.argsort(rows)
    sample = np.empty((len(rows), array.shape[1]), dtype=np.float32)
    sample[order] = array[rows[order]]
    if not np.isfinite(sample).all():
        raise ValueError("x: NaN or infinite values found")
    return sample


def _batch_shape(n: int, batch_size: int) -> tuple[int, int]:
    size = min(NEIGHBORHOOD, batch_size, n)
    return max(1, batch_size // size), size


def count_batches(n: int, batch_size: int) -> int:
    """Batches in an epoch of ``neighborhood_batches`` over ``n`` rows."""
    groups, size = _batch_shape(n, batch_size)
    return max(1, n // (groups * size))


def neighborhood_batches(
    x: torch.Tensor, batch_size: int, generator: torch.Generator
) -> Iterator[torch.Tensor]:
    """One epoch of batches, each of whole neighbourhoods: (groups, size) row numbers.

    Hard negatives are rare in a random batch. So a batch is the nearest rows of a few
    random seeds, by inner product, and every pair within a group is a hard one.

    x: (n, d); a batch holds about ``batch_size`` rows, an epoch about n.
    """
    groups, size = _batch_shape(len(x), batch_size)
    seeds = torch.randperm(len(x), generator=generator)
    for step in range(count_batches(len(x), batch_size)):
        chosen = seeds[step * groups : (step + 1) * groups].to(x.device)
        yield (x[chosen] @ x.T).topk(size, dim=1).indices
