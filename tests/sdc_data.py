"""Vectors, indexes and exact distances for the tests of IndexSDC and of what is
built on it."""

from __future__ import annotations

import faiss
import numpy as np

import faiss_bebr

L2, IP = faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT


def random_vectors(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Values in and beyond (-2, 2), with zeros and grid points among them."""
    x = rng.standard_normal((n, d)).astype(np.float32)
    x[: n // 20] = np.round(x[: n // 20] * 4) / 4
    x[n // 20 : n // 10] *= 10
    x[n // 10 : n // 10 + 1] = 0
    x[n // 10 + 1 : n // 10 + 2] = -0.0
    return x


def random_map(rng: np.random.Generator, d: int) -> tuple[np.ndarray, np.ndarray]:
    weight = rng.random(d).astype(np.float32)
    weight[0] = 0
    return weight, (0.2 * rng.standard_normal(d)).astype(np.float32)


def get_range(index) -> np.ndarray:
    return faiss.vector_to_array(index.sdc.range)


def get_offset(index) -> np.ndarray | None:
    """What documents count for with METRIC_INNER_PRODUCT as queries do."""
    if index.metric_type == L2:
        return None
    return faiss.vector_to_array(index.sdc.query_offset)


def make_index(widths, metric=IP, query_map=None, scale_type=None):
    index = faiss_bebr.IndexSDC(widths, metric)
    if query_map:
        index.set_query_map(*query_map)
    if scale_type is not None:
        index.set_scale_type(scale_type)
    return index


def exact_distances(index, queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Between the level-quantized queries and given vectors, float64."""
    q = index.quantize_queries(queries).astype(np.float64)
    v = vectors.astype(np.float64)
    if index.metric_type == IP:
        return q @ v.T
    weight = faiss.vector_to_array(index.sdc.query_weight).astype(np.float64)
    return (weight * (q[:, None] - v[None]) ** 2).sum(axis=2)


def clustered_vectors(
    n: int, nq: int, d: int, nclusters: int = 40
) -> tuple[np.ndarray, np.ndarray]:
    """Documents (n, d) and queries (nq, d) of the same clusters, mostly within
    (-2, 2)."""
    rng = np.random.default_rng(77)
    centres = 0.7 * rng.standard_normal((nclusters, d))
    x = centres[rng.integers(0, nclusters, n + nq)]
    x = (x + 0.4 * rng.standard_normal(x.shape)).astype(np.float32)
    return x[:n], x[n:]
