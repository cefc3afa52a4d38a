"""Held-out recall while documents of the old generation are re-coded."""

from __future__ import annotations

import numpy as np

from .compatible_data import OldGeneration
from .held_out import HeldOut, count_hits
from .network import RecurrentBinarizer

# Shares of the documents that are re-coded.
STAGES = {"recall_old": 0.0, "recall_half": 0.5, "recall_new": 1.0}


class StagedHeldOut(HeldOut):
    """New queries left out of training, searched in one index of both generations.

    Recall is against exact search in the new space throughout, and is the mean over
    stages: documents all old, half of them re-coded, and all.

    Parameters
    ----------
    queries : (nq, d_new) float32
    documents : (n, d_new) float32
        In random order.
    old : OldGeneration
        Its index trained.
    codes : (n, m) float32
        Old codes of the documents.
    k : int
        Recall is k@k.
    nested : bool
        Whether recall is also the mean over indexes of the first 1, 2, ... planes.
    """

    def __init__(
        self,
        queries: np.ndarray,
        documents: np.ndarray,
        old: OldGeneration,
        codes: np.ndarray,
        *,
        k: int,
        nested: bool,
    ) -> None:
        super().__init__(queries, documents, k=k, nested=nested)
        self._indexes = old.indexes(nested)
        self._old_bytes = [index.sa_encode(codes) for index in self._indexes]

    def recall(self, net: RecurrentBinarizer) -> float:
        transform = net.to_transform()
        queries = transform.apply(self.queries)
        documents = transform.apply(self.documents)
        hits = dict.fromkeys(STAGES, 0)
        for index, old_bytes in zip(self._indexes, self._old_bytes, strict=True):
            new_bytes = index.sa_encode(documents)
            for stage, share in STAGES.items():
                count = round(share * len(new_bytes))
                index.add_sa_codes(
                    np.concatenate([new_bytes[:count], old_bytes[count:]])
                )
                hits[stage] += count_hits(index.search(queries, self.k)[1], self.truth)
                index.reset()
        total = len(self._indexes) * self.truth.size
        self.parts = {stage: count / total for stage, count in hits.items()}
        return sum(self.parts.values()) / len(STAGES)
