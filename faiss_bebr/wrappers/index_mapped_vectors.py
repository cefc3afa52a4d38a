"""The numpy methods of IndexMappedVectors."""

from __future__ import annotations

from typing import Any

import faiss
from faiss import class_wrappers

from faiss_bebr.swigfaiss_bebr import IndexMappedVectors
from faiss_bebr.wrappers.checks import (
    add_checks,
    check_float_codes,
    check_float_vectors,
    check_key,
    check_recons,
)
from faiss_bebr.wrappers.numpy_methods import handle_Index


def handle_IndexMappedVectors() -> None:
    handle_Index(IndexMappedVectors)

    def replacement_get_stock_index(self: Any) -> Any:
        """The vectors as an index of FAISS's own, for what needs one.

        Returns
        -------
        index : IndexFlat or IndexScalarQuantizer
            It belongs to this index. Adding to it ends the process.
        """
        index = faiss.downcast_index(self.get_stock_index_c())
        index.referenced_objects = [self]
        return index

    def __deepcopy__(self: Any, memo: dict[int, Any]) -> Any:
        # what cannot be changed may be shared
        return IndexMappedVectors(self)

    IndexMappedVectors.__deepcopy__ = __deepcopy__
    class_wrappers.replace_method(
        IndexMappedVectors, "get_stock_index", replacement_get_stock_index
    )
    add_checks(
        IndexMappedVectors,
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
    add_checks(IndexMappedVectors, check_float_codes, ("sa_decode",))
    add_checks(IndexMappedVectors, check_key, ("reconstruct",))
    add_checks(
        IndexMappedVectors,
        check_recons,
        ("reconstruct", "reconstruct_n", "reconstruct_batch"),
    )
