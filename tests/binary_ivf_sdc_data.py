"""Filled indexes for the tests of IndexBinaryIVFSDC, and the same in numpy."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
from reference import binary_distances

import faiss_bebr

L2, IP = faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT
INT_MAX, INT_MIN = np.iinfo(np.int32).max, np.iinfo(np.int32).min


def make_index(
    m: int,
    nbits: int,
    metric: int,
    codes: np.ndarray,
    nlist: int = 13,
    ids: np.ndarray | None = None,
):
    """The first nlist codes are the centroids."""
    quantizer = faiss_bebr.IndexBinarySDC(m * nbits, nbits)
    quantizer.add(codes[:nlist])
    index = faiss_bebr.IndexBinaryIVFSDC(quantizer, m * nbits, nlist, nbits, metric)
    assert index.is_trained
    if ids is None:
        index.add(codes)
    else:
        index.add_with_ids(codes, ids)
    return index


def make_flat(m: int, nbits: int, metric: int, codes: np.ndarray):
    index = faiss_bebr.IndexBinarySDC(m * nbits, nbits, metric)
    index.add(codes)
    return index


class Reference:
    """The same in numpy: which codes a query visits, and the best of these."""

    def __init__(self, index: Any, codes: np.ndarray, ids: np.ndarray | None = None):
        self.index = index
        self.codes = codes
        self.ids = np.arange(len(codes)) if ids is None else ids
        self.lists = index.quantizer.search(codes, 1)[1][:, 0]

    def visited(self, assign: np.ndarray, max_codes: int = 0) -> list[np.ndarray]:
        """Rows of codes for each query, in the order of `assign`."""
        result = []
        for lists in assign:
            rows = [np.flatnonzero(self.lists == i) for i in lists if i >= 0]
            one = np.concatenate([np.empty(0, dtype=np.int64), *rows])
            result.append(one[:max_codes] if max_codes else one)
        return result

    def results(
        self, queries: np.ndarray, assign: np.ndarray, *, max_codes: int = 0, sel=None
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Distances and ids of all visited codes, the best first."""
        is_ip = self.index.metric_type == IP
        distances = binary_distances(
            queries, self.codes, self.index.nbits, inner_product=is_ip
        )
        result = []
        for q, rows in enumerate(self.visited(assign, max_codes)):
            if sel is not None:
                member = [sel.is_member(int(i)) for i in self.ids[rows]]
                rows = rows[np.array(member, dtype=bool)]
            D, I = distances[q, rows], self.ids[rows]
            order = np.lexsort((I, -D if is_ip else D))
            result.append((D[order], I[order]))
        return result

    def search(self, queries, k, assign, **kwargs) -> tuple[np.ndarray, np.ndarray]:
        is_ip = self.index.metric_type == IP
        D = np.full((len(queries), k), INT_MIN if is_ip else INT_MAX)
        I = np.full((len(queries), k), -1)
        for q, one in enumerate(self.results(queries, assign, **kwargs)):
            n = min(k, len(one[0]))
            D[q, :n], I[q, :n] = one[0][:n], one[1][:n]
        return D, I

    def range_search(self, queries, radius, assign, **kwargs) -> tuple:
        is_ip = self.index.metric_type == IP
        lims, found = [0], []
        for D, I in self.results(queries, assign, **kwargs):
            inside = D > radius if is_ip else D < radius
            order = np.argsort(I[inside], kind="stable")
            found.append((D[inside][order], I[inside][order]))
            lims.append(lims[-1] + len(order))
        D = np.concatenate([one[0] for one in found]).astype(np.float32)
        return np.array(lims), D, np.concatenate([one[1] for one in found])
