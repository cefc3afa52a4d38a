"""What an index stores of a document: plane widths and a centroid's number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .network import BITS_PER_BYTE, MAX_NBITS, check_plane_widths
from .residual_start import transform_dim

SCALE_BYTES = 1
# Past this many the number takes two bytes.
MAX_ONE_BYTE_CENTROIDS = 256
# Fewer vectors a centroid, and k-means fits the sample instead of the data.
POINTS_PER_CENTROID = 32
MAX_CENTROIDS = 4096
# Of the rule round(c log2(variance / threshold)) for a dimension's number of planes.
# 0.68 has the least squared error; errors in the leading directions, which queries see
# more of, cost more recall than equal ones in the others, so these get more.
PLANES_PER_OCTAVE = (0.85, 1.0)
# No plane narrower than this part of the dimensions, or any. An index gives queries 8
# bits with one step for all dimensions, as wide as the leading ones need it, and a
# rotation of many of these makes it finer: at 196 bytes that is worth 0.0006 of recall.
# At fewer bytes the narrow planes are worth more.
LEAST_WIDTHS = (1 / 6, 0.0)


@dataclass(frozen=True)
class DocumentCode:
    """The code of ``IndexSDC`` that a binarizer is trained for."""

    plane_widths: tuple[int, ...]
    ncentroids: int = 0


def extra_bytes(ncentroids: int) -> int:
    """Bytes of a code beside its planes."""
    if not ncentroids:
        return SCALE_BYTES
    return SCALE_BYTES + (1 if ncentroids <= MAX_ONE_BYTE_CENTROIDS else 2)


def default_ncentroids(n: int) -> int:
    """Centroids for ``n`` vectors; 0, which is none, for very few."""
    ncentroids = min(MAX_CENTROIDS, n // POINTS_PER_CENTROID)
    return ncentroids if ncentroids > 1 else 0


def choose_plane_widths(
    variance: np.ndarray,
    nbytes: int,
    planes_per_octave: float,
    least_width: float = 0.0,
) -> tuple[int, ...]:
    """Plane widths that fill ``nbytes``, or as many as the dimensions can hold.

    Reverse water-filling: a dimension gets ``round(c log2(variance / threshold))``
    planes, c being ``planes_per_octave``; widths are rounded to whole bytes. Planes but
    for the first that would be narrower than ``least_width`` of all dimensions are
    done without.

    variance: (d,) of falling order, d at least 8.
    """
    d = transform_dim(len(variance))
    widths = _fill(variance, nbytes, planes_per_octave, MAX_NBITS)
    while len(widths) > 1 and widths[-1] < least_width * d:
        fewer = _fill(variance, nbytes, planes_per_octave, len(widths) - 1)
        if sum(fewer) < sum(widths):
            break  # they cannot hold as much
        widths = fewer
    return check_plane_widths(widths)


def _fill(
    variance: np.ndarray, nbytes: int, planes_per_octave: float, deepest: int
) -> list[int]:
    """Widths of at most ``deepest`` planes."""
    d = transform_dim(len(variance))
    if variance[0] <= 0:
        variance = np.ones_like(variance)  # constant data: any widths will do
    octaves = np.log2(np.maximum(variance / variance[0], 1e-30))
    budget = nbytes * BITS_PER_BYTE

    def widths_at(threshold: float) -> list[int]:
        planes = np.round(planes_per_octave * (octaves - threshold))
        counts = [int((planes > t).sum()) for t in range(deepest)]
        half = BITS_PER_BYTE // 2
        return [min((n + half) // BITS_PER_BYTE * BITS_PER_BYTE, d) for n in counts]

    low, high = -200.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if sum(widths_at(middle)) > budget:
            low = middle
        else:
            high = middle
    widths = widths_at(high)
    # What rounding left goes to the shallowest plane with room.
    for t in range(deepest):
        limit = d if t == 0 else widths[t - 1]
        widths[t] += min(limit - widths[t], budget - sum(widths))
    return [width for width in widths if width]
