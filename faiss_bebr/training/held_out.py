"""Held-out recall: the measure by which a start and a network are chosen."""

from __future__ import annotations

import numpy as np
import torch

from .losses import document_vectors
from .network import RecurrentBinarizer

ENCODE_BATCH = 4096
SEARCH_BATCH = 256


class HeldOut:
    """Queries left out of training, searched among documents of the sample.

    Scores are those of the index: query codes of all planes through the query map,
    against documents of the first ``document_nbits`` planes and one scale each. The
    query's int8 levels are left out, as they do not move recall.

    Parameters
    ----------
    queries : (nq, d_in) float32
    documents : (n, d_in) float32
    document_nbits : int
        Planes that a document keeps.
    k : int
        Recall is k@k, against the exact float inner product.
    device : torch.device
    """

    def __init__(
        self,
        queries: np.ndarray,
        documents: np.ndarray,
        *,
        document_nbits: int,
        k: int,
        device: torch.device,
    ) -> None:
        self.queries = torch.from_numpy(queries).to(device)
        self.documents = torch.from_numpy(documents).to(device)
        self.document_nbits = document_nbits
        self.k = min(k, len(documents))
        self.truth = _top_rows(self.queries, self.documents, self.k)

    @torch.no_grad()
    def recall(self, net: RecurrentBinarizer) -> float:
        """Recall k@k of ``net`` in evaluation mode; its mode is left as it was."""
        was_training = net.training
        net.eval()
        decoded = torch.cat(
            [
                document_vectors(net.codes_by_depth(batch), self.document_nbits)
                for batch in self.documents.split(ENCODE_BATCH)
            ]
        )
        codes = torch.cat([net(batch) for batch in self.queries.split(ENCODE_BATCH)])
        net.train(was_training)
        found = _top_rows(net.query_weight * codes + net.query_offset, decoded, self.k)
        hits = (found[:, :, None] == self.truth[:, None, :]).sum()
        return hits.item() / self.truth.numel()


def _top_rows(queries: torch.Tensor, documents: torch.Tensor, k: int) -> torch.Tensor:
    rows = [
        (batch @ documents.T).topk(k, dim=1).indices
        for batch in queries.split(SEARCH_BATCH)
    ]
    return torch.cat(rows)
