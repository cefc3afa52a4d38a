"""The tokens of a factory string, and what those of this package say."""

from __future__ import annotations

import re
from typing import Any, NamedTuple, NoReturn

from faiss_bebr.binarizers import load_binarizer
from faiss_bebr.swigfaiss_bebr import (
    BinarizerTransform,
    PlaneLayout,
    SDCQuantizer,
)

NUMBER = "[0-9]{1,9}"  # more digits are no number that FAISS takes
MIN_HNSW_DEGREE = 2  # FAISS crashes below
_BINARIZER = re.compile(
    rf"BEBR({NUMBER})x({NUMBER})|BEBR({NUMBER}(?:-{NUMBER})+)|BEBR\[(.*)\]"
)
_BUDGET = re.compile(f"BEBR({NUMBER})B")
# Bytes of a scale, as FAISS's additive quantizers name how they store norms.
SCALE_BYTES = {"fp16": 2, "qint8": 1}
_ENCODING = re.compile(
    rf"SDC(?:({NUMBER}(?:-{NUMBER})*)(?:_({NUMBER}))?(?:fs)?"
    rf"(?:_S({'|'.join(SCALE_BYTES)}))?|fs)?"
)
BINARIZER_FORMS = "BEBR<m>x<nbits>, BEBR<m0>-<m1>-..., BEBR<bytes>B or BEBR[name]"


def has_own_token(description: str) -> bool:
    return "BEBR" in description or "SDC" in description


def split_at_commas(description: str) -> list[str]:
    """The tokens of a string; commas inside parentheses or brackets are part of
    a token.

    Raises
    ------
    ValueError
        If a token is empty, or parentheses or brackets do not match.
    """
    tokens = [""]
    closing: list[str] = []
    for character in description:
        inside_name = closing[-1:] == ["]"]
        if character == "," and not closing:
            tokens.append("")
            continue
        if character == "[":
            closing.append("]")
        elif character == "(" and not inside_name:
            closing.append(")")
        elif character == "]" or (character == ")" and not inside_name):
            if not closing or closing.pop() != character:
                raise ValueError(f"unmatched {character!r} in {description!r}")
        tokens[-1] += character
    if closing:
        raise ValueError(f"{closing[-1]!r} is missing in {description!r}")
    if "" in tokens:
        raise ValueError(f"a token is empty in {description!r}")
    return tokens


def refuse(token: str, description: str, expected: str) -> NoReturn:
    raise ValueError(f"could not parse {token!r} in {description!r}: {expected}")


def is_binarizer(token: str) -> bool:
    return token.startswith("BEBR")


def make_binarizer(token: str, d: int) -> Any:
    """The transform that a token stands for, of input dimension d.

    Raises
    ------
    ValueError
        If the token or a number in it makes no sense; the text names it.
    """
    if parse_budget(token):
        return _make_for_budget(token, d)
    match = _BINARIZER.fullmatch(token)
    if not match:
        raise ValueError(f"could not parse {token!r}: expected {BINARIZER_FORMS}")
    m, nbits, widths, name = match.groups()
    if name is not None:
        return _load(token, name, d)
    if widths is not None:
        plane_widths = [int(width) for width in widths.split("-")]
    else:
        _check_nbits(token, int(nbits))
        plane_widths = [int(m)] * int(nbits)
    # those of a budget have all dimensions, up to whole bytes
    _check_widths(token, plane_widths, -(-d // 8) * 8)
    return BinarizerTransform(d, plane_widths)


def parse_budget(token: str) -> int:
    """The bytes of a document's code that `BEBR<bytes>B` gives; 0 for other tokens.

    Raises
    ------
    ValueError
        If they are too few for any code; the text names the token.
    """
    match = _BUDGET.fullmatch(token)
    if not match:
        return 0
    budget = int(match[1])
    least = BinarizerTransform.min_document_code_size
    if budget < least:
        raise ValueError(
            f"{token!r}: a code of 8 bits with its scale and the number of a "
            f"centroid has {least} bytes, more than {budget}"
        )
    return budget


def _make_for_budget(token: str, d: int) -> Any:
    """All planes in all dimensions, up to whole bytes, of which training chooses what
    is stored. The budget itself is set where the encoding is known."""
    if not 8 <= d <= PlaneLayout.max_dim:
        raise ValueError(
            f"{token!r} takes vectors of 8 to {PlaneLayout.max_dim} dimensions, got {d}"
        )
    m = -(-d // 8) * 8
    return BinarizerTransform(d, [m] * PlaneLayout.max_nbits)


def _load(token: str, name: str, d: int) -> Any:
    try:
        binarizer = load_binarizer(name)
    except ValueError as error:
        raise ValueError(f"{token!r}: {error}") from error
    if binarizer.d_in != d:
        raise ValueError(
            f"{token!r} takes vectors of {binarizer.d_in} dimensions, "
            f"but those that arrive have {d}"
        )
    return binarizer


def _check_nbits(token: str, nbits: int) -> None:
    if not 1 <= nbits <= PlaneLayout.max_nbits:
        raise ValueError(
            f"{token!r}: nbits must be in 1..{PlaneLayout.max_nbits}, got {nbits}"
        )


def _check_widths(token: str, widths: list[int], d: int) -> None:
    _check_nbits(token, len(widths))
    for width in widths:
        if width % 8 or not 8 <= width <= PlaneLayout.max_dim:
            raise ValueError(
                f"{token!r}: a width must be a multiple of 8 in "
                f"8..{PlaneLayout.max_dim}, got {width}"
            )
    if sorted(widths, reverse=True) != widths:
        raise ValueError(f"{token!r}: planes must not widen")
    if widths[0] > d:
        raise ValueError(
            f"{token!r}: codes must have at most d = {d} dimensions, got {widths[0]}"
        )


def get_widths(layout: Any) -> list[int]:
    return [layout.plane_widths.at(t) for t in range(layout.plane_widths.size())]


def get_document_widths(binarizer: Any) -> list[int]:
    """Of the planes that indexes keep, as far as it is known."""
    widths = binarizer.document_plane_widths
    return [widths.at(t) for t in range(widths.size())] or get_widths(binarizer.layout)


class StoredCode(NamedTuple):
    """What an index stores of a vector."""

    plane_widths: list[int]
    ncentroids: int
    scale_bytes: int | None
    """None: 1 where training learns the range of the planes, else 2"""


def is_encoding(token: str) -> bool:
    return _ENCODING.fullmatch(token) is not None


def refuse_encoding(token: str, description: str) -> NoReturn:
    """For a token in an encoding's place that `is_encoding` does not take."""
    if token.startswith("SDC_"):
        reason = (
            "SDC without a number stores what the binarizer keeps of documents, with "
            "its centroids and scales; _.. comes after a number, as in SDC2_Sqint8"
        )
    else:
        reason = (
            "expected SDC, SDC<nbits> or SDC<m0>-<m1>-.., after numbers with "
            "_<ncentroids>, fs, and _Sfp16 or _Sqint8, if wanted"
        )
    refuse(token, description, reason)


def is_fast_scan(token: str) -> bool:
    """Whether an encoding says that codes lie side by side, "SDC2fs"."""
    return is_encoding(token) and "fs" in token


def parse_stored_code(token: str, binarizer: Any, d: int) -> StoredCode | None:
    """What an encoding stores of vectors of d dimensions.

    Parameters
    ----------
    token : str
        One that `is_encoding` takes.
    binarizer : BinarizerTransform or None
        The transform whose output arrives here.
    d : int

    Returns
    -------
    code : StoredCode or None
        None if the binarizer says it.

    Raises
    ------
    ValueError
        If a number makes no sense here; the text names the token.
    """
    match = _ENCODING.fullmatch(token)
    assert match is not None
    numbers, centroids, scale = match.groups()
    if numbers is None:
        if binarizer is None:
            raise ValueError(f"{token!r} without a number needs a BEBR.. before it")
        return None
    ncentroids = int(centroids) if centroids else 0
    if centroids and not 1 <= ncentroids <= SDCQuantizer.max_ncentroids:
        raise ValueError(
            f"{token!r}: the number of centroids must be in "
            f"1..{SDCQuantizer.max_ncentroids}, got {ncentroids}"
        )
    widths = [int(number) for number in numbers.split("-")]
    if _is_number_of_bits(widths):
        widths = _uniform_widths(token, widths[0], binarizer, d)
    else:
        _check_widths(token, widths, d)
        if binarizer is not None:
            _check_within(token, widths, binarizer)
    return StoredCode(widths, ncentroids, SCALE_BYTES[scale] if scale else None)


def _is_number_of_bits(widths: list[int]) -> bool:
    """One number is that of bits where it can be; widths of planes are larger."""
    return len(widths) == 1 and (widths[0] <= PlaneLayout.max_nbits or widths[0] % 8)


def _uniform_widths(token: str, nbits: int, binarizer: Any, d: int) -> list[int]:
    if binarizer is None:
        _check_nbits(token, nbits)
        if d % 8 or d > PlaneLayout.max_dim:
            raise ValueError(
                f"{token!r}: d must be a multiple of 8 and at most "
                f"{PlaneLayout.max_dim}, got {d}"
            )
        return [d] * nbits
    widths = get_widths(binarizer.layout)
    if not 1 <= nbits <= len(widths):
        raise ValueError(
            f"{token!r}: nbits must be in 1..{len(widths)}, the planes of the "
            f"binarizer before it, got {nbits}"
        )
    return widths[:nbits]


def _check_within(token: str, widths: list[int], binarizer: Any) -> None:
    deep = get_widths(binarizer.layout)
    if len(widths) > len(deep) or any(map(int.__gt__, widths, deep)):
        raise ValueError(
            f"{token!r}: planes must not be wider than those of the binarizer "
            f"before it, {'-'.join(map(str, deep))}"
        )
