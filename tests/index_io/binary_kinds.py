"""The binary kinds of kinds.py."""

from __future__ import annotations

from typing import Any

import faiss
from builders import D_BINARY, L2, NBITS, NLIST, graph, group, id_map, over, own, sdc
from kinds import KINDS, add_kind

import faiss_bebr

__all__ = ["KINDS"]


def bsdc(metric: int, nbits: int = NBITS) -> Any:
    return faiss_bebr.IndexBinarySDC(D_BINARY, nbits, metric)


def bivf(metric: int, quantizer: Any = None) -> Any:
    return over(
        quantizer or bsdc(L2),
        lambda q: faiss_bebr.IndexBinaryIVFSDC(q, D_BINARY, NLIST, NBITS, metric),
        max_codes=200,
    )


add_kind("BSDC", is_binary=True)(bsdc)
add_kind("BIVFSDC", is_binary=True, trains=True)(bivf)


@add_kind("BSDC of one bit", is_binary=True)
def _(metric: int) -> Any:
    return bsdc(metric, 1)


@add_kind("BIVFSDC over BinaryFlat", is_binary=True, takes_ids=True, trains=True)
def _(metric: int) -> Any:
    return bivf(metric, faiss.IndexBinaryFlat(D_BINARY))


@add_kind("IDMap of BSDC", is_binary=True, takes_ids=True)
def _(metric: int) -> Any:
    return id_map(faiss.IndexBinaryIDMap, bsdc(metric))


@add_kind("IDMap2 of BIVFSDC", is_binary=True, takes_ids=True, trains=True)
def _(metric: int) -> Any:
    return id_map(faiss.IndexBinaryIDMap2, bivf(metric))


@add_kind(
    "BinaryIVF over BSDC", is_binary=True, metrics=(L2,), trains=True, forgets=True
)
def _(_metric: int) -> Any:
    return over(bsdc(L2, 1), lambda q: faiss.IndexBinaryIVF(q, D_BINARY, NLIST))


@add_kind("BinaryFromFloat of SDC", is_binary=True, metrics=(L2,))
def _(metric: int) -> Any:
    index = sdc(metric, D_BINARY)
    return own(faiss.IndexBinaryFromFloat(index), index)


@add_kind("BinaryFromFloat of HNSW of SDC", is_binary=True, metrics=(L2,))
def _(metric: int) -> Any:
    index = graph(sdc(metric, D_BINARY))
    return own(faiss.IndexBinaryFromFloat(index), index)


@add_kind("BinaryShards of BSDC", is_binary=True)
def _(metric: int) -> Any:
    shards = faiss.IndexBinaryShards(D_BINARY, True, True)
    return group(shards, bsdc(metric), bsdc(metric), bsdc(metric))


@add_kind("BinaryReplicas of BSDC", is_binary=True)
def _(metric: int) -> Any:
    replicas = faiss.IndexBinaryReplicas(D_BINARY, False)
    return group(replicas, bsdc(metric), bsdc(metric))
