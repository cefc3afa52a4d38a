"""Gradient steps on a linear map for documents that an old index codes by itself.

What is trained is the error of the score among an anchor's true neighbours, where
ranking is decided, with documents coded as the index codes them. Three things stay as
the index has them: its centroids and range, which are those of old documents, and the
query map. The new map has to land among them. Rounding is passed straight through.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import faiss
import numpy as np
import torch

from .compatible_data import OldGeneration
from .learning_state import (
    LearningState,
    optimizer_state,
    prefixed,
    restore_optimizer,
    under,
)
from .linear_map import LinearMap, set_linear_map
from .network import RecurrentBinarizer
from .score_training import find_true_neighbours

STEPS_PER_EPOCH = 300
WARM_UP_STEPS = 20
# What the index weighs squared errors along a document by when it chooses its code.
ALONG_DOCUMENT = 10.0
# Of the loss of scores beside that of vectors.
SCORE_WEIGHT = 1000.0
# True neighbours of an anchor that scores are compared among, and what a step takes.
NEIGHBOURS = 60
ANCHORS_PER_STEP = 32
NEIGHBOURS_PER_STEP = 32
TINY = 1e-12


class CompatibleScoreLosses(NamedTuple):
    """Losses of one step, unweighted scalars."""

    score: torch.Tensor
    """Squared error of the scores of new documents, less each anchor's mean error."""
    vector: torch.Tensor
    """Squared error of decoded new documents, that along them counted more."""
    old_score: torch.Tensor
    """As ``score``, among documents of both generations at once: their scores have to
    be on one scale."""


class CompatibleScoreLearner:
    """Trains ``linear``, and sets ``net`` to it in ``settle``.

    All is in units of ``z = sqrt(query_weight) y``, in which scores are inner products.

    Parameters
    ----------
    net : RecurrentBinarizer
    linear : LinearMap
        The start.
    x : (n, d_new) float32
        New embeddings of documents.
    old : OldGeneration
        Its index trained.
    codes : (n, m) float32
        Old codes of the documents.
    anchors : (a, d_new) float32
        Queries, or documents.
    learning_rate : float
        Of Adam, relative to the root mean square of the map's entries.
    old_weight : float
        Of the loss on old documents.
    """

    steps_per_epoch = STEPS_PER_EPOCH

    def __init__(
        self,
        net: RecurrentBinarizer,
        linear: LinearMap,
        x: np.ndarray,
        old: OldGeneration,
        codes: np.ndarray,
        anchors: np.ndarray,
        *,
        learning_rate: float,
        old_weight: float,
        epochs: int,
        seed: int,
    ) -> None:
        device = net.query_weight.device

        def place(array: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(np.asarray(array, dtype=np.float32)).to(device)

        self.net = net
        self.linear = linear
        self.old_weight = old_weight
        self.generator = torch.Generator().manual_seed(seed)
        # As float64, but without such a copy of all.
        centred = np.subtract(
            x, linear.centre, out=np.empty_like(x), casting="same_kind"
        )
        self.x = place(centred)
        self.anchors = place(anchors)
        self.centre = place(linear.centre)
        self.near = torch.as_tensor(find_true_neighbours(anchors, x, NEIGHBOURS))
        sdc = old.index.sdc
        self.unit = place(old.query_weight).sqrt()
        # Dimensions without weight are read by no query.
        self.offset = place(old.query_offset) / self.unit.clamp_min(TINY)
        decoded = old.index.sa_decode(old.index.sa_encode(codes))
        self.old_documents = place(decoded) * self.unit
        centroids = faiss.vector_to_array(sdc.centroids).reshape(-1, net.d_out)
        self.centroids = place(centroids)
        """In units of ``y``, in which the index looks for the nearest."""
        depth = torch.zeros(old.document_plane_widths[0], dtype=torch.long)
        for width in old.document_plane_widths:
            depth[:width] += 1
        self.m = len(depth)
        self.half = (2.0**depth / 2).to(device)
        """Cells on each side of 0."""
        # The grid of a dimension is -2 .. 2, times the range.
        self.cell = 2 / self.half * place(faiss.vector_to_array(sdc.range))
        self.cell = (self.cell * self.unit[: self.m]).clamp_min(TINY)
        self.rows = torch.nn.Parameter(place(linear.weight) * self.unit[:, None])
        # Scores are the embeddings' but for the length of the start's codes, which the
        # range of the index is for.
        rank = min(int(self.rows.any(dim=1).sum()), self.rows.shape[1])
        self.factor = float(self.rows.detach().square().sum()) / max(rank, 1)
        # Dimensions that the start leaves out stay so.
        self.used = self.rows.detach().any(dim=1, keepdim=True)
        # The unit of the losses, so that they weigh the same for any data.
        self.scale = float(self.x.square().sum(1).mean()) or 1.0
        self._make_optimizer(learning_rate, epochs * self.steps_per_epoch)

    def _make_optimizer(self, learning_rate: float, total_steps: int) -> None:
        """After a short rise the rate falls to 0."""
        scale = float(self.rows.detach().square().mean().sqrt())
        self.optimizer = torch.optim.Adam(
            [self.rows], lr=learning_rate * scale, betas=(0.9, 0.98)
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer,
            lambda step: (
                min((step + 1) / WARM_UP_STEPS, 1.0)
                * (0.5 + 0.5 * math.cos(math.pi * step / total_steps))
            ),
        )

    def epoch(self, first: int = 0) -> Iterator[CompatibleScoreLosses]:
        for _ in range(first, self.steps_per_epoch):
            yield self.step()

    def state(self) -> LearningState:
        """All that the next step depends on."""
        optimizer = optimizer_state(self.optimizer, self.schedule)
        tensors = {
            "rows": self.rows,
            "generator": self.generator.get_state(),
            **prefixed("optimizer", optimizer.tensors),
        }
        return LearningState({"optimizer": optimizer.numbers}, tensors)

    @torch.no_grad()
    def restore(self, state: LearningState) -> None:
        """Take what ``state`` gave, in a learner of the same settings and data."""
        numbers, tensors = state
        self.rows.copy_(tensors["rows"])
        self.generator.set_state(tensors["generator"])
        restore_optimizer(
            self.optimizer,
            self.schedule,
            LearningState(numbers["optimizer"], under("optimizer", tensors)),
        )

    def settle(self) -> None:
        unit = self.unit.clamp_min(TINY)[:, None]
        weight = (self.rows.detach() / unit).cpu().numpy().astype(np.float64)
        set_linear_map(self.net, self.linear._replace(weight=weight))

    def step(self) -> CompatibleScoreLosses:
        losses = self.losses(*self._draw())
        score = losses.score + self.old_weight * losses.old_score
        self.optimizer.zero_grad()
        (SCORE_WEIGHT * score + losses.vector).backward()
        assert self.rows.grad is not None
        self.rows.grad.mul_(self.used)
        self.optimizer.step()
        self.schedule.step()
        return CompatibleScoreLosses(*(part.detach() for part in losses))

    def _draw(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Row numbers of anchors, (a,), and of neighbours of each, (a, b)."""
        rows = torch.randint(
            len(self.anchors), (ANCHORS_PER_STEP,), generator=self.generator
        )
        columns = torch.randperm(self.near.shape[1], generator=self.generator)
        return rows, self.near[rows][:, columns[:NEIGHBOURS_PER_STEP]]

    def losses(self, rows: torch.Tensor, near: torch.Tensor) -> CompatibleScoreLosses:
        """rows: (a,) of anchors; near: (a, b), their neighbours."""
        documents = near.reshape(-1)
        x = self.x[documents]
        z = x @ self.rows.T
        decoded = self.decode(z)
        anchors = self.anchors[rows]
        queries = (anchors - self.centre) @ self.rows.T + self.offset
        truth = (x.view(*near.shape, -1) @ anchors[:, :, None])[:, :, 0]
        wrong = [
            (part.view(*near.shape, -1) @ queries[:, :, None])[:, :, 0]
            - self.factor * truth
            for part in (decoded, self.old_documents[documents])
        ]
        error = decoded - z
        along = (error * (z + self.offset)).sum(dim=1).square() / self.scale
        vector = error.square().sum(dim=1) + ALONG_DOCUMENT * along
        return CompatibleScoreLosses(
            _variance(wrong[0]) / self.scale**2,
            vector.mean() / self.scale,
            _variance(torch.cat(wrong, dim=1)) / self.scale**2,
        )

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """What the index keeps of documents, (n, m); rounding is passed straight
        through."""
        centroids = self._nearest_centroids(z.detach())
        residuals = z - centroids
        u = residuals[:, : self.m] / self.cell
        inside = u.abs() <= self.half
        level = torch.floor(u.detach()).clamp(-self.half, self.half - 1) + 0.5
        soft = torch.where(inside, u, u.detach())
        v = (soft + (level - soft).detach()) * self.cell
        v = self._scale(z.detach(), residuals.detach(), v.detach())[:, None] * v
        return torch.cat([centroids[:, : self.m] + v, centroids[:, self.m :]], dim=1)

    def _nearest_centroids(self, z: torch.Tensor) -> torch.Tensor:
        if not len(self.centroids):
            return torch.zeros_like(z)
        y = z / self.unit.clamp_min(TINY)
        distances = self.centroids.square().sum(dim=1) - 2 * y @ self.centroids.T
        return self.centroids[distances.argmin(dim=1)] * self.unit

    def _scale(
        self, z: torch.Tensor, residuals: torch.Tensor, v: torch.Tensor
    ) -> torch.Tensor:
        """The index's, see ``Scale_unbiased`` for a learned range."""
        direction = z + self.offset
        along = ALONG_DOCUMENT / direction.square().sum(dim=1).clamp_min(TINY)
        along_z = (direction * residuals).sum(dim=1)
        along_v = (direction[:, : self.m] * v).sum(dim=1)
        zv = (residuals[:, : self.m] * v).sum(dim=1) + along * along_z * along_v
        vv = v.square().sum(dim=1) + along * along_v.square()
        return (zv / vv.clamp_min(TINY)).clamp_min(0)


def _variance(wrong: torch.Tensor) -> torch.Tensor:
    """Mean square of each row's errors less their mean: what ranking sees."""
    return (wrong - wrong.mean(dim=1, keepdim=True)).square().mean()
