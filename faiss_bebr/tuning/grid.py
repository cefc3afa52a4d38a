"""The factory strings that `tune` measures, as data.

A gap {size} is filled with the bytes of a code, {m} and {M} with the most
dimensions and codebooks that fit into them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import faiss

from faiss_bebr.factory import index_factory
from faiss_bebr.factory.tokens import has_own_token
from faiss_bebr.swigfaiss_bebr import BinarizerTransform

MIN_SIZE = BinarizerTransform.min_document_code_size
# Of a budget in bytes: the sizes around it show what more and fewer bring.
BUDGET_FACTORS = (0.5, 0.75, 1.0, 1.5)
# Without one: bits for each dimension of the vectors.
BITS_PER_DIMENSION = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)

BEST = "BEBR{size}B,SDC"
EQUAL_PLANES = tuple(f"BEBR{{m}}x6,SDC{nbits}" for nbits in (1, 2, 4))
FAISS_PATTERNS = (
    "PQ{M}x8np",
    "PQ{M}x4fs",
    "PCAR{m},SQ4",
    "PCAR{m},SQ8",
    "RaBitQ",
    "RaBitQ2",
    "RaBitQ4",
)
# A reduction to fewer dimensions, as a part of all, is not worth measuring.
MIN_KEPT = 1 / 6


class Candidate(NamedTuple):
    """A factory string, and the family that its line in the plot stands for."""

    family: str
    description: str


def sizes_around(d: int, size: int | None) -> list[int]:
    """Bytes of the codes of a grid, ascending: around a budget, else of some
    bits for each of d dimensions."""
    if size is None:
        sizes = [bits * d / 8 for bits in BITS_PER_DIMENSION]
    else:
        sizes = [factor * size for factor in BUDGET_FACTORS]
    return sorted({max(MIN_SIZE, int(part)) for part in sizes})


def own_grid(
    d: int, size: int | None = None, num_columns: int | None = None
) -> list[Candidate]:
    """This package's codes of d dimensions for a budget of `size` bytes, or of all
    usual sizes.

    num_columns: how many of the vectors' columns differ, all by default; a code of
    equal planes cannot have more dimensions.
    """
    sizes = sizes_around(d, size)
    grid = [Candidate("BEBR", BEST.format(size=part)) for part in sizes]
    for pattern in EQUAL_PLANES:
        nbits = pattern.rpartition("SDC")[2]
        for part in sizes if size is None else [size]:
            description = _most_dimensions(pattern, d, part, num_columns or d)
            if description is not None:
                grid.append(Candidate(f"BEBR x {nbits} bits", description))
    return list(dict.fromkeys(grid))


def faiss_grid(d: int, size: int | None = None) -> list[Candidate]:
    """FAISS's own codecs of at most the same bytes, for comparison."""
    grid = []
    for part in sizes_around(d, size):
        for pattern in FAISS_PATTERNS:
            if "{M}" in pattern:
                description = _most_codebooks(pattern, d, part)
            else:
                description = _most_dimensions(pattern, d, part, d)
            if description is not None:
                family = pattern.replace("PCAR{m},", "").replace("{M}", "")
                grid.append(Candidate(family.removesuffix("np"), description))
    return list(dict.fromkeys(grid))


def measure_code(d: int, description: str, metric: int = faiss.METRIC_L2) -> int:
    """Bytes of a vector's code.

    Raises
    ------
    ValueError
        If the string is none that makes an index of codes.
    """
    try:
        if has_own_token(description):
            return index_factory(d, description, metric).sa_code_size()
        return faiss.index_factory(d, description, metric).sa_code_size()
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"{description!r} cannot be measured: {error}") from error


def least_code_size(d: int, description: str, metric: int) -> int:
    """Bytes of a vector's code; of a budget, which training fills unless all planes
    need less, as few as it can have."""
    # here, as importing this package does not import faiss.contrib
    from faiss_bebr.factory_tools import get_code_size

    untrained = measure_code(d, description, metric)
    return min(untrained, get_code_size(d, description))


def _most_dimensions(pattern: str, d: int, size: int, limit: int) -> str | None:
    least = max(8, int(d * MIN_KEPT))
    dims: Sequence[int] = range(limit // 8 * 8, least - 1, -8)
    for m in dims if "{m}" in pattern else [d]:
        description = pattern.format(m=m)
        if measure_code(d, description) <= size:
            return description
    return None


def _most_codebooks(pattern: str, d: int, size: int) -> str | None:
    for M in range(min(d, 2 * size), 0, -1):
        if d % M == 0 and measure_code(d, pattern.format(M=M)) <= size:
            return pattern.format(M=M)
    return None
