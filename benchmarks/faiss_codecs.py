"""FAISS's codecs at a number of bytes, as data.

A pattern is a factory string with gaps: {m} is the number of dimensions that a
transform leaves, {M} the number of codebooks. `codecs_of` fills them with the
most that the bytes allow, as FAISS's own `sa_code_size` counts them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import faiss

# How a codec is searched for the measurement: by its own index, or, where that
# would compute the same distances slowly, by exact search of its decoded vectors.
OWN, DECODED = "index", "decoded"

# Vectors that slow quantizers, and OPQ's rotations, are trained on: all of them
# would take hours
SAMPLE = 20_000

IP, L2 = ("IP",), ("L2",)
BOTH = IP + L2


@dataclass(frozen=True)
class Pattern:
    """A factory string with gaps, and how it is measured.

    encoding is the part after the transform, whose gaps decide on the bytes.
    train_limit is how many vectors it is trained on at most, 0 for all; slow
    says that its search takes a tenth of a second for a query.
    """

    family: str
    transform: str
    encoding: str
    metrics: tuple[str, ...] = BOTH
    search: str = DECODED
    train_limit: int = 0
    slow: bool = False
    largest_size: int = 1 << 30


@dataclass(frozen=True)
class Codec:
    """A factory string to measure; the fields are those of its `Pattern`."""

    family: str
    description: str
    metric: str
    search: str = OWN
    train_limit: int = 0
    slow: bool = False


def _scalar(family: str, encodings: tuple[str, ...], **settings) -> Iterator[Pattern]:
    for encoding in encodings:
        for transform in ("", "PCA{m}", "PCAR{m}"):
            yield Pattern(family, transform, encoding, **settings)


def _rotated(family: str, encodings: tuple[str, ...], **settings) -> Iterator[Pattern]:
    """Encodings that ask for dimensions of equal variance."""
    for encoding in encodings:
        # a random rotation keeps inner products, which PCA's centring shifts
        yield Pattern(family, "RR{m}", encoding, metrics=BOTH, **settings)
        yield Pattern(family, "PCAR{m}", encoding, metrics=L2, **settings)


BITS = range(2, 10)
PATTERNS: tuple[Pattern, ...] = (
    *_scalar("SQ", ("SQ4", "SQ6", "SQ8")),
    *_scalar("MinMax,SQ", ("MinMaxFP16,SQ4", "MinMaxFP16,SQ6", "MinMaxFP16,SQ8")),
    *_scalar("SQtqmse", tuple(f"SQtqmse{bits}" for bits in (1, 2, 3, 4, 8))),
    Pattern("LSH", "ITQ{m}", "LSHt", L2, OWN),
    Pattern("LSH", "PCAR{m}", "LSHt", L2, OWN),
    Pattern("PQ fast-scan", "", "PQ{M}x4fs", BOTH, OWN),
    Pattern("PQ fast-scan", "OPQ{M}_{m}", "PQ{M}x4fs", BOTH, OWN, largest_size=68),
    *_rotated("RaBitQ", ("RaBitQ", *(f"RaBitQ{b}" for b in BITS)), search=OWN),
    Pattern("PQ", "", "PQ{M}x8np"),
    Pattern("PQ", "PCAR{m}", "PQ{M}x8np"),
    Pattern("OPQ+PQ", "OPQ{M}_{m}", "PQ{M}x8np"),
    Pattern("RaBitQ fast-scan", "RR{m}", "RaBitQfs", BOTH, OWN),
    Pattern("RaBitQ fast-scan", "PCAR{m}", "RaBitQfs", L2, OWN),
    *(
        Pattern("RaBitQ fast-scan", transform, f"RaBitQfs{bits}", L2, OWN)
        for bits in BITS
        for transform in ("RR{m}", "PCAR{m}")
    ),
    Pattern("PRQ", "", "PRQ4x{M}x8", train_limit=SAMPLE, largest_size=68),
    Pattern("PRQ", "OPQ4_{m}", "PRQ4x{M}x8", train_limit=SAMPLE, largest_size=68),
    Pattern("OPQ+PQ", "OPQ{M}_{m}", "PQ{M}x10np", largest_size=68),
    Pattern("OPQ+PQ", "OPQ{M}_{m}", "PQ{M}x12np", largest_size=68),
    Pattern("RQ", "", "RQ{M}x8", train_limit=SAMPLE, largest_size=52),
    Pattern("PLSQ", "OPQ4_{m}", "PLSQ4x{M}x8", train_limit=SAMPLE, largest_size=52),
    Pattern("LSQ", "", "LSQ{M}x8", train_limit=SAMPLE, largest_size=36),
    *(
        Pattern("EDEN", "RR{m}", f"EDEN{bits}{scale}", IP)
        for bits in range(1, 9)
        for scale in ("", "BIASED")
    ),
    *(Pattern("SQtq", "RR{m}", f"SQtq{bits}", IP) for bits in range(2, 6)),
    *(Pattern("EDEN", "PCAR{m}", f"EDEN{b}", L2, OWN, slow=True) for b in range(1, 9)),
    *(Pattern("SQtq", "PCAR{m}", f"SQtq{b}", L2, OWN, slow=True) for b in range(2, 6)),
)


def codecs_of(d: int, size: int) -> list[Codec]:
    """FAISS's codecs of d dimensions in at most `size` bytes a vector, in the
    order of `PATTERNS`; cheap ones come first there."""
    codecs = []
    for pattern in PATTERNS:
        description = fill(pattern, d, size)
        if description is not None:
            codecs += [
                Codec(
                    pattern.family,
                    description,
                    metric,
                    pattern.search,
                    pattern.train_limit,
                    pattern.slow,
                )
                for metric in pattern.metrics
            ]
    return list(dict.fromkeys(codecs))


def fill(pattern: Pattern, d: int, size: int) -> str | None:
    """The factory string of a pattern with the most bytes of at most `size`.

    None if it would have fewer than 0.7 times as many, as it is then measured at
    a smaller size, or so few dimensions that it cannot be good.
    """
    if size > pattern.largest_size:
        return None
    description = f"{pattern.transform}," if pattern.transform else ""
    description += pattern.encoding
    for m, M in _fillings(pattern, d, size):
        code_size = _measure_code(pattern, pattern.encoding.format(M=M), m)
        if code_size <= size:
            fits = code_size >= 0.7 * size
            return description.format(m=m, M=M) if fits else None
    return None


def _fillings(pattern: Pattern, d: int, size: int) -> Iterator[tuple[int, int]]:
    """Dimensions and codebooks to try, from many to few bytes."""
    reduces = "{m}" in pattern.transform
    if "{M}" not in pattern.encoding:
        yield d, 0
        if reduces and not pattern.transform.startswith("RR"):
            yield from ((m, 0) for m in range((d - 1) // 8 * 8, d // 6 - 1, -8))
        return
    for M in range(min(8 * size, d), 0, -1):
        divisor = 4 if "4x{M}" in pattern.encoding else M
        if pattern.family in ("RQ", "LSQ"):
            divisor = 1
        m = d // divisor * divisor
        if m == d or (reduces and m >= 0.85 * d):
            yield m, M


def _measure_code(pattern: Pattern, encoding: str, m: int) -> int:
    metric = faiss.METRIC_L2 if "L2" in pattern.metrics else faiss.METRIC_INNER_PRODUCT
    return faiss.index_factory(m, encoding, metric).sa_code_size()
