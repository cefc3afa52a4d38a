"""Held-out recall while documents of the old generation are re-coded."""

from __future__ import annotations

import numpy as np

from faiss_bebr.swigfaiss_bebr import IndexSDC

from .compatible_data import OldGeneration
from .held_out import HeldOut, count_hits
from .network import RecurrentBinarizer

# Shares of the documents that are re-coded.
STAGES = {"recall_old": 0.0, "recall_half": 0.5, "recall_new": 1.0}
# What is re-coded stays so: with equal weights a network that mixes well is preferred
# to one that is better by 0.01 in the end.
STAGE_WEIGHTS = {"recall_old": 0.1, "recall_half": 0.1, "recall_new": 0.8}


class StagedHeldOut(HeldOut):
    """New queries left out of training, searched in one index of both generations.

    Recall is against exact search in the new space throughout, and is the weighted mean
    over stages: documents all old, half of them re-coded, and all. New queries should
    find no less among old documents than old queries do; what lacks is taken off.

    Parameters
    ----------
    queries : (nq, d_new) float32
    documents : (n, d_new) float32
        In random order.
    old : OldGeneration
        Its index trained.
    codes : (n, m) float32
        Old codes of the documents.
    query_codes : (nq, m) float32, optional
        Old codes of the queries; without, nothing is taken off.
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
        query_codes: np.ndarray | None = None,
        *,
        k: int,
        nested: bool,
    ) -> None:
        super().__init__(queries, documents, k=k, nested=nested)
        self._indexes = old.indexes(nested)
        self._old_bytes = [index.sa_encode(codes) for index in self._indexes]
        self._total = len(self._indexes) * self.truth.size
        self.recall_before: float | None = None
        """Of old queries among old documents, also against exact search in the new
        space."""
        if query_codes is not None:
            hits = sum(
                self._count_found(index, old_bytes, query_codes)
                for index, old_bytes in zip(self._indexes, self._old_bytes, strict=True)
            )
            self.recall_before = hits / self._total

    def recall(self, net: RecurrentBinarizer) -> float:
        transform = net.to_transform()
        queries = transform.apply(self.queries)
        documents = transform.apply(self.documents)
        hits = dict.fromkeys(STAGES, 0)
        for index, old_bytes in zip(self._indexes, self._old_bytes, strict=True):
            new_bytes = index.sa_encode(documents)
            for stage, share in STAGES.items():
                count = round(share * len(new_bytes))
                stored = np.concatenate([new_bytes[:count], old_bytes[count:]])
                hits[stage] += self._count_found(index, stored, queries)
        self.parts = {stage: count / self._total for stage, count in hits.items()}
        recall = sum(STAGE_WEIGHTS[stage] * part for stage, part in self.parts.items())
        if self.recall_before is None:
            return recall
        lacking = max(0.0, self.recall_before - self.parts["recall_old"])
        self.parts["recall_before"] = self.recall_before
        return recall - lacking

    def _count_found(
        self, index: IndexSDC, stored: np.ndarray, queries: np.ndarray
    ) -> int:
        """Hits in an index of these bytes, which is empty before and after."""
        index.add_sa_codes(stored)
        hits = count_hits(index.search(queries, self.k)[1], self.truth)
        index.reset()
        return hits
