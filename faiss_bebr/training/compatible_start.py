"""The linear start of backward-compatible training: no gradient is taken here.

An index scores ``<w y_q + o, y_d>``, with the old binarizer's query map ``w``, ``o``.
So what counts of a code are ``z = sqrt(w) y``, and of the offset ``o / sqrt(w)``, which
stands for the embeddings' mean. The new map is ``z = G (f - c)``.

``G`` has orthonormal rows, so that scores between new codes stay those of the new
embeddings; regression of the old codes, or on them, is nearer to these and loses 0.1
and more of recall once documents are re-coded. Among the orthonormal ones it is the one
that turns new embeddings most towards the old codes of the same items (Procrustes), the
leading directions of either counted less or more. Directions that the old space lacks
go into the code dimensions that are left.

``c`` would be the mean, for codes around 0. But the index's offset stands for the old
mean, and ranks new documents by what they have in common with it. With ``G c`` equal to
the offset a query is ``G f`` and scores are right, but codes are off the middle of the
grid and their scores, on the whole, higher or lower than those of old ones. So
something between is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from tqdm.auto import tqdm

from .compatible_held_out import StagedHeldOut
from .factors import choose_factors
from .linear_map import LinearMap, set_linear_map
from .network import RecurrentBinarizer
from .start import PrincipalFrame, noise_coupling, principal_frame, uniform_levels

# Of the old codes' mean variance, added to each direction's before it is divided by.
RIDGE = 1e-3
TINY = 1e-30
ROTATION_POINTS = 20_000
# Arguments of Alignment.map and noise_mixing, see choose_factors.
MAP_GRID = {
    "centring": (0.75, 1.0, 0.5, 0.25, 0.0),
    "whitening": (0.5, 0.0, 0.75),
    "length": (1.0, 0.9, 1.1, 1.25, 1.4),
}
# Of documents that are the first planes of a code.
START_GRID = {
    **MAP_GRID,
    "grid": (0.0, 4.0, 8.0),
    "feedback": (0.0, 0.05, 0.1, 0.15),
}


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """What the start is made of, in the code dimensions that are used."""

    used: np.ndarray
    """(u,) int, their numbers"""
    unit: np.ndarray
    """(m,) float64, ``sqrt(w)``, but 1 where that is 0"""
    offset: np.ndarray
    """(u,) float64, of the index, in units of ``z``"""
    cross: np.ndarray
    """(u, r) float64, second moment of old codes and new embeddings, with the offset
    as the mean of the codes"""
    moments: np.ndarray
    """(u,) float64, second moments of the old codes in the directions of ``axes``"""
    axes: np.ndarray
    """(u, u) float64, orthonormal columns"""
    frame: PrincipalFrame
    """``r`` directions of the new embeddings"""
    sample: np.ndarray
    """(n, r) float32, new embeddings in these, less their mean"""
    spread: float
    """Standard deviation of the old codes over that of the new embeddings, in these
    directions"""
    plane_widths: tuple[int, ...]
    """Of documents that are the first planes of a code; empty for others."""
    rounds: int
    """In which the map is turned towards the grid of these."""
    turned: dict[tuple[float, float], np.ndarray] = field(default_factory=dict)
    """What ``turn`` has returned."""

    def map(
        self,
        *,
        whitening: float = 0.0,
        centring: float = 0.0,
        length: float = 1.0,
        grid: float = 0.0,
    ) -> LinearMap:
        """The map of some factors.

        whitening: the power of the old codes' second moment that the cross moment is
        divided by; 0 is Procrustes, 1 would be regression on the old codes, made
        orthonormal. centring: 0 for codes around 0, 1 for queries without offset.
        length: of a code, in units of the old codes'. It weighs the generations, since
        scores between new codes have its square. grid: see ``turn``.
        """
        rows = length * self.spread * self.turn(whitening, grid) @ self.frame.rows
        off = self.offset - rows @ self.frame.mean
        centre = self.frame.mean + centring * (np.linalg.pinv(rows) @ off)
        weight = np.zeros((len(self.unit), rows.shape[1]))
        weight[self.used] = rows / self.unit[self.used, None]
        return LinearMap(weight, centre)

    def turn(self, whitening: float, grid: float) -> np.ndarray:
        """(u, r) float64, orthonormal columns or rows: new embeddings turned towards
        old codes and, with the weight ``grid``, towards the documents' levels as
        ``learn_rotation`` does, which hardly costs any of the former."""
        key = whitening, grid
        if key in self.turned:
            return self.turned[key]
        ridge = RIDGE * max(self.moments.mean(), TINY)
        powers = (np.maximum(self.moments, 0) + ridge) ** -whitening
        aligned = _of_length_one((self.axes * powers) @ (self.axes.T @ self.cross))
        turned = before = nearest_orthonormal(aligned)
        for _ in range(self.rounds if grid else 0):
            ahead = nearest_orthonormal(2 * turned - before)
            levels = self._levels(self.spread * ahead)
            product = (levels.T @ self.sample).astype(np.float64)
            before = turned
            turned = nearest_orthonormal(aligned + grid * _of_length_one(product))
        self.turned[key] = turned
        return turned

    def _levels(self, turned: np.ndarray) -> np.ndarray:
        """Decoded documents of the sample but for their scales, (n, u) float32."""
        unit = self.unit[self.used].astype(np.float32)
        y = self.sample @ turned.T.astype(np.float32) / unit
        depth = planes_of_dimensions(self.plane_widths)[self.used]
        for nbits in np.unique(depth):
            columns = depth == nbits
            y[:, columns] = uniform_levels(y[:, columns], nbits)
        return y * unit


def planes_of_dimensions(plane_widths: Sequence[int]) -> np.ndarray:
    """How many planes each dimension has, (m,) int."""
    dimensions = np.arange(plane_widths[0])
    return (dimensions < np.array(plane_widths)[:, None]).sum(axis=0)


def nearest_orthonormal(matrix: np.ndarray) -> np.ndarray:
    """The polar factor."""
    u, _, vt = np.linalg.svd(matrix, full_matrices=False)
    return u @ vt


def _of_length_one(matrix: np.ndarray) -> np.ndarray:
    """In the norm whose largest product with an orthonormal matrix is 1."""
    return matrix / max(np.linalg.norm(matrix, "nuc"), TINY)


def fit_alignment(
    x: np.ndarray,
    codes: np.ndarray,
    query_weight: np.ndarray,
    query_offset: np.ndarray,
    *,
    plane_widths: Sequence[int] = (),
    rounds: int = 0,
) -> Alignment:
    """Align new embeddings with old codes of the same items.

    Parameters
    ----------
    x : (n, d_new) float32
    codes : (n, m) float32
    query_weight, query_offset : (m,) float32
        Of the old binarizer.
    plane_widths : sequence of int
        Of documents that are the first planes of the code. For others only as many
        dimensions are used as the new embeddings have, the leading ones, should there
        be more.
    rounds : int
        See ``Alignment``.
    """
    weight = query_weight.astype(np.float64)
    unit = np.sqrt(np.where(weight > 0, weight, 1.0))
    used = np.flatnonzero(weight > 0)
    if not plane_widths:
        used = used[: x.shape[1]]
    frame = principal_frame(x, min(len(used), x.shape[1]))
    offset = query_offset[used] / unit[used]
    z = codes[:, used] * unit[used].astype(np.float32)
    z -= z.mean(axis=0)
    t = (x - frame.mean.astype(np.float32)) @ frame.rows.T.astype(np.float32)
    cross = (z.T @ t).astype(np.float64) / len(x)
    cross += np.outer(offset, frame.rows @ frame.mean)
    covariance = (z.T @ z).astype(np.float64) / len(x)
    spread = np.sqrt(np.trace(covariance) / max(frame.variance.sum(), TINY))
    moments, axes = np.linalg.eigh(covariance + np.outer(offset, offset))
    return Alignment(
        used=used,
        unit=unit,
        offset=offset,
        cross=cross,
        moments=moments,
        axes=axes,
        frame=frame,
        sample=t[:ROTATION_POINTS],
        spread=float(spread),
        plane_widths=tuple(plane_widths),
        rounds=rounds,
    )


def noise_mixing(
    net: RecurrentBinarizer, linear: LinearMap, frame: PrincipalFrame, feedback: float
) -> np.ndarray | None:
    """What shapes the noise of a document's last plane, if that is not its first, as
    ``LinearStart.apply`` does: see ``set_linear_map``.

    frame: of the embeddings, with all directions of the map; feedback: 0 to 1.
    """
    if not feedback or net.document_nbits == 1:
        return None
    width = net.plane_widths[net.document_nbits - 1]
    query_weight = net.query_weight[:width].cpu().numpy().astype(np.float64)
    seen = (query_weight[:, None] * linear.weight[:width]) @ frame.rows.T
    cost = (seen * frame.variance) @ seen.T
    return np.eye(width) + feedback * noise_coupling(cost)


def choose_start(
    net: RecurrentBinarizer,
    alignment: Alignment,
    grids: Mapping[str, Sequence[float]],
    held_out: StagedHeldOut,
    bar: tqdm,
) -> tuple[LinearMap, float]:
    """Make ``net`` the start that recalls most. Returns the map and that recall.

    grids: see ``START_GRID``.
    """

    def recall_of(*, feedback: float = 0.0, **factors: float) -> float:
        linear = alignment.map(**factors)
        mixing = noise_mixing(net, linear, alignment.frame, feedback)
        set_linear_map(net, linear, mixing=mixing)
        return held_out.recall(net)

    chosen, _ = choose_factors(grids, recall_of, bar)
    best = recall_of(**chosen)
    chosen.pop("feedback", None)
    return alignment.map(**chosen), best
