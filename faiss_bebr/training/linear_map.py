"""Linear maps, and the networks that are the uniform quantizer of one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from .blocks import as_tensor
from .network import RecurrentBinarizer


class LinearMap(NamedTuple):
    """``y = weight (f - centre)``, what a network is made to emit."""

    weight: np.ndarray
    """(m, d_in) float64; rows of zeros for dimensions that stay next to 0"""
    centre: np.ndarray
    """(d_in,) float64"""


@torch.no_grad()
def set_linear_map(
    net: RecurrentBinarizer,
    linear: LinearMap,
    *,
    inverse: np.ndarray | None = None,
    mixing: np.ndarray | None = None,
) -> None:
    """Make ``net`` the uniform quantizer of ``linear``, in evaluation mode; if it is
    continuous, its output is that of ``linear``. Its query map stays.

    It is one as far as the map can be inverted on the code's side. With more code
    dimensions than embeddings have, the blocks after the first see and lessen the
    error within the map's image only.

    inverse: (d_in, m) float64 of ``weight``, by default the pseudo-inverse; mixing:
    (w, w) float64 that multiplies the rows of the last plane of documents, of width w.
    """
    weight, centre = linear
    if inverse is None:
        inverse = np.linalg.pinv(weight)
    empty = ~weight.any(axis=1)
    for t, (binarization, reconstruction) in enumerate(net.blocks()):
        width = net.plane_widths[t]
        rows = weight[:width]
        if mixing is not None and t == net.document_nbits - 1:
            rows = mixing @ rows
        # Empty dimensions stay next to 0: one +1, then all -1. Blocks after the first
        # see f - f_t, whose mean is already taken off.
        bias = np.where(empty[:width], -1.0, 0.0) if t else -rows @ centre
        binarization.set_skip(as_tensor(rows), as_tensor(bias))
        reconstruction.set_skip(as_tensor(inverse), as_tensor(centre))
    net.eval()
