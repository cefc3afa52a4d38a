"""Warnings that point at the caller's own line."""

from __future__ import annotations

import sys
import warnings

# What a call may go through: the class wrappers and factories of these.
PACKAGES = {"faiss", __name__.partition(".")[0]}


def warn_user(message: str) -> None:
    """A ``UserWarning`` at the innermost line that is in none of ``PACKAGES``."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and _package(frame.f_globals) in PACKAGES:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)


def _package(names: dict[str, object]) -> str:
    return str(names.get("__name__", "")).partition(".")[0]
