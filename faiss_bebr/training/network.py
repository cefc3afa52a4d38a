"""The recurrent binarization network of BEBR (Gan et al., KDD 2023).

A float embedding ``f`` becomes ``b_u``, a sum of ``u + 1`` binary vectors:

    b_0     = sign(W_0(f))
    f_t     = R_t(b_t)                       divided by its L2 norm if asked
    r_t     = sign(W_{t+1}(f - f_t))
    b_{t+1} = b_t + 2^-(t+1) * r_t           on the first m_{t+1} dimensions

Deviation from the paper: planes may narrow (``m_0 >= m_1 >= ...``), and the
normalization of ``f_t`` is an option, because a linear start is an exact uniform
quantizer only without it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from faiss_bebr.swigfaiss_bebr import PlaneLayout

if TYPE_CHECKING:
    from faiss_bebr import BinarizerTransform

    from .report import TrainingReport

MAX_NBITS = PlaneLayout.max_nbits
BITS_PER_BYTE = 8


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


def check_plane_widths(plane_widths: Sequence[int]) -> tuple[int, ...]:
    """Return the widths as a tuple of ints, or raise ``ValueError``.

    Valid: 1 to MAX_NBITS planes, multiples of 8 (so a plane is whole bytes) up to
    what an index takes, never widening.
    """
    widths = tuple(int(width) for width in plane_widths)
    if not 1 <= len(widths) <= MAX_NBITS:
        raise ValueError(
            f"plane_widths: 1 to {MAX_NBITS} planes expected, got {len(widths)}"
        )
    if any(width <= 0 or width % BITS_PER_BYTE for width in widths):
        raise ValueError(
            f"plane_widths: positive multiples of {BITS_PER_BYTE} expected, "
            f"got {list(widths)}"
        )
    if max(widths) > PlaneLayout.max_dim:
        raise ValueError(
            f"plane_widths: at most {PlaneLayout.max_dim} expected, got {max(widths)}"
        )
    if any(a < b for a, b in zip(widths, widths[1:], strict=False)):
        raise ValueError(f"plane_widths: planes may not widen, got {list(widths)}")
    return widths


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
    def folded(self) -> FoldedBlock:
        """The block's evaluation mode (BatchNorm's running statistics) as arrays."""
        skip_weight, skip_bias = self.skip.weight, self.skip.bias
        d_out, d_in = skip_weight.shape
        if not self.hidden_width:
            return FoldedBlock(
                _as_array(skip_weight),
                _as_array(skip_bias),
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
            _as_array(skip_weight),
            _as_array(skip_bias),
            _as_array(self.hidden.weight.double() * factor[:, None]),
            _as_array(centred_bias * factor + norm.bias.double()),
            _as_array(self.output.weight),
        )


class RecurrentBinarizer(nn.Module):
    """Embedding to recurrent binary code, and back.

    Parameters
    ----------
    d_in : int
        Dimension of the embeddings.
    plane_widths : sequence of int
        ``m_0 >= m_1 >= ...``, multiples of 8; plane t covers the first ``m_t`` code
        dimensions. Its length is ``nbits``; equal widths are ``[m] * nbits``.
    hidden : int
        Width of each block's hidden layer; 0 makes every block a Linear.
    normalize : bool
        Whether a reconstruction ``f_t`` is divided by its L2 norm.

    Attributes
    ----------
    binarization, reconstruction : ModuleList of ``nbits`` ResidualBlock
        ``W_t`` (d_in -> m_t) and ``R_t`` (m_0 -> d_in).
    query_weight, query_offset : (m_0,) float32 buffers
        An index scores with ``query_weight * y + query_offset`` in place of a query's
        code ``y``; 1 and 0 unless set.
    document_plane_widths : tuple of int
        Planes that an index keeps of a document; empty for those of all planes.
    ncentroids : int
        Centroids of that index's coarse first stage; 0 if there is none.
    surrogate : str
        Whose gradient signs have, see ``SURROGATES``.
    report : TrainingReport or None
        How the network was trained, where ``train_binarizer`` made it.
    """

    query_weight: torch.Tensor
    query_offset: torch.Tensor
    report: TrainingReport | None

    def __init__(
        self,
        d_in: int,
        plane_widths: Sequence[int],
        *,
        hidden: int = 0,
        normalize: bool = False,
    ) -> None:
        super().__init__()
        if d_in <= 0:
            raise ValueError(f"d_in: a positive dimension expected, got {d_in}")
        if hidden < 0:
            raise ValueError(f"hidden: 0 or a positive width expected, got {hidden}")
        self.d_in = int(d_in)
        self.plane_widths = check_plane_widths(plane_widths)
        self.hidden = int(hidden)
        self.normalize = bool(normalize)
        self.document_plane_widths: tuple[int, ...] = ()
        self.ncentroids = 0
        self.surrogate = "straight_through"
        self.report = None
        self.binarization = nn.ModuleList(
            ResidualBlock(self.d_in, width, self.hidden) for width in self.plane_widths
        )
        self.reconstruction = nn.ModuleList(
            ResidualBlock(self.d_out, self.d_in, self.hidden) for _ in self.plane_widths
        )
        self.register_buffer("query_weight", torch.ones(self.d_out))
        self.register_buffer("query_offset", torch.zeros(self.d_out))

    @property
    def nbits(self) -> int:
        """Number of planes."""
        return len(self.plane_widths)

    @property
    def d_out(self) -> int:
        """Dimensions of the code, ``m_0``."""
        return self.plane_widths[0]

    @property
    def document_nbits(self) -> int:
        """Number of planes that an index keeps of a document."""
        return len(self.document_plane_widths) or self.nbits

    def set_document_code(
        self, plane_widths: Sequence[int], ncentroids: int = 0
    ) -> None:
        """Say what an index keeps of a document, see ``document_plane_widths``.

        Raises ``ValueError`` where planes are more or wider than the network's.
        """
        widths = check_plane_widths(plane_widths) if len(plane_widths) else ()
        deep = self.plane_widths
        if len(widths) > len(deep) or any(
            width > limit for width, limit in zip(widths, deep, strict=False)
        ):
            raise ValueError(
                f"plane_widths: within {list(deep)} expected, got {list(widths)}"
            )
        self.document_plane_widths = widths
        self.ncentroids = int(ncentroids)

    def blocks(self) -> list[tuple[ResidualBlock, ResidualBlock]]:
        """``(W_t, R_t)`` of every plane."""
        pairs = zip(self.binarization, self.reconstruction, strict=True)
        return cast(list[tuple[ResidualBlock, ResidualBlock]], list(pairs))

    def codes_by_depth(
        self, x: torch.Tensor, nbits: int | None = None
    ) -> list[torch.Tensor]:
        """The codes ``b_0 .. b_{nbits-1}`` of one pass, each (n, m_0) float32.

        Codes nest: element ``t`` does not depend on ``nbits``.

        x: (n, d_in) float32; nbits: 1 .. self.nbits, None for all planes.
        """
        depth = self._check_depth(nbits)
        code = binary_sign(self.binarization[0](x), self.surrogate)
        codes = [code]
        for t in range(1, depth):
            residual = x - self.reconstruct(code, t)
            plane = (
                binary_sign(self.binarization[t](residual), self.surrogate) * 2.0**-t
            )
            code = code + functional.pad(plane, (0, self.d_out - plane.shape[1]))
            codes.append(code)
        return codes

    def forward(self, x: torch.Tensor, nbits: int | None = None) -> torch.Tensor:
        """The code of the first ``nbits`` planes (all by default), (n, m_0) float32.

        Its values are the grid of odd multiples of 2^-(w-1) in (-2, 2), where w is
        the number of planes that cover the dimension.
        """
        return self.codes_by_depth(x, nbits)[-1]

    def reconstruct(self, code: torch.Tensor, depth: int | None = None) -> torch.Tensor:
        """``f_t = R_t(b_t)`` with ``t = depth - 1``, (n, d_in).

        code: (n, m_0), of ``depth`` planes (all by default).
        """
        f = self.reconstruction[self._check_depth(depth) - 1](code)
        return functional.normalize(f, dim=1) if self.normalize else f

    @torch.no_grad()
    def encode(
        self, x: np.ndarray, nbits: int | None = None, *, batch_size: int = 8192
    ) -> np.ndarray:
        """``forward`` from array to array, in batches; needs evaluation mode.

        x: (n, d_in), converted to float32 -> (n, m_0) float32.
        """
        if self.training:
            raise RuntimeError("encode: call eval() first, BatchNorm is in train mode")
        if np.ndim(x) != 2 or np.shape(x)[1] != self.d_in:
            raise ValueError(
                f"x: shape (n, {self.d_in}) expected, got {tuple(np.shape(x))}"
            )
        device = self.query_weight.device
        codes = np.empty((len(x), self.d_out), dtype=np.float32)
        for start in range(0, len(x), batch_size):
            batch = np.array(x[start : start + batch_size], dtype=np.float32)
            y = self(torch.from_numpy(batch).to(device), nbits)
            codes[start : start + batch_size] = y.cpu().numpy()
        return codes

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network and its report to a safetensors file.

        The file describes itself in JSON, see ``read_description``. It is written
        whole or not at all, and one of that name is replaced.

        Raises
        ------
        ValueError
            If a value is NaN or infinite.
        OSError
            If the file cannot be written.
        """
        from .weights import save_network  # which imports this module

        save_network(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> RecurrentBinarizer:
        """A network of ``save``, in evaluation mode on the CPU.

        Nothing in a file is executed, and memory is taken only for what it holds.

        Raises
        ------
        ValueError
            If the file is truncated, damaged, of another kind or a newer version, or
            its tensors are not finite or not those of the network it describes.
        OSError
            If the file cannot be read.
        """
        from .weights import load_network  # which imports this module

        return load_network(path)

    def to_transform(self) -> BinarizerTransform:
        """The same network as a new ``faiss_bebr.BinarizerTransform`` (C++, which
        runs without PyTorch). See ``copy_to_transform``."""
        import faiss_bebr  # here, since training does not need the native module

        transform = faiss_bebr.BinarizerTransform(
            self.d_in, list(self.plane_widths), self.normalize
        )
        self.copy_to_transform(transform)
        return transform

    def copy_to_transform(self, transform: BinarizerTransform) -> None:
        """Set every block, the query map and the document's code of a transform of
        the same shape, and mark it trained.

        Evaluation mode is exported whatever the module's mode. Codes are equal
        where no value before a sign is within rounding of 0. Raises ``ValueError``
        for a transform of another shape, before anything is set.
        """
        shape = self.d_in, list(self.plane_widths), self.normalize
        widths = transform.layout.plane_widths
        other = (
            transform.d_in,
            [widths.at(t) for t in range(widths.size())],
            transform.normalize,
        )
        if shape != other:
            raise ValueError(
                "transform: d_in, plane widths and normalize of the network "
                f"expected, {shape}, got {other}"
            )
        # The methods are wrapped to take arrays, which SWIG's signatures do not show.
        target: Any = transform
        for t, (binarization, reconstruction) in enumerate(self.blocks()):
            target.set_binarization_block(t, *binarization.folded())
            target.set_reconstruction_block(t, *reconstruction.folded())
        target.set_query_map(_as_array(self.query_weight), _as_array(self.query_offset))
        target.set_document_code(list(self.document_plane_widths), self.ncentroids)
        target.is_trained = True

    def _check_depth(self, nbits: int | None) -> int:
        depth = self.nbits if nbits is None else nbits
        if not 1 <= depth <= self.nbits:
            raise ValueError(
                f"nbits: a depth of 1 to {self.nbits} planes expected, got {nbits}"
            )
        return depth


def _as_array(tensor: torch.Tensor) -> np.ndarray:
    # A copy: the arrays must not follow the parameters if training goes on.
    return np.array(tensor.detach().cpu().numpy(), dtype=np.float32, order="C")
