"""What each part of the training is worth, on WordNet/MiniLM, as a Markdown table.

Every row is one `train_binarizer`, an index of its documents' code, and recall 10@10
of the reported queries. Documents are a random part of the data set, so that a row
takes minutes; `--documents 117659` takes all.

    python benchmarks/ablation.py
    python benchmarks/ablation.py "start" "distillation"
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import faiss
import numpy as np
import wordnet
from faiss.contrib.evaluation import knn_intersection_measure
from trained import search_codes

from faiss_bebr.training import train_binarizer

K = 10
# 66, 66 and 68 bytes of a document, with all that belongs to its code
RECURRENT: dict[str, Any] = {"m": 256, "nbits": 6, "document_nbits": 2}
SYMMETRIC: dict[str, Any] = {"m": 256, "nbits": 2}
BUDGET: dict[str, Any] = {"code_size": 68}
ROWS: dict[str, dict[str, Any]] = {
    "start": {**RECURRENT, "epochs": 0},
    "start, two planes of documents": {**RECURRENT, "epochs": 0},
    "NCE": {**RECURRENT, "nce_weight": 1.0, "distillation_weight": 0.0},
    "distillation": {**RECURRENT, "nce_weight": 0.0},
    "both": RECURRENT,
    "both, tanh": {**RECURRENT, "surrogate": "tanh"},
    "both, sine": {**RECURRENT, "surrogate": "sine"},
    "both, MLP": {**RECURRENT, "hidden": 512},
    "both, nested": {**RECURRENT, "nested": True},
    "symmetric: start": {**SYMMETRIC, "hidden": 0, "epochs": 0},
    "symmetric: both": {**SYMMETRIC, "hidden": 0},
    "symmetric: start, MLP": {**SYMMETRIC, "hidden": 512, "epochs": 0},
    "symmetric: both, MLP": {**SYMMETRIC, "hidden": 512},
    "budget: start": {**BUDGET, "epochs": 0},
    "budget: score error": BUDGET,
    "budget without centroids: start": {**BUDGET, "coarse": False, "epochs": 0},
}

# Planes of documents that are computed, where these are not all
DOCUMENT_PLANES = {"start, two planes of documents": 2}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", default=list(ROWS), metavar="row")
    parser.add_argument("--documents", type=int, default=40_000)
    arguments = parser.parse_args()
    unknown = [name for name in arguments.rows if name not in ROWS]
    if unknown:
        parser.error(f"no rows {unknown}, there are {list(ROWS)}")

    data = wordnet.load()
    chosen = np.random.default_rng(0).permutation(len(data.documents))
    documents = data.documents[chosen[: arguments.documents]]
    queries = data.reported_queries
    flat = faiss.IndexFlatIP(documents.shape[1])
    flat.add(documents)
    exact = flat.search(queries, K)[1]
    print("| training | bytes | held-out start | held-out best | recall | CPU s |")
    print("|---|---|---|---|---|---|", flush=True)
    for name in arguments.rows:
        began = time.process_time()
        net = train_binarizer(documents, **ROWS[name])
        seconds = time.process_time() - began
        code_size, labels = search_codes(
            net, documents, queries, K, document_planes=DOCUMENT_PLANES.get(name)
        )
        recall = knn_intersection_measure(exact, labels)
        report = net.report
        print(
            f"| {name} | {code_size} | {report.start_recall:.4f} "
            f"| {report.best_recall:.4f} | {recall:.4f} | {seconds:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
