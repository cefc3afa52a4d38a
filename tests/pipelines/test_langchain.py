"""LangChain's FAISS vector store over this package's indexes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import faiss
import numpy as np
import pytest
from langchain_community.docstore.in_memory import InMemoryDocstore
from langchain_community.vectorstores import FAISS
from langchain_community.vectorstores.utils import (
    DistanceStrategy,
    maximal_marginal_relevance,
)
from langchain_core.embeddings import Embeddings
from plain import BINARIZER, plain_index

import faiss_bebr

FLAT = f"{BINARIZER},SDC2"
IVF = f"{BINARIZER},IVF8,SDC2"
HNSW = f"{BINARIZER},HNSW16,SDC2"
REFINED = f"{BINARIZER},SDC2,RFlat"

METRICS = {
    DistanceStrategy.EUCLIDEAN_DISTANCE: faiss.METRIC_L2,
    DistanceStrategy.MAX_INNER_PRODUCT: faiss.METRIC_INNER_PRODUCT,
    DistanceStrategy.COSINE: faiss.METRIC_L2,
}


class RowEmbeddings(Embeddings):
    """The text "document 17" has row 17 of a table as its embedding, and so has
    "query 17" of another one."""

    def __init__(self, documents: np.ndarray, queries: np.ndarray) -> None:
        self.rows = {"document": documents, "query": queries}

    def embed_query(self, text: str) -> list[float]:
        kind, row = text.split()
        return self.rows[kind][int(row)].tolist()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]


@pytest.fixture
def embedding(documents, queries) -> RowEmbeddings:
    return RowEmbeddings(documents, queries)


def make_index(description: str, documents: np.ndarray, metric: int) -> Any:
    """As a program makes it: by `faiss`, trained, as a store never does, empty."""
    index = faiss.index_factory(documents.shape[1], description, metric)
    index.train(documents)
    set_effort(index)
    return index


def set_effort(index: Any) -> None:
    """Make an IVF index scan all of its lists."""
    if isinstance(faiss.try_extract_index_ivf(index), faiss.IndexIVF):
        faiss.ParameterSpace().set_index_parameter(index, "nprobe", 8)


def make_store(
    embedding: RowEmbeddings,
    description: str = FLAT,
    strategy: DistanceStrategy = DistanceStrategy.EUCLIDEAN_DISTANCE,
    rows: Sequence[int] | None = None,
) -> FAISS:
    """A store of documents with ids "id <row>" and metadata about their rows."""
    documents = embedding.rows["document"]
    rows = range(len(documents)) if rows is None else rows
    store = FAISS(
        embedding,
        make_index(description, documents, METRICS[strategy]),
        InMemoryDocstore(),
        {},
        distance_strategy=strategy,
    )
    store.add_texts(
        [f"document {row}" for row in rows],
        [{"row": row, "third": row % 3} for row in rows],
        ids=[f"id {row}" for row in rows],
    )
    return store


def rows_of(documents: Iterable[Any]) -> list[int]:
    return [document.metadata["row"] for document in documents]


def check_answers(store: FAISS, D: np.ndarray, rows: np.ndarray) -> None:
    """The store gives these scores and rows, both (number of queries, k)."""
    for i in range(len(D)):
        results = store.similarity_search_with_score(f"query {i}", k=D.shape[1])
        assert rows_of(document for document, _ in results) == rows[i].tolist()
        assert [score for _, score in results] == D[i].tolist()


def check_same_answers(store: FAISS, embedding: RowEmbeddings, index: Any) -> None:
    """The store's answers are those of an index of the same documents."""
    check_answers(store, *index.search(embedding.rows["query"], 10))


@pytest.mark.parametrize("strategy", METRICS)
@pytest.mark.parametrize("description", [FLAT, IVF, HNSW, REFINED])
def test_search(description, strategy, embedding, one_thread):
    store = make_store(embedding, description, strategy)
    plain = plain_index(description, embedding.rows["document"], METRICS[strategy])
    set_effort(plain)
    check_same_answers(store, embedding, plain)


@pytest.mark.parametrize("strategy", METRICS)
@pytest.mark.filterwarnings("ignore:Relevance scores must be between")
def test_relevance_scores(strategy, embedding):
    """The strategy says what becomes of a score."""
    store = make_store(embedding, FLAT, strategy)
    plain = plain_index(FLAT, embedding.rows["document"], METRICS[strategy])
    D, I = plain.search(embedding.rows["query"][:5], 4)
    relevance = {
        DistanceStrategy.EUCLIDEAN_DISTANCE: 1 - D / np.sqrt(2),
        DistanceStrategy.MAX_INNER_PRODUCT: np.where(D > 0, 1 - D, -D),
        DistanceStrategy.COSINE: 1 - D,
    }[strategy]
    for i in range(5):
        results = store.similarity_search_with_relevance_scores(f"query {i}", k=4)
        assert rows_of(document for document, _ in results) == I[i].tolist()
        scores = [score for _, score in results]
        np.testing.assert_allclose(scores, relevance[i], rtol=1e-6)


@pytest.mark.parametrize("strategy", METRICS)
def test_score_threshold(strategy, embedding):
    """Which side of a threshold is kept fits the scores of the index."""
    store = make_store(embedding, FLAT, strategy)
    scores = [s for _, s in store.similarity_search_with_score("query 3", k=9)]
    assert len(set(scores)) == 9
    threshold = float(np.mean(scores[3:5]))
    kept = store.similarity_search_with_score("query 3", k=9, score_threshold=threshold)
    assert [score for _, score in kept] == scores[:4]


@pytest.mark.parametrize("description", [FLAT, IVF])
@pytest.mark.parametrize(
    ("keep", "is_kept"),
    [
        ({"third": 1}, lambda row: row % 3 == 1),
        ({"row": {"$gte": 600}}, lambda row: row >= 600),
        (lambda metadata: metadata["third"] != 2, lambda row: row % 3 != 2),
    ],
    ids=["equal", "comparison", "function"],
)
def test_filter(keep, is_kept, description, embedding):
    """LangChain filters the first fetch_k results."""
    store = make_store(embedding, description)
    plain = plain_index(description, embedding.rows["document"], faiss.METRIC_L2)
    set_effort(plain)
    _, I = plain.search(embedding.rows["query"], 50)
    for i in range(len(I)):
        results = store.similarity_search(f"query {i}", k=6, filter=keep, fetch_k=50)
        assert rows_of(results) == list(filter(is_kept, I[i]))[:6]
        assert results


@pytest.mark.parametrize("description", [FLAT, IVF])
def test_marginal_relevance(description, embedding):
    """MMR reconstructs the vectors, in the space of the embeddings."""
    store = make_store(embedding, description)
    documents, queries = embedding.rows["document"], embedding.rows["query"]
    plain = plain_index(description, documents, faiss.METRIC_L2)
    set_effort(plain)
    for index in (store.index, plain):
        ivf = faiss.try_extract_index_ivf(index)
        if isinstance(ivf, faiss.IndexIVF):
            ivf.make_direct_map()
    decoded = plain.reconstruct_n(0, len(documents))
    np.testing.assert_array_less(0.8, (decoded * documents).sum(axis=1))
    _, I = plain.search(queries[:8], 20)
    for i in range(len(I)):
        chosen = maximal_marginal_relevance(
            queries[i : i + 1], list(decoded[I[i]]), lambda_mult=0.3, k=5
        )
        assert chosen != list(range(5))
        results = store.max_marginal_relevance_search(
            f"query {i}", k=5, fetch_k=20, lambda_mult=0.3
        )
        assert rows_of(results) == I[i][chosen].tolist()


def test_delete(embedding):
    """LangChain numbers what is left anew, in order, and so does the index."""
    store = make_store(embedding)
    gone = [0, 1, 77, 640, 1200]
    assert store.delete([f"id {row}" for row in gone])
    documents = embedding.rows["document"]
    left = np.delete(np.arange(len(documents)), gone)
    plain = plain_index(FLAT, documents, faiss.METRIC_L2)
    plain.remove_ids(np.array(gone))
    D, I = plain.search(embedding.rows["query"], 10)
    check_answers(store, D, left[I])
    with pytest.raises(ValueError, match="id 77"):
        store.delete(["id 77"])


def test_merge(embedding):
    documents = embedding.rows["document"]
    store = make_store(embedding, rows=range(700))
    other = make_store(embedding, rows=range(700, len(documents)))
    store.merge_from(other)
    assert store.index.ntotal == len(documents)
    assert other.index.index.ntotal == 0
    check_same_answers(store, embedding, plain_index(FLAT, documents, faiss.METRIC_L2))


def test_merge_of_other_codes(embedding):
    """Codes of different binarizers are not put into one index."""
    other_documents = embedding.rows["document"][:, ::-1].copy()
    binarizer = faiss_bebr.train_binarizer(
        other_documents, 32, 6, document_nbits=2, epochs=0, progress=False
    )
    faiss_bebr.register_binarizer("other", binarizer.to_transform())
    try:
        store = make_store(embedding)
        other = make_store(embedding, "BEBR[other],SDC2")
    finally:
        faiss_bebr.unregister_binarizer("other")
    with pytest.raises(RuntimeError):
        store.merge_from(other)
    assert store.index.ntotal == other.index.ntotal == len(other_documents)


@pytest.mark.parametrize("description", [FLAT, IVF, HNSW, REFINED])
def test_save_and_load(description, embedding, tmp_path):
    store = make_store(embedding, description)
    store.save_local(tmp_path / "folder", index_name="codes")
    loaded = FAISS.load_local(
        tmp_path / "folder",
        embedding,
        index_name="codes",
        allow_dangerous_deserialization=True,
    )
    assert type(loaded.index) is type(store.index)
    check_same_answers(loaded, embedding, store.index)
    # the loaded one is no read-only copy
    loaded.add_texts(["document 5"], [{"row": 5}], ids=["again"])
    first = loaded.similarity_search("document 5", k=2)
    assert {document.id for document in first} == {"id 5", "again"}


def test_load_without_avx2(embedding, tmp_path, monkeypatch):
    """With FAISS_NO_AVX2 LangChain calls faiss.swigfaiss, not faiss."""
    monkeypatch.setenv("FAISS_NO_AVX2", "1")
    store = make_store(embedding)
    store.save_local(tmp_path)
    loaded = FAISS.load_local(tmp_path, embedding, allow_dangerous_deserialization=True)
    check_same_answers(loaded, embedding, store.index)


@pytest.mark.parametrize("description", [FLAT, IVF])
def test_bytes(description, embedding):
    store = make_store(embedding, description)
    loaded = FAISS.deserialize_from_bytes(
        store.serialize_to_bytes(), embedding, allow_dangerous_deserialization=True
    )
    check_same_answers(loaded, embedding, store.index)


def test_load_in_another_process(embedding, tmp_path):
    """One import and one call are all that a process needs that only searches."""
    store = make_store(embedding)
    store.save_local(tmp_path)
    query = embedding.rows["query"][4]
    np.save(tmp_path / "query.npy", query)
    program = """if True:
        import sys
        import numpy as np
        import faiss_bebr
        from langchain_community.vectorstores import FAISS

        faiss_bebr.register()
        folder = sys.argv[1]
        store = FAISS.load_local(folder, None, allow_dangerous_deserialization=True)
        query = np.load(folder + "/query.npy")
        results = store.similarity_search_by_vector(query.tolist(), k=5)
        print([document.metadata["row"] for document in results])
        assert "torch" not in sys.modules
    """
    run = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    wanted = store.index.search(query[None], 5)[1][0]
    assert run.stdout.strip() == str(wanted.tolist())
