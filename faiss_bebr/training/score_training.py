"""Gradient training of a linear map for the scores that an index computes.

What is trained is the error of the score among an anchor's true neighbours, where
ranking is decided, with documents coded as the index codes them: residuals on the
grid of their planes, range and scale in the loss. Rounding is passed straight through.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from .held_out import search_neighbours
from .learning_state import (
    LearningState,
    optimizer_state,
    prefixed,
    restore_optimizer,
    under,
)
from .losses import DUPLICATE_DISTANCE
from .network import RecurrentBinarizer
from .residual_start import LinearMap, Residuals, set_linear_map
from .start import GAUSSIAN_HALF_WIDTH

STEPS_PER_EPOCH = 300
WARM_UP_STEPS = 20
# The range follows the map every so many steps.
STEPS_PER_RANGE = 20
RANGE_POINTS = 8192
# What the index weighs squared errors along a document by when it chooses its code.
ALONG_DOCUMENT = 10.0


class ScoreLosses(NamedTuple):
    """Losses of one step, unweighted scalars."""

    score: torch.Tensor
    """Squared error of the scores, less each anchor's mean error."""
    vector: torch.Tensor
    """Squared error of decoded documents, that along them counted more."""


@dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """Settings of the gradient steps."""

    learning_rate: float
    """Of Adam, relative to the root mean square of the map's entries."""
    score_weight: float = 1000.0
    """Of the score's loss beside that of the vector."""
    neighbours: int = 60
    """True neighbours of an anchor that scores are compared among."""
    anchors_per_step: int = 32
    neighbours_per_step: int = 32

    def __post_init__(self) -> None:
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(
                f"learning_rate: a positive number expected, got {self.learning_rate}"
            )


class ScoreLearner:
    """Trains the rows of ``linear``, and sets ``net`` to them in ``settle``.

    Parameters
    ----------
    net : RecurrentBinarizer
    linear : LinearMap
        The start.
    sample : Residuals
        Documents.
    anchors : (n, d_in) float32
        Queries, or documents of the sample: duplicates of an anchor, itself among
        them, are not counted as its neighbours.
    """

    steps_per_epoch = STEPS_PER_EPOCH

    def __init__(
        self,
        net: RecurrentBinarizer,
        linear: LinearMap,
        sample: Residuals,
        anchors: np.ndarray,
        options: ScoreOptions,
        *,
        epochs: int,
        seed: int,
    ) -> None:
        device = net.query_weight.device

        def place(array: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(np.asarray(array, dtype=np.float32)).to(device)

        self.net = net
        self.linear = linear
        self.options = options
        self.generator = torch.Generator().manual_seed(seed)
        self.x = place(sample.x - sample.mean)
        self.residuals = place(sample.residuals)
        self.mean = place(sample.mean)
        self.anchors = place(anchors)
        self.near = find_true_neighbours(anchors, sample.x, options.neighbours)
        self.rows = torch.nn.Parameter(place(linear.rows))
        # Planes up to whole bytes have nothing past the embeddings' dimensions.
        m = min(net.document_plane_widths[0], net.d_in)
        depth = torch.zeros(m, dtype=torch.long)
        for width in net.document_plane_widths:
            depth[:width] += 1
        self.m = len(depth)
        self.half = (2.0**depth / 2).to(device)
        """Cells on each side of 0."""
        half_width = torch.tensor(GAUSSIAN_HALF_WIDTH)[depth - 1].to(device)
        self.cell_in_deviations = half_width / self.half
        self.cell = torch.ones_like(self.half)
        # The unit of the losses, so that they weigh the same for any data.
        self.unit = float(self.x.square().sum(1).mean()) or 1.0
        self._make_optimizer(epochs * self.steps_per_epoch)
        self.steps_done = 0

    def _make_optimizer(self, total_steps: int) -> None:
        scale = float(self.rows.detach().square().mean().sqrt())
        self.optimizer = torch.optim.Adam(
            [self.rows], lr=self.options.learning_rate * scale, betas=(0.9, 0.98)
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer,
            lambda step: (
                min((step + 1) / WARM_UP_STEPS, 1.0)
                * (0.5 + 0.5 * math.cos(math.pi * step / total_steps))
            ),
        )

    def epoch(self, first: int = 0) -> Iterator[ScoreLosses]:
        for _ in range(first, self.steps_per_epoch):
            yield self.step()

    def state(self) -> LearningState:
        """All that the next step depends on."""
        optimizer = optimizer_state(self.optimizer, self.schedule)
        numbers = {"steps_done": self.steps_done, "optimizer": optimizer.numbers}
        tensors = {
            "rows": self.rows,
            "cell": self.cell,
            "generator": self.generator.get_state(),
            **prefixed("optimizer", optimizer.tensors),
        }
        return LearningState(numbers, tensors)

    @torch.no_grad()
    def restore(self, state: LearningState) -> None:
        """Take what ``state`` gave, in a learner of the same settings and data."""
        numbers, tensors = state
        self.steps_done = numbers["steps_done"]
        self.rows.copy_(tensors["rows"])
        self.cell = tensors["cell"].to(self.rows.device)
        self.generator.set_state(tensors["generator"])
        restore_optimizer(
            self.optimizer,
            self.schedule,
            LearningState(numbers["optimizer"], under("optimizer", tensors)),
        )

    def settle(self) -> None:
        rows = self.rows.detach().cpu().numpy().astype(np.float64)
        set_linear_map(self.net, self.linear._replace(rows=rows))

    def step(self) -> ScoreLosses:
        if self.steps_done % STEPS_PER_RANGE == 0:
            self._set_cell()
        losses = self.losses(*self._draw())
        loss = self.options.score_weight * losses.score + losses.vector
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.steps_done += 1
        return ScoreLosses(*(part.detach() for part in losses))

    def _draw(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Row numbers of anchors, (a,), and of neighbours of each, (a, b)."""
        options = self.options
        rows = torch.randint(
            len(self.anchors), (options.anchors_per_step,), generator=self.generator
        )
        columns = torch.randperm(self.near.shape[1], generator=self.generator)
        return rows, self.near[rows][:, columns[: options.neighbours_per_step]]

    def losses(self, rows: torch.Tensor, near: torch.Tensor) -> ScoreLosses:
        documents = near.reshape(-1)
        x, residuals = self.x[documents], self.residuals[documents]
        error = self.decode(x, residuals) - x
        wrong = error.view(len(rows), -1, x.shape[1]) @ self.anchors[rows][:, :, None]
        wrong = wrong - wrong.mean(dim=1, keepdim=True)
        along = (error * (x + self.mean)).sum(dim=1).square() / self.unit
        vector = error.square().sum(dim=1) + ALONG_DOCUMENT * along
        return ScoreLosses(
            wrong.square().mean() / self.unit**2, vector.mean() / self.unit
        )

    def decode(self, x: torch.Tensor, residuals: torch.Tensor) -> torch.Tensor:
        """What scores see of documents: centred embeddings (n, d_in) and their
        residuals to what the index has of them, (n, d_in)."""
        y, z = x @ self.rows.T, residuals @ self.rows.T
        u = z[:, : self.m] / self.cell
        inside = u.abs() <= self.half
        level = torch.floor(u.detach()).clamp(-self.half, self.half - 1) + 0.5
        soft = torch.where(inside, u, u.detach())
        v = (soft + (level - soft).detach()) * self.cell
        v = self._scale(y.detach(), z.detach(), v.detach())[:, None] * v
        centroids = y - z
        whole = torch.cat([centroids[:, : self.m] + v, centroids[:, self.m :]], dim=1)
        return whole @ self.rows

    @torch.no_grad()
    def _scale(self, y: torch.Tensor, z: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """The index's, see ``Scale_unbiased`` for a learned range; y and z: (n, d_in),
        v: (n, m)."""
        direction = y + self.rows @ self.mean
        along = ALONG_DOCUMENT / direction.square().sum(dim=1).clamp_min(1e-12)
        along_z = (direction * z).sum(dim=1)
        along_v = (direction[:, : self.m] * v).sum(dim=1)
        zv = (z[:, : self.m] * v).sum(dim=1) + along * along_z * along_v
        vv = v.square().sum(dim=1) + along * along_v.square()
        return (zv / vv.clamp_min(1e-12)).clamp_min(0)

    @torch.no_grad()
    def _set_cell(self) -> None:
        rows = torch.randint(len(self.x), (RANGE_POINTS,), generator=self.generator)
        z = self.residuals[rows] @ self.rows[: self.m].T
        deviation = z.square().mean(dim=0).sqrt().clamp_min(1e-12)
        self.cell = deviation * self.cell_in_deviations


def find_true_neighbours(anchors: np.ndarray, x: np.ndarray, k: int) -> torch.Tensor:
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
    return torch.from_numpy(np.take_along_axis(found, rows, axis=1))
