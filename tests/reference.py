"""What the compiled code must compute, in slow and plain numpy.

The method is that of "Binary Embedding-based Retrieval" (Gan et al., KDD 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


def unpack_levels(codes: np.ndarray, plane_widths: Sequence[int]) -> np.ndarray:
    """Levels c of packed codes.

    Parameters
    ----------
    codes : ndarray
        Shape (n, at least sum(plane_widths) / 8), uint8.

    Returns
    -------
    levels : ndarray
        Shape (n, plane_widths[0]), int64.
    """
    nplanes = len(plane_widths)
    levels = np.zeros((len(codes), plane_widths[0]), dtype=np.int64)
    offset = 0
    for t, width in enumerate(plane_widths):
        plane = codes[:, offset : offset + width // 8]
        bits = np.unpackbits(plane, axis=1, bitorder="little")
        levels[:, :width] += bits.astype(np.int64) << (nplanes - 1 - t)
        offset += width // 8
    return levels


def pack_levels(levels: np.ndarray, plane_widths: Sequence[int]) -> np.ndarray:
    """Inverse of `unpack_levels`: shape (n, sum(plane_widths) / 8), uint8."""
    nplanes = len(plane_widths)
    planes = [
        np.packbits(
            (levels[:, :width] >> (nplanes - 1 - t)) & 1, axis=1, bitorder="little"
        )
        for t, width in enumerate(plane_widths)
    ]
    return np.concatenate(planes, axis=1)


def planes_of_dimensions(plane_widths: Sequence[int]) -> np.ndarray:
    """How many planes each dimension has, shape (plane_widths[0],)."""
    dims = np.arange(plane_widths[0])
    return sum((dims < width).astype(np.int64) for width in plane_widths)


def values(levels: np.ndarray, plane_widths: Sequence[int]) -> np.ndarray:
    """b_u of levels on the paper's scale, float64.

    A dimension of p planes has the uniform grid of p bits: odd multiples of
    2^(1 - p) in (-2, 2).
    """
    nplanes = len(plane_widths)
    planes = planes_of_dimensions(plane_widths)
    shallow = levels >> (nplanes - planes)
    return (2 * shallow - (2**planes - 1)) / 2.0 ** (planes - 1)


def quantize(x: np.ndarray, plane_widths: Sequence[int]) -> np.ndarray:
    """Levels of real values: the cell of each dimension's own grid."""
    nplanes = len(plane_widths)
    planes = planes_of_dimensions(plane_widths)
    cell = np.floor(x.astype(np.float64) * 2.0 ** (planes - 2))
    cell = np.clip(cell + 2.0 ** (planes - 1), 0, 2**planes - 1).astype(np.int64)
    return cell << (nplanes - planes)


# what IndexSDC multiplies the steps of a learned grid by
STEPS = (1, 0.6, 0.75, 0.9, 1.1, 1.3)


# weights of the squared error along what a vector is seen by; the last one where
# centroids have scales
ALONG = {"unbiased": 10, "least_squares": 1, "scaled": 3}


def error_direction(
    y: np.ndarray,
    weight: np.ndarray,
    scale: str,
    whole: np.ndarray | None,
    offset: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Where errors of a learned code cost more: directions (n, d) and weights (n,)
    of the squared products with them, for vectors and arguments of `encode`."""
    if scale == "least_squares":
        direction = weight * y
    else:
        direction = weight * (y if whole is None else whole).astype(np.float64)
        direction = direction + (0 if offset is None else offset.astype(np.float64))
    norm = square_norms(direction, weight)
    along = np.divide(ALONG[scale], norm, out=np.zeros_like(norm), where=norm > 0)
    return direction, along


def square_norms(direction: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Of vectors that were multiplied by the weights, in the metric of these: (n,)."""
    squares = np.divide(
        direction**2, weight, out=np.zeros_like(direction), where=weight > 0
    )
    return squares.sum(axis=1)


def nearest_scales(scales: np.ndarray, scale_values: np.ndarray) -> np.ndarray:
    """Numbers (n,) of the nearest ones of ascending values."""
    scales = scales.astype(np.float32)
    middles = (scale_values[1:].astype(np.float64) + scale_values[:-1]) / 2
    return np.searchsorted(middles, scales)


class Choice(NamedTuple):
    """Codes of vectors, products of them, and their scales before rounding."""

    levels: np.ndarray
    """(n, m) int64"""
    yv: np.ndarray
    vv: np.ndarray
    xv: np.ndarray
    """(n,) products of y, of what errors are seen by, and of the values"""
    scale: np.ndarray
    """(n,)"""


def choose_codes(
    y: np.ndarray,
    plane_widths: Sequence[int],
    weight: np.ndarray,
    direction: np.ndarray,
    along: np.ndarray,
    *,
    scale: str,
    value_range: np.ndarray | None,
    scale_values: np.ndarray | None = None,
) -> Choice:
    """Of residuals y (n, d); direction and along are those of `error_direction`."""
    m = plane_widths[0]
    unit_range = np.ones(m, np.float32) if value_range is None else value_range
    is_learned = (unit_range != 1).any()
    along_y = (direction * y).sum(axis=1)
    weight, y, direction = weight[:m], y[:, :m], direction[:, :m]
    best = None
    for step in STEPS if is_learned else (1,):
        divisor = unit_range * np.float32(step)
        x = np.divide(y, divisor, out=np.zeros_like(y), where=divisor > 0)
        levels = quantize(x, plane_widths)
        v = values(levels, plane_widths) * unit_range.astype(np.float64)
        yv, vv = ((weight * a * v).sum(axis=1) for a in (y, v))
        xv = (direction * v).sum(axis=1)
        sum_yv = yv + along * along_y * xv
        sum_vv = vv + along * xv**2
        good = (sum_yv > 0) & (sum_vv > 0)
        factor = np.divide(sum_yv, sum_vv, out=np.zeros_like(vv), where=good)
        gain = factor * sum_yv
        if scale_values is not None:
            rounded = scale_values[nearest_scales(factor, scale_values)]
            gain = np.where(good, rounded * (2 * sum_yv - rounded * sum_vv), 0)
        found = (levels, yv, vv, xv, factor, gain)
        if best is None:
            best = found
        better = gain > best[-1]
        best = tuple(
            np.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old)
            for new, old in zip(found, best, strict=True)
        )
    levels, yv, vv, xv, factor, _ = best
    if scale == "cosine":
        total = np.full_like(vv, np.sqrt(weight.sum()))
        factor = np.divide(total, np.sqrt(vv), out=np.zeros_like(vv), where=vv > 0)
    elif scale == "unbiased" and not is_learned:
        yy = (weight * y.astype(np.float64) ** 2).sum(axis=1)
        factor = np.divide(yy, yv, out=np.zeros_like(vv), where=yv > 0)
    return Choice(levels, yv, vv, xv, factor)


def encode(
    y: np.ndarray,
    plane_widths: Sequence[int],
    weight: np.ndarray | None = None,
    *,
    scale: str = "unbiased",
    value_range: np.ndarray | None = None,
    whole: np.ndarray | None = None,
    offset: np.ndarray | None = None,
    scale_values: np.ndarray | None = None,
    centroid_scales: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Codes of IndexSDC, of vectors that `value_range` brings to its grid.

    Parameters
    ----------
    y : ndarray
        Shape (n, d), d at least plane_widths[0].
    value_range : ndarray, optional
        Shape (plane_widths[0],). Where it is learned, the step of the grid is
        chosen for each vector.
    whole : ndarray, optional
        Shape (n, d): what `y` are residuals of; themselves if not given.
    offset : ndarray, optional
        Shape (d,), of the query map, for METRIC_INNER_PRODUCT.
    scale_values, centroid_scales : ndarray, optional
        Shape (256,): for scales of one byte.

    Returns
    -------
    planes : ndarray
        Shape (n, sum(plane_widths) / 8), uint8.
    scale : ndarray
        Shape (n,), float16, or uint8 for scales of one byte.
    """
    y = y.astype(np.float32)
    weight = np.ones(y.shape[1]) if weight is None else weight.astype(np.float64)
    direction, along = np.zeros(y.shape), np.zeros(len(y))
    if value_range is not None and (value_range != 1).any() and scale != "cosine":
        cost = scale if centroid_scales is None else "scaled"
        direction, along = error_direction(y, weight, cost, whole, offset)
    choice = choose_codes(
        y,
        plane_widths,
        weight,
        direction,
        along,
        scale=scale,
        value_range=value_range,
        scale_values=scale_values if centroid_scales is None else None,
    )
    planes = pack_levels(choice.levels, plane_widths)
    if scale_values is None:
        return planes, choice.scale.astype(np.float32).astype(np.float16)
    if centroid_scales is None:
        numbers = nearest_scales(choice.scale, scale_values)
    else:
        numbers = nearest_pairs(
            y, weight, direction, along, choice, scale_values, centroid_scales
        )
    return planes, numbers.astype(np.uint8)


def nearest_pairs(
    y: np.ndarray,
    weight: np.ndarray,
    direction: np.ndarray,
    along: np.ndarray,
    choice: Choice,
    scale_values: np.ndarray,
    centroid_scales: np.ndarray,
) -> np.ndarray:
    """Numbers (n,) of the scales s of v and t of the centroid that are nearest to
    those with which t c + s v is as long as the vector."""
    xx = square_norms(direction, weight)
    cc = square_norms(direction - weight * y, weight)
    xc = xx - (direction * y).sum(axis=1)
    cv = choice.xv - choice.yv
    s = choice.scale
    square = cc + 2 * s * cv + s**2 * choice.vv
    ratio = np.divide(xx, square, out=np.ones_like(xx), where=square > 0)
    t = np.minimum(np.sqrt(ratio), 2)[:, None]
    ds, dt = scale_values - s[:, None] * t, centroid_scales - t
    error = ds**2 * choice.vv[:, None] + dt**2 * cc[:, None] + 2 * ds * dt * cv[:, None]
    seen = ds * choice.xv[:, None] + dt * xc[:, None]
    return np.argmin(error + along[:, None] * seen**2, axis=1)


def decode(
    codes: np.ndarray,
    plane_widths: Sequence[int],
    value_range: np.ndarray | None = None,
    d: int | None = None,
    scale_values: np.ndarray | None = None,
) -> np.ndarray:
    """Decoded vectors of IndexSDC codes without centroids, shape (n, d), float64;
    0 in dimensions without bits. scale_values: of scales of one byte."""
    m = plane_widths[0]
    end = sum(plane_widths) // 8
    if scale_values is None:
        scale = codes[:, end : end + 2].copy().view(np.float16).astype(np.float64)
    else:
        scale = scale_values[codes[:, end : end + 1]].astype(np.float64)
    v = scale * values(unpack_levels(codes, plane_widths), plane_widths)
    if value_range is not None:
        v = v * value_range.astype(np.float64)
    return np.pad(v, ((0, 0), (0, (d or m) - m)))


def quantize_query(q: np.ndarray, value_range: np.ndarray | None = None) -> np.ndarray:
    """int8 rounding of mapped queries (n, d) with one step for each, float64.

    What is rounded are the queries times `value_range`, in the dimensions that it
    has; they stay as they are in the others, and where it is 0.
    """
    q = q.astype(np.float32)
    value_range = np.ones(q.shape[1]) if value_range is None else value_range
    value_range = value_range.astype(np.float32)
    m = len(value_range)
    scaled = q[:, :m] * value_range
    step = np.abs(scaled).max(axis=1, keepdims=True) / np.float32(127)
    safe = np.where(step > 0, step, np.float32(1))
    rounded = step * np.clip(np.rint(scaled / safe), -127, 127)
    quantized = q.astype(np.float64)
    coded = value_range > 0
    quantized[:, :m][:, coded] = (rounded / np.where(coded, value_range, 1))[:, coded]
    return quantized


def binary_distances(
    queries: np.ndarray, codes: np.ndarray, nbits: int, *, inner_product: bool
) -> np.ndarray:
    """Distances of IndexBinarySDC, shape (nq, n), int64."""
    m = queries.shape[1] * 8 // nbits
    c_q = unpack_levels(queries, [m] * nbits)
    c_d = unpack_levels(codes, [m] * nbits)
    if inner_product:
        max_level = 2**nbits - 1
        return (2 * c_q - max_level) @ (2 * c_d - max_level).T
    return ((c_q[:, None, :] - c_d[None, :, :]) ** 2).sum(axis=2)


def nearest(
    distances: np.ndarray, k: int, *, largest: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The k best of each row with ties going to the smaller id.

    Returns
    -------
    D, I : ndarray
        Shape (n, min(k, columns)).
    """
    keys = -distances if largest else distances
    order = np.argsort(keys, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, axis=1), order


def cosine_documents(levels: np.ndarray) -> np.ndarray:
    """Decoded documents of Scale_cosine but for their length: (n, m) -> (n, m)."""
    return levels / np.linalg.norm(levels, axis=1, keepdims=True)


def unbiased_documents(deep: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Decoded documents of Scale_unbiased: levels V of deep codes y, both (n, m),
    times <y, y> / <y, V>."""
    energy = (deep * deep).sum(axis=1, keepdims=True)
    return levels * energy / (deep * levels).sum(axis=1, keepdims=True)


def exact_neighbors(queries: np.ndarray, documents: np.ndarray, k: int) -> np.ndarray:
    """Labels of the k largest inner products of each query, shape (nq, k)."""
    return nearest(queries @ documents.T, k, largest=True)[1]


def recall(found: np.ndarray, truth: np.ndarray) -> float:
    """Share of the true labels that were found, whatever their order."""
    hits = sum(len(set(a) & set(b)) for a, b in zip(found, truth, strict=True))
    return hits / truth.size
