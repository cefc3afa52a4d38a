"""Parts of FAISS's own, built by FAISS from a string with something to hold them.

The holder owns its part until another index takes it over. (SWIG loses count
of its references when a Python object becomes the owner of what it did not
own, so no part is ever given to Python.)
"""

from __future__ import annotations

from typing import Any

import faiss

from faiss_bebr import stock

# of IndexIVF.quantizer_trains_alone: centroids come from k-means, and the
# quantizer is trained on them and filled with them
TRAIN_ON_CENTROIDS = "\x02"


def build(
    d: int, text: str, metric: int, own_invlists: bool, token: str | None = None
) -> Any:
    """FAISS's index for a string without tokens of this package.

    Parameters
    ----------
    token : str, optional
        What the user wrote, if `text` has more than that.

    Raises
    ------
    ValueError
        If FAISS refuses it; the text names what the user wrote.
    """
    try:
        return stock.index_factory(d, text, metric, own_invlists)
    except RuntimeError as error:
        reason = str(error).rpartition(": ")[2]
        written = text if token is None else token
        raise ValueError(f"FAISS refused {written!r}: {reason}") from error


def build_transform_holder(d: int, token: str) -> Any:
    """An IndexPreTransform with one transform."""
    return build(d, token + ",Flat", faiss.METRIC_L2, True, token)


def release_transform(holder: Any) -> None:
    """Leave the transform to the index that has it now."""
    holder.own_fields = False
    index = holder.index
    holder.index = None
    index.__swig_destroy__(index)


def build_quantizer_holder(d: int, coarse: str, metric: int) -> Any:
    """An inverted file with the coarse quantizer of a string such as
    "IVF64_HNSW32" or "IMI2x8"; its `own_fields` says who deletes that."""
    return build(d, coarse + ",Flat", metric, False, coarse)


def build_ivf(
    quantizer: Any, nlist: int, code: str, metric: int, own_invlists: bool
) -> Any:
    """FAISS's inverted file of a code such as "PQ16x4fs" with a quantizer of
    ours, which it owns."""
    index = build(quantizer.d, f"IVF{nlist},{code}", metric, own_invlists, code)
    replaced = index.quantizer
    index.quantizer = quantizer
    quantizer.this.disown()
    replaced.__swig_destroy__(replaced)
    index.quantizer_trains_alone = TRAIN_ON_CENTROIDS
    return index
