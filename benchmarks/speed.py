"""Queries a second as ratios to FAISS's indexes, on WordNet/MiniLM.

Each pair is searched in turn, A B A B ..., in one process; printed are the
medians and the ratio of the medians, with the least and the largest ratio of a
round. One thread and 1000 queries at once unless said otherwise.

    python benchmarks/speed.py
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import faiss
import numpy as np
import wordnet
from embeddings import Embeddings

import faiss_bebr


def seconds_of_search(index: Any, queries: np.ndarray, k: int) -> float:
    start = time.perf_counter()
    index.search(queries, k)
    return time.perf_counter() - start


def compare(
    names: tuple[str, str],
    indexes: tuple[Any, Any],
    queries: np.ndarray,
    *,
    rounds: int,
    k: int = 10,
) -> None:
    """Print queries a second of two indexes and their ratio."""
    for index in indexes:
        seconds_of_search(index, queries, k)
    seconds = np.array(
        [
            [seconds_of_search(index, queries, k) for index in indexes]
            for _ in range(rounds)
        ]
    )
    ours, theirs = len(queries) / np.median(seconds, axis=0)
    ratios = seconds[:, 1] / seconds[:, 0]
    print(
        f"{names[0]:22} {ours:9.0f} q/s   {names[1]:16} {theirs:9.0f} q/s   "
        f"ratio {ours / theirs:5.2f} ({ratios.min():.2f} to {ratios.max():.2f})",
        flush=True,
    )


def float_pair(data: Embeddings) -> tuple[Any, Any]:
    """Trained BEBR256x6,SDC2 and PQ128x4fs, each from the embeddings on: the
    former's time includes the network that encodes the queries."""
    indexes = []
    for description in ("BEBR256x6,SDC2", "PQ128x4fs"):
        index = faiss_bebr.index_factory(
            data.documents.shape[1], description, faiss.METRIC_INNER_PRODUCT
        )
        index.train(data.documents)
        index.add(data.documents)
        indexes.append(index)
    return indexes[0], indexes[1]


def binary_pair(data: Embeddings) -> tuple[Any, Any, np.ndarray]:
    """Sign codes of 256 bits in both kinds of index, and of the queries."""
    codes = np.packbits(data.documents[:, :256] >= 0, axis=1, bitorder="little")
    queries = np.packbits(
        data.reported_queries[:, :256] >= 0, axis=1, bitorder="little"
    )
    ours, theirs = faiss_bebr.IndexBinarySDC(256, 1), faiss.IndexBinaryFlat(256)
    ours.add(codes)
    theirs.add(codes)
    return ours, theirs, queries


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--queries", type=int, default=1000)
    arguments = parser.parse_args()

    data = wordnet.load()
    print(
        f"{len(data.documents)} documents, {arguments.queries} queries at once, "
        f"{arguments.threads} thread(s), {arguments.rounds} rounds, kernels "
        f"{faiss_bebr.get_simd_level_name()}, faiss-cpu {faiss.__version__}"
    )
    pair = float_pair(data)
    faiss.omp_set_num_threads(arguments.threads)
    compare(
        ("BEBR256x6,SDC2", "PQ128x4fs"),
        pair,
        data.reported_queries[: arguments.queries],
        rounds=arguments.rounds,
    )
    ours, theirs, queries = binary_pair(data)
    compare(
        ("IndexBinarySDC 256x1", "IndexBinaryFlat"),
        (ours, theirs),
        queries[: arguments.queries],
        rounds=arguments.rounds,
    )


if __name__ == "__main__":
    main()
