"""What every kind of training has in common."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from .checkpoint import Checkpoint
from .options import check_least, choose_device, choose_precision, plain
from .tensor_file import TensorFile
from .watch import Watch, import_tensorboard

LEAST = {
    "epochs": 0,
    "patience": 1,
    "rotation_rounds": 0,
    "held_out_queries": 1,
    "max_train_points": 1,
    "seed": 0,
    "checkpoint_steps": 0,
}
# Arguments that the result does not depend on.
NO_SETTINGS = {"progress", "device", "checkpoint", "checkpoint_steps", "log_dir"}


@dataclass(frozen=True, kw_only=True)
class Run:
    """How long a training goes, where, and how it is shown and saved.

    ``train_binarizer`` says what the fields are that it has as arguments.
    """

    settings: dict[str, Any]
    """Every argument that the result depends on, of types that JSON has."""
    epochs: int
    patience: int
    rotation_rounds: int = 0
    held_out_queries: int
    max_train_points: int
    seed: int
    device: torch.device
    precision: str
    progress: bool | None
    log_dir: str | os.PathLike[str] | None
    checkpoint: Checkpoint | None
    checkpoint_steps: int

    def stored(self, data: Mapping[str, Any]) -> TensorFile | None:
        """What the checkpoint holds, or None if training is to begin.

        data: statistics of the training data; ``ValueError`` where it is of others.
        """
        return None if self.checkpoint is None else self.checkpoint.open(data)

    def variant(self, name: str) -> Run:
        """The same for another network, with a checkpoint and a log of its own."""
        log_dir = None if self.log_dir is None else Path(self.log_dir, name)
        checkpoint = self.checkpoint
        if checkpoint is not None:
            path = checkpoint.path.with_name(f"{checkpoint.path.name}.{name}")
            checkpoint = Checkpoint(path, self.settings)
        return replace(self, checkpoint=checkpoint, log_dir=log_dir)

    def watch(self, total: int) -> Watch:
        """A bar of length ``total``, and the log."""
        return Watch(total, self.progress, self.log_dir)


def make_run(
    given: Mapping[str, Any], precision: str | None, data: Collection[str]
) -> Run:
    """A run of a trainer's arguments, defaults filled in.

    The settings of a checkpoint that is there are compared here, the last thing before
    data are read. data: names of the arguments that a fingerprint stands for.
    """
    counts = check_least(
        **{name: (given[name], low) for name, low in LEAST.items() if name in given}
    )
    device = choose_device(given["device"])
    precision = choose_precision(precision, device)
    settings = {
        name: plain(value)
        for name, value in given.items()
        if name not in NO_SETTINGS and name not in data
    }
    settings["precision"] = precision
    if given["log_dir"] is not None:
        import_tensorboard()
    path = given["checkpoint"]
    return Run(
        settings=settings,
        device=device,
        precision=precision,
        progress=given["progress"],
        log_dir=given["log_dir"],
        checkpoint=None if path is None else Checkpoint(path, settings),
        **counts,
    )
