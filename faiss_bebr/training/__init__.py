"""Training of the recurrent binarizer. Needs PyTorch; nothing else here does."""

from __future__ import annotations

from .network import FoldedBlock, RecurrentBinarizer, ResidualBlock
from .trainer import TrainingReport, train_binarizer

__all__ = [
    "FoldedBlock",
    "RecurrentBinarizer",
    "ResidualBlock",
    "TrainingReport",
    "train_binarizer",
]
