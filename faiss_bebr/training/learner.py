"""Gradient steps: network, momentum encoder, queue and optimizer."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from .losses import (
    LossParts,
    calibration,
    distillation_loss,
    document_vectors,
    hardest_mask,
    nce_loss,
    pair_scores,
)
from .network import RecurrentBinarizer
from .sampling import count_batches, neighborhood_batches

WARM_UP_STEPS = 20
NORM_BATCH = 4096
NORM_ROWS = 8192


@dataclass(frozen=True, kw_only=True)
class LearningOptions:
    """Settings of the gradient steps; ``train_binarizer`` says what each one is."""

    learning_rate: float
    temperature: float
    queue_size: int
    momentum: float
    hard_negatives: int
    nce_weight: float
    distillation_weight: float

    def __post_init__(self) -> None:
        for name in ("learning_rate", "temperature"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise ValueError(f"{name}: a positive number expected, got {value}")
        for name in ("queue_size", "hard_negatives"):
            value = getattr(self, name)
            if value < 1:
                raise ValueError(f"{name}: at least 1 expected, got {value}")
        for name in ("nce_weight", "distillation_weight"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ValueError(f"{name}: 0 or more expected, got {value}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum: 0 up to below 1 expected, got {self.momentum}")


class DocumentQueue:
    """The latest documents of the momentum encoder, the oldest overwritten first."""

    def __init__(self, size: int, d_in: int, m: int, device: torch.device) -> None:
        self._embeddings = torch.zeros(size, d_in, device=device)
        self._documents = torch.zeros(size, m, device=device)
        self._filled = 0
        self._next = 0

    def push(self, embeddings: torch.Tensor, documents: torch.Tensor) -> None:
        """embeddings: (n, d_in), documents: (n, m); of more than ``size`` the last."""
        size = len(self._embeddings)
        embeddings, documents = embeddings[-size:], documents[-size:]
        rows = (self._next + torch.arange(len(embeddings))) % size
        self._embeddings[rows] = embeddings
        self._documents[rows] = documents
        self._next = (self._next + len(embeddings)) % size
        self._filled = min(size, self._filled + len(embeddings))

    @property
    def embeddings(self) -> torch.Tensor:
        """(filled, d_in)"""
        return self._embeddings[: self._filled]

    @property
    def documents(self) -> torch.Tensor:
        """(filled, m)"""
        return self._documents[: self._filled]


class Learner:
    """Trains ``net`` in place, one batch of neighbourhoods at a time.

    The network stays in evaluation mode: batches of neighbourhoods are no sample of
    the data, so BatchNorm takes its statistics from ``refresh_norms`` instead.

    Parameters
    ----------
    net : RecurrentBinarizer
    x : (n, d_in)
        Documents, in random order.
    options : LearningOptions
    epochs, batch_size : int
        They give the length of the learning rate's schedule: a short rise, then
        linearly to 0.
    seed : int
        Of the order of batches.
    """

    def __init__(
        self,
        net: RecurrentBinarizer,
        x: torch.Tensor,
        options: LearningOptions,
        *,
        epochs: int,
        batch_size: int,
        seed: int,
    ) -> None:
        self.net = net
        self.x = x
        self.options = options
        self.batch_size = batch_size
        self.generator = torch.Generator().manual_seed(seed)
        # Similarities in units of its square, so that one temperature suits any data.
        self.unit = float(x.square().sum(dim=1).mean().sqrt()) or 1.0
        self.steps_per_epoch = count_batches(len(x), batch_size)
        total_steps = epochs * self.steps_per_epoch
        self.slow_net = copy.deepcopy(net).requires_grad_(False)
        self.queue = DocumentQueue(
            options.queue_size, net.d_in, net.d_out, net.query_weight.device
        )
        # A buffer of the network, trained as parameters and copied back.
        self.query_weight = nn.Parameter(net.query_weight.clone())
        self.query_offset = nn.Parameter(net.query_offset.clone())
        self.optimizer = torch.optim.Adam(self._parameter_groups())
        warm_up = min(WARM_UP_STEPS, max(1, total_steps // 4))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer,
            lambda step: min((step + 1) / warm_up, 1.0) * (1 - step / total_steps),
        )
        self.settle()

    def epoch(self) -> Iterator[LossParts]:
        for groups in neighborhood_batches(self.x, self.batch_size, self.generator):
            yield self.step(self.x[groups])

    def settle(self) -> None:
        self.refresh_norms(self.x[:NORM_ROWS])

    def step(self, embeddings: torch.Tensor) -> LossParts:
        """embeddings: (groups, size, d_in), each group a neighbourhood."""
        parts = self._losses(embeddings)
        loss = (
            self.options.nce_weight * parts.nce
            + self.options.distillation_weight * parts.distillation
        )
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self._follow()
        return LossParts(*(part.detach() for part in parts))

    @torch.no_grad()
    def refresh_norms(self, x: torch.Tensor) -> None:
        """Take BatchNorm's statistics from ``x``, (n, d_in), a random sample."""
        norms = [m for m in self.net.modules() if isinstance(m, nn.BatchNorm1d)]
        if not norms:
            return
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean over batches
        self.net.train()
        for batch in x.split(NORM_BATCH):
            # One row has no variance, which BatchNorm refuses.
            if len(batch) > 1:
                self.net.reconstruct(self.net(batch))
        self.net.eval()

    def _losses(self, embeddings: torch.Tensor) -> LossParts:
        options = self.options
        groups, size, d_in = embeddings.shape
        rows = embeddings.flatten(0, 1)
        similar = rows / self.unit
        codes = self.net.codes_by_depth(rows)
        queries = self.query_weight * codes[-1] + self.query_offset
        documents = document_vectors(codes, self.net.document_nbits)
        near = pair_scores(
            queries.view(groups, size, -1),
            documents.view(groups, size, -1),
            similar.view(groups, size, d_in),
            similar.view(groups, size, d_in),
        )
        mask = hardest_mask(near, options.hard_negatives)
        distillation = distillation_loss(near, mask)
        if not options.nce_weight:
            return LossParts(torch.zeros_like(distillation), distillation)
        with torch.no_grad():
            factor = calibration(near, mask)
            slow_codes = self.slow_net.codes_by_depth(rows)
            positives = document_vectors(slow_codes, self.net.document_nbits)
            self.queue.push(similar, positives)
        nce = nce_loss(
            (queries * positives).sum(dim=1),
            pair_scores(queries, self.queue.documents, similar, self.queue.embeddings),
            top_k=options.hard_negatives,
            temperature=options.temperature,
            factor=factor,
        )
        return LossParts(nce, distillation)

    @torch.no_grad()
    def _parameter_groups(self) -> list[dict[str, Any]]:
        """Every parameter with a rate relative to its own root mean square.

        Adam's steps have the size of the rate whatever the gradient's, and entries of
        ``R_t`` are some hundred times smaller than those of ``W_t``. A parameter that
        starts at zero takes the scale of its block's skip.
        """
        groups: list[dict[str, Any]] = []

        def add(parameter: torch.Tensor, zero_scale: float) -> None:
            scale = float(parameter.square().mean().sqrt()) or zero_scale
            rate = self.options.learning_rate * scale
            groups.append({"params": [parameter], "lr": rate})

        for block in itertools.chain.from_iterable(self.net.blocks()):
            skip_scale = float(block.skip.weight.square().mean().sqrt()) or 1.0
            for parameter in block.parameters():
                add(parameter, skip_scale)
        for parameter in (self.query_weight, self.query_offset):
            add(parameter, 1.0)
        return groups

    @torch.no_grad()
    def _follow(self) -> None:
        """The buffers follow the trained query map, the momentum encoder the net."""
        # an index takes no negative weights
        self.query_weight.clamp_(min=0)
        self.net.query_weight.copy_(self.query_weight)
        self.net.query_offset.copy_(self.query_offset)
        if not self.options.nce_weight:
            return
        current = self.net.state_dict()
        for name, slow in self.slow_net.state_dict().items():
            if slow.is_floating_point():
                slow.lerp_(current[name], 1 - self.options.momentum)
            else:
                slow.copy_(current[name])
