"""Recall at equal bytes of untrained codes and of what training makes of them.

For each size in bytes, on WordNet/MiniLM: `train_binarizer` without and with gradient
steps, an index of the result, and its 10 best documents compared with those of exact
search (recall 10@10), on the queries for choosing and on the reported ones. Without
training there are PCA, plane widths by the variances, a random rotation and k-means.

    python benchmarks/budgets.py 36 52 68 100 132 196
    python benchmarks/budgets.py --untrained    # and what training begins with
    python benchmarks/budgets.py --queries 68    # with the queries for choosing given
    python benchmarks/budgets.py --documents 40000    # a random part of the data set
"""

from __future__ import annotations

import argparse
import time

import faiss
import numpy as np
import wordnet
from faiss.contrib.evaluation import knn_intersection_measure
from trained import search_codes

from faiss_bebr.training import train_binarizer

SIZES = (36, 52, 68, 100, 132, 196)
K = 10


def measure(
    net,
    documents: np.ndarray,
    queries: np.ndarray,
    exact: np.ndarray,
    moves_centroids: bool,
) -> tuple[int, float, float]:
    """Bytes of a code, and recall of the two halves of the queries."""
    code_size, labels = search_codes(
        net, documents, queries, K, moves_centroids=moves_centroids
    )
    half = len(queries) // 2
    recalls = [
        knn_intersection_measure(exact[part], labels[part])
        for part in (slice(half), slice(half, None))
    ]
    return code_size, *recalls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES)
    parser.add_argument("--queries", action="store_true")
    parser.add_argument("--no-coarse", action="store_true", help="without centroids")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--untrained", action="store_true")
    parser.add_argument("--documents", type=int)
    arguments = parser.parse_args()

    data = wordnet.load()
    chosen = np.random.default_rng(0).permutation(len(data.documents))
    documents = data.documents[chosen[: arguments.documents]]
    flat = faiss.IndexFlatIP(documents.shape[1])
    flat.add(documents)
    exact = flat.search(data.queries, K)[1]
    given = data.queries[: len(data.queries) // 2] if arguments.queries else None
    # What is printed as epochs, and arguments of training
    trainings = {
        str(epochs): {"queries": given, "epochs": epochs}
        for epochs in sorted({0, arguments.epochs})
    }
    if arguments.untrained:
        trainings = {"none": {"rotation_rounds": 0, "epochs": 0}, **trainings}
    print("bytes epochs held-out choosing reported train s  planes", flush=True)
    for size in arguments.sizes:
        for name, training in trainings.items():
            began = time.process_time()
            net = train_binarizer(
                documents, code_size=size, coarse=not arguments.no_coarse, **training
            )
            seconds = time.process_time() - began
            code_size, choosing, reported = measure(
                net, documents, data.queries, exact, moves_centroids=name != "none"
            )
            planes = "-".join(map(str, net.document_plane_widths))
            print(
                f"{code_size:5} {name:>6} {net.report.best_recall:8.4f} "
                f"{choosing:8.4f} {reported:8.4f} {seconds:7.0f}  "
                f"{planes}_{net.ncentroids}",
                flush=True,
            )


if __name__ == "__main__":
    main()
