"""Training of the recurrent binarizer. Needs PyTorch; nothing else here does."""

from __future__ import annotations

from .blocks import FoldedBlock, ResidualBlock
from .compatible import train_compatible
from .network import RecurrentBinarizer
from .report import TrainingReport
from .trainer import train_binarizer
from .weights import read_description

__all__ = [
    "FoldedBlock",
    "RecurrentBinarizer",
    "ResidualBlock",
    "TrainingReport",
    "read_description",
    "train_binarizer",
    "train_compatible",
]
