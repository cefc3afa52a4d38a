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

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from faiss_bebr.swigfaiss_bebr import PlaneLayout

from .blocks import ResidualBlock, as_array, as_tensor, binary_sign

if TYPE_CHECKING:
    from faiss_bebr import BinarizerTransform

    from .report import TrainingReport

MAX_NBITS = PlaneLayout.max_nbits
BITS_PER_BYTE = 8


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


def make_seeded_network(
    seed: int,
    d_in: int,
    plane_widths: Sequence[int],
    *,
    hidden: int,
    normalize: bool = False,
) -> RecurrentBinarizer:
    """A new network of these arguments in evaluation mode; the global random state is
    left as it is."""
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would also seed every GPU.
        torch.default_generator.manual_seed(seed)
        net = RecurrentBinarizer(d_in, plane_widths, hidden=hidden, normalize=normalize)
    return net.eval()


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
    error_weight : (m_0, m_0) float32 buffer, or (0, 0)
        What the errors of decoded documents cost, which an index chooses codes by, see
        ``set_error_weight``.
    document_plane_widths : tuple of int
        Planes that an index keeps of a document; empty for those of all planes.
    ncentroids : int
        Centroids of that index's coarse first stage; 0 if there is none.
    continuous : bool
        Whether the output is ``W_0(f)`` and not the code: for an index that codes
        documents by itself, which loses by the rounding of documents and of queries.
    surrogate : str
        Whose gradient signs have, see ``SURROGATES``.
    report : TrainingReport or None
        How the network was trained, where ``train_binarizer`` made it.
    """

    query_weight: torch.Tensor
    query_offset: torch.Tensor
    error_weight: torch.Tensor
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
        self.continuous = False
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
        self.register_buffer("error_weight", torch.zeros(0, 0))

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

    def set_error_weight(self, weight: np.ndarray | None) -> None:
        """Say what an error ``e`` of a decoded document costs: ``e' weight e``.

        weight: (m_0, m_0), symmetric up to rounding; None for the squared error. See
        ``SDCQuantizer::error_weight`` of the C++ part. Raises ``ValueError`` for
        another shape, values that are not finite or not symmetric, and negative ones on
        the diagonal.
        """
        shape = (0, 0) if weight is None else (self.d_out, self.d_out)
        given = np.zeros(shape) if weight is None else np.asarray(weight, np.float64)
        if given.shape != shape:
            raise ValueError(f"weight: shape {shape} expected, got {given.shape}")
        if not np.isfinite(given).all():
            raise ValueError("weight: NaN or infinite values found")
        largest = np.abs(given).max(initial=0.0)
        if not np.allclose(given, given.T, rtol=0, atol=1e-5 * largest):
            raise ValueError("weight: a symmetric matrix expected")
        if (np.diag(given) < 0).any():
            raise ValueError("weight: negative values found on the diagonal")
        symmetric = as_tensor((given + given.T) / 2)
        self.error_weight = symmetric.to(self.query_weight.device)

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
        """The code of the first ``nbits`` planes, (n, m_0) float32; without ``nbits``
        that of all planes, and of a continuous network ``W_0(x)``.

        A code's values are the grid of odd multiples of 2^-(w-1) in (-2, 2), where w is
        the number of planes that cover the dimension.
        """
        if self.continuous and nbits is None:
            return self.binarization[0](x)
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
        """Set every block, the query map, the document's code and the kind of output of
        a transform of the same shape, and mark it trained.

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
        target.set_query_map(as_array(self.query_weight), as_array(self.query_offset))
        target.set_error_weight(as_array(self.error_weight).ravel())
        target.set_document_code(list(self.document_plane_widths), self.ncentroids)
        target.continuous = bool(self.continuous)
        target.is_trained = True

    def _check_depth(self, nbits: int | None) -> int:
        depth = self.nbits if nbits is None else nbits
        if not 1 <= depth <= self.nbits:
            raise ValueError(
                f"nbits: a depth of 1 to {self.nbits} planes expected, got {nbits}"
            )
        return depth
