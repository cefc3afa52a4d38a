"""This package's codecs at a number of bytes."""

from __future__ import annotations

from faiss_codecs import Codec

FAMILY = "BEBR"


def own_codecs_of(d: int, size: int) -> list[Codec]:
    """Codecs of d dimensions in at most `size` bytes a vector."""
    return []
