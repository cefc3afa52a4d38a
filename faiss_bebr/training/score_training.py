"""Training of a linear map for the scores that an index computes.

What is trained is a rotation of all dimensions: rows that stay orthonormal keep the
scores of centroids right. Each step codes a part of the sample with the index's own
encoder, and takes a few steps of Newton's method, of the rotations in the planes of
two dimensions each as if they were independent, on the error that queries see of the
decoded documents; the codes are held meanwhile, so rounding is passed straight
through. The start rotates dimensions of equal depth only, for the plain squared error.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from .held_out import search_neighbours
from .index_codes import IndexCodes
from .learning_state import LearningState
from .losses import DUPLICATE_DISTANCE
from .network import RecurrentBinarizer
from .residual_start import Residuals, ScaledRotation, make_rotation, set_rotation

STEPS_PER_EPOCH = 60
POINTS_PER_STEP = 8192
# For one coding of the sample: more of them end where the codes are no longer right.
NEWTON_STEPS = 3
# No step turns further, in radians.
LARGEST_TURN = 0.3
POWER_STEPS = 20
# Of second derivatives, in units of their mean: directions without variance have none.
DAMPING = 1e-3
NEIGHBOURS = 30
# Least eigenvalue of that moment, in units of the largest.
LEAST_MOMENT = 1e-3


class ScoreLosses(NamedTuple):
    """Losses of one step, scalars: squared errors of decoded documents, in units of the
    same of the documents less their centroids."""

    score: torch.Tensor
    """In the metric of the scores, which is what is trained."""
    vector: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """Settings of the training steps."""

    learning_rate: float
    """How far a step goes, in units of Newton's."""

    def __post_init__(self) -> None:
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(
                f"learning_rate: a positive number expected, got {self.learning_rate}"
            )


class ScoreLearner:
    """Trains the rows of ``rotation``, and sets ``net`` to them in ``settle``.

    Parameters
    ----------
    net : RecurrentBinarizer
    rotation : ScaledRotation
        The start, of orthonormal rows.
    sample : Residuals
        Documents.
    metric : (d_in, d_in) float64
        See ``score_metric``; what errors cost.
    error_metric : (d_in, d_in) float64, optional
        What indexes choose codes by; else the squared error.
    """

    steps_per_epoch = STEPS_PER_EPOCH

    def __init__(
        self,
        net: RecurrentBinarizer,
        rotation: ScaledRotation,
        sample: Residuals,
        metric: np.ndarray,
        options: ScoreOptions,
        *,
        error_metric: np.ndarray | None = None,
        epochs: int,
        seed: int,
    ) -> None:
        self.net = net
        self.sample = sample
        self.metric = metric
        self.error_metric = error_metric
        self.options = options
        self.total_steps = epochs * self.steps_per_epoch
        self.generator = torch.Generator().manual_seed(seed)
        self.rows = rotation.rows.copy()
        self.steps_done = 0

    def epoch(self, first: int = 0) -> Iterator[ScoreLosses]:
        for _ in range(first, self.steps_per_epoch):
            yield self.step()

    def state(self) -> LearningState:
        """All that the next step depends on."""
        return LearningState(
            {"steps_done": self.steps_done},
            {
                "rows": torch.from_numpy(self.rows),
                "generator": self.generator.get_state(),
            },
        )

    def restore(self, state: LearningState) -> None:
        """Take what ``state`` gave, in a learner of the same settings and data."""
        numbers, tensors = state
        rows = tensors["rows"].numpy()
        if rows.shape != self.rows.shape:
            raise ValueError(f"rows: {self.rows.shape} expected, got {rows.shape}")
        self.steps_done = int(numbers["steps_done"])
        self.rows = rows.astype(np.float64)
        self.generator.set_state(tensors["generator"])

    def settle(self) -> None:
        set_rotation(self.net, make_rotation(self.sample, self.rows), self.error_metric)

    def step(self) -> ScoreLosses:
        count = min(POINTS_PER_STEP, len(self.sample.x))
        chosen = torch.randperm(len(self.sample.x), generator=self.generator)
        part = np.sort(chosen[:count].numpy())
        z, decoded = self._codes().decode(self.sample.x[part])
        metric = self.rows @ self.metric @ self.rows.T
        # Full length in the first half, then less, as what is left is noise.
        left = 1 - self.steps_done / self.total_steps
        length = self.options.learning_rate * min(1.0, 2 * left)
        turn = turn_to_codes(z, decoded, metric, length)
        self.rows = turn @ self.rows
        self.steps_done += 1
        device = self.net.query_weight.device
        return ScoreLosses(*torch.tensor(_losses(z, decoded, metric), device=device))

    def _codes(self) -> IndexCodes:
        return IndexCodes(
            self.net.document_plane_widths,
            self.rows,
            self.sample.mean,
            self.sample.centroids,
            self.error_metric,
        )


def turn_to_codes(
    z: np.ndarray, decoded: np.ndarray, metric: np.ndarray, length: float
) -> np.ndarray:
    """The rotation of ``z``, near the identity, that brings it close to ``decoded``.

    With Q for the rotation and Q_m for its first rows it lessens the mean of
    e' metric e, e being z - Q_m' decoded, which depends on two moments of the
    vectors alone.

    z: (n, d) float32; decoded: (n, m) float32, m at most d; metric: (d, d) float64;
    length: of steps, in units of Newton's. Returns (d, d) float64.
    """
    n, d = z.shape
    m = decoded.shape[1]
    across = (decoded.T @ z).astype(np.float64) / n
    among = (decoded.T @ decoded).astype(np.float64) / n
    variance = np.zeros(d)
    variance[:m] = np.diag(among)
    # Turning i towards j by a small angle adds v_i e_j - v_j e_i to what is decoded.
    second = np.outer(variance, np.diag(metric))
    second = 2 * (second + second.T)
    second += DAMPING * second.mean() or 1.0
    turned = np.eye(d)
    for _ in range(NEWTON_STEPS):
        gradient = np.zeros((d, d))
        gradient[:m] = 2 * (among @ turned[:m] - across) @ metric
        slope = gradient @ turned.T
        angles = -length * (slope - slope.T) / second
        angles *= min(1.0, LARGEST_TURN / (_largest_angle(angles) or 1.0))
        # Cayley's transform of a skew matrix is a rotation.
        half = angles / 2
        turned = np.linalg.solve(np.eye(d) - half, turned + half @ turned)
    return turned


def _largest_angle(angles: np.ndarray) -> float:
    """The largest singular value of a skew matrix, by the power method: next to it is
    enough for a bound of steps, and a decomposition takes longer than the step."""
    vector = np.ones(len(angles))
    value = 0.0
    for _ in range(POWER_STEPS):
        vector = angles.T @ (angles @ vector)
        value = float(np.linalg.norm(vector))
        if not value:
            break
        vector /= value
    return math.sqrt(value)


def _losses(z: np.ndarray, decoded: np.ndarray, metric: np.ndarray) -> list[float]:
    error = z.copy()
    error[:, : decoded.shape[1]] -= decoded
    losses = []
    for weight in (metric.astype(np.float32), np.eye(len(metric), dtype=np.float32)):
        lost, whole = (float(((v @ weight) * v).sum()) for v in (error, z))
        losses.append(lost / (whole or 1.0))
    return losses


def score_metric(anchors: np.ndarray, x: np.ndarray, power: float) -> np.ndarray:
    """What an error of a decoded document costs, as a matrix: (d, d) float64, of trace
    d.

    The error e changes the score of a query q by <q, e>. Queries that a document's
    score matters for have it as a near neighbour, and the part of an error along the
    document is what scales are chosen for. So the matrix is the mean of q'q'^T over
    anchors and their neighbours, q' being q less its part along the neighbour, to
    a power below 1: the plane widths and the ranges do not know of it, and the further
    from the identity it is the less they suit it.

    anchors: (n, d) float32, queries or documents; x: (nx, d) float32, documents.
    """
    moment = np.zeros((x.shape[1], x.shape[1]))
    near = find_true_neighbours(anchors, x, NEIGHBOURS)
    for column in near.T:
        document = x[column]
        along = (document * anchors).sum(axis=1) / np.square(document).sum(axis=1)
        across = anchors - along[:, None] * document
        moment += across.T @ across
    values, vectors = np.linalg.eigh(moment)
    values = np.maximum(values, LEAST_MOMENT * (values[-1] or 1.0))
    powers = values**power
    return (vectors * (powers / powers.mean())) @ vectors.T


def find_true_neighbours(anchors: np.ndarray, x: np.ndarray, k: int) -> np.ndarray:
    """Row numbers of each anchor's ``k`` nearest documents by inner product, its
    duplicates left out: (n, at most k) int64. Where too few are left they repeat."""
    similarity, found = search_neighbours(anchors, x, min(2 * k, len(x)))
    norms = np.square(x).sum(axis=1)
    distances = np.square(anchors).sum(axis=1)[:, None] + norms[found] - 2 * similarity
    same = distances <= DUPLICATE_DISTANCE * norms.mean()
    others_first = np.argsort(same, axis=1, kind="stable")
    count = np.maximum(found.shape[1] - same.sum(axis=1, keepdims=True), 1)
    columns = np.arange(min(k, found.shape[1])) % count
    rows = np.take_along_axis(others_first, columns, axis=1)
    return np.take_along_axis(found, rows, axis=1)
