"""Indexes with a coarse first stage, and what they must compute in numpy."""

from __future__ import annotations

import faiss
import numpy as np
from reference import decode, encode, error_direction, quantize_query
from sdc_data import IP, get_offset, get_range, random_map

import faiss_bebr


def coarse_vectors(
    rng: np.random.Generator, n: int, d: int, nclusters: int = 40
) -> np.ndarray:
    """Clusters of falling variance around a mean that is not zero, and some
    vectors far from them."""
    spectrum = 1 / np.sqrt(1 + np.arange(d))
    centres = np.random.default_rng(31).standard_normal((nclusters, d)) * spectrum
    x = centres[rng.integers(0, nclusters, n)]
    x = x + 0.5 * rng.standard_normal((n, d)) * spectrum + 0.3
    x[: n // 50] *= 20
    x[n // 50] = 0
    return x.astype(np.float32)


def make_coarse(
    widths: list[int],
    d: int,
    ncentroids: int,
    metric: int = IP,
    *,
    mapped: bool = False,
    least_weight: float = 0,
    scale_type: int | None = None,
    scale_bytes: int = 2,
):
    """A trained index, empty."""
    rng = np.random.default_rng(17)
    index = faiss_bebr.IndexSDC(widths, metric, d, ncentroids)
    if mapped:
        weight, offset = random_map(rng, d)
        weight = np.maximum(weight, np.float32(least_weight))
        index.set_query_map(weight.tolist(), offset.tolist())
    if scale_type is not None:
        index.set_scale_type(scale_type)
    index.set_scale_bytes(scale_bytes)
    index.cp.niter = 4
    index.cp.min_points_per_centroid = 1
    index.is_trained = False
    index.train(coarse_vectors(rng, max(600, 2 * ncentroids), d))
    return index


def split_codes(index, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Planes with scales, and the numbers of the centroids."""
    end = index.sdc.layout.code_size() + index.sdc.scale_bytes
    numbers = np.ascontiguousarray(codes[:, end:])
    dtype = {0: None, 1: np.uint8, 2: np.uint16}[numbers.shape[1]]
    if dtype is None:
        return codes[:, :end], np.zeros(len(codes), np.int64)
    return codes[:, :end], numbers.view(dtype)[:, 0].astype(np.int64)


def get_widths(index) -> list[int]:
    return faiss.vector_to_array(index.sdc.layout.plane_widths).tolist()


def get_scales(index) -> tuple[np.ndarray | None, np.ndarray | None]:
    """What scales of one byte stand for, of vectors and of centroids: (256,)."""
    values, centroids = (
        faiss.vector_to_array(v)
        for v in (index.sdc.scale_values, index.sdc.centroid_scales)
    )
    return values if len(values) else None, centroids if len(centroids) else None


def get_origin(index) -> np.ndarray:
    weight = faiss.vector_to_array(index.sdc.query_weight)
    offset = faiss.vector_to_array(index.sdc.query_offset)
    return np.divide(offset, weight, out=np.zeros_like(offset), where=weight > 0)


def decode_reference(index, codes: np.ndarray) -> np.ndarray:
    planes, numbers = split_codes(index, codes)
    scale_values, centroid_scales = get_scales(index)
    v = decode(planes, get_widths(index), get_range(index), index.d, scale_values)
    if index.ncentroids:
        c = index.centroids[numbers].astype(np.float64)
        if centroid_scales is not None:
            origin = get_origin(index).astype(np.float64)
            c = centroid_scales[planes[:, -1:]] * (c + origin) - origin
        v = v + c
    return v


def encode_reference(index, x: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Codes of x less the centroids of those numbers, without the numbers."""
    residuals = x
    if index.ncentroids:
        residuals = x - index.centroids[numbers]
    scale = {
        faiss_bebr.Scale_unbiased: "unbiased",
        faiss_bebr.Scale_least_squares: "least_squares",
        faiss_bebr.Scale_cosine: "cosine",
    }[index.sdc.scale_type]
    scale_values, centroid_scales = get_scales(index)
    planes, scales = encode(
        residuals,
        get_widths(index),
        faiss.vector_to_array(index.sdc.query_weight),
        scale=scale,
        value_range=get_range(index),
        whole=x,
        offset=get_offset(index),
        scale_values=scale_values,
        centroid_scales=centroid_scales,
    )
    return np.concatenate([planes, scales[:, None].view(np.uint8)], axis=1)


def error_reference(index, x: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """What CodeChooser makes least, of codes with the centroids of those numbers."""
    codes = np.concatenate(
        [encode_reference(index, x, numbers), as_bytes(index, numbers)], axis=1
    )
    residuals = x - index.centroids[numbers]
    weight = faiss.vector_to_array(index.sdc.query_weight).astype(np.float64)
    unbiased = index.sdc.scale_type == faiss_bebr.Scale_unbiased
    scale = "unbiased" if unbiased else "least_squares"
    if get_scales(index)[1] is not None:
        scale = "scaled"
    direction, along = error_direction(residuals, weight, scale, x, get_offset(index))
    error = x - decode_reference(index, codes)
    return (weight * error**2).sum(axis=1) + along * (direction * error).sum(
        axis=1
    ) ** 2


def as_bytes(index, numbers: np.ndarray) -> np.ndarray:
    dtype = np.uint8 if index.ncentroids <= 256 else np.uint16
    return numbers.astype(dtype)[:, None].view(np.uint8)


def refine_reference(index, x: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Centroids moved to where the codes of x leave the least squared error, with
    scales of two bytes."""
    held = faiss_bebr.IndexSDC(
        get_widths(index), index.metric_type, index.d, len(centroids)
    )
    faiss.copy_array_to_vector(centroids.ravel(), held.sdc.centroids)
    held.train(x)
    codes = held.sa_encode(x)
    numbers = split_codes(held, codes)[1]
    error = x - decode_reference(held, codes)
    moved = centroids.astype(np.float64)
    for i in range(len(centroids)):
        if (numbers == i).any():
            moved[i] += error[numbers == i].mean(axis=0)
    return moved.astype(np.float32)


def query_reference(index, queries: np.ndarray) -> np.ndarray:
    weight = faiss.vector_to_array(index.sdc.query_weight)
    if index.metric_type == IP:
        offset = faiss.vector_to_array(index.sdc.query_offset)
        return quantize_query(weight * queries + offset, get_range(index))
    mapped = quantize_query(weight * queries, get_range(index))
    return np.divide(mapped, weight, out=mapped.copy(), where=weight > 0)


def coarse_distances(index, queries: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Of all queries and codes by the definition, float64."""
    q = query_reference(index, queries)
    v = decode_reference(index, codes)
    if index.metric_type == IP:
        return q @ v.T
    weight = faiss.vector_to_array(index.sdc.query_weight).astype(np.float64)
    return (weight * (q[:, None] - v[None]) ** 2).sum(axis=2)
