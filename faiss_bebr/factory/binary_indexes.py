"""`index_binary_factory`: packed codes."""

from __future__ import annotations

import operator
import re
from typing import Any

import faiss

from faiss_bebr import stock
from faiss_bebr.factory.tokens import MIN_HNSW_DEGREE, NUMBER, has_own_token, refuse
from faiss_bebr.swigfaiss_bebr import (
    IndexBinaryIVFSDC,
    IndexBinarySDC,
    PlaneLayout,
)

_ENCODING = re.compile(f"BSDC({NUMBER})")
_COARSE = re.compile(f"BIVF({NUMBER})(?:_HNSW({NUMBER}))?")


def index_binary_factory(d: int, description: str, own_invlists: bool = True) -> Any:
    """Build a binary index from a factory string, as
    `faiss.index_binary_factory`.

    Parameters
    ----------
    d : int
        Bits per code.
    description : str
        `BSDC<nbits>`, an IndexBinarySDC of d / nbits dimensions,
        `BIVF<nlist>,BSDC<nbits>`, an IndexBinaryIVFSDC, or
        `BIVF<nlist>_HNSW<M>,BSDC1`, which finds lists by FAISS's graph; `IDMap`
        or `IDMap2` before or after them. A string without such tokens goes to
        FAISS.
    own_invlists : bool
        See `faiss.index_binary_factory`.

    Returns
    -------
    index : faiss.IndexBinary
        It owns its parts.

    Raises
    ------
    ValueError
        If the string or a number in it makes no sense; the text names the token.
    TypeError
        If `description` is no string or `d` no integer.
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
            index = _parse(d, rest, description, own_invlists)
            return _own(the_class(index), index)
    nbits = _parse_encoding(tokens[-1], d, description)
    if len(tokens) == 1:
        return IndexBinarySDC(d, nbits)
    coarse = _COARSE.fullmatch(tokens[0])
    if not coarse or len(tokens) > 2 or int(coarse[1]) < 1:
        refuse(tokens[0], description, "expected BIVF<nlist>, IDMap or IDMap2")
    nlist = int(coarse[1])
    quantizer = _make_quantizer(coarse, d, nbits, description)
    index = IndexBinaryIVFSDC(quantizer, d, nlist, nbits, faiss.METRIC_L2, own_invlists)
    return _own(index, quantizer)


def _parse_encoding(token: str, d: int, description: str) -> int:
    """The number of bits per dimension."""
    match = _ENCODING.fullmatch(token)
    if not match:
        refuse(token, description, "expected BSDC<nbits>")
    nbits = int(match[1])
    if not 1 <= nbits <= PlaneLayout.max_nbits:
        refuse(token, description, f"nbits must be in 1..{PlaneLayout.max_nbits}")
    if d < 1 or d % (8 * nbits) or d // nbits > PlaneLayout.max_dim:
        refuse(
            token,
            description,
            f"d must be a multiple of 8 * nbits = {8 * nbits} and at most "
            f"{PlaneLayout.max_dim * nbits}, got {d}",
        )
    return nbits


def _make_quantizer(coarse: re.Match[str], d: int, nbits: int, description: str) -> Any:
    if coarse[2] is None:
        return IndexBinarySDC(d, nbits)
    if nbits > 1:
        refuse(
            coarse[0],
            description,
            "FAISS's binary graph finds lists by Hamming distances, which are "
            "those of BSDC1 only",
        )
    degree = int(coarse[2])
    if degree < MIN_HNSW_DEGREE:
        refuse(coarse[0], description, f"expected at least {MIN_HNSW_DEGREE} neighbors")
    return faiss.IndexBinaryHNSW(d, degree)


def _own(container: Any, index: Any) -> Any:
    container.own_fields = True
    index.this.disown()
    return container
