"""What a training tells about itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class TrainingReport:
    """What a training did, in held-out recall 10@10."""

    start_recall: float
    """Of the linear start, its factors chosen."""
    best_recall: float
    """Of what was returned."""
    history: list[dict[str, float]] = field(default_factory=list)
    """An entry for each evaluation: ``step``, ``recall``, and the mean of ``nce`` and
    ``distillation`` since the entry before."""
    interrupted: bool = False
    """Whether Ctrl-C ended the training."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Every argument that the result depends on, defaults filled in; the document
    code, for which it was trained, among them."""
    data: dict[str, Any] = field(default_factory=dict)
    """Of the training data: ``n`` and ``d``, rows ``sampled``, their ``mean_norm`` and
    ``fingerprint``, which tells other data."""
