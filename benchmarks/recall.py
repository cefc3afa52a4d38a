"""Recall of factory strings at their bytes per vector, on WordNet/MiniLM.

Trains every index on the documents, adds them all, and compares its 10 nearest
documents of the reported queries with those of exact search (recall 10@10).

    python benchmarks/recall.py [factory string ...]
"""

from __future__ import annotations

import argparse
import time

import faiss
import wordnet
from faiss.contrib.evaluation import knn_intersection_measure

import faiss_bebr

DEFAULT = (
    "BEBR256x6,SDC2",
    "BEBR256x2,SDC2",
    "OPQ64,PQ64x8",
    "PQ128x4fs",
    "RaBitQ",
)


def measure(description: str, data: wordnet.Embeddings, exact_labels, k: int) -> str:
    """A row of the table: string, bytes, recall, seconds of training."""
    d = data.documents.shape[1]
    index = faiss_bebr.index_factory(d, description, faiss.METRIC_INNER_PRODUCT)
    start = time.perf_counter()
    index.train(data.documents)
    seconds = time.perf_counter() - start
    index.add(data.documents)
    labels = index.search(data.reported_queries, k)[1]
    recall = knn_intersection_measure(exact_labels, labels)
    return f"{description:24} {index.sa_code_size():6} {recall:8.4f} {seconds:9.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("descriptions", nargs="*", default=DEFAULT)
    parser.add_argument("-k", type=int, default=10)
    arguments = parser.parse_args()

    data = wordnet.load()
    exact = faiss.IndexFlatIP(data.documents.shape[1])
    exact.add(data.documents)
    exact_labels = exact.search(data.reported_queries, arguments.k)[1]
    print(f"{'index':24} {'bytes':>6} {'recall':>8} {'train s':>9}")
    for description in arguments.descriptions:
        print(measure(description, data, exact_labels, arguments.k), flush=True)


if __name__ == "__main__":
    main()
