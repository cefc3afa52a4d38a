"""The numpy methods of IndexBinarySDC."""

from __future__ import annotations

from typing import Any

import numpy as np
from faiss import class_wrappers
from faiss.loader import swig_ptr

from faiss_bebr.swigfaiss_bebr import IndexBinarySDC
from faiss_bebr.wrappers.binary_methods import search_and_reconstruct
from faiss_bebr.wrappers.checks import (
    add_checks,
    check_binary_codes,
    check_binary_vectors,
    check_key,
    check_recons,
)
from faiss_bebr.wrappers.numpy_methods import refuse_unknown_attributes


def handle_IndexBinarySDC() -> None:
    class_wrappers.handle_IndexBinary(IndexBinarySDC)
    refuse_unknown_attributes(IndexBinarySDC)

    def replacement_add_sa_codes(
        self: Any, codes: np.ndarray, ids: np.ndarray | None = None
    ) -> None:
        """Add codes; they are the vectors themselves.

        Parameters
        ----------
        codes : array_like
            Shape (n, sa_code_size()), uint8.
        ids : array_like, optional
            As in `IndexFlatCodes`, ids are sequential; none may be given here.
        """
        if ids is not None:
            raise ValueError("IndexBinarySDC has sequential ids: ids must be None")
        codes = np.ascontiguousarray(codes)
        self.add_sa_codes_c(len(codes), swig_ptr(codes), None)

    class_wrappers.replace_method(
        IndexBinarySDC, "search_and_reconstruct", search_and_reconstruct
    )
    class_wrappers.replace_method(
        IndexBinarySDC, "add_sa_codes", replacement_add_sa_codes
    )
    add_checks(
        IndexBinarySDC,
        check_binary_vectors,
        (
            "train",
            "add",
            "assign",
            "search",
            "search_and_reconstruct",
            "range_search",
        ),
    )
    add_checks(IndexBinarySDC, check_binary_codes, ("add_sa_codes",))
    add_checks(IndexBinarySDC, check_key, ("reconstruct",))
    add_checks(IndexBinarySDC, check_recons, ("reconstruct_n",))
