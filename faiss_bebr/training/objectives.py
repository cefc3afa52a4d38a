"""What a batch is trained for: the losses of every code that documents may have."""

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
    """Scores of a batch of neighbourhoods, of each code that documents may have."""

    scores: list[Scores]
    mask: torch.Tensor
    """The pairs that count: each anchor's hardest documents."""


def list_depths(net: RecurrentBinarizer, nested: bool) -> list[int]:
    """The depths that documents of ``net`` are trained for."""
    deepest = net.document_nbits
    return list(range(1, deepest + 1)) if nested else [deepest]


def list_widths(net: RecurrentBinarizer, matryoshka_dims: Sequence[int]) -> list[int]:
    """The widths that documents of ``net`` are trained for, all dimensions last."""
    return [*matryoshka_dims, net.d_out]


def documents_at(
    codes: list[torch.Tensor],
    depths: Sequence[int],
    widths: Sequence[int | None] = (None,),
    weight: torch.Tensor | None = None,
) -> torch.Tensor:
    """Decoded documents of each of these depths at each of these widths, (n, codes, m);
    see ``document_vectors``."""
    return torch.stack(
        [
            document_vectors(codes, depth, width, weight)
            for width in widths
            for depth in depths
        ],
        dim=1,
    )


def score_neighbourhoods(
    queries: torch.Tensor, documents: torch.Tensor, embeddings: torch.Tensor, top_k: int
) -> Neighbourhoods:
    """Every member of a neighbourhood as a query of all the others.

    queries: (groups, n, m), as the index maps them; documents: (groups, n, codes, m);
    embeddings: (groups, n, d_in), of mean squared norm 1.
    """
    scores = [
        pair_scores(queries, of_one_code, embeddings, embeddings)
        for of_one_code in documents.unbind(dim=2)
    ]
    return Neighbourhoods(scores, hardest_mask(scores[0], top_k))


def mean_distillation(near: Neighbourhoods) -> torch.Tensor:
    """``distillation_loss``, the mean over codes."""
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
    """``nce_loss``, the mean over codes.

    queries: (n, m); positives: (n, codes, m); negatives: (queue, codes, m);
    embeddings: of queries and negatives, (n, queue), whose ``codes`` are not read;
    near: what each code's scores are calibrated by.
    """
    losses = []
    for i, scores in enumerate(near.scores):
        losses.append(
            nce_loss(
                (queries * positives[:, i]).sum(dim=1),
                embeddings._replace(codes=queries @ negatives[:, i].T),
                top_k=top_k,
                temperature=temperature,
                factor=calibration(scores, near.mask).detach(),
            )
        )
    return torch.stack(losses).mean()
