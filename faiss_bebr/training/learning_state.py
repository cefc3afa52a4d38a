"""What gradient steps go on from, in a form that files can hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch


class LearningState(NamedTuple):
    """All that the next step of a learner depends on."""

    numbers: dict[str, Any]
    """What JSON can hold."""
    tensors: dict[str, torch.Tensor]
    """The learner's own, which its next step changes."""


def prefixed(
    prefix: str, tensors: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """The tensors under names that begin with ``prefix`` and a point."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def under(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Of names that begin with ``prefix`` and a point: the rest of the name."""
    start = prefix + "."
    return {
        name.removeprefix(start): tensor
        for name, tensor in tensors.items()
        if name.startswith(start)
    }


def optimizer_state(
    optimizer: torch.optim.Optimizer, schedule: torch.optim.lr_scheduler.LambdaLR
) -> LearningState:
    """Of an optimizer with one parameter in each group, and of its learning rates."""
    progress = schedule.state_dict()
    numbers = {
        "rates": [group["lr"] for group in optimizer.param_groups],
        "base_rates": progress["base_lrs"],
        "steps": progress["last_epoch"],
    }
    tensors: dict[str, torch.Tensor] = {}
    for i, moments in optimizer.state_dict()["state"].items():
        tensors.update(prefixed(str(i), moments))
    return LearningState(numbers, tensors)


def restore_optimizer(
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LambdaLR,
    state: LearningState,
) -> None:
    """Take what ``optimizer_state`` gave, for parameters of the same shapes.

    Raises ``KeyError``, ``RuntimeError`` or ``ValueError`` if it is of others.
    """
    numbers = state.numbers
    schedule.load_state_dict(
        {
            **schedule.state_dict(),
            "base_lrs": numbers["base_rates"],
            "last_epoch": numbers["steps"],
        }
    )
    values = optimizer.state_dict()
    groups = zip(
        values["param_groups"], numbers["rates"], numbers["base_rates"], strict=True
    )
    for i, (group, rate, base_rate) in enumerate(groups):
        group["lr"], group["initial_lr"] = rate, base_rate
        (parameter,) = optimizer.param_groups[i]["params"]
        moments = under(str(i), state.tensors)
        for name, moment in moments.items():
            if name != "step" and moment.shape != parameter.shape:
                raise ValueError(f"{name}: shape {tuple(moment.shape)} found")
        if moments:
            values["state"][i] = moments
    optimizer.load_state_dict(values)
