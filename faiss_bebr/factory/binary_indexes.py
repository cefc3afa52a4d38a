"""`index_binary_factory`: packed codes."""

from __future__ import annotations

import operator
import re
from typing import Any

import faiss

from faiss_bebr import stock
from faiss_bebr.factory.tokens import NUMBER, has_own_token, refuse
from faiss_bebr.swigfaiss_bebr import IndexBinarySDC, PlaneLayout

_ENCODING = re.compile(f"BSDC({NUMBER})")


def index_binary_factory(d: int, description: str, own_invlists: bool = True) -> Any:
    """Build a binary index from a factory string, as
    `faiss.index_binary_factory`.

    Parameters
    ----------
    d : int
        Bits per code.
    description : str
        `BSDC<nbits>`: an IndexBinarySDC of d / nbits dimensions. A string
        without such tokens goes to FAISS.
    own_invlists : bool
        See `faiss.index_binary_factory`.

    Raises
    ------
    ValueError
        If the string or a number in it makes no sense; the text names the token.
    """
    if not isinstance(description, str):
        raise TypeError(
            f"description must be a string, got {type(description).__name__}"
        )
    if not has_own_token(description):
        return stock.index_binary_factory(d, description, own_invlists)
    d = operator.index(d)
    return _parse(d, description.split(","), description, own_invlists)


def _parse(d: int, tokens: list[str], description: str, own_invlists: bool) -> Any:
    for name, the_class in (
        ("IDMap2", faiss.IndexBinaryIDMap2),
        ("IDMap", faiss.IndexBinaryIDMap),
    ):
        if len(tokens) > 1 and name in (tokens[-1], tokens[0]):
            rest = tokens[:-1] if tokens[-1] == name else tokens[1:]
            index = the_class(_parse(d, rest, description, own_invlists))
            index.index.this.disown()
            index.own_fields = True
            return index
    if len(tokens) > 1:
        refuse(tokens[0], description, "expected IDMap, IDMap2 or BSDC<nbits> alone")
    match = _ENCODING.fullmatch(tokens[0])
    if not match:
        refuse(tokens[0], description, "expected BSDC<nbits>")
    nbits = int(match[1])
    if not 1 <= nbits <= PlaneLayout.max_nbits:
        refuse(tokens[0], description, f"nbits must be in 1..{PlaneLayout.max_nbits}")
    if d < 1 or d % (8 * nbits):
        refuse(
            tokens[0],
            description,
            f"d must be a multiple of 8 * nbits = {8 * nbits}, got {d}",
        )
    return IndexBinarySDC(d, nbits)
