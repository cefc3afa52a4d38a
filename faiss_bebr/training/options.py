"""Arguments of the trainer: checked, and their defaults resolved."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from .blocks import SURROGATES
from .network import BITS_PER_BYTE, MAX_NBITS, check_plane_widths

PRECISIONS = ("float32", "bfloat16", "float16")


def integer(name: str, value: Any) -> int:
    """``value`` as an int; ``TypeError`` for what is none."""
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: an integer expected, got {value!r}") from None


def check_least(**values: tuple[int, int]) -> dict[str, int]:
    """Raise for the first argument that is no integer or below its least value; the
    arguments as ints otherwise."""
    for name, (value, least) in values.items():
        if integer(name, value) < least:
            raise ValueError(f"{name}: at least {least} expected, got {value}")
    return {name: int(value) for name, (value, _) in values.items()}


def check_defaults(
    defaults: Mapping[str, Any], given: Mapping[str, Any], where: str
) -> None:
    """Refuse arguments that would not be used."""
    for name, default in defaults.items():
        value = given[name]
        if value is default:
            continue
        # What has no default is data or shapes, which may have no single truth value.
        if default is None or np.ndim(value) or value != default:
            raise ValueError(f"{name}: only expected {where}")


def plane_widths(m: int | Sequence[int], nbits: int | None) -> tuple[int, ...]:
    """Every plane's width, of one width and a number of planes or all widths."""
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


def check_matryoshka_dims(dims: Sequence[int] | None, m: int) -> tuple[int, ...]:
    """Widths of prefixes of a code of ``m`` dimensions, none for ``None``."""
    if dims is None:
        return ()
    name = "matryoshka_dims"
    if isinstance(dims, str) or not isinstance(dims, (Sequence, np.ndarray)):
        raise TypeError(f"{name}: a sequence of integers expected, got {dims!r}")
    widths = [integer(name, width) for width in dims]
    if not widths:
        raise ValueError(f"{name}: at least one width expected, got none")
    if any(width <= 0 or width % BITS_PER_BYTE for width in widths):
        raise ValueError(
            f"{name}: positive multiples of {BITS_PER_BYTE} expected, got {widths}"
        )
    if any(a >= b for a, b in zip(widths, widths[1:], strict=False)):
        raise ValueError(f"{name}: increasing widths expected, got {widths}")
    if widths[-1] >= m:
        raise ValueError(
            f"{name}: widths below the code's {m} dimensions expected, which count "
            f"in any case, got {widths}"
        )
    return tuple(widths)


def hidden_widths(hidden: int | Sequence[int]) -> tuple[int, ...]:
    """Widths of hidden layers to try, of one or several different ones."""
    widths = hidden if isinstance(hidden, Sequence) else [hidden]
    checked = tuple(check_least(hidden=(width, 0))["hidden"] for width in widths)
    if not checked or len(set(checked)) < len(checked):
        raise ValueError(f"hidden: different widths expected, got {list(checked)}")
    return checked


def plain(value: Any) -> Any:
    """An argument as JSON has it: numpy's scalars and arrays become Python's."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    try:
        return operator.index(value)
    except TypeError:
        return float(value)


def check_surrogate(surrogate: str) -> str:
    """The name of a gradient of the sign; ``ValueError`` for any other."""
    if surrogate not in SURROGATES:
        raise ValueError(
            f"surrogate: one of {', '.join(SURROGATES)} expected, got {surrogate!r}"
        )
    return surrogate


def choose_device(device: str | torch.device | None) -> torch.device:
    """CUDA where there is one, unless another is asked for; ``ValueError`` for CUDA
    where there is none."""
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device: {device} is not there, PyTorch finds no CUDA")
    return device


def choose_precision(precision: str | None, device: torch.device) -> str:
    """Mixed precision on CUDA, unless another is asked for.

    float16 keeps 11 bits, which the signs of all planes need; bfloat16 keeps 8, as
    many as there can be planes.
    """
    if precision is None:
        return "float16" if device.type == "cuda" else "float32"
    if precision not in PRECISIONS:
        raise ValueError(
            f"precision: one of {', '.join(PRECISIONS)} expected, got {precision!r}"
        )
    return precision
