"""Held-out recall: the measure by which a start and a network are chosen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

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
    matryoshka_dims : sequence of int
        Widths below the code's: recall is the mean over them and all dimensions, each
        with an index of the first dimensions of the planes.
    """

    def __init__(
        self,
        queries: np.ndarray,
        documents: np.ndarray,
        *,
        k: int,
        centroids: np.ndarray | None = None,
        nested: bool = False,
        matryoshka_dims: Sequence[int] = (),
    ) -> None:
        self.queries = queries
        self.documents = documents
        self.centroids = centroids
        self.nested = nested
        self.matryoshka_dims = tuple(matryoshka_dims)
        self.parts: dict[str, float] = {}
        """What the latest recall is the mean of, where it is one of several: with
        ``matryoshka_dims`` those of each width, as ``recall_64``."""
        self.k = min(k, len(documents))
        self.truth = search_neighbours(queries, documents, self.k)[1]

    def recall(self, net: RecurrentBinarizer) -> float:
        """Recall k@k of ``net`` in evaluation mode, whatever mode it is in."""
        transform = net.to_transform()
        documents = transform.apply(self.documents)
        queries = transform.apply(self.queries)
        recalls = {}
        for width in (*self.matryoshka_dims, net.d_out):
            hits = []
            for index in self._indexes(net, transform, width):
                index.train(documents)
                index.add(documents)
                found = index.search(queries, self.k)[1]
                hits.append(count_hits(found, self.truth))
            recalls[width] = sum(hits) / (len(hits) * self.truth.size)
        if self.matryoshka_dims:
            self.parts = {f"recall_{width}": part for width, part in recalls.items()}
        return sum(recalls.values()) / len(recalls)

    def _indexes(
        self, net: RecurrentBinarizer, transform: Any, width: int
    ) -> Iterator[IndexSDC]:
        """Untrained ones, of documents of this width."""
        for depth in range(1, net.document_nbits + 1) if self.nested else [0]:
            code: int | list[int] = depth
            if width < net.d_out:
                planes = net.document_plane_widths or net.plane_widths
                code = [min(width, plane) for plane in planes[: depth or None]]
            index = IndexSDC(transform, code, faiss.METRIC_INNER_PRODUCT)
            if index.ncentroids and self.centroids is not None:
                mapped = transform.apply(self.centroids)
                faiss.copy_array_to_vector(mapped.ravel(), index.sdc.centroids)
            yield index


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
