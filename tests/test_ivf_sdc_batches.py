"""Many queries of IndexIVFSDC, searched list by list, find what each finds alone."""

import faiss
import numpy as np
import pytest
from comparisons import assert_same
from ivf_sdc_data import IP, L2, NLIST, make_filled, make_ivf
from sdc_data import random_vectors

import faiss_bebr


def search_one_by_one(index, queries, k, params=None):
    found = [index.search(query[None], k, params=params) for query in queries]
    return tuple(np.concatenate(part) for part in zip(*found, strict=True))


@pytest.mark.parametrize("by_residual", [False, True])
@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("threads", [1, 3])
def test_batch_is_what_single_queries_find(metric, by_residual, threads):
    index, _, queries = make_filled(metric, by_residual=by_residual, n=3000)
    queries = np.concatenate([queries, queries[::-1] + 0.1])
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        for nprobe, k in [(1, 3), (4, 10), (13, 200)]:
            index.nprobe = nprobe
            assert_same(index.search(queries, k), search_one_by_one(index, queries, k))
        index.nprobe = 5
        for selector in (faiss.IDSelectorRange(100, 900), faiss.IDSelectorRange(0, 0)):
            params = faiss.SearchParametersIVF(nprobe=5, sel=selector)
            assert_same(
                index.search(queries, 10, params=params),
                search_one_by_one(index, queries, 10, params),
            )
        reconstructed = index.search_and_reconstruct(queries, 10)
        assert_same(reconstructed[:2], search_one_by_one(index, queries, 10))
        valid = reconstructed[1] >= 0
        np.testing.assert_array_equal(
            reconstructed[2][valid], index.reconstruct_n()[reconstructed[1][valid]]
        )
    finally:
        faiss.omp_set_num_threads(before)


@pytest.mark.parametrize("by_residual", [False, True])
@pytest.mark.parametrize("metric", [L2, IP])
def test_few_queries_among_many_lists(metric, by_residual, nthreads, rng):
    """Probes are sorted by counting, and where they are few by comparing."""
    x = random_vectors(rng, 2000, 24)
    quantizer = faiss.IndexFlat(24, metric)
    quantizer.add(x[:300])
    index = faiss_bebr.IndexIVFSDC(quantizer, [24, 24], 300, metric)
    index.by_residual = by_residual
    index.train(x)
    index.add(x)
    queries = random_vectors(rng, 40, 24)
    queries[30:] = queries[:10]
    for n, nprobe in [(2, 1), (5, 1), (5, 3), (5, 4), (18, 1), (19, 1), (40, 9)]:
        index.nprobe = nprobe
        found = index.search(queries[-n:], 8)
        assert_same(found, search_one_by_one(index, queries[-n:], 8))
        # lists that are missing, and the same one twice
        lists = rng.integers(-1, 300, (n, nprobe))
        lists[:, -1] = lists[:, 0]
        expected = [
            index.search_preassigned(q[None], 8, p[None], None)
            for q, p in zip(queries[-n:], lists, strict=True)
        ]
        assert_same(
            index.search_preassigned(queries[-n:], 8, lists, None),
            tuple(np.concatenate(part) for part in zip(*expected, strict=True)),
        )


def test_equal_distances_are_ordered_by_label():
    index, x, _ = make_filled(IP, n=0)
    index.add(np.repeat(x[:1] if len(x) else np.ones((1, 72), np.float32), 40, axis=0))
    index.nprobe = 13
    labels = index.search(np.ones((30, 72), np.float32), 7)[1]
    np.testing.assert_array_equal(labels, np.tile(np.arange(7), (30, 1)))


@pytest.mark.parametrize("metric", [L2, IP])
def test_ties_do_not_depend_on_the_way_of_searching(metric):
    """Codes of one bit and queries of signs: most distances are there twice."""
    rng = np.random.default_rng(4)
    index = make_ivf([32], metric)
    index.reset()
    index.set_scale_type(faiss_bebr.Scale_cosine)
    index.add_with_ids(
        np.sign(rng.standard_normal((2000, 32))).astype(np.float32),
        rng.permutation(2000),
    )
    index.nprobe = NLIST
    queries = np.sign(rng.standard_normal((30, 32))).astype(np.float32)
    expected = search_one_by_one(index, queries, 10)
    ties = expected[0][:, 1:] == expected[0][:, :-1]
    assert ties.mean() > 0.3
    assert (expected[1][:, 1:] > expected[1][:, :-1])[ties].all()
    before = faiss.omp_get_max_threads()
    try:
        for threads in (1, 2, 3):
            faiss.omp_set_num_threads(threads)
            for n in (1, 2, 30):
                assert_same(
                    index.search(queries[:n], 10), [part[:n] for part in expected]
                )
                assert_same(
                    index.search_and_reconstruct(queries[:n], 10)[:2],
                    [part[:n] for part in expected],
                )
    finally:
        faiss.omp_set_num_threads(before)


@pytest.mark.parametrize("n", [1, 25])
@pytest.mark.parametrize("k", [0, -1])
def test_no_neighbours_are_refused(n, k):
    index, _, queries = make_filled(IP)
    index.nprobe = NLIST
    lists = np.zeros((n, index.nprobe), np.int64)
    distances, labels = np.empty((n, 1), np.float32), np.empty((n, 1), np.int64)
    with pytest.raises(RuntimeError, match="k must be positive"):
        index.search_preassigned_c(
            n,
            faiss.swig_ptr(queries),
            k,
            *map(faiss.swig_ptr, (lists, distances, distances, labels)),
            False,
        )


def test_many_queries_are_searched_in_parts():
    """Of 256 queries at least, however many neighbours are wanted."""
    index, _, queries = make_filled(IP)
    index.nprobe = NLIST
    many = np.concatenate([queries] * 24)
    distances, labels = index.search(many, 5000)
    expected = index.search(queries, 5000)
    assert_same((distances, labels), [np.concatenate([e] * 24) for e in expected])


def test_max_codes_is_still_a_limit():
    index, _, queries = make_filled(IP, n=3000)
    params = faiss.SearchParametersIVF(nprobe=13, max_codes=50)
    index.nprobe = 13
    stats = faiss.cvar.indexIVF_stats
    stats.reset()
    index.search(queries, 5, params=params)
    assert stats.ndis < len(queries) * index.ntotal / 2
