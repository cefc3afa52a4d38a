"""A new embedding model, and the index of the old one goes on.

    pip install ".[examples]"
    python examples/upgrade_model.py

Collects more than 20,000 docstrings from this machine's standard library and
packages and indexes them with an old model, of 256 dimensions. Then a better one
comes, of 384: it takes over the queries at once, and documents are re-coded a
quarter at a time in the same index. What is asked are names such as
`zipfile.ZipFile.extractall`, in words; the docstring of that name should be found.
Needs no network, and some minutes.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import faiss
import numpy as np
from corpus import cached_embeddings, collect, load_model

import faiss_bebr

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from faiss_bebr import RecurrentBinarizer

OLD_LAYERS, OLD_D = 4, 256
# Queries have 6 bits in each of 256 dimensions, documents keep the first 2.
CODE = {"m": 256, "nbits": 6, "document_nbits": 2}
NUM_QUERIES = 2000
K = 10
SHARES = (0.25, 0.5, 0.75, 1.0)
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


class Embedded(NamedTuple):
    """The same texts as a model embeds them, float32 of unit length."""

    documents: np.ndarray
    queries: np.ndarray


class Result(NamedTuple):
    """Of one search."""

    what: str
    hit_rate: float
    """Queries whose own docstring is among the K best."""
    recall: float
    """Share of what exact search with the new model finds."""


def main() -> None:
    args = parse_args()
    docs = collect()
    relevant = np.random.default_rng(0).permutation(len(docs))[:NUM_QUERIES]
    texts = [doc.text for doc in docs] + [words_of(docs[i].name) for i in relevant]

    def embed(model: SentenceTransformer, name: str) -> Embedded:
        x = cached_embeddings(model, texts, args.cache, name)
        return Embedded(x[: len(docs)], x[len(docs) :])

    old = reduce(embed(first_layers(load_model()), "upgrade-old-model"), OLD_D)
    new = embed(load_model(), "upgrade-new-model")
    print(f"{len(docs)} texts indexed, {NUM_QUERIES} names asked for")
    print(f"{'':<44}{'hit rate':>10}{f'recall@{K}':>12}")
    for result in upgrade(old, new, relevant):
        print(f"{result.what:<44}{result.hit_rate:>10.3f}{result.recall:>12.3f}")


def parse_args() -> argparse.Namespace:
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser = argparse.ArgumentParser(
        description="A new embedding model for an index of the old one's documents."
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=caches / "faiss_bebr",
        metavar="FOLDER",
        help="where the embeddings are kept (default: %(default)s)",
    )
    return parser.parse_args()


def words_of(name: str) -> str:
    """`zip file extract all` for zip.file.extractAll."""
    return " ".join(WORD.findall(name)).lower()


def first_layers(model: SentenceTransformer) -> SentenceTransformer:
    """The model before: MiniLM without its last layers; the argument is changed."""
    encoder = model[0].auto_model.encoder
    encoder.layer = encoder.layer[:OLD_LAYERS]
    return model


def reduce(embedded: Embedded, d: int) -> Embedded:
    """PCA of the documents to `d` dimensions, then unit length again."""
    mean = embedded.documents.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov(embedded.documents, rowvar=False))
    reduced = [(x - mean) @ axes[:, -d:].astype(np.float32) for x in embedded]
    return Embedded(*(x / np.linalg.norm(x, axis=1, keepdims=True) for x in reduced))


def upgrade(old: Embedded, new: Embedded, relevant: np.ndarray) -> Iterator[Result]:
    """Change the model of an index, a step after the other.

    relevant: (nq,) the document that each query asks for.
    """
    exact = faiss.IndexFlatIP(new.documents.shape[1])
    exact.add(new.documents)
    wanted = exact.search(new.queries, K)[1]

    def result(what: str, found: np.ndarray) -> Result:
        hit_rate = (found == relevant[:, None]).any(axis=1).mean()
        recall = faiss.eval_intersection(found, wanted) / wanted.size
        return Result(what, float(hit_rate), recall)

    # The index as it has been, of the old model.
    old_binarizer = faiss_bebr.train_binarizer(old.documents, **CODE)
    old_transform = old_binarizer.to_transform()
    index = faiss.IndexIDMap2(make_index(old_binarizer))
    ids = np.arange(len(old.documents))
    index.add_with_ids(old_transform.apply(old.documents), ids)
    found = index.search(old_transform.apply(old.queries), K)[1]
    yield result("old queries, old documents", found)

    # From here on queries are the new model's.
    binarizer = faiss_bebr.train_compatible(new.documents, old_binarizer, old.documents)
    transform = binarizer.to_transform()
    queries = transform.apply(new.queries)
    yield result("new queries, old documents", index.search(queries, K)[1])
    recoded = 0
    for share in SHARES:
        chosen = ids[recoded : round(share * len(ids))]
        index.remove_ids(chosen)
        index.add_with_ids(transform.apply(new.documents[chosen]), chosen)
        recoded += len(chosen)
        found = index.search(queries, K)[1]
        yield result(f"new queries, {share:.0%} of the documents new", found)

    # What a new index would have been.
    free = faiss_bebr.train_binarizer(new.documents, **CODE)
    transform = free.to_transform()
    new_index = make_index(free)
    new_index.add(transform.apply(new.documents))
    found = new_index.search(transform.apply(new.queries), K)[1]
    yield result("a new index, trained without the old one", found)


def make_index(binarizer: RecurrentBinarizer) -> faiss_bebr.IndexSDC:
    return faiss_bebr.IndexSDC(binarizer.to_transform(), 0, faiss.METRIC_INNER_PRODUCT)


if __name__ == "__main__":
    main()
