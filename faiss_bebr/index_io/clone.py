"""Copies of objects with types of ours inside."""

from __future__ import annotations

from typing import Any

import faiss

from faiss_bebr import swigfaiss_bebr as own
from faiss_bebr.index_io.containers import (
    INVERTED_FILES,
    REPLICAS,
    SHARDS,
    HollowCopy,
    Part,
    contains_own,
    is_own,
    make_group,
    put_parts,
)
from faiss_bebr.index_io.domains import TRANSFORM, Domain, domain_of
from faiss_bebr.index_io.graphs import take_over_graphs
from faiss_bebr.index_io.limits import reading_anything
from faiss_bebr.index_io.links import link_binarizers

_INVERTED_FILES = (
    (own.IndexIVFSDC, own.clone_IndexIVFSDC),
    (own.IndexBinaryIVFSDC, own.clone_IndexBinaryIVFSDC),
)


def clone(obj: Any, domain: Domain) -> Any:
    """A copy of an object with all that is inside it.

    Parameters
    ----------
    obj : Index or IndexBinary
    domain : Domain
        The family that it has to be of.

    Raises
    ------
    TypeError
        If it is not of that family.
    RuntimeError
        If FAISS can neither clone nor write something that is inside.
    """
    if not isinstance(obj, domain.base):
        raise TypeError(f"expected {domain.name}, got {type(obj).__name__}")
    if not contains_own(obj):
        return domain.native_clone(obj)
    copy = _clone(domain.downcast(obj))
    link_binarizers(copy)
    return copy


def _clone(obj: Any) -> Any:
    for the_class, clone_ivf in _INVERTED_FILES:
        if isinstance(obj, the_class):
            quantizer = _clone(domain_of(obj).downcast(obj.quantizer))
            copy = clone_ivf(obj, quantizer)
            copy.own_fields = True
            quantizer.this.disown()
            return copy
    if is_own(obj):
        return type(obj)(obj)
    if type(obj) in SHARDS + REPLICAS:
        return make_group(
            type(obj),
            obj.d,
            own.is_threaded(obj),
            getattr(obj, "successive_ids", False),
            [_clone(domain_of(obj).downcast(obj.at(i))) for i in range(obj.count())],
        )
    if isinstance(obj, faiss.VectorTransform):
        return _clone_transform(obj)
    # each object on its own, as what FAISS cannot clone loses settings
    hollow = HollowCopy(obj, lambda container, child: True)
    copy = _clone_stock(hollow.container)
    put_parts(copy, [Part(path, _clone(part)) for path, part in hollow.parts])
    return take_over_graphs(copy)


def _clone_transform(transform: faiss.VectorTransform) -> faiss.VectorTransform:
    """FAISS's function for transforms is not in its Python module."""
    container = faiss.IndexPreTransform(transform, faiss.IndexFlat(transform.d_out))
    copy = _clone_stock(container)
    cloned = copy.chain.at(0)
    copy.own_fields = False  # of its parts, one is wanted
    copy.index.__swig_destroy__(copy.index)
    return TRANSFORM.downcast(cloned)


def _clone_stock(obj: Any) -> Any:
    domain = domain_of(obj)
    try:
        return domain.native_clone(obj)
    except RuntimeError:
        # FAISS can write more types than it can clone; but lists on disk are not
        # to be shared with a copy
        if isinstance(obj, INVERTED_FILES):
            raise
    writer = faiss.VectorIOWriter()
    domain.native_write(obj, writer, 0)
    reader = faiss.VectorIOReader()
    reader.data.swap(writer.data)
    with reading_anything():
        return domain.native_read(reader, 0)
