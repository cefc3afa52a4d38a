"""faiss.IndexHNSW over IndexSDC: its results against exhaustive search, its
distances bit for bit against those of IndexSDC."""

from __future__ import annotations

import threading

import faiss
import numpy as np
import pytest
from reference import recall
from sdc_data import (
    IP,
    L2,
    clustered_vectors,
    exact_distances,
    make_index,
    random_map,
    random_vectors,
)

N, D_IN, K = 3000, 64, 10


@pytest.fixture(scope="module")
def vectors() -> tuple[np.ndarray, np.ndarray]:
    return clustered_vectors(N, 200, D_IN)


def make_graph(x, widths, metric, query_map=None, M=32, efSearch=128):
    """A graph over x and an IndexSDC of the same vectors."""
    graph = faiss.IndexHNSW(make_index(widths, metric, query_map), M)
    graph.hnsw.efSearch = efSearch
    graph.add(x)
    exhaustive = make_index(widths, metric, query_map)
    exhaustive.add(x)
    return graph, exhaustive


def assert_same_distances(exhaustive, queries, D, I) -> None:
    """The distances are those that IndexSDC gives for the same ids."""
    D_all, I_all = exhaustive.search(queries, exhaustive.ntotal)
    by_id = np.empty_like(D_all)
    np.put_along_axis(by_id, I_all, D_all, axis=1)
    assert (I >= 0).all()
    np.testing.assert_array_equal(np.take_along_axis(by_id, I, axis=1), D)


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("widths", [[64, 64], [64, 64, 40, 8], [64]])
def test_recall_and_distances(widths, mapped, metric, vectors, rng):
    x, queries = vectors
    query_map = random_map(rng, D_IN) if mapped else None
    graph, exhaustive = make_graph(x, widths, metric, query_map)
    D, I = graph.search(queries, K)
    D_exact, I_exact = exhaustive.search(queries, K)
    assert_same_distances(exhaustive, queries, D, I)
    # equal distances are as good: short codes have many
    worst = D_exact[:, -1:]
    good = D <= worst if metric == L2 else D >= worst
    assert good.mean() >= 0.98
    if len(widths) > 1:
        assert recall(I, I_exact) >= 0.98


@pytest.mark.parametrize("length", [4, 64])
def test_recall_with_large_offsets(length, vectors, rng):
    # scores that depend on the document more than on the query
    x, queries = vectors
    direction = rng.standard_normal(D_IN)
    offset = length * direction / np.linalg.norm(direction)
    query_map = (np.ones(D_IN, dtype=np.float32), offset.astype(np.float32))
    graph, exhaustive = make_graph(x, [64, 64], IP, query_map, M=16)
    D, I = graph.search(queries, K)
    assert_same_distances(exhaustive, queries, D, I)
    I_exact = exhaustive.search(queries, K)[1]
    assert recall(I, I_exact) >= 0.98
    graph.hnsw.efSearch = 16
    assert recall(graph.search(queries, K)[1], I_exact) >= 0.8


@pytest.mark.parametrize("metric", [L2, IP])
def test_effort_raises_recall(metric, vectors):
    x, queries = vectors
    recalls = []
    for efConstruction in (4, 80):
        graph = faiss.IndexHNSW(make_index([64, 64], metric), 4)
        graph.hnsw.efConstruction = efConstruction
        graph.add(x)
        exact = graph.storage.search(queries, K)[1]
        for efSearch in (10, 40, 160):
            params = faiss.SearchParametersHNSW(efSearch=efSearch)
            found = graph.search(queries, K, params=params)[1]
            graph.hnsw.efSearch = efSearch
            np.testing.assert_array_equal(graph.search(queries, K)[1], found)
            recalls.append(recall(found, exact))
    low, high = recalls[:3], recalls[3:]
    assert low[0] + 0.02 < low[1] and low[1] < low[2]
    assert high[0] < high[1] < high[2]
    assert all(a < b for a, b in zip(low, high, strict=True))


@pytest.mark.parametrize("metric", [L2, IP])
def test_selector(metric, vectors):
    x, queries = vectors
    graph, exhaustive = make_graph(x, [64, 64], metric)
    sel = faiss.IDSelectorRange(500, 2500)
    params = faiss.SearchParametersHNSW(sel=sel, efSearch=200)
    D, I = graph.search(queries, K, params=params)
    assert ((I >= 500) & (I < 2500)).all()
    assert_same_distances(exhaustive, queries, D, I)
    exact = exhaustive.search(queries, K, params=faiss.SearchParameters(sel=sel))[1]
    assert recall(I, exact) >= 0.98


@pytest.mark.parametrize("metric", [L2, IP])
def test_range_search(metric, vectors):
    x, queries = vectors
    graph, exhaustive = make_graph(x, [64, 64], metric)
    radius = float(np.median(exhaustive.search(queries, 20)[0][:, -1]))
    lims, D, I = graph.range_search(queries, radius)
    lims_exact, D_exact, I_exact = exhaustive.range_search(queries, radius)
    assert lims_exact[-1] > 1000
    found = 0
    for q in range(len(queries)):
        ours = dict(
            zip(I[lims[q] : lims[q + 1]], D[lims[q] : lims[q + 1]], strict=True)
        )
        part = slice(lims_exact[q], lims_exact[q + 1])
        exact = dict(zip(I_exact[part], D_exact[part], strict=True))
        assert ours.items() <= exact.items()
        found += len(ours)
    assert found >= 0.97 * lims_exact[-1]


def test_reconstruct_and_reset(vectors):
    x, queries = vectors
    graph, exhaustive = make_graph(x[:200], [64, 64], L2)
    np.testing.assert_array_equal(graph.reconstruct(17), exhaustive.reconstruct(17))
    D, I, R = graph.search_and_reconstruct(queries, 3)
    np.testing.assert_array_equal(R, exhaustive.reconstruct_n()[I])
    graph.reset()
    assert graph.ntotal == 0
    assert (graph.search(queries, 3)[1] == -1).all()
    graph.add(x[:50])
    assert (graph.search(queries, 50)[1] >= 0).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("metric", [L2, IP])
def test_bad_vectors(metric, bad, vectors):
    x, queries = vectors
    graph, _ = make_graph(x[:500], [64, 64], metric)
    wrong = queries[:5].copy()
    wrong[2, 7] = bad
    D, I = graph.search(wrong, 4)
    # a query that is no vector has no neighbours, as in FAISS's own graphs
    assert (I[2] == -1).all()
    np.testing.assert_array_equal(
        I[[0, 1, 3, 4]], graph.search(queries, 4)[1][[0, 1, 3, 4]]
    )
    radius = float(np.median(D[[0, 1, 3, 4]]))
    lims = graph.range_search(wrong, radius)[0]
    assert lims[3] == lims[2] and lims[-1] > 0
    with pytest.raises(RuntimeError, match="is NaN or infinite"):
        graph.add(wrong)
    assert graph.ntotal == graph.storage.ntotal == 500
    assert (graph.search(queries, 4)[1] >= 0).all()


def test_untrained_storage(vectors):
    storage = make_index([64, 64], L2)
    storage.is_trained = False
    graph = faiss.IndexHNSW(storage, 16)
    with pytest.raises(RuntimeError, match="not trained"):
        graph.add(vectors[0][:10])
    graph.train(vectors[0])
    graph.add(vectors[0][:10])
    assert graph.search(vectors[1][:1], 10)[1].min() == 0


@pytest.mark.parametrize("metric", [L2, IP])
def test_graph_does_not_depend_on_simd_level(metric, vectors, rng):
    x, queries = vectors
    query_map = random_map(rng, D_IN)
    before = faiss.omp_get_max_threads()
    detected = faiss.SIMDConfig.get_level()
    graphs = []
    try:
        faiss.omp_set_num_threads(1)  # the order of insertion is part of it
        for level in range(detected + 1):
            if faiss.SIMDConfig.is_simd_level_available(level):
                faiss.SIMDConfig.set_level(level)
                graph, _ = make_graph(x[:400], [64, 64, 40], metric, query_map, M=8)
                links = faiss.rev_swig_ptr(
                    graph.hnsw.neighbors.data(), graph.hnsw.neighbors.size()
                )
                graphs.append((links.copy(), *graph.search(queries, K)))
    finally:
        faiss.SIMDConfig.set_level(detected)
        faiss.omp_set_num_threads(before)
    assert len(graphs) >= 2
    for other in graphs[1:]:
        for ours, theirs in zip(graphs[0], other, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("widths", [[8], [72, 72], [136] * 8, [264, 128, 8]])
def test_distance_computer(widths, mapped, metric, simd_level, rng):
    d = widths[0]
    query_map = random_map(rng, d) if mapped else None
    index = make_index(widths, metric, query_map)
    index.add(random_vectors(rng, 60, d))
    queries = random_vectors(rng, 25, d)
    computer = index.get_distance_computer()
    decoded = index.reconstruct_n().astype(np.float64)
    exact = exact_distances(index, queries, decoded)
    D, I = index.search(queries, 60)
    for q in range(len(queries)):
        computer.set_query(faiss.swig_ptr(queries[q]))
        ours = np.array([computer(i) for i in range(60)], dtype=np.float32)
        np.testing.assert_array_equal(ours[I[q]], D[q])
        tolerance = 3e-6 * max(np.abs(exact).max(), 1)
        np.testing.assert_allclose(ours, exact[q], rtol=0, atol=tolerance)

    weight, offset = query_map or (np.ones(d), np.zeros(d))
    if metric == IP:
        expected = (weight.astype(np.float64) * decoded + offset) @ decoded.T
    else:
        difference = decoded[:, None] - decoded[None]
        expected = (weight.astype(np.float64) * difference**2).sum(axis=2)
    ours = [[computer.symmetric_dis(i, j) for j in range(60)] for i in range(60)]
    tolerance = 3e-6 * max(np.abs(expected).max(), 1)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=tolerance)


def test_many_threads_search_at_once(vectors):
    x, queries = vectors
    graph, _ = make_graph(x, [64, 64], L2)
    expected = graph.search(queries, K)
    wrong: list[str] = []

    def search(part: int) -> None:
        rows = slice(part, None, 4)
        for _ in range(5):
            D, I = graph.search(queries[rows], K)
            if not ((D == expected[0][rows]).all() and (I == expected[1][rows]).all()):
                wrong.append(f"part {part}")

    threads = [threading.Thread(target=search, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("metric", [L2, IP])
def test_inside_faiss_containers(metric, vectors, rng):
    x, queries = vectors
    x = x[:1000]
    rotation = faiss.RandomRotationMatrix(D_IN, D_IN)
    rotation.init(5)
    chain = faiss.IndexPreTransform(
        rotation, faiss.IndexHNSW(make_index([64, 64], metric), 32)
    )
    index = faiss.IndexIDMap2(chain)
    ids = rng.permutation(50_000)[:1000]
    index.add_with_ids(x, ids)
    faiss.ParameterSpace().set_index_parameter(index, "efSearch", 128)
    exhaustive = make_index([64, 64], metric)
    exhaustive.add(rotation.apply(x))
    D, I = index.search(queries, K)
    D_exact, I_exact = exhaustive.search(rotation.apply(queries), K)
    assert recall(I, ids[I_exact]) >= 0.98
    same = I == ids[I_exact]
    np.testing.assert_array_equal(D[same], D_exact[same])


def test_the_graph_can_own_its_storage(vectors):
    storage = make_index([64, 64], L2)
    graph = faiss.IndexHNSW(storage, 16)
    storage.this.disown()
    graph.own_fields = True
    del storage
    graph.add(vectors[0][:300])
    assert graph.storage.ntotal == 300
    assert (graph.search(vectors[1], 5)[1] >= 0).all()
