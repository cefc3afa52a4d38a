"""Pickling and `copy.deepcopy` of our classes, as FAISS's indexes have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def add_pickling(
    the_class: type,
    serialize: Callable[[Any], np.ndarray],
    deserialize: Callable[[np.ndarray], Any],
) -> None:
    """Give a class `__getstate__` and `__setstate__` through the bytes of a file."""

    def __getstate__(self: Any) -> dict[str, bytes]:
        return {"this": serialize(self).tobytes()}

    def __setstate__(self: Any, state: dict[str, bytes]) -> None:
        read = deserialize(np.frombuffer(state["this"], dtype=np.uint8))
        self.this = read.this

    the_class.__getstate__ = __getstate__  # type: ignore[attr-defined]
    the_class.__setstate__ = __setstate__  # type: ignore[attr-defined]
