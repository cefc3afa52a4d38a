"""Choosing a code: recall, bytes and speed of a grid of codes, measured."""

from __future__ import annotations

from .grid import Candidate, faiss_grid, own_grid
from .result import TuningResult, TuningRow
from .tune import tune

__all__ = [
    "Candidate",
    "TuningResult",
    "TuningRow",
    "faiss_grid",
    "own_grid",
    "tune",
]
