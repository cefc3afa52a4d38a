"""Semantic search over Python's own documentation, in 66 bytes a text.

    pip install ".[examples]"
    python examples/quickstart.py
    python examples/quickstart.py "hide a password while it is typed"

Collects more than 20,000 docstrings from this machine's standard library and
packages, embeds them with all-MiniLM-L6-v2, trains a BEBR index on them and
compares it with the exact float index. Needs no network.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path

import faiss
import numpy as np
from corpus import Doc, cached_embeddings, collect, load_model

import faiss_bebr

# 256 code dimensions: queries have 6 bits in each, documents keep the first 2
FACTORY = "BEBR256x6,SDC2"
NUM_QUERIES = 1000
K = 10
ROUNDS = 7
QUESTIONS = [
    "how do I call a function after a few seconds?",
    "who is the most influential person in a social network?",
    "fill in missing values in a table",
]
NUM_ANSWERS = 5


def main() -> None:
    args = parse_args()
    docs = collect()
    model = load_model()
    x = cached_embeddings(model, [doc.text for doc in docs], args.cache)

    # The held-out queries are neither trained on nor found in the index.
    order = np.random.default_rng(0).permutation(len(docs))
    queries, x = x[order[:NUM_QUERIES]], x[order[NUM_QUERIES:]]
    docs = [docs[i] for i in order[NUM_QUERIES:]]

    exact = faiss.IndexFlatIP(x.shape[1])
    exact.add(x)
    index = faiss_bebr.index_factory(x.shape[1], FACTORY, faiss.METRIC_INNER_PRODUCT)
    index.train(x)
    index.add(x)

    compare(index, exact, queries)
    questions = [args.question] if args.question else QUESTIONS
    show_answers(questions, model.encode(questions), index, exact, docs)


def parse_args() -> argparse.Namespace:
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser = argparse.ArgumentParser(
        description="Semantic search over Python's own documentation with BEBR."
    )
    parser.add_argument("question", nargs="?", help="what to look for")
    parser.add_argument(
        "--cache",
        type=Path,
        default=caches / "faiss_bebr",
        metavar="FOLDER",
        help="where the embeddings are kept (default: %(default)s)",
    )
    return parser.parse_args()


def compare(index: faiss.Index, exact: faiss.Index, queries: np.ndarray) -> None:
    """Prints recall, size and speed of both indexes; queries: (nq, d) float32."""
    _, found = index.search(queries, K)
    _, wanted = exact.search(queries, K)
    recall = faiss.eval_intersection(found, wanted) / wanted.size
    ms, exact_ms = time_per_query_ms([index, exact], queries)
    bytes_each, exact_bytes = index.sa_code_size(), exact.sa_code_size()
    print(f"\n{index.ntotal} texts indexed, {len(queries)} held-out queries")
    for label, ours, theirs in (
        ("", FACTORY, "IndexFlatIP"),
        (f"recall@{K} against IndexFlatIP", f"{recall:.3f}", "1.000"),
        ("bytes per vector", f"{bytes_each}", f"{exact_bytes}"),
        ("milliseconds per query", f"{ms:.3f}", f"{exact_ms:.3f}"),
    ):
        print(f"{label:<32}{ours:>16}{theirs:>14}")
    print(
        f"Timed: search() of all {len(queries)} queries in one batch, encoding them "
        f"included,\nmedian of {ROUNDS} rounds, {faiss.omp_get_max_threads()} threads."
    )


def time_per_query_ms(indexes: list[faiss.Index], queries: np.ndarray) -> list[float]:
    """Median over rounds in which the indexes take turns, so noise hits all."""
    seconds: list[list[float]] = [[] for _ in indexes]
    for _ in range(ROUNDS):
        for index, times in zip(indexes, seconds, strict=True):
            start = time.perf_counter()
            index.search(queries, K)
            times.append(time.perf_counter() - start)
    return [statistics.median(times) * 1e3 / len(queries) for times in seconds]


def show_answers(
    questions: list[str],
    queries: np.ndarray,
    index: faiss.Index,
    exact: faiss.Index,
    docs: list[Doc],
) -> None:
    """Prints what `index` finds for each question; queries: (nq, d) float32."""
    _, found = index.search(queries, NUM_ANSWERS)
    _, wanted = exact.search(queries, NUM_ANSWERS)
    print(f"\n* = among the first {NUM_ANSWERS} of IndexFlatIP too")
    for question, ours, theirs in zip(questions, found, wanted, strict=True):
        print(f"\n{question}")
        for i in ours:
            print(f"  {'*' if i in theirs else ' '} {docs[i].name}: {docs[i].text}")


if __name__ == "__main__":
    main()
