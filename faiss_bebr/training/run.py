"""What every kind of training has in common."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from .checkpoint import Checkpoint
from .tensor_file import TensorFile
from .watch import Watch


@dataclass(frozen=True, kw_only=True)
class Run:
    """How long a training goes, where, and how it is shown and saved.

    ``train_binarizer`` says what the fields are that it has as arguments.
    """

    settings: dict[str, Any]
    """Every argument that the result depends on, of types that JSON has."""
    epochs: int
    patience: int
    rotation_rounds: int
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
