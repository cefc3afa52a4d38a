"""Untrained indexes of codes and the binarizers that make their codes."""

from __future__ import annotations

from typing import Any

import faiss

from faiss_bebr import swigfaiss_bebr as own
from faiss_bebr.index_io.containers import children


def link_binarizers(obj: Any, binarizer: Any = None) -> None:
    """Link the untrained indexes inside a copy or a read object to its binarizers.

    An untrained index takes the query map of its binarizer when it is trained,
    so it knows the object, which a copy has anew.

    Parameters
    ----------
    obj : Index, IndexBinary or VectorTransform
        As the class that it is.
    binarizer : BinarizerTransform or None
        The last one before `obj`.
    """
    if isinstance(obj, faiss.Index):
        own.relink_binarizer(obj, binarizer)
    parts = [part for _, part in children(obj)]
    for part in parts:
        if isinstance(part, own.BinarizerTransform):
            binarizer = part
    for part in parts:
        if isinstance(part, faiss.Index):
            link_binarizers(part, binarizer)
