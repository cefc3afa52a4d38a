"""Factory strings: FAISS's grammar with the tokens of this package.

`BEBR<m>x<nbits>` is a transform, the learned binarizer; `SDC<nbits>` an
encoding that stores the first nbits planes of its code; `BSDC<nbits>` a binary
index over packed codes.
"""

from __future__ import annotations

import re
from typing import Any

import faiss

from faiss_bebr.swigfaiss_bebr import BinarizerTransform, IndexBinarySDC, IndexSDC

_TRANSFORM = re.compile(r"BEBR(\d+)x(\d+)")
_ENCODING = re.compile(r"SDC(\d+)")
_BINARY_ENCODING = re.compile(r"BSDC(\d+)")


def _has_own_token(description: str) -> bool:
    return "BEBR" in description or "SDC" in description


def index_factory(
    d: int,
    description: str,
    metric: int = faiss.METRIC_L2,
    own_invlists: bool = True,
) -> Any:
    """Build an index from a factory string, as `faiss.index_factory`.

    Parameters
    ----------
    d : int
        Dimension of the input vectors.
    description : str
        `BEBR<m>x<nbits>,SDC<nbits>`, for example "BEBR256x6,SDC2": queries have
        6 bits per dimension, of which 2 are stored for documents. A string
        without such tokens goes to FAISS.
    metric : int
        METRIC_L2 or METRIC_INNER_PRODUCT.
    own_invlists : bool
        See `faiss.index_factory`.

    Returns
    -------
    index : faiss.IndexPreTransform
        An untrained index; `index.train(x)` trains the network.

    Raises
    ------
    ValueError
        If the string or a number in it makes no sense; the text names the token.
    """
    if not _has_own_token(description):
        return faiss.index_factory(d, description, metric, own_invlists)
    tokens = [token.strip() for token in description.split(",")]
    transform = _TRANSFORM.fullmatch(tokens[0])
    if not transform:
        raise ValueError(
            f"could not parse {tokens[0]!r} in {description!r}: expected "
            "BEBR<m>x<nbits>, and SDC<nbits> after it"
        )
    if len(tokens) != 2:
        raise ValueError(
            f"could not parse {description!r}: expected two tokens, "
            "BEBR<m>x<nbits>,SDC<nbits>"
        )
    encoding = _ENCODING.fullmatch(tokens[1])
    if not encoding:
        raise ValueError(
            f"could not parse {tokens[1]!r} in {description!r}: expected SDC<nbits>"
        )
    m, nbits = int(transform[1]), int(transform[2])
    document_nbits = int(encoding[1])
    _check_shape(tokens[0], d, m, nbits)
    if not 1 <= document_nbits <= nbits:
        raise ValueError(
            f"{tokens[1]!r} in {description!r}: nbits must be in 1..{nbits}, "
            f"as {tokens[0]!r} makes codes of {nbits} bits"
        )
    binarizer = BinarizerTransform(d, [m] * nbits)
    binarizer.document_nbits = document_nbits
    storage = IndexSDC(binarizer, document_nbits, metric)
    index = faiss.IndexPreTransform(binarizer, storage)
    index.own_fields = True
    binarizer.this.disown()
    storage.this.disown()
    return index


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
    if not _has_own_token(description):
        return faiss.index_binary_factory(d, description, own_invlists)
    encoding = _BINARY_ENCODING.fullmatch(description.strip())
    if not encoding:
        raise ValueError(f"could not parse {description!r}: expected BSDC<nbits>")
    nbits = int(encoding[1])
    if not 1 <= nbits <= 8 or d % (8 * nbits):
        raise ValueError(
            f"{description!r}: nbits must be in 1..8 and d = {d} a multiple of "
            "8 * nbits"
        )
    return IndexBinarySDC(d, nbits)


def _check_shape(token: str, d: int, m: int, nbits: int) -> None:
    if not 1 <= nbits <= 8:
        raise ValueError(f"{token!r}: nbits must be in 1..8, got {nbits}")
    if m % 8 or not 8 <= m <= 32768:
        raise ValueError(f"{token!r}: m must be a multiple of 8 in 8..32768, got {m}")
    if m > d:
        raise ValueError(f"{token!r}: m must be at most d = {d}, got {m}")
