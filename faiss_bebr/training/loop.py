"""The gradient steps of a training, from the start to the best network."""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from tqdm.auto import tqdm

from .held_out import HeldOut
from .learner import Learner, LearningOptions
from .losses import LossParts
from .network import RecurrentBinarizer
from .sampling import count_batches, neighborhood_batches

NORM_ROWS = 8192


class Schedule(NamedTuple):
    """How long and in what steps the gradient training goes."""

    epochs: int
    batch_size: int
    patience: int
    seed: int


def improve(
    net: RecurrentBinarizer,
    x: torch.Tensor,
    held_out: HeldOut,
    options: LearningOptions,
    schedule: Schedule,
    bar: tqdm,
) -> None:
    """Train ``net`` and leave it in its best state; fill in its report.

    x: (n, d_in), the held-out queries not among them.
    """
    report = net.report
    assert report is not None
    best_state = copy.deepcopy(net.state_dict())
    steps_per_epoch = count_batches(len(x), schedule.batch_size)
    learner = Learner(
        net,
        options,
        document_nbits=held_out.document_nbits,
        total_steps=schedule.epochs * steps_per_epoch,
        unit=float(x.square().sum(dim=1).mean().sqrt()) or 1.0,
    )
    generator = torch.Generator().manual_seed(schedule.seed)
    stale = 0
    try:
        learner.refresh_norms(x[:NORM_ROWS])
        for epoch in range(1, schedule.epochs + 1):
            parts = []
            for groups in neighborhood_batches(x, schedule.batch_size, generator):
                parts.append(learner.step(x[groups]))
                bar.update()
            learner.refresh_norms(x[:NORM_ROWS])
            recall = held_out.recall(net)
            report.history.append(_entry(epoch * steps_per_epoch, recall, parts))
            bar.set_postfix(recall=f"{recall:.4f}")
            stale += 1
            if recall > report.best_recall:
                # State first: an interrupt between the two must not claim more.
                best_state = copy.deepcopy(net.state_dict())
                report.best_recall, stale = recall, 0
            if stale >= schedule.patience:
                break
    except KeyboardInterrupt:
        report.interrupted = True
    finally:
        net.load_state_dict(best_state)


def _entry(step: int, recall: float, parts: list[LossParts]) -> dict[str, float]:
    nce, distillation = (
        torch.stack(values).mean().item() for values in zip(*parts, strict=True)
    )
    return {"step": step, "recall": recall, "nce": nce, "distillation": distillation}
