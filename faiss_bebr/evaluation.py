"""Measures of a search, as pure functions of arrays."""

from __future__ import annotations

import faiss
import numpy as np


def exact_neighbors(
    queries: np.ndarray, documents: np.ndarray, k: int, *, batch_size: int = 1024
) -> np.ndarray:
    """Rows of the ``k`` documents of largest inner product, best first.

    queries: (nq, d), documents: (n, d), converted to float32 -> (nq, k) int64.
    Raises ``ValueError`` if the dimensions differ or ``k`` is not in 1 .. n.
    """
    if queries.ndim != 2 or documents.ndim != 2:
        raise ValueError("queries and documents: two-dimensional arrays expected")
    if queries.shape[1] != documents.shape[1]:
        raise ValueError(
            f"queries have {queries.shape[1]} dimensions, "
            f"documents {documents.shape[1]}"
        )
    if not 1 <= k <= len(documents):
        raise ValueError(f"k: 1 to {len(documents)} documents expected, got {k}")
    base = np.ascontiguousarray(documents, dtype=np.float32)
    found = np.empty((len(queries), k), dtype=np.int64)
    for start in range(0, len(queries), batch_size):
        batch = np.ascontiguousarray(
            queries[start : start + batch_size], dtype=np.float32
        )
        _, labels = faiss.knn(batch, base, k, metric=faiss.METRIC_INNER_PRODUCT)
        found[start : start + batch_size] = labels
    return found


def recall(found: np.ndarray, truth: np.ndarray) -> float:
    """Share of the true neighbours that were found, whatever their order.

    found: (nq, k') int labels, -1 where a search fell short (never counted);
    truth: (nq, k) int labels. ``k' = k = 10`` is recall 10@10.
    """
    if len(found) != len(truth):
        raise ValueError(f"found has {len(found)} rows, truth {len(truth)}")
    if truth.size == 0:
        raise ValueError("truth: at least one query and one neighbour expected")
    hits = 0
    for found_row, truth_row in zip(found, truth, strict=True):
        hits += np.intersect1d(found_row[found_row >= 0], truth_row).size
    return hits / truth.size


def cosine_documents(levels: np.ndarray) -> np.ndarray:
    """Decoded documents of the symmetric case: ``V / ||V||``, the paper's cosine.

    levels: (n, m) codes of any scale -> (n, m).
    """
    return levels / np.linalg.norm(levels, axis=1, keepdims=True)


def unbiased_documents(deep: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Decoded documents stored to fewer planes than their code has.

    ``V <y, y> / <y, V>`` makes the estimate of an inner product unbiased along the
    deep code ``y``, whose first planes are the levels ``V``.

    deep, levels: (n, m) codes -> (n, m).
    """
    energy = np.einsum("ij,ij->i", deep, deep)
    agreement = np.einsum("ij,ij->i", deep, levels)
    return levels * (energy / agreement)[:, None]
