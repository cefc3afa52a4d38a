"""Connects `train` of the C++ transform with the PyTorch trainer."""

from __future__ import annotations

import ctypes
import importlib
from types import ModuleType
from typing import Any

import numpy as np

from faiss_bebr.swigfaiss_bebr import set_trainer


def import_training() -> ModuleType:
    """The module `faiss_bebr.training`.

    Raises
    ------
    ImportError
        If PyTorch is missing; the text names the extra to install.
    """
    try:
        return importlib.import_module("faiss_bebr.training")
    except ImportError as error:
        raise ImportError(
            "training a binarizer needs PyTorch: "
            'pip install "faiss_bebr[train]"; a trained one works without'
        ) from error


def _train(transform: Any, n: int, address: int) -> None:
    """Train `transform` in place on n vectors of d_in float32 at `address`."""
    training = import_training()
    buffer = (ctypes.c_float * (n * transform.d_in)).from_address(address)
    x = np.frombuffer(buffer, dtype="float32").reshape(n, transform.d_in)
    widths = transform.layout.plane_widths
    if transform.document_code_size:
        binarizer = training.train_binarizer(
            x,
            code_size=transform.document_code_size,
            coarse=transform.document_has_centroids,
        )
    else:
        binarizer = training.train_binarizer(
            x,
            [widths.at(t) for t in range(widths.size())],
            widths.size(),
            document_nbits=transform.document_plane_widths.size() or widths.size(),
        )
    binarizer.copy_to_transform(transform)


set_trainer(_train)
