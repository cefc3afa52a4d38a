"""Gradient steps on a recurrent code whose queries also read old documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from .learner import DocumentQueue, Learner
from .learning_options import LearningOptions
from .losses import Scores, pair_scores
from .network import RecurrentBinarizer
from .objectives import (
    Neighbourhoods,
    mean_distillation,
    mean_nce,
    score_neighbourhoods,
)
from .sampling import neighborhood_batches


class CompatibleLossParts(NamedTuple):
    """The parts of one step's loss, unweighted scalars."""

    nce: torch.Tensor
    distillation: torch.Tensor
    old_nce: torch.Tensor
    """Of new queries and old documents."""
    old_distillation: torch.Tensor
    """Of new queries among documents of both generations at once: their scores have to
    be on one scale."""


class CompatibleLearner(Learner):
    """A ``Learner`` with losses on old documents too, the query map left as it is.

    Parameters
    ----------
    net, x, options, epochs, batch_size, seed, precision
        See ``Learner``.
    old_documents : (n, depths, m)
        Row for row of ``x``, what the index decodes of the old codes, at the depths
        that documents are trained for.
    old_weight : float
        Of the losses on old documents beside those on new ones.
    """

    def __init__(
        self,
        net: RecurrentBinarizer,
        x: torch.Tensor,
        options: LearningOptions,
        *,
        old_documents: torch.Tensor,
        old_weight: float,
        epochs: int,
        batch_size: int,
        seed: int,
        precision: str,
    ) -> None:
        super().__init__(
            net,
            x,
            options,
            epochs=epochs,
            batch_size=batch_size,
            seed=seed,
            precision=precision,
        )
        self.old_documents = old_documents
        self.old_weight = old_weight
        # Old documents of the same items beside the new ones.
        self.queue = DocumentQueue(
            options.queue_size,
            net.d_in,
            2 * net.d_out * len(self.depths),
            net.query_weight.device,
        )

    def epoch(self, first: int = 0) -> Iterator[CompatibleLossParts]:
        self._epoch_begin = self.generator.get_state()
        for groups in neighborhood_batches(
            self.x, self.batch_size, self.generator, first
        ):
            yield self.step(groups)
        self._epoch_begin = self.generator.get_state()

    def _losses(self, groups: torch.Tensor) -> CompatibleLossParts:
        """groups: (groups, size), row numbers of neighbourhoods."""
        options = self.options
        rows = groups.flatten()
        similar = self.x[rows] / self.unit
        codes = self._codes(self.net, self.x[rows])
        queries = self.query_weight * codes[-1] + self.query_offset
        old = self.old_documents[rows]
        new_near, old_near = (
            score_neighbourhoods(
                queries.view(*groups.shape, -1),
                documents.unflatten(0, groups.shape),
                similar.view(*groups.shape, -1),
                options.hard_negatives,
            )
            for documents in (self._decode(codes), old)
        )
        both = _side_by_side(new_near, old_near)
        distillation = mean_distillation(new_near), mean_distillation(both)
        if not options.nce_weight:
            nothing = torch.zeros_like(distillation[0])
            return CompatibleLossParts(
                nothing, distillation[0], nothing, distillation[1]
            )
        with torch.no_grad():
            new = self._decode(self._codes(self.slow_net, self.x[rows]))
            self.queue.push(similar, torch.cat([new, old], dim=1).flatten(1))
        held = self.queue.embeddings
        embeddings = pair_scores(similar, held, similar, held)
        negatives = self.queue.documents.unflatten(1, (2, len(self.depths), -1))
        nce = [
            mean_nce(
                queries,
                positives,
                negatives[:, generation],
                embeddings,
                near,
                top_k=options.hard_negatives,
                temperature=options.temperature,
            )
            for generation, positives, near in ((0, new, new_near), (1, old, both))
        ]
        return CompatibleLossParts(nce[0], distillation[0], nce[1], distillation[1])

    def _total(self, parts: CompatibleLossParts) -> torch.Tensor:
        nce = parts.nce + self.old_weight * parts.old_nce
        distillation = parts.distillation + self.old_weight * parts.old_distillation
        options = self.options
        return options.nce_weight * nce + options.distillation_weight * distillation

    def _trained_query_map(self) -> list[torch.nn.Parameter]:
        return []  # it stays the old one's

    def _decode(self, codes: list[torch.Tensor]) -> torch.Tensor:
        return decoded_documents(codes, self.depths, self.query_weight)


def decoded_documents(
    codes: list[torch.Tensor], depths: Sequence[int], query_weight: torch.Tensor
) -> torch.Tensor:
    """What the index decodes of these depths, differentiable: (n, depths, m).

    Its scales are cosine where all planes are stored, else unbiased. Those of
    ``document_vectors`` do without the weights and up to a factor, which is not enough
    beside documents of an index.

    codes: of every depth, (n, m) each.
    """
    deep = codes[-1]
    decoded = []
    for depth in depths:
        levels = codes[depth - 1]
        weighted = query_weight * levels
        if depth == len(codes):
            squares = (weighted * levels).sum(dim=1, keepdim=True)
            scale = (query_weight.sum() / squares).sqrt()
        else:
            energy = (query_weight * deep * deep).sum(dim=1, keepdim=True)
            scale = energy / (weighted * deep).sum(dim=1, keepdim=True)
        decoded.append(scale * levels)
    return torch.stack(decoded, dim=1)


def _side_by_side(new: Neighbourhoods, old: Neighbourhoods) -> Neighbourhoods:
    """Documents of both generations as candidates of the same queries."""
    scores = [
        Scores(*(torch.cat(parts, dim=1) for parts in zip(*pair, strict=True)))
        for pair in zip(new.scores, old.scores, strict=True)
    ]
    return Neighbourhoods(scores, torch.cat([new.mask, old.mask], dim=1))
