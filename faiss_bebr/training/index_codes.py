"""The codes that an index will store of a sample, made by the index itself."""

from __future__ import annotations

from collections.abc import Sequence

import faiss
import numpy as np

from faiss_bebr.swigfaiss_bebr import IndexSDC

from .document_code import SCALE_BYTES
from .residual_start import transform_dim

# The range and the scales, which are few numbers, are learned of so many rows.
TRAINING_POINTS = 2048


class IndexCodes:
    """What an index keeps of documents, beside what their centroids say of them.

    Parameters
    ----------
    plane_widths : sequence of int
        Of the documents.
    rows : (d, d) float64
        Orthonormal: the transform is ``y = rows (f - mean)``.
    mean : (d,) float64
    centroids : (ncentroids, d) float32
        Of ``f``; no rows for an index without a coarse stage.
    error_metric : (d, d) float64, optional
        What errors of ``f`` cost; None for their squares.
    """

    def __init__(
        self,
        plane_widths: Sequence[int],
        rows: np.ndarray,
        mean: np.ndarray,
        centroids: np.ndarray,
        error_metric: np.ndarray | None,
    ) -> None:
        d = len(rows)
        # Dimensions past the embeddings', which fill up a byte, are left out.
        self.width = min(plane_widths[0], d)
        # FAISS's dimensions are whole bytes; those past the embeddings' stay 0.
        d_out = transform_dim(d)
        self.rows = np.zeros((d_out, d), dtype=np.float32)
        self.rows[:d] = rows
        self.mean = mean.astype(np.float32)
        self._origin = self.rows @ self.mean
        self._centroids = (centroids - self.mean) @ self.rows.T
        self._plane_bytes = sum(plane_widths) // 8
        index = IndexSDC(
            list(plane_widths), faiss.METRIC_INNER_PRODUCT, d_out, len(centroids)
        )
        index.set_query_map([1.0] * d_out, self._origin.tolist())
        if error_metric is not None:
            turned = self.rows @ error_metric @ self.rows.T
            index.set_error_weight(((turned + turned.T) / 2).astype(np.float32).ravel())
        index.set_scale_bytes(SCALE_BYTES)
        faiss.copy_array_to_vector(self._centroids.ravel(), index.sdc.centroids)
        self._index = index

    def decode(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Documents less their decoded centroids, and what is decoded of these.

        x: (n, d) float32 -> the residuals in the transform's output, (n, d), and their
        first dimensions as they are decoded, (n, width), both float32.
        """
        y = (x - self.mean) @ self.rows.T
        self._index.train(y[:TRAINING_POINTS])
        codes = self._index.sa_encode(y)
        near = self._decode_centroids(codes)
        decoded = self._index.sa_decode(codes) - near
        return (y - near)[:, : x.shape[1]], decoded[:, : self.width]

    def _decode_centroids(self, codes: np.ndarray) -> np.ndarray:
        """See SDCQuantizer: (n, d_out), zeros without centroids."""
        if not len(self._centroids):
            return np.zeros((len(codes), len(self.rows)), dtype=np.float32)
        scales = faiss.vector_to_array(self._index.sdc.centroid_scales)
        scale, *number = codes[:, self._plane_bytes :].T.astype(np.int64)
        numbers = sum(byte << (8 * i) for i, byte in enumerate(number))
        centroids = self._centroids[numbers] + self._origin
        return scales[scale][:, None] * centroids - self._origin
