"""The numpy methods of IndexSDC and IndexSDCFastScan."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
from faiss import add_ref_in_method, class_wrappers
from faiss.loader import swig_ptr

from faiss_bebr.swigfaiss_bebr import (
    BinarizerTransform,
    IndexSDC,
    IndexSDCFastScan,
    SearchParametersSDC,
)
from faiss_bebr.wrappers.checks import (
    add_checks,
    check_float_codes,
    check_float_vectors,
    check_key,
    check_matrix,
    check_recons,
)
from faiss_bebr.wrappers.numpy_methods import handle_Index


def replacement_quantize_queries(self: Any, x: np.ndarray) -> np.ndarray:
    """The level-quantized queries that `search` compares with documents.

    Parameters
    ----------
    x : array_like
        Queries, shape (n, d), float32.

    Returns
    -------
    q : ndarray
        Shape (n, d), float32; distances are those of IndexFlatIP or
        IndexFlatL2 between these and the decoded vectors, for METRIC_L2 with
        both multiplied by the square roots of `sdc.query_weight`.
    """
    check_matrix("x", x, self.d, "d")
    x = np.ascontiguousarray(x, dtype="float32")
    q = np.empty_like(x)
    self.quantize_queries_c(len(x), swig_ptr(x), swig_ptr(q))
    return q


def _get_centroids(self: Any) -> np.ndarray:
    """Of the coarse first stage, shape (ncentroids, d), float32, a copy; no rows
    before training."""
    return faiss.vector_to_array(self.sdc.centroids).reshape(-1, self.d)


def handle_IndexSDC() -> None:
    class_wrappers.handle_SearchParameters(SearchParametersSDC)
    _handle_flat(IndexSDC)


def handle_IndexSDCFastScan() -> None:
    for name in ("sdc", "cp", "follows_binarizer"):
        # fields of IndexSDC
        getter = getattr(IndexSDCFastScan, f"get_{name}")
        setter = getattr(IndexSDCFastScan, f"set_{name}", None)
        setattr(IndexSDCFastScan, name, property(getter, setter))
    _handle_flat(IndexSDCFastScan)


def _handle_flat(the_class: Any) -> None:
    handle_Index(the_class)
    original_init = the_class.__init__

    def __init__(self: Any, *args: Any) -> None:
        original_init(self, *args)
        referenced = getattr(args[0], "referenced_objects", []) if args else []
        if args and isinstance(args[0], BinarizerTransform):
            # the index may need it until it is trained
            referenced = [args[0]]
        if referenced:
            self.referenced_objects = list(referenced)

    the_class.__init__ = __init__
    the_class.ncentroids = property(
        lambda self: self.sdc.ncentroids, doc="Of the coarse first stage; 0: none."
    )
    the_class.centroids = property(_get_centroids)
    add_ref_in_method(the_class, "link_binarizer", 0)
    class_wrappers.replace_method(
        the_class, "quantize_queries", replacement_quantize_queries
    )
    add_checks(
        the_class,
        check_float_vectors,
        (
            "train",
            "add",
            "assign",
            "search",
            "search_and_reconstruct",
            "range_search",
            "sa_encode",
        ),
    )
    add_checks(the_class, check_float_codes, ("sa_decode", "add_sa_codes"))
    add_checks(the_class, check_key, ("reconstruct",))
    add_checks(
        the_class, check_recons, ("reconstruct", "reconstruct_n", "reconstruct_batch")
    )
