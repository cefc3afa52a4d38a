"""Semantic search over Python's own documentation, in 68 bytes a text.

    pip install "faiss_bebr[examples]"
    python quickstart.py
    python quickstart.py "how do I split a string at every comma?"

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
from corpus import Doc, cached_embeddings, collect, embed, load_model

# 256 code dimensions: queries have 6 bits in each, documents keep the first 2
FACTORY = "BEBR256x6,SDC2"
NUM_QUERIES = 1000
K = 10
ROUNDS = 7
QUESTIONS = (
    "how do I run a function at a later time in another thread?",
    "find the shortest route between two places on a map",
    "do two samples come from the same distribution?",
)


def main() -> None:
    args = parse_args()
    docs = collect()
    print(f"{len(docs)} docstrings, such as {docs[0].name}: {docs[0].text}")

    model = load_model()
    x = cached_embeddings(model, [doc.text for doc in docs], args.cache)

    # The held-out queries are neither trained on nor found in the index.
    order = np.random.default_rng(0).permutation(len(docs))
    queries, x = x[order[:NUM_QUERIES]], x[order[NUM_QUERIES:]]
    docs = [docs[i] for i in order[NUM_QUERIES:]]

    exact = faiss.IndexFlatIP(x.shape[1])
    exact.add(x)
    index = faiss.index_factory(x.shape[1], "PCAR256,SQ4", faiss.METRIC_INNER_PRODUCT)
    index.train(x)
    index.add(x)

    compare(index, exact, queries)
    for question in [args.question] if args.question else QUESTIONS:
        show_answers(question, embed(model, [question]), index, exact, docs)


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
    print(f"""
{exact.ntotal} texts, {len(queries)} held-out queries  {FACTORY:>16}  IndexFlatIP
recall@{K} against the exact index       {recall:16.3f}  {1:11.3f}
bytes per vector                        {index.sa_code_size():16}  \
{exact.sa_code_size():11}
ms per query                            {ms:16.4f}  {exact_ms:11.4f}
(index.search of all {len(queries)} queries at once, the network included; median of \
{ROUNDS} rounds,
{faiss.omp_get_max_threads()} threads)""")


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
    question: str,
    query: np.ndarray,
    index: faiss.Index,
    exact: faiss.Index,
    docs: list[Doc],
    k: int = 5,
) -> None:
    """Prints what the index finds; query: (1, d) float32."""
    scores, found = index.search(query, k)
    _, wanted = exact.search(query, k)
    print(f"\n{question}   (* = in the exact index's first {k} too)")
    for score, i in zip(scores[0], found[0], strict=True):
        mark = "*" if i in wanted[0] else " "
        print(f"  {mark} {score:.3f}  {docs[i].name}: {docs[i].text}")


if __name__ == "__main__":
    main()
