"""The blocks of the network, and the sign between them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import nn


class FoldedBlock(NamedTuple):
    """A block as plain float32 arrays, row-major, BatchNorm folded in.

    ``y = skip_weight x + skip_bias + output_weight h`` with
    ``h = relu(hidden_weight x + hidden_bias)``
    """

    skip_weight: np.ndarray
    """(d_out, d_in)"""
    skip_bias: np.ndarray
    """(d_out,)"""
    hidden_weight: np.ndarray
    """(hidden, d_in); no rows when the block is linear"""
    hidden_bias: np.ndarray
    """(hidden,)"""
    output_weight: np.ndarray
    """(d_out, hidden)"""


def _straight_through_slope(x: torch.Tensor) -> torch.Tensor:
    return (x.abs() <= 1).to(x.dtype)


def _tanh_slope(x: torch.Tensor) -> torch.Tensor:
    return 1 - torch.tanh(x).square()


def _sine_slope(x: torch.Tensor) -> torch.Tensor:
    """Of sin(pi x / 2), whose first quarter periods rise from -1 to 1 as the sign."""
    return torch.cos(x.clamp(-1, 1) * (math.pi / 2)) * (math.pi / 2)


# What a sign's gradient is taken for.
SURROGATES = {
    "straight_through": _straight_through_slope,
    "tanh": _tanh_slope,
    "sine": _sine_slope,
}


class _Sign(torch.autograd.Function):
    """sign(x) with sign(0) = +1, and the slope of a surrogate."""

    @staticmethod
    def forward(ctx, x: torch.Tensor, surrogate: str) -> torch.Tensor:
        ctx.save_for_backward(x)
        ctx.surrogate = surrogate
        one = torch.ones((), dtype=x.dtype, device=x.device)
        return torch.where(x >= 0, one, -one)

    @staticmethod
    def backward(ctx, grad: torch.Tensor):
        (x,) = ctx.saved_tensors
        return grad * SURROGATES[ctx.surrogate](x), None


def binary_sign(x: torch.Tensor, surrogate: str = "straight_through") -> torch.Tensor:
    """The sign of ``x`` (+1 at 0), differentiable by a surrogate of ``SURROGATES``; the
    straight-through one passes the gradient on where ``|x| <= 1``."""
    return _Sign.apply(x, surrogate)


class ResidualBlock(nn.Module):
    """``skip(x) + output(relu(norm(hidden(x))))``; with ``hidden = 0`` only the skip.

    The skip is a Linear, not the identity as in the paper's figure 3, since input
    and output differ in dimension. The output Linear has no bias: the skip's serves.
    """

    def __init__(self, d_in: int, d_out: int, hidden: int = 0) -> None:
        super().__init__()
        self.skip = nn.Linear(d_in, d_out)
        self.hidden_width = hidden
        if hidden:
            self.hidden = nn.Linear(d_in, hidden)
            self.norm = nn.BatchNorm1d(hidden)
            self.output = nn.Linear(hidden, d_out, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (n, d_in) -> (n, d_out)."""
        y = self.skip(x)
        if self.hidden_width:
            y = y + self.output(torch.relu(self.norm(self.hidden(x))))
        return y

    @torch.no_grad()
    def set_skip(self, weight: torch.Tensor, bias: torch.Tensor) -> None:
        """Make the block the affine map ``weight x + bias``: the skip is set, and the
        hidden part's output is zeroed (its gradient is not: it can still learn).

        weight: (d_out, d_in), bias: (d_out,).
        """
        self.skip.weight.copy_(weight)
        self.skip.bias.copy_(bias)
        if self.hidden_width:
            self.output.weight.zero_()

    @torch.no_grad()
    def set_hidden(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor,
        output: torch.Tensor,
        variance: float,
    ) -> None:
        """Make ``output relu(weight x + bias)`` what the first ``h`` hidden units add;
        the others add nothing, and can still learn.

        weight: (h, d_in), bias: (h,), output: (d_out, h); variance: of ``weight x``,
        with a mean of 0, for which BatchNorm is set to change nothing.
        """
        h = len(bias)
        self.hidden.weight[:h].copy_(weight)
        self.hidden.bias[:h].copy_(bias)
        self.output.weight.zero_()
        self.output.weight[:, :h].copy_(output)
        norm = self.norm
        assert norm.running_mean is not None and norm.running_var is not None
        norm.running_mean[:h].copy_(bias)
        norm.running_var[:h] = variance
        norm.bias[:h].copy_(bias)
        norm.weight[:h] = math.sqrt(variance + norm.eps)

    @torch.no_grad()
    def folded(self) -> FoldedBlock:
        """The block's evaluation mode (BatchNorm's running statistics) as arrays."""
        skip_weight, skip_bias = self.skip.weight, self.skip.bias
        d_out, d_in = skip_weight.shape
        if not self.hidden_width:
            return FoldedBlock(
                as_array(skip_weight),
                as_array(skip_bias),
                np.zeros((0, d_in), dtype=np.float32),
                np.zeros(0, dtype=np.float32),
                np.zeros((d_out, 0), dtype=np.float32),
            )
        # In float64, so that folding itself adds no error to the float32 result.
        norm = self.norm
        assert norm.running_mean is not None and norm.running_var is not None
        factor = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
        centred_bias = self.hidden.bias.double() - norm.running_mean.double()
        return FoldedBlock(
            as_array(skip_weight),
            as_array(skip_bias),
            as_array(self.hidden.weight.double() * factor[:, None]),
            as_array(centred_bias * factor + norm.bias.double()),
            as_array(self.output.weight),
        )


def as_tensor(values: np.ndarray) -> torch.Tensor:
    """A float32 copy, or the same memory if it is float32 and row-major."""
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


def as_array(tensor: torch.Tensor) -> np.ndarray:
    # A copy: the arrays must not follow the parameters if training goes on.
    return np.array(tensor.detach().cpu().numpy(), dtype=np.float32, order="C")
