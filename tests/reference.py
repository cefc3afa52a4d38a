"""What the compiled code must compute, in slow and plain numpy.

The method is that of "Binary Embedding-based Retrieval" (Gan et al., KDD 2023).
"""

from __future__ import annotations

from collections.abc import Sequence

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


# weights of the squared error along what a vector is seen by
ALONG = {"unbiased": 10, "least_squares": 1}


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
    squares = np.divide(
        direction**2, weight, out=np.zeros_like(direction), where=weight > 0
    )
    norm = squares.sum(axis=1)
    along = np.divide(ALONG[scale], norm, out=np.zeros_like(norm), where=norm > 0)
    return direction, along


def encode(
    y: np.ndarray,
    plane_widths: Sequence[int],
    weight: np.ndarray | None = None,
    *,
    scale: str = "unbiased",
    value_range: np.ndarray | None = None,
    whole: np.ndarray | None = None,
    offset: np.ndarray | None = None,
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

    Returns
    -------
    planes : ndarray
        Shape (n, sum(plane_widths) / 8), uint8.
    scale : ndarray
        Shape (n,), float16.
    """
    m = plane_widths[0]
    y = y.astype(np.float32)
    weight = np.ones(y.shape[1]) if weight is None else weight.astype(np.float64)
    unit_range = np.ones(m, np.float32) if value_range is None else value_range
    is_learned = (unit_range != 1).any()
    direction, along = np.zeros(y.shape), np.zeros(len(y))
    if is_learned and scale != "cosine":
        direction, along = error_direction(y, weight, scale, whole, offset)
    along_y = (direction * y).sum(axis=1)
    weight, y, direction = weight[:m], y[:, :m], direction[:, :m]
    best = None
    for step in STEPS if is_learned else (1,):
        divisor = unit_range * np.float32(step)
        x = np.divide(y, divisor, out=np.zeros_like(y), where=divisor > 0)
        levels = quantize(x, plane_widths)
        v = values(levels, plane_widths) * unit_range.astype(np.float64)
        yv, vv = ((weight * a * v).sum(axis=1) for a in (y, v))
        along_v = (direction * v).sum(axis=1)
        yv = yv + along * along_y * along_v
        vv = vv + along * along_v**2
        good = (yv > 0) & (vv > 0)
        gain = np.divide(yv**2, vv, out=np.zeros_like(vv), where=good)
        if best is None:
            best = gain, levels, yv, vv
        better = gain > best[0]
        best = tuple(
            np.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old)
            for new, old in zip((gain, levels, yv, vv), best, strict=True)
        )
    _, levels, yv, vv = best
    yy = (weight * y.astype(np.float64) ** 2).sum(axis=1)
    numerator, denominator = {
        "unbiased": (yv, vv) if is_learned else (yy, yv),
        "least_squares": (yv, vv),
        "cosine": (np.sqrt(weight.sum()), np.sqrt(vv)),
    }[scale]
    factor = np.divide(
        numerator, denominator, out=np.zeros_like(yy), where=denominator > 0
    )
    factor = np.maximum(factor, 0)
    return (
        pack_levels(levels, plane_widths),
        factor.astype(np.float32).astype(np.float16),
    )


def decode(
    codes: np.ndarray,
    plane_widths: Sequence[int],
    value_range: np.ndarray | None = None,
    d: int | None = None,
) -> np.ndarray:
    """Decoded vectors of IndexSDC codes without centroids, shape (n, d), float64;
    0 in dimensions without bits."""
    m = plane_widths[0]
    end = sum(plane_widths) // 8
    scale = codes[:, end : end + 2].copy().view(np.float16).astype(np.float64)
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
