"""The numpy methods of IndexIVFSDC."""

from __future__ import annotations

from typing import Any

import numpy as np
from faiss import add_ref_in_method, class_wrappers
from faiss.loader import swig_ptr

from faiss_bebr.swigfaiss_bebr import BinarizerTransform, IndexIVFSDC
from faiss_bebr.wrappers.checks import (
    add_checks,
    check_float_codes,
    check_float_vectors,
    check_matrix,
    check_recons,
    check_shape,
)
from faiss_bebr.wrappers.ivf_methods import merge_from
from faiss_bebr.wrappers.numpy_methods import handle_Index


def _check_vectors_with_ids(index: Any, arguments: dict[str, Any]) -> None:
    x = arguments["x"]
    check_float_vectors(index, arguments)
    for name in ("ids", "keys"):
        if name in arguments:
            check_shape(name, arguments[name], (len(x),))


def _check_codes_with_ids(index: Any, arguments: dict[str, Any]) -> None:
    check_float_codes(index, arguments)
    if arguments.get("ids") is not None:
        check_shape("ids", arguments["ids"], (len(arguments["codes"]),))


def _check_preassigned(index: Any, arguments: dict[str, Any]) -> None:
    check_float_vectors(index, arguments)
    shape = (len(arguments["x"]), index.nprobe)
    check_shape("Iq", arguments["Iq"], shape)
    if arguments["Dq"] is not None:
        check_shape("Dq", arguments["Dq"], shape)
    if arguments.get("params") is not None:
        raise ValueError("params are not supported with lists that are given")


def replacement_quantize_queries(
    self: Any, x: np.ndarray, list_nos: np.ndarray | None = None
) -> np.ndarray:
    """The level-quantized queries that `search` compares with documents.

    Parameters
    ----------
    x : array_like
        Queries, shape (n, d), float32.
    list_nos : array_like, optional
        Shape (n,), int64: the list whose documents a query is compared
        with. Only METRIC_L2 with `by_residual` needs it, as it rounds the
        difference to the list's centroid.

    Returns
    -------
    q : ndarray
        Shape (n, d), float32; distances are those of IndexFlatIP or
        IndexFlatL2 between these and the decoded vectors, for METRIC_L2 with
        both multiplied by the square roots of `sdc.query_weight`.

    Raises
    ------
    ValueError
        If a shape is wrong.
    RuntimeError
        If a query is not finite, or list numbers are missing or wrong.
    """
    check_matrix("x", x, self.d, "d")
    x = np.ascontiguousarray(x, dtype="float32")
    q = np.empty_like(x)
    if list_nos is not None:
        check_shape("list_nos", list_nos, (len(x),))
        list_nos = swig_ptr(np.ascontiguousarray(list_nos, dtype="int64"))
    self.quantize_queries_c(len(x), swig_ptr(x), swig_ptr(q), list_nos)
    return q


def handle_IndexIVFSDC() -> None:
    handle_Index(IndexIVFSDC)
    original_init = IndexIVFSDC.__init__

    def __init__(self: Any, *args: Any) -> None:
        original_init(self, *args)
        # the index owns neither its quantizer nor the binarizer, which it may
        # need until it is trained
        self.referenced_objects = [args[0]]
        if isinstance(args[1], BinarizerTransform):
            self.referenced_objects.append(args[1])

    IndexIVFSDC.__init__ = __init__
    add_ref_in_method(IndexIVFSDC, "link_binarizer", 0)
    for name, replacement in (
        ("quantize_queries", replacement_quantize_queries),
        ("merge_from", merge_from),
    ):
        class_wrappers.replace_method(IndexIVFSDC, name, replacement)
    add_checks(
        IndexIVFSDC,
        _check_vectors_with_ids,
        (
            "train",
            "add",
            "add_with_ids",
            "assign",
            "search",
            "search_and_reconstruct",
            "search_and_return_codes",
            "range_search",
            "sa_encode",
            "update_vectors",
        ),
    )
    add_checks(
        IndexIVFSDC,
        _check_preassigned,
        ("search_preassigned", "range_search_preassigned"),
    )
    add_checks(IndexIVFSDC, _check_codes_with_ids, ("sa_decode", "add_sa_codes"))
    add_checks(
        IndexIVFSDC,
        check_recons,
        ("reconstruct", "reconstruct_n", "reconstruct_batch"),
    )
