"""Indexes of every type and nesting, small, for the tests of files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import faiss
import numpy as np
from builders import (
    IP,
    L2,
    NLIST,
    D,
    M,
    N,
    behind,
    codes,
    graph,
    group,
    hidden_binarizer,
    id_map,
    ivf_of_binarizer,
    ivf_sdc,
    over,
    refined,
    refined_flat,
    scalar,
    sdc,
    sdc_fast_scan,
    sdc_with_centroids,
    vectors,
    with_binarizer,
)
from factory_strings import make_binarizer

import faiss_bebr


class Kind(NamedTuple):
    """A type or a nesting."""

    name: str
    make: Callable[[int], Any]
    """from a metric to an index that is neither trained nor filled"""
    is_binary: bool
    metrics: tuple[int, ...]
    takes_ids: bool
    """whether vectors are added with ids"""
    trains: bool
    """whether an index that was not trained cannot be filled"""
    forgets: bool
    """whether FAISS's files have not all that training depends on"""


KINDS: dict[str, Kind] = {}


def add_kind(
    name: str,
    is_binary: bool = False,
    metrics: tuple[int, ...] = (L2, IP),
    takes_ids: bool = False,
    trains: bool = False,
    forgets: bool = False,
) -> Callable[[Callable[[int], Any]], Callable[[int], Any]]:
    def register(make: Callable[[int], Any]) -> Callable[[int], Any]:
        KINDS[name] = Kind(name, make, is_binary, metrics, takes_ids, trains, forgets)
        return make

    return register


def make_data(kind: Kind, n: int = N, seed: int = 0) -> np.ndarray:
    return codes(n, seed) if kind.is_binary else vectors(n, seed)


def make_ids(n: int = N) -> np.ndarray:
    return np.random.default_rng(3).permutation(5 * n)[:n].astype(np.int64)


def build(name: str, metric: int = L2, n: int = N) -> Any:
    """A trained index of n vectors."""
    kind = KINDS[name]
    index = kind.make(metric)
    index.train(make_data(kind))
    if n and kind.takes_ids:
        index.add_with_ids(make_data(kind, n), make_ids(n))
    elif n:
        index.add(make_data(kind, n))
    return index


add_kind("SDC")(sdc)
add_kind("SDC of planes")(lambda m: faiss_bebr.IndexSDC([24, 16, 8], m))
add_kind("SDC with centroids", trains=True)(sdc_with_centroids)
add_kind("HNSW of SDC with centroids", trains=True)(
    lambda m: graph(sdc_with_centroids(m))
)
add_kind("SDCfs")(sdc_fast_scan)
add_kind("SDCfs with centroids", trains=True)(
    lambda m: sdc_with_centroids(m, faiss_bebr.IndexSDCFastScan)
)
add_kind("IVFSDC", trains=True)(ivf_sdc)
add_kind("HNSW of SDC")(lambda m: graph(sdc(m)))
add_kind("SDC,RFlat")(lambda m: refined_flat(sdc(m)))


@add_kind("IVFSDC residual", takes_ids=True, trains=True)
def _(metric: int) -> Any:
    return ivf_sdc(metric, by_residual=True, max_codes=150, learn_range=True)


@add_kind("IVFSDC over HNSW", takes_ids=True, trains=True)
def _(metric: int) -> Any:
    return ivf_sdc(metric, faiss.IndexHNSWFlat(D, 5, metric), parallel_mode=1)


@add_kind("IVFSDC over SDC", trains=True)
def _(metric: int) -> Any:
    return ivf_sdc(metric, sdc(metric))


@add_kind("IVFSDC over HNSW of SDC", trains=True)
def _(metric: int) -> Any:
    return ivf_sdc(metric, graph(sdc(metric)))


@add_kind("BEBR,SDC")
def _(metric: int) -> Any:
    return with_binarizer(lambda b: faiss_bebr.IndexSDC(b, 2, metric))


@add_kind("BEBR of hidden units,SDC")
def _(metric: int) -> Any:
    binarizer = hidden_binarizer()
    return behind(faiss_bebr.IndexSDC(binarizer, 3, metric), binarizer)


@add_kind("BEBR,SDC with centroids", trains=True)
def _(metric: int) -> Any:
    return with_binarizer(lambda b: faiss_bebr.IndexSDC(b, [M - 8, 8], metric, 5))


@add_kind("IDMap2 of BEBR,SDCfs", takes_ids=True)
def _(metric: int) -> Any:
    index = with_binarizer(lambda b: faiss_bebr.IndexSDCFastScan(b, 2, metric))
    return id_map(faiss.IndexIDMap2, index)


@add_kind("Shards of SDCfs")
def _(metric: int) -> Any:
    shards = faiss.IndexShards(D, True, True)
    return group(shards, *(sdc_fast_scan(metric) for _ in range(2)))


@add_kind("BEBR,IVFSDC", trains=True)
def _(metric: int) -> Any:
    return with_binarizer(lambda b: ivf_of_binarizer(b, metric))


@add_kind("OPQ,L2norm,BEBR,IVFSDC residual", trains=True, forgets=True)
def _(metric: int) -> Any:
    binarizer = make_binarizer(D, [M, 8])
    index = ivf_of_binarizer(binarizer, metric, by_residual=True)
    opq = faiss.OPQMatrix(D, 4)
    opq.niter = 2
    return behind(index, opq, faiss.NormalizationTransform(D), binarizer)


@add_kind("BEBR,HNSW of SDC")
def _(metric: int) -> Any:
    return with_binarizer(lambda b: graph(faiss_bebr.IndexSDC(b, 3, metric)))


@add_kind("BEBR,IVF,Flat", trains=True, forgets=True)
def _(metric: int) -> Any:
    def make(_: Any) -> Any:
        return over(
            faiss.IndexFlat(M, metric),
            lambda q: faiss.IndexIVFFlat(q, M, NLIST, metric),
        )

    return with_binarizer(make)


@add_kind("BEBR,IVF,PQ", trains=True, forgets=True)
def _(metric: int) -> Any:
    def make(_: Any) -> Any:
        return over(
            faiss.IndexFlat(M, metric),
            lambda q: faiss.IndexIVFPQ(q, M, NLIST, 4, 4, metric),
        )

    return with_binarizer(make)


@add_kind("IVF of SDC,Flat", takes_ids=True, trains=True, forgets=True)
def _(metric: int) -> Any:
    return over(sdc(metric), lambda q: faiss.IndexIVFFlat(q, D, NLIST, metric))


@add_kind("IVF of HNSW of SDC,SQ8", trains=True, forgets=True)
def _(metric: int) -> Any:
    qtype = faiss.ScalarQuantizer.QT_8bit
    return over(
        graph(sdc(metric)),
        lambda q: faiss.IndexIVFScalarQuantizer(q, D, NLIST, qtype, metric),
    )


@add_kind("IVF of SDC,PQ", trains=True, forgets=True)
def _(metric: int) -> Any:
    return over(sdc(metric), lambda q: faiss.IndexIVFPQ(q, D, NLIST, 4, 4, metric))


@add_kind("IVF of SDC,PQfs", metrics=(L2,), trains=True, forgets=True)
def _(metric: int) -> Any:
    return over(
        sdc(metric), lambda q: faiss.IndexIVFPQFastScan(q, D, NLIST, 4, 4, metric)
    )


@add_kind("IDMap of SDC", takes_ids=True)
def _(metric: int) -> Any:
    return id_map(faiss.IndexIDMap, sdc(metric))


@add_kind("IDMap2 of BEBR,IVFSDC", takes_ids=True, trains=True)
def _(metric: int) -> Any:
    index = with_binarizer(lambda b: ivf_of_binarizer(b, metric))
    return id_map(faiss.IndexIDMap2, index)


@add_kind("IDMap2 of BEBR,SDC,RFlat", takes_ids=True)
def _(metric: int) -> Any:
    base = with_binarizer(lambda b: faiss_bebr.IndexSDC(b, 2, metric))
    return id_map(faiss.IndexIDMap2, refined_flat(base))


@add_kind("IVFSDC,Refine(SQfp16)", trains=True)
def _(metric: int) -> Any:
    return refined(ivf_sdc(metric), scalar(faiss.ScalarQuantizer.QT_fp16, metric))


@add_kind("SDC,Refine(SQ8)", trains=True)
def _(metric: int) -> Any:
    return refined(sdc(metric), scalar(faiss.ScalarQuantizer.QT_8bit, metric))


@add_kind("Flat,Refine(SDC8)")
def _(metric: int) -> Any:
    return refined(faiss.IndexFlat(D, metric), faiss_bebr.IndexSDC(D, 8, metric))


@add_kind("Shards of SDC")
def _(metric: int) -> Any:
    shards = faiss.IndexShards(D, True, True)
    return group(shards, *(sdc(metric) for _ in range(3)))


@add_kind("Shards of IDMap of BEBR,IVFSDC", takes_ids=True, trains=True)
def _(metric: int) -> Any:
    shards = faiss.IndexShards(D, False, False)
    parts = [with_binarizer(lambda b: ivf_of_binarizer(b, metric)) for _ in range(2)]
    return group(shards, *(id_map(faiss.IndexIDMap, part) for part in parts))


@add_kind("IDMap of Shards of SDC and stock", takes_ids=True)
def _(metric: int) -> Any:
    shards = group(
        faiss.IndexShards(D, False, True),
        sdc(metric),
        faiss.IndexFlat(D, metric),
        faiss.IndexHNSWFlat(D, 5, metric),
    )
    return id_map(faiss.IndexIDMap, shards)


@add_kind("Replicas of SDC")
def _(metric: int) -> Any:
    return group(faiss.IndexReplicas(D, False), sdc(metric), sdc(metric))


@add_kind("BEBR,Replicas of IVFSDC", trains=True)
def _(metric: int) -> Any:
    def make(binarizer: Any) -> Any:
        replicas = faiss.IndexReplicas(M, True)
        return group(replicas, *(ivf_of_binarizer(binarizer, metric) for _ in range(2)))

    return with_binarizer(make)
