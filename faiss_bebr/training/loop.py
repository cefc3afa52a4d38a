"""The gradient steps of a training, from the start to the best network."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, Protocol

import torch
from tqdm.auto import tqdm

from .held_out import HeldOut
from .network import RecurrentBinarizer


class NetworkLearner(Protocol):
    """Trains a network in place, in steps of its own."""

    steps_per_epoch: int

    def epoch(self) -> Iterator[Any]:
        """Take one step after the other; yields its losses, a NamedTuple of scalars."""

    def settle(self) -> None:
        """Leave the network as the steps so far have made it."""


def improve(
    net: RecurrentBinarizer,
    learner: NetworkLearner,
    held_out: HeldOut,
    *,
    epochs: int,
    patience: int,
    bar: tqdm,
) -> None:
    """Train ``net`` and leave it in its best state; fill in its report."""
    report = net.report
    assert report is not None
    best_state = copy.deepcopy(net.state_dict())
    stale = 0
    try:
        for epoch in range(1, epochs + 1):
            parts = []
            for losses in learner.epoch():
                parts.append(losses)
                bar.update()
            learner.settle()
            recall = held_out.recall(net)
            report.history.append(
                _entry(epoch * learner.steps_per_epoch, recall, parts)
            )
            bar.set_postfix(recall=f"{recall:.4f}")
            stale += 1
            if recall > report.best_recall:
                # State first: an interrupt between the two must not claim more.
                best_state = copy.deepcopy(net.state_dict())
                report.best_recall, stale = recall, 0
            if stale >= patience:
                break
    except KeyboardInterrupt:
        report.interrupted = True
    finally:
        net.load_state_dict(best_state)


def _entry(step: int, recall: float, parts: list[Any]) -> dict[str, float]:
    means = {
        name: torch.stack(values).mean().item()
        for name, values in zip(parts[0]._fields, zip(*parts, strict=True), strict=True)
    }
    return {"step": step, "recall": recall, **means}
