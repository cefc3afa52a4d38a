"""Filled indexes for the tests of IndexIVFSDC."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
from sdc_data import random_map, random_vectors

import faiss_bebr

L2, IP = faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT
NLIST = 13
D = 32


def make_ivf(
    widths: list[int],
    metric: int,
    *,
    by_residual: bool = False,
    query_map: tuple[np.ndarray, np.ndarray] | None = None,
    seed: int = 5,
) -> Any:
    """A trained index with NLIST random centroids, empty."""
    rng = np.random.default_rng(seed)
    quantizer = faiss.IndexFlat(widths[0], metric)
    quantizer.add(rng.standard_normal((NLIST, widths[0])).astype(np.float32))
    index = faiss_bebr.IndexIVFSDC(quantizer, widths, NLIST, metric)
    if query_map:
        index.set_query_map(*query_map)
    index.by_residual = by_residual
    index.train(random_vectors(rng, 400, widths[0]))
    return index


def make_filled(
    metric: int = IP, *, by_residual: bool = False, n: int = 700, mapped: bool = True
) -> tuple[Any, np.ndarray, np.ndarray]:
    """An index of 72 dimensions, its vectors and some queries."""
    rng = np.random.default_rng(6)
    query_map = random_map(rng, 72) if mapped else None
    index = make_ivf([72, 72, 24], metric, by_residual=by_residual, query_map=query_map)
    x = random_vectors(rng, n, 72)
    index.add(x)
    return index, x, random_vectors(rng, 25, 72)


def decode_all(index: Any) -> tuple[np.ndarray, np.ndarray]:
    """What the ids 0 .. ntotal - 1 stand for, and their lists."""
    list_nos = np.empty(index.ntotal, dtype=np.int64)
    for list_no in range(index.nlist):
        size = index.invlists.list_size(list_no)
        ids = faiss.rev_swig_ptr(index.invlists.get_ids(list_no), size)
        list_nos[ids] = list_no
    return index.reconstruct_n(), list_nos


def get_entries(index) -> dict[int, tuple[int, bytes]]:
    """List number and code of each id; fails if an id is there twice."""
    entries = {}
    lists = index.invlists
    for list_no in range(index.nlist):
        size = lists.list_size(list_no)
        ids = faiss.rev_swig_ptr(lists.get_ids(list_no), size)
        codes = faiss.rev_swig_ptr(lists.get_codes(list_no), size * index.code_size)
        for i, code in zip(ids, codes.reshape(-1, index.code_size), strict=True):
            assert i not in entries
            entries[int(i)] = (list_no, code.tobytes())
    return entries


def nearest_lists(index: Any, queries: np.ndarray, nprobe: int) -> np.ndarray:
    return index.quantizer.search(queries, nprobe)[1]


def make_clusters() -> np.ndarray:
    """(900, D) float32 in clusters."""
    rng = np.random.default_rng(3)
    centres = rng.standard_normal((30, D))
    x = centres[rng.integers(0, 30, 900)] + 0.4 * rng.standard_normal((900, D))
    return x.astype(np.float32)


def make_quantizer(kind: str):
    if kind == "L2":
        return faiss.IndexFlatL2(D)
    if kind == "IP":
        return faiss.IndexFlatIP(D)
    if kind == "HNSW":
        return faiss.IndexHNSWFlat(D, 8)
    return faiss_bebr.IndexSDC(D, 8, L2)


def make_binarizer(widths=(D, D, D)) -> faiss_bebr.BinarizerTransform:
    rng = np.random.default_rng(8)
    binarizer = faiss_bebr.BinarizerTransform(48, list(widths))
    weight, offset = rng.random(widths[0]), rng.standard_normal(widths[0])
    binarizer.set_query_map(weight, offset)
    return binarizer


def make_trained() -> faiss_bebr.BinarizerTransform:
    binarizer = make_binarizer()
    binarizer.is_trained = True
    return binarizer
