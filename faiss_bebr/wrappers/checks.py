"""Checks of arguments with clear messages, put around FAISS's numpy methods.

FAISS itself has bare assertions there, which `python -O` removes.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

Check = Callable[[Any, dict[str, Any]], None]


def check_matrix(name: str, x: Any, width: int, what: str) -> None:
    """Raise unless `x` is a numeric array of shape (n, width).

    Raises
    ------
    TypeError
        If it is no array of numbers.
    ValueError
        If its shape is another one.
    """
    dtype = getattr(x, "dtype", None)
    if not hasattr(x, "shape") or dtype is None:
        raise TypeError(f"{name} must be an array, got {type(x).__name__}")
    if isinstance(dtype, np.dtype) and dtype.kind not in "fiub":
        raise TypeError(f"{name} must be an array of numbers, got dtype {dtype}")
    if len(x.shape) != 2 or x.shape[1] != width:
        raise ValueError(
            f"{name} must have shape (n, {what} = {width}), got {tuple(x.shape)}"
        )


def check_shape(name: str, x: Any, shape: tuple[int, ...]) -> None:
    """Raise unless `x` is an array of that shape.

    Raises
    ------
    TypeError
        If it is no array.
    ValueError
        If its shape is another one.
    """
    if not hasattr(x, "shape"):
        raise TypeError(f"{name} must be an array, got {type(x).__name__}")
    if tuple(x.shape) != shape:
        raise ValueError(f"{name} must have shape {shape}, got {tuple(x.shape)}")


def check_positive(name: str, value: Any) -> None:
    """Raise unless `value` is an integer of at least 1.

    Raises
    ------
    TypeError, ValueError
    """
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, got {type(value).__name__}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")


def check_writeable(name: str, array: Any) -> None:
    """Raise a ValueError for an output array that is read-only."""
    flags = getattr(array, "flags", None)
    if flags is not None and not flags.writeable:
        raise ValueError(f"{name} is read-only, but results are written to it")


def _check_call(index: Any, arguments: dict[str, Any], check_vectors: Check) -> None:
    check_vectors(index, arguments)
    if "k" in arguments:
        check_positive("k", arguments["k"])
    for name in ("D", "I", "R", "labels"):
        if name in arguments:
            check_writeable(name, arguments[name])


def _checked(method: Callable[..., Any], check_vectors: Check) -> Callable[..., Any]:
    """`method` after a check of its arguments, under its own name, with Python's
    integers for those of numpy.

    The name matters: faiss.contrib.torch_utils looks for it.
    """
    signature = inspect.signature(method)
    positional = [
        parameter
        for parameter in list(signature.parameters.values())[1:]  # without self
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    names = [parameter.name for parameter in positional]
    least = sum(parameter.default is parameter.empty for parameter in positional)

    @functools.wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        if least <= len(args) <= len(names) and not kwargs:
            # what bind() gives; it takes as long as the search of a small index
            arguments = dict(zip(names, args, strict=False))
        else:
            arguments = signature.bind(self, *args, **kwargs).arguments
            del arguments["self"]
        _check_call(self, arguments, check_vectors)
        for name, value in arguments.items():
            if isinstance(value, np.integer):  # which compiled methods do not take
                arguments[name] = int(value)
        return method(self, **arguments)

    return wrapper


def add_checks(the_class: type, check_vectors: Check, names: tuple[str, ...]) -> None:
    for name in names:
        setattr(the_class, name, _checked(getattr(the_class, name), check_vectors))


def check_float_vectors(index: Any, arguments: dict[str, Any]) -> None:
    check_matrix("x", arguments["x"], index.d, "d")


def check_float_codes(index: Any, arguments: dict[str, Any]) -> None:
    check_matrix("codes", arguments["codes"], index.sa_code_size(), "sa_code_size()")


def check_binary_vectors(index: Any, arguments: dict[str, Any]) -> None:
    check_matrix("x", arguments["x"], index.code_size, "code_size")


def check_binary_codes(index: Any, arguments: dict[str, Any]) -> None:
    codes = arguments["codes"]
    check_matrix("codes", codes, index.code_size, "code_size")
    if codes.dtype != np.uint8:
        raise TypeError(f"codes must be uint8, got {codes.dtype}")


def check_key(index: Any, arguments: dict[str, Any]) -> None:
    key = arguments["key"]
    if not 0 <= key < index.ntotal:
        raise ValueError(f"key must be in 0..{index.ntotal - 1}, got {key}")


def check_recons(index: Any, arguments: dict[str, Any]) -> None:
    check_writeable("x", arguments.get("x"))
