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


def encode(
    y: np.ndarray,
    plane_widths: Sequence[int],
    weight: np.ndarray | None = None,
    *,
    scale: str = "unbiased",
    value_range: float = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Codes of IndexSDC, of vectors that `value_range` brings to its grid.

    Returns
    -------
    planes : ndarray
        Shape (n, sum(plane_widths) / 8), uint8.
    scale : ndarray
        Shape (n,), float16.
    """
    levels = quantize(y.astype(np.float32) / np.float32(value_range), plane_widths)
    y = y.astype(np.float64)
    weight = np.ones(y.shape[1]) if weight is None else weight.astype(np.float64)
    v = values(levels, plane_widths)
    yv, yy, vv = ((weight * a * b).sum(axis=1) for a, b in ((y, v), (y, y), (v, v)))
    numerator, denominator = {
        "unbiased": (yy, yv),
        "least_squares": (yv, vv),
        "cosine": (np.sqrt(weight.sum()), np.sqrt(vv)),
    }[scale]
    factor = np.divide(
        numerator, denominator, out=np.zeros_like(yy), where=denominator > 0
    )
    return (
        pack_levels(levels, plane_widths),
        factor.astype(np.float32).astype(np.float16),
    )


def decode(codes: np.ndarray, plane_widths: Sequence[int]) -> np.ndarray:
    """Decoded vectors of IndexSDC codes, shape (n, d), float64."""
    scale = codes[:, -2:].copy().view(np.float16).astype(np.float64)
    return scale * values(unpack_levels(codes, plane_widths), plane_widths)


def quantize_query(q: np.ndarray) -> np.ndarray:
    """int8 rounding of mapped queries (n, d) with one step for each, float64."""
    q = q.astype(np.float32)
    step = np.abs(q).max(axis=1, keepdims=True) / np.float32(127)
    safe = np.where(step > 0, step, np.float32(1))
    return (step * np.clip(np.rint(q / safe), -127, 127)).astype(np.float64)


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
