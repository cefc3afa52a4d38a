"""Training losses of the recurrent binarizer, and the score that they act on."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn import functional

# Squared distance, in units of the mean squared norm, up to which two embeddings
# count as the same one; float32 rounding of the distance stays below it.
DUPLICATE_DISTANCE = 2e-5


class LossParts(NamedTuple):
    """The parts of one step's loss, unweighted scalars."""

    nce: torch.Tensor
    distillation: torch.Tensor


class Scores(NamedTuple):
    """Pairs (query i, document j) of one batch, as three (nq, nd) matrices."""

    codes: torch.Tensor
    """Scores between codes, on the index's own scale."""
    floats: torch.Tensor
    """Inner products of the embeddings, in units of their mean squared norm."""
    same: torch.Tensor
    """bool: whether query and document are the same embedding."""


def pair_scores(
    queries: torch.Tensor,
    documents: torch.Tensor,
    query_embeddings: torch.Tensor,
    document_embeddings: torch.Tensor,
) -> Scores:
    """All pairs of queries and documents, of the last two dimensions.

    queries, documents: (..., n, m) as the index scores them; the embeddings:
    (..., n, d_in), of mean squared norm 1. Leading dimensions are folded into rows.
    """
    floats = query_embeddings @ document_embeddings.mT
    norms = query_embeddings.square().sum(-1)[..., None]
    norms = norms + document_embeddings.square().sum(-1)[..., None, :]
    same = norms - 2 * floats <= DUPLICATE_DISTANCE
    scores = queries @ documents.mT
    return Scores(*(matrix.flatten(0, -2) for matrix in (scores, floats, same)))


def document_vectors(
    codes: list[torch.Tensor],
    document_nbits: int,
    width: int | None = None,
    weight: torch.Tensor | None = None,
) -> torch.Tensor:
    """Decoded documents, differentiable, but for a common factor: the scales of
    ``IndexSDC``, cosine when all planes are stored, else unbiased.

    codes: of every depth, (n, m) each; width: of the dimensions that are stored, all by
    default; weight: the index's, (m,), by default the same in each dimension. Returns
    (n, m), 0 in dimensions that are not stored.
    """
    deep, levels = codes[-1], codes[document_nbits - 1]
    m = levels.shape[1]
    if width not in (None, m):
        levels = functional.pad(levels[:, :width], (0, m - width))
    elif document_nbits == len(codes):
        if weight is None:
            return functional.normalize(levels, dim=1)
        return levels * (weight * levels * levels).sum(dim=1, keepdim=True).rsqrt()
    weighted = deep if weight is None else weight * deep
    energy = (weighted * deep).sum(dim=1, keepdim=True)
    agreement = (weighted * levels).sum(dim=1, keepdim=True)
    return levels * (energy / agreement)


def hardest_mask(scores: Scores, top_k: int) -> torch.Tensor:
    """Which pairs are among the query's ``top_k`` truly most similar documents, its
    own duplicates left out: (nq, nd) bool, at most ``top_k`` a row."""
    candidates = scores.floats.masked_fill(scores.same, -torch.inf)
    columns = candidates.topk(min(top_k, candidates.shape[1]), dim=1).indices
    mask = torch.zeros_like(scores.same).scatter_(1, columns, True)
    return mask & ~scores.same


def centre(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """``values`` less their mean over each row's mask, 0 outside of it."""
    count = mask.sum(dim=1, keepdim=True).clamp_min(1)
    mean = (values * mask).sum(dim=1, keepdim=True) / count
    return (values - mean) * mask


def calibration(scores: Scores, mask: torch.Tensor) -> torch.Tensor:
    """Least-squares factor from code scores to float similarities, a scalar.

    Scores are of centred documents, so a query's scores lack a constant: both sides
    are centred over the query's candidates, which is all that its ranking can see.
    """
    codes, floats = centre(scores.codes, mask), centre(scores.floats, mask)
    return (codes * floats).sum() / (codes * codes).sum().clamp_min(1e-12)


def distillation_loss(scores: Scores, mask: torch.Tensor) -> torch.Tensor:
    """Share of the float similarities' variance that the code scores miss.

    Measured among each query's hardest documents only (``mask``), since the order
    there is what recall measures; 0 is a perfect copy, 1 no relation.
    """
    codes, floats = centre(scores.codes, mask), centre(scores.floats, mask)
    error = calibration(scores, mask) * codes - floats
    return (error * error).sum() / (floats * floats).sum().clamp_min(1e-12)


def nce_loss(
    positive: torch.Tensor,
    negatives: Scores,
    *,
    top_k: int,
    temperature: float,
    factor: torch.Tensor,
) -> torch.Tensor:
    """Noise-contrastive loss of each query against its hardest negatives.

    The paper's, with two deviations: the negatives are the ``top_k`` of
    highest score, the anchor's own duplicates masked; and the logits are code scores
    times ``factor`` (see ``calibration``) in place of cosines, so that what is trained
    is the score that the index computes.

    positive: (nq,) scores with the positives; negatives: (nq, queue).
    """
    candidates = negatives.codes.masked_fill(negatives.same, -torch.inf)
    hardest = candidates.topk(min(top_k, candidates.shape[1]), dim=1).values
    # Infinity times the factor of a batch of duplicates, which is 0, would be NaN.
    none = hardest.isneginf()
    scores = torch.cat([positive[:, None], hardest.masked_fill(none, 0)], dim=1)
    logits = scores * (factor / temperature)
    logits[:, 1:].masked_fill_(none, -torch.inf)
    target = torch.zeros(len(logits), dtype=torch.long, device=logits.device)
    return functional.cross_entropy(logits, target)
