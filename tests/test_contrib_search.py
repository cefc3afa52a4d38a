"""Programs of faiss.contrib and containers that search indexes of ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import faiss
import numpy as np
import pytest
from comparisons import assert_same
from faiss.contrib import evaluation, exhaustive_search
from faiss.contrib.big_batch_search import big_batch_search
from faiss.contrib.ondisk import merge_ondisk

import faiss_bebr

D = 32
L2, IP = faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    faiss_bebr.register()
    yield
    faiss_bebr.unregister()


@pytest.fixture
def x(embeddings: np.ndarray) -> np.ndarray:
    return embeddings[:1200]


@pytest.fixture
def queries(embeddings: np.ndarray) -> np.ndarray:
    return embeddings[1200:1240]


def train(text: str, x: np.ndarray, metric: int = L2) -> Any:
    index = faiss.index_factory(D, text, metric)
    index.train(x)
    return index


def filled(text: str, x: np.ndarray, metric: int = L2) -> Any:
    index = train(text, x, metric)
    index.add(x)
    return index


@pytest.mark.parametrize("text", ["IVF8,SDC4", "RR24,IVF8,SDC4", "IVF8(SDC8),SDC4"])
def test_merge_ondisk(text, x, queries, tmp_path):
    """Parts are indexed apart, and their lists are joined in a file."""
    empty = tmp_path / "empty"
    faiss.write_index(train(text, x), str(empty))
    parts = []
    for i, start in enumerate(range(0, len(x), 500)):
        part = faiss.read_index(str(empty))
        ids = np.arange(start, min(start + 500, len(x)))
        part.add_with_ids(x[ids], ids)
        parts.append(str(tmp_path / f"part{i}"))
        faiss.write_index(part, parts[-1])
    joined = faiss.read_index(str(empty))
    merge_ondisk(joined, parts, str(tmp_path / "lists"))
    faiss.write_index(joined, str(tmp_path / "joined"))

    again = faiss.read_index(str(tmp_path / "joined"))
    assert again.ntotal == len(x)
    lists = faiss.downcast_InvertedLists(faiss.extract_index_ivf(again).invlists)
    assert isinstance(lists, faiss.OnDiskInvertedLists)
    whole = faiss.read_index(str(empty))
    whole.add(x)
    for index in (again, whole):
        faiss.extract_index_ivf(index).nprobe = 3
    assert_same(again.search(queries, 7), whole.search(queries, 7))


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("text", ["SDC4", "IVF8,SDC4", "HNSW16,SDC4"])
def test_range_search_of_batches(text, metric, x, queries):
    """It looks for the radius that gives so many results, by metric_type."""
    index = filled(text, x, metric)
    batches = [queries[start : start + 10] for start in range(0, len(queries), 10)]
    first = float(np.median(index.search(queries, 100)[0][:, -1]))
    radius, lims, distances, labels = exhaustive_search.range_search_max_results(
        index, iter(batches), first, max_results=800, min_results=400, shard=False
    )
    assert 400 <= lims[-1] <= 800
    assert (distances > radius if metric == IP else distances < radius).all()
    found = index.range_search(queries, radius)
    np.testing.assert_array_equal(lims, found[0])
    for q in range(len(queries)):
        part = slice(int(lims[q]), int(lims[q + 1]))
        assert set(labels[part]) == set(found[2][part])
    precision, recall = evaluation.range_PR(*found[::2], lims, labels)
    assert precision == recall == 1


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("threaded", [False, True])
def test_shards_of_lists(threaded, metric, x, queries):
    """IndexShardsIVF finds the lists once and hands them to all shards."""
    empty = train("IVF8,SDC4", x, metric)
    empty.nprobe = 3
    shards = faiss.IndexShardsIVF(empty.quantizer, 8, threaded, True)
    shards.metric_type = metric
    parts = [faiss.clone_index(empty) for _ in range(3)]
    for part in parts:
        shards.add_shard(part)
    shards.add(x)
    assert [part.ntotal for part in parts] == [400] * 3
    empty.add(x)
    D_ours, I_ours = shards.search(queries, 9)
    D_whole, I_whole = empty.search(queries, 9)
    np.testing.assert_array_equal(D_ours, D_whole)
    # equal distances may be in another order
    assert (I_ours == I_whole).mean() > 0.99


def test_batches_of_lists_are_refused(x, queries):
    """big_batch_search knows three classes of FAISS only."""
    with pytest.raises(RuntimeError, match="IndexIVFSDC.* not supported"):
        big_batch_search(filled("IVF8,SDC4", x), queries, 5, verbose=0)


@pytest.mark.parametrize("text", ["SDC4", "IVF8,SDC4", "BEBR16x2,SDC2"])
def test_empty_indexes_are_true(text):
    """Some programs ask for the truth value to see whether there is an index."""
    assert faiss.index_factory(D, text)
    assert faiss.index_binary_factory(64, "BSDC2")
