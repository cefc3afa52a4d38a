"""The numpy methods of IndexBinaryIVFSDC."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
from faiss import class_wrappers
from faiss.loader import swig_ptr

from faiss_bebr.swigfaiss_bebr import IndexBinaryIVFSDC
from faiss_bebr.wrappers.binary_methods import search_and_reconstruct
from faiss_bebr.wrappers.checks import (
    add_checks,
    check_binary_codes,
    check_binary_vectors,
    check_recons,
    check_shape,
)
from faiss_bebr.wrappers.ivf_methods import merge_from
from faiss_bebr.wrappers.numpy_methods import refuse_unknown_attributes


def _check_vectors_with_ids(index: Any, arguments: dict[str, Any]) -> None:
    check_binary_vectors(index, arguments)
    if "ids" in arguments:
        check_shape("ids", arguments["ids"], (len(arguments["x"]),))


def _check_codes_with_ids(index: Any, arguments: dict[str, Any]) -> None:
    check_binary_codes(index, arguments)
    if arguments.get("ids") is not None:
        check_shape("ids", arguments["ids"], (len(arguments["codes"]),))


def _check_preassigned(index: Any, arguments: dict[str, Any]) -> None:
    check_binary_vectors(index, arguments)
    params = arguments.get("params")
    nprobe = getattr(params, "nprobe", index.nprobe)
    shape = (len(arguments["x"]), min(nprobe, index.nlist))
    check_shape("Iq", arguments["Iq"], shape)
    if arguments.get("Dq") is not None:
        check_shape("Dq", arguments["Dq"], shape)


def replacement_search_preassigned(
    self: Any,
    x: np.ndarray,
    k: int,
    Iq: np.ndarray,
    Dq: np.ndarray | None = None,
    *,
    params: Any = None,
    D: np.ndarray | None = None,
    I: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the k nearest codes in lists that are given.

    Parameters
    ----------
    x : array_like
        Queries, shape (n, code_size), uint8.
    k : int
        Number of nearest neighbors.
    Iq : array_like
        List numbers, shape (n, nprobe), int64; -1 for none.
    Dq : array_like, optional
        Distances to the centroids, of the same shape. They are not used.
    params : SearchParametersIVF
        Search parameters of the current search; its `nprobe` is that of
        `Iq`.
    D, I : array_like, optional
        Arrays to store the results.

    Returns
    -------
    D : ndarray
        Distances, shape (n, k), int32.
    I : ndarray
        Labels, shape (n, k), int64; -1 where there is no result.
    """
    n = len(x)
    D = np.empty((n, k), dtype=np.int32) if D is None else D
    I = np.empty((n, k), dtype=np.int64) if I is None else I
    check_shape("D", D, (n, k))
    check_shape("I", I, (n, k))
    x = class_wrappers._check_dtype_uint8(x)
    Iq = np.ascontiguousarray(Iq, dtype="int64")
    self.search_preassigned_c(
        n,
        swig_ptr(x),
        k,
        swig_ptr(Iq),
        None,
        swig_ptr(D),
        swig_ptr(I),
        False,
        params,
    )
    return D, I


def replacement_range_search_preassigned(
    self: Any,
    x: np.ndarray,
    thresh: int,
    Iq: np.ndarray,
    Dq: np.ndarray | None = None,
    *,
    params: Any = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All codes within a radius in lists that are given.

    Parameters
    ----------
    x, Iq, Dq, params
        As for `search_preassigned`.
    thresh : int
        Radius.

    Returns
    -------
    lims : ndarray
        Where the results of each query begin and end, shape (n + 1,).
    D, I : ndarray
        Distances, float32, and labels, int64, shape (lims[-1],).
    """
    x = class_wrappers._check_dtype_uint8(x)
    Iq = np.ascontiguousarray(Iq, dtype="int64")
    result = faiss.RangeSearchResult(len(x))
    self.range_search_preassigned_c(
        len(x), swig_ptr(x), int(thresh), swig_ptr(Iq), None, result, params
    )
    lims = faiss.rev_swig_ptr(result.lims, len(x) + 1).copy()
    n = int(lims[-1])
    D = faiss.rev_swig_ptr(result.distances, n).copy()
    I = faiss.rev_swig_ptr(result.labels, n).copy()
    return lims, D, I


def replacement_add_sa_codes(
    self: Any, codes: np.ndarray, ids: np.ndarray | None = None
) -> None:
    """Add codes; they are the vectors themselves.

    Parameters
    ----------
    codes : array_like
        Shape (n, sa_code_size()), uint8.
    ids : array_like, optional
        Shape (n,), int64; by default those that follow `ntotal - 1`.
    """
    codes = np.ascontiguousarray(codes)
    if ids is not None:
        ids = np.ascontiguousarray(ids, dtype="int64")
    self.add_sa_codes_c(
        len(codes), swig_ptr(codes), None if ids is None else swig_ptr(ids)
    )


def replacement_remove_ids(self: Any, x: Any) -> int:
    """Remove vectors; the ids of the others stay as they are.

    Parameters
    ----------
    x : array_like or IDSelector
        The ids, shape (n,), int64, or what selects them. With a hash table
        as direct map it has to be an array or an IDSelectorArray.

    Returns
    -------
    n_removed : int
        How many vectors were removed.
    """
    if not isinstance(x, faiss.IDSelector):
        ids = np.ascontiguousarray(x, dtype="int64")
        if ids.ndim != 1:
            raise ValueError(f"ids must have shape (n,), got {ids.shape}")
        has_table = self.direct_map.type == faiss.DirectMap.Hashtable
        x = (faiss.IDSelectorArray if has_table else faiss.IDSelectorBatch)(ids)
    return self.remove_ids_c(x)


def replacement_replace_invlists(self: Any, il: Any, own: bool = False) -> None:
    """Take other inverted lists; `ntotal` stays as it is.

    Parameters
    ----------
    il : InvertedLists
        With the same `nlist` and `code_size`.
    own : bool
        Whether the index deletes them in the end. If not, it keeps a
        reference.
    """
    self.replace_invlists_c(il, own)
    if own:
        il.this.disown()
    else:
        faiss.add_to_referenced_objects(self, il)


def handle_IndexBinaryIVFSDC() -> None:
    class_wrappers.handle_IndexBinary(IndexBinaryIVFSDC)
    refuse_unknown_attributes(IndexBinaryIVFSDC)
    original_init = IndexBinaryIVFSDC.__init__

    def __init__(self: Any, *args: Any) -> None:
        original_init(self, *args)
        # the index does not own its quantizer
        self.referenced_objects = [args[0]]

    IndexBinaryIVFSDC.__init__ = __init__
    for name, replacement in (
        ("search_and_reconstruct", search_and_reconstruct),
        ("merge_from", merge_from),
        ("add_sa_codes", replacement_add_sa_codes),
        ("replace_invlists", replacement_replace_invlists),
    ):
        class_wrappers.replace_method(IndexBinaryIVFSDC, name, replacement)
    # FAISS's replacements of these three do less
    IndexBinaryIVFSDC.search_preassigned = replacement_search_preassigned
    IndexBinaryIVFSDC.range_search_preassigned = replacement_range_search_preassigned
    IndexBinaryIVFSDC.remove_ids = replacement_remove_ids
    add_checks(
        IndexBinaryIVFSDC,
        _check_vectors_with_ids,
        (
            "train",
            "add",
            "add_with_ids",
            "assign",
            "search",
            "search_and_reconstruct",
            "range_search",
        ),
    )
    add_checks(
        IndexBinaryIVFSDC,
        _check_preassigned,
        ("search_preassigned", "range_search_preassigned"),
    )
    add_checks(IndexBinaryIVFSDC, _check_codes_with_ids, ("add_sa_codes",))
    add_checks(IndexBinaryIVFSDC, check_recons, ("reconstruct", "reconstruct_n"))
