"""This package's codecs at a number of bytes."""

from __future__ import annotations

from faiss_codecs import BOTH, Codec

FAMILY = "BEBR"
# {size}: bytes of a vector
DESCRIPTIONS = ("BEBR{size}B,SDC",)


def own_codecs_of(size: int) -> list[Codec]:
    """Codecs of at most `size` bytes a vector."""
    return [
        Codec(FAMILY, description.format(size=size), metric)
        for description in DESCRIPTIONS
        for metric in BOTH
    ]
