"""Gradient steps: network, momentum encoder, queue and optimizer."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from .learning_options import LearningOptions
from .learning_state import (
    LearningState,
    optimizer_state,
    prefixed,
    restore_optimizer,
    under,
)
from .losses import (
    LossParts,
    pair_scores,
)
from .network import RecurrentBinarizer
from .objectives import (
    documents_at,
    list_depths,
    list_widths,
    mean_distillation,
    mean_nce,
    score_neighbourhoods,
)
from .sampling import count_batches, neighborhood_batches

WARM_UP_STEPS = 20
NORM_BATCH = 4096
NORM_ROWS = 8192


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

    def state(self) -> tuple[int, dict[str, torch.Tensor]]:
        """Where the next document goes, and all that is held."""
        return self._next, {"embeddings": self.embeddings, "documents": self.documents}

    def restore(self, next_row: int, tensors: dict[str, torch.Tensor]) -> None:
        """Take what ``state`` gave."""
        self._filled = len(tensors["embeddings"])
        self._next = next_row
        self._embeddings[: self._filled] = tensors["embeddings"]
        self._documents[: self._filled] = tensors["documents"]

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
    precision : str
        Of the network's passes: float32, or bfloat16 or float16 by autocast. Losses,
        BatchNorm's statistics and the weights are float32 in any case.
    pairs : two (p, d_in) tensors, optional
        Queries and the document of each, the anchors and positives of NCE; else they
        are the documents of a batch and themselves.
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
        precision: str = "float32",
        pairs: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> None:
        self.net = net
        self.x = x
        self.options = options
        self.batch_size = batch_size
        self.generator = torch.Generator().manual_seed(seed)
        self._epoch_begin = self.generator.get_state()
        # Similarities in units of its square, so that one temperature suits any data.
        self.unit = float(x.square().sum(dim=1).mean().sqrt()) or 1.0
        self.steps_per_epoch = count_batches(len(x), batch_size)
        total_steps = epochs * self.steps_per_epoch
        self.precision = precision
        self.slow_net = copy.deepcopy(net).requires_grad_(False)
        # Losses are the mean over documents of each of these depths and widths.
        self.depths = list_depths(net, options.nested)
        self.widths = list_widths(net, options.matryoshka_dims)
        self.queue = DocumentQueue(
            options.queue_size,
            net.d_in,
            net.d_out * len(self.depths) * len(self.widths),
            net.query_weight.device,
        )
        self.pairs = pairs
        # A buffer of the network, trained as parameters and copied back.
        self.query_weight = nn.Parameter(net.query_weight.clone())
        self.query_offset = nn.Parameter(net.query_offset.clone())
        self.optimizer = torch.optim.Adam(self._parameter_groups())
        # Gradients of float16 are too small for it unless the loss is scaled up.
        self.scaler = torch.amp.GradScaler(
            net.query_weight.device.type, enabled=precision == "float16"
        )
        warm_up = min(WARM_UP_STEPS, max(1, total_steps // 4))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer,
            lambda step: min((step + 1) / warm_up, 1.0) * (1 - step / total_steps),
        )

    def epoch(self, first: int = 0) -> Iterator[LossParts]:
        """Take the steps of an epoch from number ``first`` on, and yield their losses.

        With ``first > 0`` the state is one that was taken in the same epoch.
        """
        self._epoch_begin = self.generator.get_state()
        for groups in neighborhood_batches(
            self.x, self.batch_size, self.generator, first
        ):
            yield self.step(self.x[groups])
        self._epoch_begin = self.generator.get_state()

    def settle(self) -> None:
        """Make the network fit for use: BatchNorm's statistics follow the weights."""
        self.refresh_norms(self.x[:NORM_ROWS])

    def step(self, embeddings: torch.Tensor) -> LossParts:
        """embeddings: (groups, size, d_in), each group a neighbourhood."""
        parts = self._losses(embeddings)
        loss = self._total(parts)
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        scale = self.scaler.get_scale()
        self.scaler.update()
        # A scale that falls tells that gradients overflowed and no step was made.
        if self.scaler.get_scale() >= scale:
            self.schedule.step()
        self._follow()
        return type(parts)(*(part.detach() for part in parts))

    def state(self) -> LearningState:
        """All that the next step depends on."""
        next_row, queue = self.queue.state()
        optimizer = optimizer_state(self.optimizer, self.schedule)
        numbers = {
            "queue_next": next_row,
            "optimizer": optimizer.numbers,
            "scaler": self.scaler.state_dict(),
        }
        tensors = {
            "generator": self._epoch_begin,
            "query_weight": self.query_weight,
            "query_offset": self.query_offset,
            **prefixed("net", self.net.state_dict()),
            **prefixed("slow_net", self.slow_net.state_dict()),
            **prefixed("queue", queue),
            **prefixed("optimizer", optimizer.tensors),
        }
        return LearningState(numbers, tensors)

    @torch.no_grad()
    def restore(self, state: LearningState) -> None:
        """Take what ``state`` gave, in a learner of the same settings and data.

        Raises ``KeyError``, ``RuntimeError`` or ``ValueError`` if it is of others.
        """
        numbers, tensors = state
        self.generator.set_state(tensors["generator"])
        self.net.load_state_dict(under("net", tensors))
        self.slow_net.load_state_dict(under("slow_net", tensors))
        self.query_weight.copy_(tensors["query_weight"])
        self.query_offset.copy_(tensors["query_offset"])
        self.queue.restore(numbers["queue_next"], under("queue", tensors))
        self.scaler.load_state_dict(numbers["scaler"])
        restore_optimizer(
            self.optimizer,
            self.schedule,
            LearningState(numbers["optimizer"], under("optimizer", tensors)),
        )

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

    def _total(self, parts: LossParts) -> torch.Tensor:
        options = self.options
        return (
            options.nce_weight * parts.nce
            + options.distillation_weight * parts.distillation
        )

    def _trained_query_map(self) -> list[nn.Parameter]:
        return [self.query_weight, self.query_offset]

    def _losses(self, embeddings: torch.Tensor) -> LossParts:
        options = self.options
        groups, size, d_in = embeddings.shape
        rows = embeddings.flatten(0, 1)
        similar = rows / self.unit
        codes = self._codes(self.net, rows)
        queries = self.query_weight * codes[-1] + self.query_offset
        documents = self._documents(codes, self.query_weight)
        near = score_neighbourhoods(
            queries.view(groups, size, -1),
            documents.unflatten(0, (groups, size)),
            similar.view(groups, size, d_in),
            options.hard_negatives,
        )
        distillation = mean_distillation(near)
        if not options.nce_weight:
            return LossParts(torch.zeros_like(distillation), distillation)
        with torch.no_grad():
            positives = self._slow_documents(rows)
            self.queue.push(similar, positives.flatten(1))
        if self.pairs is not None:
            queries, positives, similar = self._draw_pairs(len(rows))
        held = self.queue.embeddings
        nce = mean_nce(
            queries,
            positives,
            self.queue.documents.unflatten(1, (documents.shape[1], -1)),
            pair_scores(similar, held, similar, held),
            near,
            top_k=options.hard_negatives,
            temperature=options.temperature,
        )
        return LossParts(nce, distillation)

    def _draw_pairs(self, n: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Mapped queries of ``n`` random pairs, (n, m), decoded documents of the slow
        network, (n, codes, m), and embeddings of these, (n, d_in): what is no
        negative is the positive's own duplicate."""
        assert self.pairs is not None
        rows = torch.randint(len(self.pairs[0]), (n,), generator=self.generator)
        asked, relevant = (part[rows.to(part.device)] for part in self.pairs)
        queries = self._codes(self.net, asked)[-1]
        with torch.no_grad():
            positives = self._slow_documents(relevant)
        mapped = self.query_weight * queries + self.query_offset
        return mapped, positives, relevant / self.unit

    def _documents(
        self, codes: list[torch.Tensor], weight: torch.Tensor
    ) -> torch.Tensor:
        """Decoded, (n, codes, m). Weights count where there are prefixes, since they
        differ between the groups of dimensions that these make."""
        if not self.options.matryoshka_dims:
            return documents_at(codes, self.depths)
        return documents_at(codes, self.depths, self.widths, weight)

    def _slow_documents(self, rows: torch.Tensor) -> torch.Tensor:
        """Those of the momentum encoder."""
        net = self.slow_net
        return self._documents(self._codes(net, rows), net.query_weight)

    def _codes(self, net: RecurrentBinarizer, rows: torch.Tensor) -> list[torch.Tensor]:
        if self.precision == "float32":
            return net.codes_by_depth(rows)
        # The losses tell duplicates from near neighbours, which takes float32.
        with torch.autocast(rows.device.type, getattr(torch, self.precision)):
            return [code.float() for code in net.codes_by_depth(rows)]

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
        for parameter in self._trained_query_map():
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
