"""The search of graphs over IndexSDC that this package makes: what faiss.IndexHNSW
finds, bit for bit; and where such graphs come from."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from sdc_data import IP, L2, clustered_vectors, make_index, random_map

import faiss_bebr
from faiss_bebr import swigfaiss_bebr as own

N, D_IN = 2000, 64


@pytest.fixture(scope="module")
def vectors() -> tuple[np.ndarray, np.ndarray]:
    return clustered_vectors(N, 100, D_IN)


def make_graphs(
    x: np.ndarray, storage: Any, M: int = 8
) -> tuple[faiss.IndexHNSW, faiss.IndexHNSW]:
    """FAISS's own and ours, with the same links and an equal storage."""
    stock = faiss.IndexHNSW(storage, M)
    if len(x):
        stock.add(x)
    ours = faiss_bebr.clone_index(stock)
    assert own.is_graph(ours) and not own.is_graph(stock)
    return stock, ours


def assert_same_search(stock, ours, queries, k, params=None) -> None:
    for theirs, own_result in zip(
        stock.search(queries, k, params=params),
        ours.search(queries, k, params=params),
        strict=True,
    ):
        np.testing.assert_array_equal(own_result, theirs)


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("mapped", [False, True])
# of one bit many distances are equal, 264 dimensions of 6 and 8 bits take 3 and 5
# registers
@pytest.mark.parametrize("widths", [[64], [64, 64, 40, 8], [264] * 6, [264] * 8])
def test_results_are_those_of_faiss(widths, mapped, metric, rng):
    x, queries = clustered_vectors(N, 100, widths[0])
    query_map = random_map(rng, widths[0]) if mapped else None
    stock, ours = make_graphs(x, make_index(widths, metric, query_map))
    for efSearch in (1, 4, 16, 128):
        stock.hnsw.efSearch = ours.hnsw.efSearch = efSearch
        for k in (1, 10, 50):
            assert_same_search(stock, ours, queries, k)


@pytest.mark.parametrize("metric", [L2, IP])
def test_centroids(metric, vectors):
    x, queries = vectors
    storage = faiss_bebr.index_factory(D_IN, "SDC3_30", metric)
    storage.train(x)
    stock, ours = make_graphs(x, storage)
    assert_same_search(stock, ours, queries, 10)


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("n", [0, 1, 2, 7, 40])
def test_small_graphs(n, metric, vectors):
    x, queries = vectors
    stock, ours = make_graphs(x[:n], make_index([64, 64], metric))
    for nq in (0, 1, 9, 100):
        for k in (1, 5, 60):
            assert_same_search(stock, ours, queries[:nq], k)


@pytest.mark.parametrize("metric", [L2, IP])
def test_equal_vectors(metric, vectors):
    x, queries = vectors
    stock, ours = make_graphs(np.repeat(x[:50], 6, axis=0), make_index([64], metric))
    # with a small efSearch, results depend on which of equally near candidates is
    # gone from first
    for efSearch in (60, 400):
        stock.hnsw.efSearch = ours.hnsw.efSearch = efSearch
        np.testing.assert_array_equal(
            ours.search(queries, 10)[0], stock.search(queries, 10)[0]
        )


def test_codes_of_one_bit_on_both_sides():
    """Most distances are equal then: another way is gone, to no worse results."""
    x, queries = (np.where(v > 0, 1, -1) for v in clustered_vectors(4000, 500, 64))
    x, queries = x.astype(np.float32), queries.astype(np.float32)
    storage = make_index([64], IP)
    stock, ours = make_graphs(x, storage)
    exact = storage.search(queries, 10)[0]
    for efSearch in (16, 64):
        stock.hnsw.efSearch = ours.hnsw.efSearch = efSearch
        theirs, found = (
            (graph.search(queries, 10)[0] == exact).mean() for graph in (stock, ours)
        )
        assert found > max(theirs - 0.01, 0.9)


def test_subclasses_of_graphs_stay(vectors):
    """They have fields that a faiss.IndexHNSW has not."""
    x, queries = vectors
    graph = faiss.IndexHNSWCagra(D_IN, 8, faiss.METRIC_L2)
    storage = make_index([64, 64], L2)
    graph.storage, graph.own_fields = storage, False
    graph.add(x)
    graph.base_level_only = True
    graph.num_base_level_search_entrypoints = 5
    read = faiss_bebr.deserialize_index(faiss_bebr.serialize_index(graph))
    assert isinstance(read, faiss.IndexHNSWCagra)
    assert read.base_level_only and read.num_base_level_search_entrypoints == 5
    # with it, searches begin at random vectors
    graph.base_level_only = read.base_level_only = False
    expected = graph.search(queries, 5)[1]
    np.testing.assert_array_equal(read.search(queries, 5)[1], expected)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_queries(bad, vectors):
    x, queries = vectors
    stock, ours = make_graphs(x, make_index([64, 64], IP))
    wrong = queries.copy()
    wrong[[0, 3, 4, 99], 7] = bad
    assert_same_search(stock, ours, wrong, 10)
    assert (ours.search(wrong, 10)[1][[0, 3, 4, 99]] == -1).all()
    assert_same_search(stock, ours, wrong[3:5], 10)


@pytest.mark.parametrize("metric", [L2, IP])
def test_parameters(metric, vectors):
    x, queries = vectors
    stock, ours = make_graphs(x, make_index([64, 64], metric))
    found = {}
    for name, settings in {
        "default": {},
        "efSearch": {"efSearch": 200},
        "selector": {"sel": faiss.IDSelectorRange(500, 900)},
        "unbounded": {"bounded_queue": False},
        "steps": {"check_relative_distance": False, "efSearch": 3},
    }.items():
        params = faiss.SearchParametersHNSW(**settings)
        assert_same_search(stock, ours, queries, 10, params)
        found[name] = ours.search(queries, 10, params=params)[1]
    selected = found["selector"][found["selector"] >= 0]
    assert len(selected) > 500 and ((selected >= 500) & (selected < 900)).all()
    assert (found["efSearch"] != found["default"]).any()
    assert (found["steps"] != found["default"]).any()
    assert_same_search(stock, ours, queries, 10, faiss.SearchParameters())
    ours.hnsw.search_bounded_queue = stock.hnsw.search_bounded_queue = False
    assert_same_search(stock, ours, queries, 10)


def test_threads(vectors):
    x, queries = vectors
    stock, ours = make_graphs(x, make_index([64, 64], L2))
    before = faiss.omp_get_max_threads()
    try:
        for threads in (1, 2, 5):
            faiss.omp_set_num_threads(threads)
            for nq in (1, 3, 100):
                assert_same_search(stock, ours, queries[:nq], 10)
    finally:
        faiss.omp_set_num_threads(before)


def test_statistics(vectors):
    x, queries = vectors
    counts = []
    stats = faiss.cvar.hnsw_stats
    for graph in make_graphs(x, make_index([64, 64], L2)):
        stats.reset()
        graph.search(queries, 10)
        counts.append((stats.n1, stats.n2, stats.nhops))
        assert len(queries) * 10 < stats.ndis < len(queries) * N
    assert counts[0] == counts[1]


def test_changed_graph(vectors):
    x, queries = vectors
    before = faiss.omp_get_max_threads()
    try:
        faiss.omp_set_num_threads(1)  # the order of insertion is part of it
        stock, ours = make_graphs(x[:700], make_index([64, 64], IP))
        for graph in (stock, ours):
            graph.search(queries, 10)
            graph.add(x[700:])
    finally:
        faiss.omp_set_num_threads(before)
    assert_same_search(stock, ours, queries, 10)
    ours.reset()
    assert (ours.search(queries, 3)[1] == -1).all()
    ours.add(x[:5])
    assert (ours.search(queries, 5)[1] >= 0).all()


def find_graph(index: Any) -> Any:
    index = faiss_bebr.downcast_index(index)
    if isinstance(index, faiss.IndexHNSW):
        return index
    for name in ("index", "quantizer", "base_index"):
        if hasattr(index, name):
            return find_graph(getattr(index, name))
    return find_graph(index.at(0))


def make_shards(vectors: np.ndarray) -> faiss.IndexShards:
    shards = faiss.IndexShards(D_IN)
    for part in np.array_split(vectors, 2):
        graph = faiss_bebr.index_factory(D_IN, "HNSW8,SDC4")
        graph.train(part)
        graph.add(part)
        shards.addIndex(graph)
        graph.this.disown()
    shards.own_indices = True
    return shards


@pytest.mark.parametrize(
    "text",
    [
        "HNSW8,SDC4",
        "RR64,HNSW8_SDC2",
        "IVF4(HNSW8,SDC4),Flat",
        "IVF4(HNSW8,SDC4),SDC2",
        "HNSW8,SDC4,RFlat",
        "shards",
    ],
)
def test_where_graphs_are_ours(text, vectors, tmp_path: Path):
    x, queries = vectors
    if text == "shards":
        index = make_shards(x[:500])
    else:
        index = faiss_bebr.index_factory(D_IN, text)
        index.train(x[:500])
        index.add(x[:500])
    results = index.search(queries, 3)
    faiss_bebr.write_index(index, tmp_path / "index")
    copies = [
        index,
        faiss_bebr.read_index(tmp_path / "index"),
        faiss_bebr.clone_index(index),
        faiss_bebr.clone_index(faiss_bebr.read_index(tmp_path / "index")),
    ]
    for copy in copies:
        assert own.is_graph(find_graph(copy))
        for ours, first in zip(copy.search(queries, 3), results, strict=True):
            np.testing.assert_array_equal(ours, first)
    for copy in copies[1:]:
        assert (
            faiss_bebr.serialize_index(copy).tobytes()
            == faiss_bebr.serialize_index(index).tobytes()
        )


def test_pickle_of_registered(vectors):
    x, queries = vectors
    stock, ours = make_graphs(x[:500], make_index([64, 64], L2))
    faiss_bebr.register()
    try:
        copy = pickle.loads(pickle.dumps(ours))
    finally:
        faiss_bebr.unregister()
    assert own.is_graph(copy)
    assert_same_search(stock, copy, queries, 10)


def test_files_do_not_depend_on_who_searches(vectors):
    stock, ours = make_graphs(vectors[0][:500], make_index([64, 64], L2))
    assert (
        faiss_bebr.serialize_index(stock).tobytes()
        == faiss_bebr.serialize_index(ours).tobytes()
    )


def test_another_storage(vectors):
    x, queries = vectors
    _, ours = make_graphs(x[:500], make_index([64, 64], L2))
    codes = ours.storage
    exact = faiss.IndexFlatL2(D_IN)
    exact.add(x[:500])
    ours.storage = exact
    D, I = ours.search(queries, 5)
    np.testing.assert_allclose(
        D, ((queries[:, None] - x[I]) ** 2).sum(axis=2), rtol=1e-4, atol=1e-3
    )
    copy = faiss_bebr.deserialize_index(faiss_bebr.serialize_index(ours))
    np.testing.assert_array_equal(copy.search(queries, 5)[1], I)
    np.testing.assert_array_equal(faiss_bebr.clone_index(ours).search(queries, 5)[1], I)
    ours.storage = codes


def test_take_over(vectors):
    x, queries = vectors
    storage = make_index([64, 64], L2)
    stock = faiss.IndexHNSW(storage, 8)
    stock.add(x[:300])
    results = stock.search(queries, 5)
    assert own.is_stock_graph(stock)
    ours = own.take_over_graph(stock)
    assert stock.ntotal == 0 and stock.storage is None
    assert ours.ntotal == 300 and not own.is_stock_graph(ours)
    for a, b in zip(ours.search(queries, 5), results, strict=True):
        np.testing.assert_array_equal(a, b)
    for other in (stock, ours, faiss.IndexHNSWFlat(D_IN, 8)):
        with pytest.raises(RuntimeError, match="over an IndexSDC"):
            own.take_over_graph(other)
