"""Gradient training of the linear map for the scores that an index computes.

What is trained is the error of the score among an anchor's true neighbours, where
ranking is decided, with the documents' codes as the index makes them: residuals on the
grid of their planes, the scale in the loss. Rounding is passed by straight-through.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from .held_out import find_neighbours
from .residual_start import LinearMap, Residuals
from .start import GAUSSIAN_HALF_WIDTH

# As the index chooses codes, see CodeChooser.
ALONG_QUERY = 10.0
WARM_UP_STEPS = 20
STEPS_PER_RANGE = 20
RANGE_POINTS = 8192


@dataclass(frozen=True, kw_only=True)
class ScoreTrainingOptions:
    """Settings of the gradient steps."""

    learning_rate: float = 1e-4
    anchors: int = 6000
    neighbours: int = 60
    anchors_per_step: int = 48
    neighbours_per_step: int = 40
    score_weight: float = 1000.0


class ScoreTrainer:
    """Trains the rows of a linear map.

    Parameters
    ----------
    sample : Residuals
        Documents.
    anchors : (n, d_in) float32
        Queries, or documents of the sample.
    anchors_are_documents : bool
        An anchor's duplicates, itself among them, are then left out of its neighbours.
    """

    def __init__(
        self,
        sample: Residuals,
        anchors: np.ndarray,
        linear: LinearMap,
        plane_widths: tuple[int, ...],
        options: ScoreTrainingOptions,
        *,
        total_steps: int,
        anchors_are_documents: bool,
        seed: int,
        device: torch.device,
    ) -> None:
        self.options = options
        self.device = device
        self.generator = torch.Generator().manual_seed(seed)
        self.x = torch.from_numpy(sample.x).to(device)
        self.residuals = torch.from_numpy(sample.residuals).to(device)
        self.mean = torch.from_numpy(sample.mean.astype(np.float32)).to(device)
        self.anchors = torch.from_numpy(anchors).to(device)
        self.near = torch.from_numpy(self._find(sample.x, anchors, anchors_are_documents))
        rows = torch.from_numpy(linear.rows.astype(np.float32)).to(device)
        self.rows = torch.nn.Parameter(rows)
        self.m = plane_widths[0]
        depth = torch.zeros(self.m, dtype=torch.long)
        for width in plane_widths:
            depth[:width] += 1
        half_width = torch.tensor(GAUSSIAN_HALF_WIDTH)[depth - 1]
        # the grid: cells of 1, that many on each side of 0
        self.half = (2.0**depth / 2).to(device)
        self.cell = (half_width.to(device) / self.half)
        self.step_size = torch.ones(self.m, device=device)
        self.optimizer = torch.optim.Adam(
            [self.rows], lr=options.learning_rate, betas=(0.9, 0.98)
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer,
            lambda step: min((step + 1) / WARM_UP_STEPS, 1.0)
            * (0.5 * (1 + np.cos(np.pi * step / total_steps)) + 0.01),
        )
        self.steps_done = 0

    def _find(self, x, anchors, own):
        k = min(self.options.neighbours + int(own), len(x))
        found = find_neighbours(anchors, x, k)
        return found[:, int(own):]

    @torch.no_grad()
    def _set_range(self) -> None:
        at = torch.randint(len(self.x), (RANGE_POINTS,), generator=self.generator)
        z = self.residuals[at] @ self.rows[: self.m].T
        self.step_size = z.square().mean(0).sqrt().clamp_min(1e-12) * self.cell

    def decode(self, residuals, x):
        """What the index adds to the centroid's part, in the space of embeddings."""
        z = residuals @ self.rows[: self.m].T
        u = z / self.step_size
        inside = (u.abs() <= self.half).float()
        soft = u * inside + (u * (1 - inside)).detach()
        level = torch.floor(u.detach()).clamp(-self.half, self.half - 1) + 0.5
        v = (soft + (level - soft).detach()) * self.step_size
        direction = x @ self.rows.T
        along = ALONG_QUERY / direction.square().sum(1)
        full = residuals @ self.rows.T
        along_y = (direction * full).sum(1)
        along_v = (direction[:, : self.m] * v).sum(1)
        s = ((z * v).sum(1) + along * along_y * along_v) / (
            v.square().sum(1) + along * along_v.square()
        ).clamp_min(1e-12)
        return s.clamp_min(0)[:, None] * v

    def step(self) -> float:
        options = self.options
        if self.steps_done % STEPS_PER_RANGE == 0:
            self._set_range()
        at = torch.randint(
            len(self.anchors), (options.anchors_per_step,), generator=self.generator
        )
        columns = torch.randperm(self.near.shape[1], generator=self.generator)
        columns = columns[: options.neighbours_per_step]
        documents = self.near[at][:, columns].reshape(-1)
        queries, x, residuals = self.anchors[at], self.x[documents], self.residuals[documents]
        decoded = self.decode(residuals, x)
        centred = (x - residuals - self.mean) @ self.rows.T
        whole = torch.cat([centred[:, : self.m] + decoded, centred[:, self.m :]], 1)
        error = whole @ self.rows - (x - self.mean)
        wrong = (queries[:, None] * error.view(len(at), -1, x.shape[1])).sum(2)
        wrong = wrong - wrong.mean(1, keepdim=True)
        # squared error of the score, and of the vector as the index weighs it
        score = wrong.square().mean()
        vector = error.square().sum(1) + ALONG_QUERY * (error * x).sum(1).square()
        loss = options.score_weight * score + vector.mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.steps_done += 1
        return float(score.detach())
