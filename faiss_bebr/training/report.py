"""What a training tells about itself."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

from .tensor_file import check_keys


@dataclass
class TrainingReport:
    """What a training did, in held-out recall 10@10."""

    start_recall: float
    """Of the linear start, its factors chosen; for a budget without weights of
    errors."""
    best_recall: float
    """Of what was returned."""
    history: list[dict[str, float]] = field(default_factory=list)
    """An entry for each evaluation: ``step``, ``recall``, and the mean of each loss
    since the entry before: ``nce`` and ``distillation``, or ``score`` and ``vector``
    for a budget. ``train_compatible`` and ``matryoshka_dims`` add the recalls that this
    is the mean of, and an entry of step 0, which is the start."""
    interrupted: bool = False
    """Whether Ctrl-C ended the training."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Every argument that the result depends on, defaults filled in; the document
    code, for which it was trained, among them."""
    data: dict[str, Any] = field(default_factory=dict)
    """Of the training data: ``n`` and ``d``, rows ``sampled``, their ``mean_norm`` and
    ``fingerprint``, which tells other data."""


def report_to_json(report: TrainingReport) -> dict[str, Any]:
    """As a JSON object; a loss that is not finite becomes null."""
    values = dataclasses.asdict(report)
    values["history"] = [
        {name: value if math.isfinite(value) else None for name, value in entry.items()}
        for entry in report.history
    ]
    return values


def report_from_json(values: Any) -> TrainingReport:
    """What ``report_to_json`` gave; ``ValueError`` for anything else."""
    if not isinstance(values, dict):
        raise ValueError(f"report: an object expected, got {values!r}")
    example = dataclasses.asdict(TrainingReport(start_recall=0.0, best_recall=0.0))
    check_keys("report", values, set(example))
    for name, value in values.items():
        kind = type(example[name])
        if type(value) is not kind:
            raise ValueError(
                f"report: {name} of type {kind.__name__} expected, got {value!r}"
            )
    report = TrainingReport(**values)
    report.history = [_entry(entry) for entry in report.history]
    return report


def _entry(values: Any) -> dict[str, float]:
    if not isinstance(values, dict):
        raise ValueError(f"report: objects expected in history, got {values!r}")
    entry = {
        name: math.nan if value is None else value for name, value in values.items()
    }
    for name, value in entry.items():
        if type(value) not in (int, float):
            raise ValueError(f"report: {name} in history is {value!r}")
    return entry
