"""The user's embeddings, whatever holds them, as blocks of float32 rows."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

import numpy as np
import torch

BLOCK_BYTES = 2**24


def mapped_array(x: Any, name: str) -> np.ndarray | None:
    """``x`` as an (n, d) array if it is a memory map or a view of one, else None."""
    if not isinstance(x, np.ndarray):
        return None
    owner: Any = x
    while isinstance(owner, np.ndarray) and not isinstance(owner, np.memmap):
        owner = owner.base
    if not isinstance(owner, (np.memmap, mmap.mmap)):
        return None
    _check_matrix(x, name)
    return x


def row_blocks(x: Any, name: str) -> Iterator[np.ndarray]:
    """All rows of ``x`` in order, as (b, d) float32 blocks of one ``d``.

    x: an array or tensor (n, d), a list of rows, something with a shape, a dtype and
    slices (an HDF5 dataset), or an iterable of batches, each of these itself.
    Raises ``TypeError`` for what is not real numbers, ``ValueError`` for a shape that
    is not (n, d); both name the batch. A block is valid until the next is asked for.
    """
    if isinstance(x, (str, bytes, Mapping, Set)):
        raise TypeError(f"{name}: real numbers expected, got {type(x).__name__}")
    if not _is_batches(x):
        yield from _slices(x, name)
        return
    d = None
    for i, batch in enumerate(x):
        where = f"batch {i} of {name}"
        for block in _slices(batch, where):
            if d not in (None, block.shape[1]):
                raise ValueError(
                    f"{where}: {d} columns expected as before, got {block.shape[1]}"
                )
            d = block.shape[1]
            yield block


def as_float32(rows: np.ndarray) -> np.ndarray:
    """What is beyond float32 becomes infinite, for ``check_rows`` to find."""
    with np.errstate(over="ignore"):
        return rows.astype(np.float32, copy=False)


def _is_batches(x: Any) -> bool:
    if isinstance(x, (list, tuple)):
        return bool(x) and getattr(x[0], "ndim", None) == 2
    is_array = hasattr(x, "shape") or hasattr(x, "__array__")
    return isinstance(x, Iterable) and not is_array


def _slices(x: Any, name: str) -> Iterator[np.ndarray]:
    if isinstance(x, (list, tuple)) and x and isinstance(x[0], torch.Tensor):
        x = torch.stack(tuple(x))
    if isinstance(x, torch.Tensor):
        if x.layout != torch.strided:
            raise TypeError(f"{name}: a dense tensor expected, got {x.layout}")
        x = x.detach()
    elif not _is_sliceable(x):
        try:
            x = np.asarray(x)
        except ValueError as error:
            raise ValueError(f"{name}: shape (n, d) expected: {error}") from error
    _check_matrix(x, name)
    step = max(1, BLOCK_BYTES // (4 * x.shape[1]))
    for first in range(0, x.shape[0], step):
        rows = x[first : first + step]
        if isinstance(rows, torch.Tensor):
            yield rows.to("cpu", torch.float32).numpy()
        else:
            yield as_float32(np.asarray(rows))


def _is_sliceable(x: Any) -> bool:
    return all(hasattr(x, name) for name in ("shape", "dtype", "__getitem__"))


def _check_matrix(x: Any, name: str) -> None:
    dtype = x.dtype
    if isinstance(dtype, torch.dtype):
        is_real = not dtype.is_complex and dtype != torch.bool
    else:
        is_real = np.dtype(dtype).kind in "fiu"
    if not is_real:
        raise TypeError(f"{name}: real numbers expected, got dtype {dtype}")
    if len(x.shape) != 2 or x.shape[1] == 0:
        raise ValueError(f"{name}: shape (n, d) expected, got {tuple(x.shape)}")
