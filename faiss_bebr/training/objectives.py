"""What a batch is trained for: the losses at every depth that documents may have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from .losses import (
    Scores,
    calibration,
    distillation_loss,
    document_vectors,
    hardest_mask,
    nce_loss,
    pair_scores,
)
from .network import RecurrentBinarizer


class Neighbourhoods(NamedTuple):
    """Scores of a batch of neighbourhoods at each depth."""

    scores: list[Scores]
    mask: torch.Tensor
    """The pairs that count: each anchor's hardest documents."""


def list_depths(net: RecurrentBinarizer, nested: bool) -> list[int]:
    """The depths that documents of ``net`` are trained for."""
    deepest = net.document_nbits
    return list(range(1, deepest + 1)) if nested else [deepest]


def documents_at(codes: list[torch.Tensor], depths: Sequence[int]) -> torch.Tensor:
    """Decoded documents of these depths, (n, depths, m); see ``document_vectors``."""
    return torch.stack([document_vectors(codes, depth) for depth in depths], dim=1)


def score_neighbourhoods(
    queries: torch.Tensor, documents: torch.Tensor, embeddings: torch.Tensor, top_k: int
) -> Neighbourhoods:
    """Every member of a neighbourhood as a query of all the others.

    queries: (groups, n, m), as the index maps them; documents: (groups, n, depths, m);
    embeddings: (groups, n, d_in), of mean squared norm 1.
    """
    scores = [
        pair_scores(queries, at_depth, embeddings, embeddings)
        for at_depth in documents.unbind(dim=2)
    ]
    return Neighbourhoods(scores, hardest_mask(scores[0], top_k))


def mean_distillation(near: Neighbourhoods) -> torch.Tensor:
    """``distillation_loss``, the mean over depths."""
    losses = [distillation_loss(scores, near.mask) for scores in near.scores]
    return torch.stack(losses).mean()


def mean_nce(
    queries: torch.Tensor,
    positives: torch.Tensor,
    negatives: torch.Tensor,
    embeddings: Scores,
    near: Neighbourhoods,
    *,
    top_k: int,
    temperature: float,
) -> torch.Tensor:
    """``nce_loss``, the mean over depths.

    queries: (n, m); positives: (n, depths, m); negatives: (queue, depths, m);
    embeddings: of queries and negatives, (n, queue), whose ``codes`` are not read;
    near: what each depth's scores are calibrated by.
    """
    losses = []
    for depth, scores in enumerate(near.scores):
        losses.append(
            nce_loss(
                (queries * positives[:, depth]).sum(dim=1),
                embeddings._replace(codes=queries @ negatives[:, depth].T),
                top_k=top_k,
                temperature=temperature,
                factor=calibration(scores, near.mask).detach(),
            )
        )
    return torch.stack(losses).mean()
