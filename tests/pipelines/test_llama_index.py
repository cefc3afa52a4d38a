"""LlamaIndex's FAISS vector stores over this package's indexes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import faiss
import numpy as np
import pytest
from llama_index.core import (
    StorageContext,
    VectorStoreIndex,
    load_index_from_storage,
)
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import VectorStoreQuery
from llama_index.vector_stores.faiss import FaissMapVectorStore, FaissVectorStore
from plain import BINARIZER, plain_index

FLAT = f"{BINARIZER},SDC2"
IVF = f"{BINARIZER},IVF8,SDC2"
HNSW = f"{BINARIZER},HNSW16,SDC2"
METRICS = [faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT]


class RowEmbedding(BaseEmbedding):
    """The text "17" has row 17 of a table as its embedding."""

    rows: Any

    def _get_query_embedding(self, query: str) -> list[float]:
        return self.rows[int(query)].tolist()

    _get_text_embedding = _get_query_embedding

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)


def make_index(description: str, documents: np.ndarray, metric: int) -> Any:
    """As a program makes it: by `faiss`, trained, as a store never does, empty."""
    index = faiss.index_factory(documents.shape[1], description, metric)
    index.train(documents)
    return index


def make_nodes(documents: np.ndarray, rows: Sequence[int]) -> list[TextNode]:
    return [
        TextNode(id_=f"node {row}", text=str(row), embedding=documents[row].tolist())
        for row in rows
    ]


def ask(store: FaissVectorStore, query: np.ndarray, k: int) -> tuple[list, list]:
    """Similarities and ids of a store's answer."""
    result = store.query(
        VectorStoreQuery(query_embedding=query.tolist(), similarity_top_k=k)
    )
    return result.similarities, result.ids


def check_same_answers(store: FaissVectorStore, index: Any, queries: Any) -> None:
    """The store's answers are those of the index; ids are numbers as text."""
    D, I = index.search(queries, 10)
    for i in range(len(D)):
        similarities, ids = ask(store, queries[i], 10)
        assert similarities == D[i].tolist()
        assert ids == [str(label) for label in I[i]]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("description", [FLAT, IVF])
def test_store(description, metric, documents, queries, tmp_path):
    store = FaissVectorStore(make_index(description, documents, metric))
    rows = range(len(documents))
    assert store.add(make_nodes(documents, rows)) == [str(row) for row in rows]
    plain = plain_index(description, documents, metric)
    check_same_answers(store, plain, queries)

    store.persist(str(tmp_path / "new" / "store"))
    loaded = FaissVectorStore.from_persist_path(str(tmp_path / "new" / "store"))
    check_same_answers(loaded, plain, queries)
    assert loaded.add(make_nodes(documents, [3])) == [str(len(documents))]


def test_fewer_documents_than_asked_for(documents, queries):
    """Labels of -1 are left out."""
    store = FaissVectorStore(make_index(FLAT, documents, faiss.METRIC_L2))
    store.add(make_nodes(documents, range(3)))
    similarities, ids = ask(store, queries[0], 10)
    assert sorted(ids) == ["0", "1", "2"]
    assert len(similarities) == 3


@pytest.mark.parametrize("description", [FLAT, HNSW])
def test_index_over_a_store(description, documents, queries, tmp_path, one_thread):
    """The whole way: index, retriever, storage folder and back."""
    embedding = RowEmbedding(rows=np.concatenate([documents, queries]))
    context = StorageContext.from_defaults(
        vector_store=FaissVectorStore(
            make_index(description, documents, faiss.METRIC_INNER_PRODUCT)
        )
    )
    index = VectorStoreIndex(
        make_nodes(documents, range(len(documents))),
        storage_context=context,
        embed_model=embedding,
    )
    index.storage_context.persist(str(tmp_path))
    loaded = load_index_from_storage(
        StorageContext.from_defaults(
            vector_store=FaissVectorStore.from_persist_dir(str(tmp_path)),
            persist_dir=str(tmp_path),
        ),
        embed_model=embedding,
    )
    plain = faiss.index_factory(
        documents.shape[1], description, faiss.METRIC_INNER_PRODUCT
    )
    for row in documents:  # in the order in which LlamaIndex adds
        plain.add(row[None])
    D, I = plain.search(queries[:9], 5)
    for retriever in (
        index.as_retriever(similarity_top_k=5),
        loaded.as_retriever(similarity_top_k=5),
    ):
        for i in range(len(D)):
            results = retriever.retrieve(str(len(documents) + i))
            assert [result.node.id_ for result in results] == [
                f"node {label}" for label in I[i]
            ]
            assert [result.score for result in results] == D[i].tolist()


@pytest.mark.parametrize("map_type", ["IDMap", "IDMap2"])
def test_map_store(map_type, documents, queries, tmp_path):
    """Nodes have ids of their own, and can be deleted."""
    description = f"{map_type},{FLAT}"
    store = FaissMapVectorStore(make_index(description, documents, faiss.METRIC_L2))
    store.add(make_nodes(documents, range(len(documents))))
    store.delete("node 7")
    store.delete_nodes(["node 500", "node 1200"])
    plain = plain_index(FLAT, documents, faiss.METRIC_L2)
    selector = faiss.IDSelectorNot(faiss.IDSelectorBatch([7, 500, 1200]))
    D, I = plain.search(queries, 10, params=faiss.SearchParameters(sel=selector))

    store.persist(str(tmp_path / "store"))
    loaded = FaissMapVectorStore.from_persist_path(str(tmp_path / "store"))
    assert type(loaded.client) is getattr(faiss, f"Index{map_type}")
    for kept in (store, loaded):
        for i in range(len(D)):
            similarities, ids = ask(kept, queries[i], 10)
            assert similarities == D[i].tolist()
            assert ids == [f"node {label}" for label in I[i]]
    loaded.delete("node 8")
    assert loaded.client.ntotal == len(documents) - 4


def test_map_store_wants_a_map(documents):
    index = make_index(FLAT, documents, faiss.METRIC_L2)
    with pytest.raises(ValueError, match="IndexIDMap2"):
        FaissMapVectorStore(index)
    FaissMapVectorStore(faiss.IndexIDMap2(index))
