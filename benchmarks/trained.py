"""An index of what `train_binarizer` returned."""

from __future__ import annotations

import faiss
import numpy as np

import faiss_bebr
from faiss_bebr.training import RecurrentBinarizer


def search_codes(
    net: RecurrentBinarizer,
    documents: np.ndarray,
    queries: np.ndarray,
    k: int,
    *,
    moves_centroids: bool = True,
    document_planes: int | None = None,
) -> tuple[int, np.ndarray]:
    """Bytes of a document's code, and the k best documents of each query.

    documents: (n, d) float32, queries: (nq, d) float32 -> int, (nq, k) int64.
    moves_centroids: whether centroids are moved to where codes leave less error, or
    stay those of k-means.
    document_planes: how many planes of a document are computed, by default all that the
    network has; its scale is chosen for them.
    """
    transform = net.to_transform()
    index = faiss_bebr.IndexSDC(transform, 0, faiss.METRIC_INNER_PRODUCT)
    index.cp.min_points_per_centroid = 1
    coded = (
        transform.apply(documents)
        if document_planes is None
        else apply_planes(transform, documents, document_planes)
    )
    if index.ncentroids and not moves_centroids:
        kmeans = faiss.Kmeans(
            coded.shape[1], index.ncentroids, seed=0, min_points_per_centroid=1
        )
        kmeans.train(coded)
        # An index moves its own ones only.
        faiss.copy_array_to_vector(kmeans.centroids.ravel(), index.sdc.centroids)
    index.train(coded)
    index.add(coded)
    return index.code_size, index.search(transform.apply(queries), k)[1]


def apply_planes(
    transform: faiss_bebr.BinarizerTransform, x: np.ndarray, nbits: int
) -> np.ndarray:
    """What the first planes alone, of equal widths, make of vectors, (n, m) float32."""
    bits = np.unpackbits(transform.encode(x, nbits), axis=1, bitorder="little")
    signs = 2 * bits.reshape(len(x), nbits, -1).astype(np.float32) - 1
    weights = np.float32(0.5) ** np.arange(nbits, dtype=np.float32)
    return np.einsum("npm,p->nm", signs, weights)
