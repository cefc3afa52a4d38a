"""Held-out recall: the measure by which a start and a network are chosen."""

from __future__ import annotations

import faiss
import numpy as np

from faiss_bebr.swigfaiss_bebr import IndexSDC

from .network import RecurrentBinarizer


class HeldOut:
    """Queries left out of training, searched among documents of the sample.

    The search is that of the index itself: the network's transform before an
    ``IndexSDC`` of what it says that documents keep, for the inner product.

    Parameters
    ----------
    queries : (nq, d_in) float32
    documents : (n, d_in) float32
    k : int
        Recall is k@k, against the exact float inner product.
    """

    def __init__(self, queries: np.ndarray, documents: np.ndarray, *, k: int) -> None:
        self.queries = queries
        self.documents = documents
        self.k = min(k, len(documents))
        self.truth = find_neighbours(queries, documents, self.k)

    def recall(
        self, net: RecurrentBinarizer, centroids: np.ndarray | None = None
    ) -> float:
        """Recall k@k of ``net`` in evaluation mode, whatever mode it is in.

        centroids: (net.ncentroids, d_in) float32, embeddings that the index is to
        have as its coarse stage, in place of clustering anew; ``None`` without one.
        """
        transform = net.to_transform()
        index = IndexSDC(transform, 0, faiss.METRIC_INNER_PRODUCT)
        documents = transform.apply(self.documents)
        if centroids is not None and len(centroids):
            mapped = transform.apply(centroids)
            faiss.copy_array_to_vector(mapped.ravel(), index.sdc.centroids)
        index.train(documents)
        index.add(documents)
        found = index.search(transform.apply(self.queries), self.k)[1]
        return count_hits(found, self.truth) / self.truth.size


def count_hits(found: np.ndarray, truth: np.ndarray) -> int:
    """How many of the labels of ``truth``, (nq, k), are in the same row of ``found``."""
    return int((found[:, :, None] == truth[:, None, :]).sum())


def find_neighbours(queries: np.ndarray, documents: np.ndarray, k: int) -> np.ndarray:
    """Labels of the k largest inner products, (nq, k) int64."""
    index = faiss.IndexFlatIP(documents.shape[1])
    index.add(documents)
    return index.search(queries, k)[1]
