"""The linear start for documents coded less a centroid: no gradient is taken here.

The transform is an orthonormal map of all dimensions, the same unit in each, so that
centroids of its output are those of the embeddings. Its leading dimensions are the
principal directions of the embeddings less their centroids, rotated within each group
of equally deep dimensions. It is continuous: an index gets exact vectors, and stores
planes of the residuals.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import faiss
import numpy as np
import torch

from .blocks import as_tensor
from .linear_map import LinearMap, set_linear_map
from .network import BITS_PER_BYTE, MAX_NBITS, RecurrentBinarizer
from .start import (
    GAUSSIAN_HALF_WIDTH,
    learn_rotation,
    plane_groups,
    principal_frame,
    random_rotation,
    uniform_levels,
)

CLUSTERING_ROUNDS = 12
# Largest values over the grid's end, in standard deviations of the widest dimension.
UNIT_FACTORS = (1.0, 1.2, 1.4, 1.7, 2.0)
UNIT_POINTS = 4096


class Residuals(NamedTuple):
    """A sample and its centroids."""

    x: np.ndarray
    """(n, d_in) float32"""
    residuals: np.ndarray
    """(n, d_in) float32, x less its centroids, or less its mean without any"""
    centroids: np.ndarray
    """(ncentroids, d_in) float32; no rows if there is no coarse stage"""
    mean: np.ndarray
    """(d_in,) float64, of x"""
    variance: np.ndarray
    """(d_in,) float64, of the residuals in the directions of ``rows``, falling"""
    rows: np.ndarray
    """(d_in, d_in) float64, orthonormal"""


class ScaledRotation(NamedTuple):
    """``y = rows (f - mean) / unit``, what the transform is made to emit."""

    rows: np.ndarray
    """(d_in, d_in), near orthonormal"""
    mean: np.ndarray
    """(d_in,)"""
    unit: float


def cluster(x: np.ndarray, ncentroids: int, seed: int) -> np.ndarray:
    """k-means of ``x``, (n, d) float32: (ncentroids, d) float32."""
    kmeans = faiss.Kmeans(
        x.shape[1],
        ncentroids,
        niter=CLUSTERING_ROUNDS,
        seed=seed,
        min_points_per_centroid=1,
    )
    kmeans.train(x)
    return kmeans.centroids


def take_residuals(
    x: np.ndarray, ncentroids: int, seed: int, centroids: np.ndarray | None = None
) -> Residuals:
    """Cluster ``x``, (n, d_in) float32, and find the residuals' directions.

    centroids: (ncentroids, d_in) float32, those of an earlier clustering.
    """
    mean = x.mean(axis=0, dtype=np.float64)
    if ncentroids:
        if centroids is None:
            centroids = cluster(x, ncentroids, seed)
        index = faiss.IndexFlatL2(x.shape[1])
        index.add(centroids)
        residuals = x - centroids[index.search(x, 1)[1][:, 0]]
    else:
        centroids = np.empty((0, x.shape[1]), dtype=np.float32)
        residuals = x - mean.astype(np.float32)
    frame = principal_frame(residuals, x.shape[1])
    return Residuals(x, residuals, centroids, mean, frame.variance, frame.rows)


def fit_rotation(
    sample: Residuals,
    plane_widths: tuple[int, ...],
    *,
    rotation_points: int,
    rotation_rounds: int,
    rng: np.random.Generator,
    after_round: Callable[[], object] = lambda: None,
) -> ScaledRotation:
    """Rotate the residuals' directions for documents of these planes.

    rotation_points: rows of the sample that the rotation is learned of.
    """
    rows = sample.rows.copy()
    part = sample.residuals[:rotation_points]
    # Planes up to whole bytes have no directions past the embeddings'.
    plane_widths = tuple(min(width, len(rows)) for width in plane_widths)
    for group in plane_groups(plane_widths):
        nbits = sum(width >= group.stop for width in plane_widths)
        deviation = np.sqrt(sample.variance[group].mean()) or 1.0
        z = part @ sample.rows[group].T.astype(np.float32)
        rotation = learn_rotation(
            z / deviation,
            random_rotation(group.stop - group.start, rng),
            half_width=GAUSSIAN_HALF_WIDTH[nbits - 1],
            nbits=nbits,
            rounds=rotation_rounds,
            after_round=after_round,
        )
        rows[group] = rotation @ sample.rows[group]
    return make_rotation(sample, rows)


def make_rotation(sample: Residuals, rows: np.ndarray) -> ScaledRotation:
    """The one of these rows, with the range of the grid of all planes that leaves least
    squared error."""
    y = (sample.x[:UNIT_POINTS] - sample.mean) @ rows.T
    return ScaledRotation(rows, sample.mean, _choose_unit(y))


def _choose_unit(y: np.ndarray) -> float:
    deviation = np.sqrt(y.var(axis=0).max())
    base = deviation * GAUSSIAN_HALF_WIDTH[MAX_NBITS - 1] / 2
    if base == 0:
        return 1.0
    errors = {}
    for factor in UNIT_FACTORS:
        unit = base * factor
        errors[unit] = np.square(uniform_levels(y / unit, MAX_NBITS) * unit - y).sum()
    return float(min(errors, key=errors.__getitem__))


def transform_dim(d_in: int) -> int:
    """Dimensions of the code of a transform of all ``d_in``: whole bytes."""
    return -(-d_in // BITS_PER_BYTE) * BITS_PER_BYTE


@torch.no_grad()
def set_rotation(
    net: RecurrentBinarizer, rotation: ScaledRotation, error_metric: np.ndarray | None
) -> None:
    """Make ``net``, of MAX_NBITS planes of all dimensions, emit its output, with the
    query map that makes scores those of ``rows^T rows``.

    error_metric: (d_in, d_in), what errors of decoded documents cost, by which an index
    chooses codes; None for their squares.
    """
    rows, mean, unit = rotation
    d_in, d = net.d_in, net.d_out
    # Dimensions past the embeddings' are empty.
    weight = np.zeros((d, d_in))
    weight[:d_in] = rows / unit
    inverse = np.zeros((d_in, d))
    inverse[:, :d_in] = np.linalg.inv(rows) * unit
    set_linear_map(net, LinearMap(weight, mean), inverse=inverse)
    net.continuous = True
    query_weight = np.zeros(d)
    query_weight[:d_in] = unit**2
    net.query_weight.copy_(as_tensor(query_weight))
    net.query_offset.copy_(as_tensor(query_weight * (weight @ mean)))
    error_weight = None
    if error_metric is not None:
        error_weight = np.zeros((d, d))
        error_weight[:d_in, :d_in] = rows @ error_metric @ rows.T
    net.set_error_weight(error_weight)
