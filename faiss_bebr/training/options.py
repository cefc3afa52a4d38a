"""Arguments of the trainer: checked, and their defaults resolved."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch

from .network import BITS_PER_BYTE, MAX_NBITS, check_plane_widths


def integer(name: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: an integer expected, got {value!r}") from None


def check_least(**values: tuple[int, int]) -> None:
    """Raise for the first argument that is no integer or below its least value."""
    for name, (value, least) in values.items():
        if integer(name, value) < least:
            raise ValueError(f"{name}: at least {least} expected, got {value}")


def plane_widths(m: int | Sequence[int], nbits: int | None) -> tuple[int, ...]:
    if isinstance(m, Sequence) and not isinstance(m, str):
        widths = check_plane_widths([integer("m", width) for width in m])
        if nbits not in (None, len(widths)):
            raise ValueError(f"nbits: m has {len(widths)} plane widths, got {nbits}")
        return widths
    width = integer("m", m)
    if nbits is None:
        raise ValueError("nbits: needed where m is one width for all planes")
    nbits = integer("nbits", nbits)
    if not 1 <= nbits <= MAX_NBITS:
        raise ValueError(f"nbits: 1 to {MAX_NBITS} expected, got {nbits}")
    if width <= 0 or width % BITS_PER_BYTE:
        raise ValueError(
            f"m: a positive multiple of {BITS_PER_BYTE} expected, got {width}"
        )
    return (width,) * nbits


def choose_device(device: str | torch.device | None) -> torch.device:
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)
