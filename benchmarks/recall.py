"""Recall of codecs at their bytes per vector, ours and FAISS's, into a CSV file.

Each codec is trained on the documents and codes them all. Its 10 best documents
of a query are compared with those of exact search: how many they share (recall
10@10), whether the best is among them (1@10), and how often the document that the
query belongs to is (hit@10). Of the codecs of a family in the bytes of a size, the
best on the queries for choosing are measured on the reported ones.

    python benchmarks/recall.py --csv recall.csv
    python benchmarks/recall.py --csv recall.csv "OPQ64,PQ64x8" "BEBR68B,SDC"

What the file has already is not measured again, so a long run may be broken off.
`plots.py` draws the file.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import word_vectors
import wordnet
from embeddings import NUM_QUERIES, Embeddings
from faiss_codecs import OWN, PATTERNS, SAMPLE, Codec, codecs_of
from own_codecs import FAMILY, own_codecs_of
from results import Results, Row

import faiss_bebr

DATASETS = {"wordnet": wordnet.load, "word-vectors": word_vectors.load}
SIZES = {
    "wordnet": (36, 52, 68, 100, 132, 196),
    # 1, 2 and 4 bits a dimension, without and with four bytes of scale and number
    "word-vectors": (13, 17, 25, 29, 50, 54),
}
METRICS = {"IP": faiss.METRIC_INNER_PRODUCT, "L2": faiss.METRIC_L2}
K = 10
# Of a slow codec, only so many queries are reported
SLOW_QUERIES = 500


class Benchmark:
    """A data set with the exact results of its queries."""

    def __init__(self, name: str, data: Embeddings, choosing: int, reported: int):
        self.name = name
        self.documents = data.documents
        half = NUM_QUERIES // 2
        parts = {"choosing": slice(choosing), "reported": slice(half, half + reported)}
        self.queries = {part: data.queries[at] for part, at in parts.items()}
        self.relevant = None
        if data.relevant is not None:
            self.relevant = data.relevant[parts["reported"], None]
        exact = faiss.IndexFlatIP(self.documents.shape[1])
        exact.add(self.documents)
        self.truth = {part: exact.search(q, K)[1] for part, q in self.queries.items()}

    def recall_10_at_10(self, labels: np.ndarray, part: str) -> float:
        truth = self.truth[part][: len(labels)]
        return float((labels[:, :, None] == truth[:, None]).any(axis=2).mean())

    def recall_1_at_10(self, labels: np.ndarray) -> float:
        truth = self.truth["reported"][: len(labels), :1]
        return float((labels == truth).any(axis=1).mean())

    def hit_at_10(self, labels: np.ndarray) -> float | None:
        if self.relevant is None:
            return None
        return float((labels == self.relevant[: len(labels)]).any(axis=1).mean())


class Searcher:
    """A trained codec with all documents, searched as its index would.

    index and decoded vectors are in the space behind the transforms.
    """

    def __init__(self, codec: Codec, documents: np.ndarray) -> None:
        self.codec = codec
        d = documents.shape[1]
        self.index = faiss_bebr.index_factory(
            d, codec.description, METRICS[codec.metric]
        )
        sample = documents[: codec.train_limit or None]
        if len(sample) < len(documents):
            rows = np.random.default_rng(0).permutation(len(documents))
            sample = documents[np.sort(rows[: codec.train_limit])]
        start = time.perf_counter()
        _train(self.index, sample)
        self.train_seconds = time.perf_counter() - start
        self.train_vectors = len(sample)
        self.code_size = self.index.sa_code_size()
        if codec.search == OWN:
            empty = len(faiss_bebr.serialize_index(self.index))
            self.index.add(documents)
            full = len(faiss_bebr.serialize_index(self.index))
            self.file_bytes = (full - empty) / len(documents)
        else:
            self.file_bytes = self.code_size
            chain, inner = _split(self.index)
            self.chain = chain
            y = _apply(chain, documents)
            self.decoded = np.concatenate(
                [inner.sa_decode(inner.sa_encode(part)) for part in _batches(y)]
            )

    def search(self, queries: np.ndarray, metric: str) -> np.ndarray:
        """Labels (n, K) of the best documents."""
        if self.codec.search == OWN:
            return self.index.search(queries, K)[1]
        exact = faiss.IndexFlat(self.decoded.shape[1], METRICS[metric])
        exact.add(self.decoded)
        return exact.search(_apply(self.chain, queries), K)[1]


def _train(index: Any, sample: np.ndarray) -> None:
    chain, inner = _split(index)
    for transform in chain:
        if isinstance(transform, faiss.OPQMatrix):
            transform.max_train_points = SAMPLE
    index.train(sample)
    if chain and isinstance(inner, faiss.IndexRowwiseMinMaxBase):
        # it says that it is trained from the start, so FAISS leaves it out
        inner.train(_apply(chain, sample))


def _split(index: Any) -> tuple[list[Any], Any]:
    """The transforms before an index, and the index behind them."""
    if not isinstance(index, faiss.IndexPreTransform):
        return [], index
    chain = [
        faiss_bebr.downcast_VectorTransform(index.chain.at(i))
        for i in range(index.chain.size())
    ]
    return chain, faiss_bebr.downcast_index(index.index)


def _apply(chain: list[Any], x: np.ndarray) -> np.ndarray:
    for transform in chain:
        x = transform.apply(x)
    return x


def _batches(x: np.ndarray, rows: int = 16384) -> Iterator[np.ndarray]:
    for start in range(0, len(x), rows):
        yield x[start : start + rows]


def measure(
    codecs: list[Codec], benchmark: Benchmark, results: Results, least: float
) -> None:
    """Add rows of codecs that differ in their metric only.

    Reported queries are searched where the recall on the queries for choosing is
    above `least`.
    """
    searcher = Searcher(codecs[0], benchmark.documents)
    for codec in codecs:
        start = time.perf_counter()
        labels = searcher.search(benchmark.queries["choosing"], codec.metric)
        row = Row(
            dataset=benchmark.name,
            family=codec.family,
            description=codec.description,
            metric=codec.metric,
            search=codec.search,
            train_vectors=searcher.train_vectors,
            code_size=searcher.code_size,
            file_bytes=searcher.file_bytes,
            train_seconds=searcher.train_seconds,
            choosing_queries=len(labels),
            choosing_recall=benchmark.recall_10_at_10(labels, "choosing"),
        )
        if row.choosing_recall > least:
            least = row.choosing_recall
            queries = benchmark.queries["reported"]
            labels = searcher.search(
                queries[: SLOW_QUERIES if codec.slow else None], codec.metric
            )
            row.reported_queries = len(labels)
            row.recall_10_at_10 = benchmark.recall_10_at_10(labels, "reported")
            row.recall_1_at_10 = benchmark.recall_1_at_10(labels)
            row.hit_at_10 = benchmark.hit_at_10(labels)
        results.add(row)
        reported = row.recall_10_at_10
        print(
            f"{codec.description:30} {codec.metric} {row.code_size:4} bytes "
            f"{row.choosing_recall:.4f} "
            f"{'' if reported is None else f'{reported:.4f}':6} trained in "
            f"{row.train_seconds:.1f} s, searched in {time.perf_counter() - start:.1f}",
            flush=True,
        )


def _shared(codec: Codec) -> tuple[str, str, str]:
    """What codecs have in common that one training serves."""
    metric = codec.metric if codec.search == OWN else ""
    return codec.description, codec.search, metric


def run(codecs: list[Codec], size: int, benchmark: Benchmark, results: Results) -> None:
    """Measure what the results lack."""
    for _, group in groupby(codecs, _shared):
        missing = [codec for codec in group if not results.has(_key(codec, benchmark))]
        if not missing:
            continue
        least = max(
            (
                row.choosing_recall
                for row in results.rows
                if (row.dataset, row.family) == (benchmark.name, missing[0].family)
                and 0.7 * size <= row.code_size <= size
            ),
            default=0.0,
        )
        measure(missing, benchmark, results, least)


def _key(codec: Codec, benchmark: Benchmark) -> tuple[str, str, str, int, int]:
    ndocuments = len(benchmark.documents)
    return (
        benchmark.name,
        codec.description,
        codec.metric,
        min(codec.train_limit or ndocuments, ndocuments),
        len(benchmark.queries["choosing"]),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("descriptions", nargs="*", help="factory strings; else all")
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--dataset", choices=DATASETS, default="wordnet")
    parser.add_argument("--sizes", type=int, nargs="*", help="bytes of a vector")
    parser.add_argument(
        "--families",
        nargs="*",
        choices=[FAMILY, *dict.fromkeys(pattern.family for pattern in PATTERNS)],
        help="else all",
    )
    parser.add_argument("--metric", choices=METRICS, default="IP")
    parser.add_argument("--choosing", type=int, default=5000, help="queries of 0-4999")
    parser.add_argument("--reported", type=int, default=5000, help="of 5000-9999")
    arguments = parser.parse_args()
    for name in ("choosing", "reported"):
        if not 1 <= getattr(arguments, name) <= NUM_QUERIES // 2:
            parser.error(f"--{name} must be 1 to {NUM_QUERIES // 2}")

    benchmark = Benchmark(
        arguments.dataset,
        DATASETS[arguments.dataset](),
        arguments.choosing,
        arguments.reported,
    )
    results = Results(arguments.csv)
    d = benchmark.documents.shape[1]
    if arguments.descriptions:
        for description in arguments.descriptions:
            family = FAMILY if description.startswith(FAMILY) else description
            codec = Codec(family, description, arguments.metric)
            run([codec], 1 << 30, benchmark, results)
        return
    for size in arguments.sizes or SIZES[arguments.dataset]:
        codecs = own_codecs_of(size) + codecs_of(d, size)
        if arguments.families:
            codecs = [codec for codec in codecs if codec.family in arguments.families]
        run(codecs, size, benchmark, results)


if __name__ == "__main__":
    main()
