"""Many queries of IndexIVFSDC, searched list by list, find what each finds alone."""

import faiss
import numpy as np
import pytest
from ivf_sdc_data import IP, L2, make_filled


def search_one_by_one(index, queries, k, params=None):
    found = [index.search(query[None], k, params=params) for query in queries]
    return tuple(np.concatenate(part) for part in zip(*found, strict=True))


def assert_same_but_for_ties(batch, single):
    """Equal distances; labels differ only where the distance is there twice."""
    np.testing.assert_array_equal(batch[0], single[0])
    for distances, ours, theirs in zip(*batch, single[1], strict=True):
        differ = ours != theirs
        # the last distance may be that of one more document that was left out
        tied = (distances[:, None] == distances).sum(axis=1) > 1
        assert (~differ | tied | (distances == distances[-1])).all()


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
            assert_same_but_for_ties(
                index.search(queries, k), search_one_by_one(index, queries, k)
            )
        index.nprobe = 5
        for selector in (faiss.IDSelectorRange(100, 900), faiss.IDSelectorRange(0, 0)):
            params = faiss.SearchParametersIVF(nprobe=5, sel=selector)
            assert_same_but_for_ties(
                index.search(queries, 10, params=params),
                search_one_by_one(index, queries, 10, params),
            )
        reconstructed = index.search_and_reconstruct(queries, 10)
        np.testing.assert_array_equal(
            reconstructed[0], search_one_by_one(index, queries, 10)[0]
        )
        valid = reconstructed[1] >= 0
        np.testing.assert_array_equal(
            reconstructed[2][valid], index.reconstruct_n()[reconstructed[1][valid]]
        )
    finally:
        faiss.omp_set_num_threads(before)


def test_equal_distances_are_ordered_by_label():
    index, x, _ = make_filled(IP, n=0)
    index.add(np.repeat(x[:1] if len(x) else np.ones((1, 72), np.float32), 40, axis=0))
    index.nprobe = 13
    labels = index.search(np.ones((30, 72), np.float32), 7)[1]
    np.testing.assert_array_equal(labels, np.tile(np.arange(7), (30, 1)))


def test_max_codes_is_still_a_limit():
    index, _, queries = make_filled(IP, n=3000)
    params = faiss.SearchParametersIVF(nprobe=13, max_codes=50)
    index.nprobe = 13
    stats = faiss.cvar.indexIVF_stats
    stats.reset()
    index.search(queries, 5, params=params)
    assert stats.ndis < len(queries) * index.ntotal / 2
