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
    centroids : (ncentroids, d_in) float32, optional
        What indexes are to have as their coarse stage, in place of clustering anew.
    nested : bool
        Whether recall is the mean over indexes of the first 1, 2, ... planes, as many
        as documents keep.
    """

    def __init__(
        self,
        queries: np.ndarray,
        documents: np.ndarray,
        *,
        k: int,
        centroids: np.ndarray | None = None,
        nested: bool = False,
    ) -> None:
        self.queries = queries
        self.documents = documents
        self.centroids = centroids
        self.nested = nested
        self.parts: dict[str, float] = {}
        """What the latest recall is the mean of, where it is one of several."""
        self.k = min(k, len(documents))
        self.truth = search_neighbours(queries, documents, self.k)[1]

    def recall(self, net: RecurrentBinarizer) -> float:
        """Recall k@k of ``net`` in evaluation mode, whatever mode it is in."""
        transform = net.to_transform()
        documents = transform.apply(self.documents)
        queries = transform.apply(self.queries)
        hits = 0
        depths = range(1, net.document_nbits + 1) if self.nested else [0]
        for depth in depths:
            index = IndexSDC(transform, depth, faiss.METRIC_INNER_PRODUCT)
            if index.ncentroids and self.centroids is not None:
                mapped = transform.apply(self.centroids)
                faiss.copy_array_to_vector(mapped.ravel(), index.sdc.centroids)
            index.train(documents)
            index.add(documents)
            hits += count_hits(index.search(queries, self.k)[1], self.truth)
        return hits / (len(depths) * self.truth.size)


def count_hits(found: np.ndarray, truth: np.ndarray) -> int:
    """How many labels of ``truth``, (nq, k), are in the same row of ``found``."""
    return int((found[:, :, None] == truth[:, None, :]).sum())


def search_neighbours(
    queries: np.ndarray, documents: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The k largest inner products, (nq, k) float32, and their labels, int64."""
    index = faiss.IndexFlatIP(documents.shape[1])
    index.add(documents)
    return index.search(queries, k)
