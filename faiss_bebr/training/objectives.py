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


class View(NamedTuple):
    """A document's code that is to be good on its own: its first ``depth`` planes of
    its first ``width`` dimensions. Queries have all planes of these dimensions."""

    depth: int
    width: int


class Batch(NamedTuple):
    """Embeddings that one step is taken on."""

    documents: torch.Tensor
    """(groups, size, d_in), each group a neighbourhood"""
    anchors: torch.Tensor | None = None
    """(groups, n, d_in), queries of that neighbourhood; ``None``: the documents"""
    pairs: tuple[torch.Tensor, torch.Tensor] | None = None
    """Queries and their relevant documents, (n, d_in) each"""


def list_views(
    net: RecurrentBinarizer, nested: bool, dimension_prefixes: Sequence[int]
) -> list[View]:
    """The views that documents of ``net`` are trained for."""
    deepest = net.document_nbits
    depths = range(1, deepest + 1) if nested else [deepest]
    widths = [net.d_out, *dimension_prefixes]
    return [View(depth, width) for width in widths for depth in depths]


def stack_documents(codes: list[torch.Tensor], views: Sequence[View]) -> torch.Tensor:
    """Decoded documents of each depth of ``views``, (n, depths, m)."""
    return torch.stack(
        [document_vectors(codes, depth) for depth in list_depths(views)], dim=1
    )


def list_depths(views: Sequence[View]) -> list[int]:
    """The different depths of ``views``, rising."""
    return sorted({view.depth for view in views})


class ViewScores(NamedTuple):
    """Scores of neighbourhoods, one for each view, and what all views share."""

    views: list[Scores]
    mask: torch.Tensor
    """The pairs that count: each anchor's hardest documents."""


def score_neighbourhoods(
    queries: torch.Tensor,
    documents: torch.Tensor,
    query_embeddings: torch.Tensor,
    document_embeddings: torch.Tensor,
    views: Sequence[View],
    top_k: int,
) -> ViewScores:
    """queries: (groups, nq, m) codes as the index maps them; documents:
    (groups, nd, depths, m); the embeddings (groups, n, d_in), of mean squared norm 1."""
    depths = list_depths(views)
    scores = []
    for view in views:
        at_depth = documents[:, :, depths.index(view.depth), : view.width]
        scores.append(
            pair_scores(
                queries[..., : view.width],
                at_depth,
                query_embeddings,
                document_embeddings,
            )
        )
    return ViewScores(scores, hardest_mask(scores[0], top_k))


def mean_distillation(near: ViewScores) -> torch.Tensor:
    """``distillation_loss``, the mean over views."""
    losses = [distillation_loss(scores, near.mask) for scores in near.views]
    return torch.stack(losses).mean()


def mean_nce(
    queries: torch.Tensor,
    positives: torch.Tensor,
    negatives: torch.Tensor,
    embeddings: Scores,
    near: ViewScores,
    views: Sequence[View],
    *,
    top_k: int,
    temperature: float,
) -> torch.Tensor:
    """``nce_loss``, the mean over views.

    queries: (n, m); positives: (n, depths, m); negatives: (queue, depths, m);
    embeddings: (n, queue) of queries and negatives, whose ``codes`` are not read;
    near: gives each view's calibration.
    """
    depths = list_depths(views)
    losses = []
    for view, scores in zip(views, near.views, strict=True):
        depth, width = depths.index(view.depth), view.width
        mapped = queries[:, :width]
        losses.append(
            nce_loss(
                (mapped * positives[:, depth, :width]).sum(dim=1),
                embeddings._replace(codes=mapped @ negatives[:, depth, :width].T),
                top_k=top_k,
                temperature=temperature,
                factor=calibration(scores, near.mask).detach(),
            )
        )
    return torch.stack(losses).mean()
