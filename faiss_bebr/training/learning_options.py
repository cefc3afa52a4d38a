"""Settings of the gradient steps on planes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from .options import check_least


@dataclass(frozen=True, kw_only=True)
class LearningOptions:
    """Settings of the gradient steps; ``train_binarizer`` says what each one is."""

    learning_rate: float
    temperature: float
    queue_size: int
    momentum: float
    hard_negatives: int
    nce_weight: float
    distillation_weight: float
    nested: bool = False
    matryoshka_dims: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in ("learning_rate", "temperature"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise ValueError(f"{name}: a positive number expected, got {value}")
        for name in ("nce_weight", "distillation_weight"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ValueError(f"{name}: 0 or more expected, got {value}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum: 0 up to below 1 expected, got {self.momentum}")


def make_learning_options(given: Mapping[str, Any]) -> LearningOptions:
    """Of a trainer's arguments, as far as it has them."""
    values = {
        field.name: given[field.name]
        for field in fields(LearningOptions)
        if field.name in given
    }
    counts = check_least(
        **{name: (values[name], 1) for name in ("queue_size", "hard_negatives")}
    )
    return LearningOptions(**{**values, **counts, "nested": bool(given["nested"])})
