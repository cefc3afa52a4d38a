"""What a training tells about itself."""

from __future__ import annotations

from dataclasses import dataclass, field


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
