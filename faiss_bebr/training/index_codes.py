"""The codes that an index will store of a sample, made by the index's own encoder."""

from __future__ import annotations

from collections.abc import Sequence

import faiss
import numpy as np

from faiss_bebr.swigfaiss_bebr import IndexIVFSDC

from .network import BITS_PER_BYTE


class IndexCodes:
    """What is left of documents in an index whose centroids they are known to have.

    The encoder is that of ``IndexIVFSDC`` with lists for centroids, which chooses the
    levels of an ``IndexSDC`` without looking for a centroid again. Scales are those of
    two bytes, next to exact, and centroids have none.

    Parameters
    ----------
    plane_widths : sequence of int
        Of the documents.
    rows : (d, d) float64
        Orthonormal: the transform is ``y = rows (f - mean)``.
    mean : (d,) float64
    centroids : (ncentroids, d) float32
        Of ``f``; the mean itself for an index without a coarse stage.
    """

    def __init__(
        self,
        plane_widths: Sequence[int],
        rows: np.ndarray,
        mean: np.ndarray,
        centroids: np.ndarray,
    ) -> None:
        d = len(rows)
        # Dimensions past the embeddings', which fill up a byte, are left out.
        self.width = min(plane_widths[0], d)
        # FAISS's dimensions are whole bytes; those past the embeddings' stay 0.
        self.d_out = -(-d // BITS_PER_BYTE) * BITS_PER_BYTE
        self.rows = np.zeros((self.d_out, d), dtype=np.float32)
        self.rows[:d] = rows
        self.mean = mean.astype(np.float32)
        self.centroids = (centroids - self.mean) @ self.rows.T
        # IndexIVF does not own its quantizer.
        self._quantizer = faiss.IndexFlatL2(self.d_out)
        self._quantizer.add(self.centroids)
        self._index = IndexIVFSDC(
            self._quantizer,
            list(plane_widths),
            len(centroids),
            faiss.METRIC_INNER_PRODUCT,
            False,
            self.d_out,
        )
        offset = self.rows @ self.mean
        self._index.set_query_map([1.0] * self.d_out, offset.tolist())
        self._index.by_residual = True
        self._index.is_trained = False

    def decode(
        self, x: np.ndarray, numbers: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Residuals of documents to their centroids, and these as they are decoded.

        The range of the codes is learned of the same residuals.

        x: (n, d) float32; numbers: (n,) int64, of centroids -> the residuals in the
        transform's output, (n, d), and what is decoded of their first dimensions,
        (n, width), both float32.
        """
        n = len(x)
        numbers = np.ascontiguousarray(numbers)
        y = (x - self.mean) @ self.rows.T
        near = self.centroids[numbers]
        z = y - near
        index, pointer = self._index, faiss.swig_ptr
        index.train_encoder(n, pointer(z), pointer(numbers))
        index.is_trained = True
        codes = np.empty((n, index.code_size), dtype=np.uint8)
        index.encode_vectors(n, pointer(y), pointer(numbers), pointer(codes), False)
        decoded = np.empty_like(y)
        index.decode_vectors(n, pointer(codes), pointer(numbers), pointer(decoded))
        width = self.width
        return z[:, : x.shape[1]], decoded[:, :width] - near[:, :width]
