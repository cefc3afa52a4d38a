"""The linear start: PCA and a rotation, an exact uniform quantizer.

No gradient is taken here. The network that results codes ``y = P (f - mu) / a`` on the
grid of (-2, 2), ``P`` orthonormal rows, ``a`` a range for each group of dimensions. It
may shape the noise of one plane (``LinearStart.apply``), by choice of held-out recall.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from .blocks import ResidualBlock, as_tensor
from .linear_map import LinearMap, set_linear_map
from .network import RecurrentBinarizer

# Half-width, in standard deviations, of the uniform quantizer of least squared error
# for a Gaussian at 1 .. 8 bits (Max, 1960). The grid is (-2, 2), so a = half of it.
GAUSSIAN_HALF_WIDTH = (1.596, 1.991, 2.344, 2.681, 3.010, 3.328, 3.636, 3.933)


class PrincipalFrame(NamedTuple):
    """The leading principal directions of a sample."""

    mean: np.ndarray
    """(d_in,) float64"""
    rows: np.ndarray
    """(m, d_in) float64, orthonormal, by falling variance"""
    variance: np.ndarray
    """(m,) float64"""


def principal_frame(x: np.ndarray, m: int) -> PrincipalFrame:
    """PCA of ``x``, (n, d_in) float32, to ``m <= d_in`` dimensions."""
    mean = x.mean(axis=0, dtype=np.float64)
    centred = x - mean.astype(np.float32)
    covariance = (centred.T @ centred).astype(np.float64) / len(x)
    variance, vectors = np.linalg.eigh(covariance)
    leading = np.argsort(variance)[::-1][:m]
    return PrincipalFrame(
        mean, vectors[:, leading].T.copy(), np.maximum(variance[leading], 0.0)
    )


def plane_groups(
    plane_widths: Sequence[int], prefix_widths: Sequence[int] = ()
) -> list[slice]:
    """Runs of code dimensions that are covered by the same planes, deepest first, and
    are in the same prefixes of these widths."""
    edges = [0, *sorted({*plane_widths, *prefix_widths})]
    return [slice(low, high) for low, high in zip(edges, edges[1:], strict=False)]


def uniform_levels(y: np.ndarray, nbits: int) -> np.ndarray:
    """The ``nbits``-wide uniform grid of (-2, 2): each value of ``y``, in code units,
    to the middle of its cell, values outside to the outermost cell. Keeps the type."""
    cells = 2**nbits
    cell = np.clip(np.floor((y + 2) * (cells / 4)), 0, cells - 1)
    return (2 * cell - (cells - 1)) * (2.0 / cells)


def random_rotation(m: int, rng: np.random.Generator) -> np.ndarray:
    """(m, m) float64, orthogonal, uniformly distributed."""
    q, r = np.linalg.qr(rng.standard_normal((m, m)))
    # Signs of R's diagonal make the distribution uniform (Mezzadri, 2007).
    return q * np.sign(np.diag(r))


def learn_rotation(
    z: np.ndarray,
    rotation: np.ndarray,
    *,
    half_width: float,
    nbits: int,
    rounds: int,
    after_round: Callable[[], object] = lambda: None,
) -> np.ndarray:
    """Turn ``z`` towards the grid: quantize, solve Procrustes, repeat.

    Iterative quantization (Gong and Lazebnik, CVPR 2011) at ``nbits`` bits. For a
    fixed rotation the levels are the nearest ones; for fixed levels the rotation of
    least squared error is the polar factor of their product with ``z``. The levels
    are taken one step ahead of the rotation (over-relaxation): 25 such rounds leave
    less error than 80 plain ones.

    z: (n, m), of standard deviation 1 on average; half_width: of the quantizer, in
    the same unit. Returns an (m, m) float64 orthogonal matrix.
    """
    scale = np.float32(half_width / 2)
    single = z.astype(np.float32)
    before = rotation
    for _ in range(rounds):
        ahead = nearest_rotation(2 * rotation - before).astype(np.float32)
        levels = uniform_levels(single @ ahead.T / scale, nbits)
        product = (levels.T @ single).astype(np.float64)
        before, rotation = rotation, nearest_rotation(product)
        after_round()
    return rotation


def nearest_rotation(matrix: np.ndarray) -> np.ndarray:
    """The orthogonal polar factor of a square matrix."""
    u, _, vt = np.linalg.svd(matrix)
    return u @ vt


class LinearStart(NamedTuple):
    """A fitted start; ``apply`` makes it a network's state."""

    mean: np.ndarray
    """(d_in,) float64"""
    projection: np.ndarray
    """(m, d_in) float64, orthonormal rows, ``P``"""
    unit: np.ndarray
    """(m,) float64, ``a`` at a range factor of 1"""
    covariance: np.ndarray
    """(m, m) float64, of ``P f``"""

    @torch.no_grad()
    def apply(
        self,
        net: RecurrentBinarizer,
        *,
        range_factor: float = 1.0,
        offset_factor: float = 1.0,
        feedback: float = 0.0,
        document_nbits: int = 1,
    ) -> None:
        """Make ``net`` this start, and put it in evaluation mode.

        With ``feedback = 0`` its code is the uniform quantizer of ``y``.

        range_factor multiplies ``a``. offset_factor multiplies ``P mu / a``, the
        query's offset: 1 is right for an unquantized query, while a quantized one is
        inflated or shrunk by its own quantizer, so the best factor is a matter of
        measurement. The query's weight is ``a^2``, which makes scores those of
        the embeddings: inner products with centred documents, or squared distances,
        within the subspace of ``P``.
        feedback, 0 to 1, shapes the noise of a document's last plane, if that is not
        its first: each sign there takes into account what the planes before left in
        the other dimensions, as far as queries see them together. Where the plane's
        block has two hidden units for each dimension, it takes into account what is
        left after these dimensions' own signs, which it foresees.
        """
        a = self.unit * range_factor
        weight = self.projection / a[:, None]
        linear = LinearMap(weight, self.mean)
        set_linear_map(net, linear, inverse=self.projection.T * a)
        t = document_nbits - 1
        if feedback and t:
            width = net.plane_widths[t]
            cost = self.covariance[:width, :width] * np.outer(a[:width], a[:width])
            coupling = feedback * noise_coupling(cost)
            _shape_noise(net.blocks()[t][0], weight[:width], coupling, t)
        query_weight = a**2
        query_offset = offset_factor * query_weight * (weight @ self.mean)
        net.query_weight.copy_(as_tensor(query_weight))
        net.query_offset.copy_(as_tensor(query_offset))


def noise_coupling(cost: np.ndarray) -> np.ndarray:
    """(G - diag(G)) / diag(G), rows divided, for G of (w, w).

    An error e of the code costs a query q the score <q, A e>, on average over
    queries e'Ge with G = A cov A: the signs of least cost follow its gradient, and
    all at once (Jacobi) only with damping, since each assumes the others fixed.
    """
    diagonal = np.diag(cost)[:, None]
    # Dimensions without variance have no cost to share.
    coupling = np.divide(cost, diagonal, out=np.eye(len(cost)), where=diagonal > 0)
    np.fill_diagonal(coupling, 0.0)
    return coupling


def can_foresee(block: ResidualBlock) -> bool:
    """Whether a binarization block has the hidden units to shape noise by what its
    own signs leave."""
    return block.hidden_width >= 2 * block.skip.out_features


def _shape_noise(
    block: ResidualBlock, rows: np.ndarray, coupling: np.ndarray, t: int
) -> None:
    """Let the signs of plane ``t`` be those of e + coupling r, for e = rows x: r is e
    itself, or where the block can foresee it, e less the plane's value of sign(e).

    The foreseen sign is clip(s e, -1, 1), a difference of two hidden units, s such that
    it is exact but for a quarter of the values, those of uncertain sign.
    """
    bias = np.zeros(len(rows))
    value, slope = 2.0**-t, 2.0 * 2**t
    if can_foresee(block):
        ones = np.ones(len(rows))
        signs = value * coupling
        bias = signs @ ones
        block.set_hidden(
            as_tensor(slope * np.concatenate([rows, rows])),
            as_tensor(np.concatenate([ones, -ones])),
            as_tensor(np.concatenate([-signs, signs], axis=1)),
            # e is next to uniform between the values of the plane before
            variance=(slope * 2 * value) ** 2 / 3,
        )
    mixed = rows + coupling @ rows
    with torch.no_grad():
        block.skip.weight.copy_(as_tensor(mixed))
        block.skip.bias.copy_(as_tensor(bias))


def fit_linear_start(
    x: np.ndarray,
    plane_widths: Sequence[int],
    *,
    document_nbits: int,
    rotation_rounds: int,
    rng: np.random.Generator,
    prefix_widths: Sequence[int] = (),
    after_round: Callable[[], object] = lambda: None,
) -> LinearStart:
    """PCA of ``x``, then a rotation within each of the ``plane_groups``.

    x: (n, d_in) float32; document_nbits: the depth that documents are stored at,
    for which range and rotation are made; rotation_rounds: 0 leaves the rotation
    random; prefix_widths: a prefix of so many dimensions is that of the principal
    directions, so none of as many has more variance; after_round: called after each
    round of each group, for progress.
    """
    m = plane_widths[0]
    frame = principal_frame(x, m)
    z = (x - frame.mean.astype(np.float32)) @ frame.rows.T.astype(np.float32)
    rows = np.empty_like(frame.rows)
    unit = np.empty(m)
    covariance = np.zeros((m, m))
    for group in plane_groups(plane_widths, prefix_widths):
        planes = sum(width >= group.stop for width in plane_widths)
        nbits = min(planes, document_nbits)
        half_width = GAUSSIAN_HALF_WIDTH[nbits - 1]
        # Constant data has no range; any positive one codes it.
        deviation = np.sqrt(frame.variance[group].mean()) or 1.0
        rotation = learn_rotation(
            z[:, group] / deviation,
            random_rotation(group.stop - group.start, rng),
            half_width=half_width,
            nbits=nbits,
            rounds=rotation_rounds,
            after_round=after_round,
        )
        rows[group] = rotation @ frame.rows[group]
        unit[group] = deviation * half_width / 2
        covariance[group, group] = (rotation * frame.variance[group]) @ rotation.T
    return LinearStart(frame.mean, rows, unit, covariance)
