"""Trained binarizers under names, for factory strings with `BEBR[name]`."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from faiss_bebr.index_io import read_VectorTransform
from faiss_bebr.swigfaiss_bebr import BinarizerTransform

_registered: dict[str, Any] = {}
_lock = threading.Lock()


def register_binarizer(name: str, transform: Any) -> None:
    """Make `BEBR[name]` stand for a trained binarizer in factory strings.

    For pipelines that make an index from a string and never train it. The
    name holds in this process; a name that is taken is given anew.

    Parameters
    ----------
    name : str
        Any text without square brackets.
    transform : BinarizerTransform
        A trained one; it is copied, so later changes have no effect.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If the name is empty or has brackets, or the transform is not trained.
    """
    if not isinstance(name, str):
        raise TypeError(f"name must be a string, got {type(name).__name__}")
    if not name or set(name) & set("[]"):
        raise ValueError(
            f"name must not be empty and without square brackets, got {name!r}"
        )
    if not isinstance(transform, BinarizerTransform):
        raise TypeError(
            f"transform must be a BinarizerTransform, got {type(transform).__name__}"
        )
    if not transform.is_trained:
        raise ValueError(f"the transform for {name!r} is not trained")
    copy = BinarizerTransform(transform)
    with _lock:
        _registered[name] = copy


def unregister_binarizer(name: str) -> None:
    """Forget a name of `register_binarizer`; indexes made from it stay.

    Raises
    ------
    KeyError
        If the name is not registered.
    """
    with _lock:
        del _registered[name]


def load_binarizer(name: str) -> Any:
    """A new copy of what `BEBR[name]` stands for.

    Parameters
    ----------
    name : str
        A name given to `register_binarizer`, else the path of a file made by
        `write_VectorTransform`.

    Raises
    ------
    ValueError
        If it is neither; the text names it.
    """
    with _lock:
        registered = _registered.get(name)
    if registered is not None:
        return BinarizerTransform(registered)
    if not Path(name).is_file():
        raise ValueError(f"{name!r} is neither a registered binarizer nor a file")
    try:
        transform = read_VectorTransform(name)
    except RuntimeError as error:
        raise ValueError(f"cannot read a binarizer from {name!r}: {error}") from error
    if not isinstance(transform, BinarizerTransform):
        raise ValueError(
            f"the file {name!r} holds a {type(transform).__name__}, not a binarizer"
        )
    return transform
