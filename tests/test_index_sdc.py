"""IndexSDC against numpy, against FAISS's flat indexes over the decoded
vectors, and inside FAISS."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import decode, encode, quantize_query
from sdc_data import IP, L2, exact_distances, make_index, random_map, random_vectors

import faiss_bebr

# equal and narrowing planes; dimensions that fill registers and that do not
WIDTHS = [[8], [72, 72], [256, 256], [256, 64], [40, 40, 8], [136] * 8]
WIDTHS += [[128] * 4, [264, 264, 128, 64, 8], [64] * 7]


def assert_nearest(index, D, I, distances) -> None:
    """(D, I) are the best of each row of `distances`, best first.

    Labels may differ from the float64 order only where distances agree to
    float32 rounding.
    """
    k = D.shape[1]
    tolerance = 3e-6 * max(np.abs(distances).max(), 1)
    best = np.sort(distances if index.metric_type == L2 else -distances, axis=1)
    best = best[:, :k] if index.metric_type == L2 else -best[:, :k]
    np.testing.assert_allclose(D, best, rtol=0, atol=tolerance)
    found = np.take_along_axis(distances, I, axis=1)
    np.testing.assert_allclose(found, D, rtol=0, atol=tolerance)
    assert all(len(set(row)) == k for row in I)


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("scale", ["unbiased", "least_squares", "cosine"])
@pytest.mark.parametrize("widths", WIDTHS)
def test_codes_equal_reference(widths, scale, mapped, rng):
    x = random_vectors(rng, 300, widths[0])
    query_map = random_map(rng, widths[0]) if mapped else None
    scale_type = getattr(faiss_bebr, f"Scale_{scale}")
    index = make_index(widths, query_map=query_map, scale_type=scale_type)
    codes = index.sa_encode(x)
    weight = query_map[0] if query_map else None
    planes, scales = encode(x, widths, weight, scale=scale)
    assert codes.shape == (300, sum(widths) // 8 + 2)
    assert index.sa_code_size() == index.code_size == codes.shape[1]
    np.testing.assert_array_equal(codes[:, :-2], planes)
    ours = codes[:, -2:].copy().view(np.uint16).ravel().astype(int)
    # sums in another order may round to the neighbouring float16
    assert np.abs(ours - scales.view(np.uint16).astype(int)).max() <= 1
    np.testing.assert_allclose(index.sa_decode(codes), decode(codes, widths), rtol=1e-6)


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("widths", WIDTHS)
def test_search_equals_exact_distances(widths, mapped, metric, simd_level, rng):
    x = random_vectors(rng, 600, widths[0])
    queries = random_vectors(rng, 70, widths[0])
    query_map = random_map(rng, widths[0]) if mapped else None
    index = make_index(widths, metric, query_map)
    index.add(x)
    distances = exact_distances(index, queries, index.reconstruct_n())
    for nq in (1, 7, 70):
        D, I = index.search(queries[:nq], 12)
        assert_nearest(index, D, I, distances[:nq])


@pytest.mark.parametrize("metric", [L2, IP])
def test_simd_levels_give_the_same_bits(metric, rng):
    detected = faiss.SIMDConfig.get_level()
    queries = random_vectors(rng, 65, 264)
    index = make_index([264, 264, 128, 8], metric)
    index.add(random_vectors(rng, 2000, 264))
    expected = index.search(queries, 40)
    names = {faiss_bebr.get_simd_level_name()}
    try:
        for level in range(detected):
            if faiss.SIMDConfig.is_simd_level_available(level):
                faiss.SIMDConfig.set_level(level)
                names.add(faiss_bebr.get_simd_level_name())
                for ours, theirs in zip(
                    index.search(queries, 40), expected, strict=True
                ):
                    np.testing.assert_array_equal(ours, theirs)
    finally:
        faiss.SIMDConfig.set_level(detected)
    assert "NONE" in names


@pytest.mark.parametrize("metric", [L2, IP])
def test_distances_are_those_of_flat_index(metric, rng):
    index = make_index([64, 64], metric)
    index.add(random_vectors(rng, 500, 64))
    queries = random_vectors(rng, 20, 64)
    flat = faiss.IndexFlat(64, metric)
    flat.add(index.reconstruct_n())
    D, I = index.search(queries, 500)
    D_flat, I_flat = flat.search(index.quantize_queries(queries), 500)
    tolerance = 1e-5 * np.abs(D_flat).max()
    np.testing.assert_allclose(D, D_flat, rtol=0, atol=tolerance)
    # the labels agree wherever the distance is no near tie
    clear = np.abs(np.diff(D_flat, axis=1)) > 2 * tolerance
    alone = clear[:, 1:] & clear[:, :-1]
    np.testing.assert_array_equal(I[:, 1:-1][alone], I_flat[:, 1:-1][alone])


def test_query_levels_equal_reference(rng):
    queries = random_vectors(rng, 50, 72)
    weight, offset = random_map(rng, 72)
    index = make_index([72], IP, (weight, offset))
    expected = quantize_query(weight * queries + offset)
    np.testing.assert_allclose(index.quantize_queries(queries), expected, rtol=1e-6)
    # for L2 the offset has no part and the weights are those of the metric
    index = make_index([72], L2, (weight, offset))
    mapped = quantize_query(weight * queries)
    expected = np.divide(mapped, weight, out=mapped.copy(), where=weight > 0)
    np.testing.assert_allclose(index.quantize_queries(queries), expected, rtol=1e-6)


def test_shallow_codes_are_prefixes(rng):
    x = random_vectors(rng, 100, 128)
    deep = make_index([128] * 6).sa_encode(x)
    for nbits in range(1, 6):
        codes = make_index([128] * nbits).sa_encode(x)
        np.testing.assert_array_equal(codes[:, :-2], deep[:, : 16 * nbits])


def test_grid_input_is_decoded_exactly(rng):
    levels = rng.integers(0, 8, (100, 64))
    x = ((2 * levels - 7) / 4).astype(np.float32)
    index = make_index([64] * 3)
    np.testing.assert_array_equal(index.sa_decode(index.sa_encode(x)), x)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_shape(data):
    widths = sorted(
        data.draw(
            st.lists(st.integers(1, 12).map(lambda w: 8 * w), min_size=1, max_size=8)
        ),
        reverse=True,
    )
    metric = data.draw(st.sampled_from([L2, IP]))
    n = data.draw(st.integers(1, 60))
    nq = data.draw(st.integers(1, 70))
    k = data.draw(st.integers(1, 70))
    magnitude = data.draw(st.sampled_from([0.01, 1.0, 3.0]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    x = (magnitude * rng.standard_normal((n, widths[0]))).astype(np.float32)
    queries = (magnitude * rng.standard_normal((nq, widths[0]))).astype(np.float32)
    index = make_index(widths, metric)
    index.add(x)
    D, I = index.search(queries, k)
    distances = exact_distances(index, queries, index.reconstruct_n())
    found = min(k, n)
    assert_nearest(index, D[:, :found], I[:, :found], distances)
    worst = np.finfo(np.float32).max if metric == L2 else np.finfo(np.float32).min
    assert (I[:, found:] == -1).all()
    assert (D[:, found:] == worst).all()


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("nq", [1, 63, 64, 300])
def test_threads_do_not_change_results(nq, metric, nthreads, rng):
    index = make_index([64, 64], metric)
    # few different documents, so that ties are the rule
    index.add(np.tile(random_vectors(rng, 40, 64), (100, 1)))
    queries = random_vectors(rng, nq, 64)
    D, I = index.search(queries, 30)
    keys = D if metric == L2 else -D
    assert (np.diff(keys, axis=1) >= 0).all()
    tied = np.diff(keys, axis=1) == 0
    assert tied.any()
    assert (np.diff(I, axis=1)[tied] > 0).all()
    computer = index.get_distance_computer()
    for q in range(min(nq, 5)):
        computer.set_query(faiss.swig_ptr(queries[q]))
        every = np.array([computer(i) for i in range(index.ntotal)], dtype=np.float32)
        order = np.argsort(every if metric == L2 else -every, kind="stable")[:30]
        np.testing.assert_array_equal(I[q], order)
        np.testing.assert_array_equal(D[q], every[order])


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("nq", [3, 100])
def test_range_search_and_selector(metric, nq, rng):
    index = make_index([64, 64], metric)
    index.add(random_vectors(rng, 400, 64))
    queries = random_vectors(rng, nq, 64)
    D, I = index.search(queries, 400)
    radius = float(np.median(D))
    sel = faiss.IDSelectorRange(50, 350)
    for params, allowed in (
        (None, np.ones(400, dtype=bool)),
        (faiss.SearchParameters(sel=sel), (np.arange(400) // 50 % 7) > 0),
    ):
        lims, D_range, I_range = index.range_search(queries, radius, params=params)
        assert 0 < lims[-1] < nq * 400
        for q in range(nq):
            inside = (D[q] < radius if metric == L2 else D[q] > radius) & allowed[I[q]]
            order = np.argsort(I[q][inside])
            part = slice(lims[q], lims[q + 1])
            np.testing.assert_array_equal(I_range[part], I[q][inside][order])
            np.testing.assert_array_equal(D_range[part], D[q][inside][order])
        k = int(allowed.sum())
        D_sel, I_sel = index.search(queries, 400, params=params)
        assert (I_sel[:, k:] == -1).all()
        for q in range(nq):
            keep = allowed[I[q]]
            np.testing.assert_array_equal(I_sel[q, :k], I[q][keep])
            np.testing.assert_array_equal(D_sel[q, :k], D[q][keep])


def test_empty_index(rng):
    index = make_index([64])
    queries = random_vectors(rng, 20, 64)
    assert (index.search(queries, 2)[1] == -1).all()
    assert index.range_search(queries, -1.0)[0].tolist() == [0] * 21
    index.add(queries[:0])
    assert index.ntotal == 0
    assert index.search(queries[:0], 2)[0].shape == (0, 2)


def test_remove_merge_reset(rng):
    x = random_vectors(rng, 200, 64)
    index, other = make_index([64, 64]), make_index([64, 64])
    index.add(x[:120])
    other.add(x[120:])
    codes = index.sa_encode(x)
    index.merge_from(other)
    assert (index.ntotal, other.ntotal) == (200, 0)
    np.testing.assert_array_equal(index.reconstruct_n(), index.sa_decode(codes))
    assert index.remove_ids(np.array([0, 7, 199])) == 3
    left = np.delete(codes, [0, 7, 199], axis=0)
    np.testing.assert_array_equal(index.reconstruct_n(), index.sa_decode(left))
    index.reset()
    assert index.ntotal == 0
    index.add_sa_codes(left)
    np.testing.assert_array_equal(index.reconstruct_n(), index.sa_decode(left))


def test_search1_and_reconstruct(rng):
    index = make_index([64, 64])
    index.add(random_vectors(rng, 100, 64))
    D, I, R = index.search_and_reconstruct(random_vectors(rng, 25, 64), 4)
    decoded = index.reconstruct_n()
    np.testing.assert_array_equal(R, decoded[I])
    np.testing.assert_array_equal(index.reconstruct(3), decoded[3])
    np.testing.assert_array_equal(index.reconstruct_batch([5, 1]), decoded[[5, 1]])
    for key in (-1, 100):
        with pytest.raises(ValueError, match="key"):
            index.reconstruct(key)


@pytest.mark.parametrize("metric", [L2, IP])
def test_inside_faiss_containers(metric, rng):
    x = random_vectors(rng, 300, 64)
    queries = random_vectors(rng, 30, 64)
    plain = make_index([64, 64], metric)
    plain.add(x)
    D, I = plain.search(queries, 6)

    ids = rng.permutation(5000)[:300]
    mapped = faiss.IndexIDMap2(make_index([64, 64], metric))
    mapped.add_with_ids(x, ids)
    D_map, I_map = mapped.search(queries, 6)
    np.testing.assert_array_equal(D_map, D)
    np.testing.assert_array_equal(I_map, ids[I])
    np.testing.assert_array_equal(
        mapped.reconstruct(int(ids[11])), plain.reconstruct(11)
    )
    sel = faiss.IDSelectorBatch(ids[:40])
    I_sel = mapped.search(queries, 50, params=faiss.SearchParameters(sel=sel))[1]
    assert set(I_sel.ravel()) == {-1, *ids[:40]}
    mapped.remove_ids(ids[:40])
    assert mapped.ntotal == 260

    rotation = faiss.RandomRotationMatrix(64, 64)
    rotation.init(5)
    chained = faiss.IndexPreTransform(rotation, make_index([64, 64], metric))
    chained.add(rotation.reverse_transform(x))
    direct = make_index([64, 64], metric)
    direct.add(rotation.apply(rotation.reverse_transform(x)))
    back = rotation.reverse_transform(queries)
    for ours, theirs in zip(
        chained.search(back, 6), direct.search(rotation.apply(back), 6), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)

    refined = faiss.IndexRefineFlat(make_index([64, 64], metric))
    refined.train(x)
    refined.add(x)
    refined.k_factor = 20
    exact = faiss.IndexFlat(64, metric)
    exact.add(x)
    found = refined.search(queries, 1)[1] == exact.search(queries, 1)[1]
    assert found.mean() > 0.9


def test_arrays_of_any_memory_order_and_dtype(rng):
    x = random_vectors(rng, 100, 64)
    index, expected = make_index([64, 64]), make_index([64, 64])
    expected.add(x)
    index.add(np.asfortranarray(x.astype(np.float64)))
    np.testing.assert_array_equal(index.reconstruct_n(), expected.reconstruct_n())
    read_only = x[::3].copy()
    read_only.flags.writeable = False
    for queries in (x[::3], np.asfortranarray(x[::3]), read_only):
        for ours, theirs in zip(
            index.search(queries, 5), expected.search(x[::3].copy(), 5), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)


def test_selector_in_python(rng):
    index = make_index([64])
    index.add(random_vectors(rng, 200, 64))
    params = faiss.SearchParameters(
        sel=faiss.PyCallbackIDSelector(lambda i: i % 5 == 0)
    )
    labels = index.search(random_vectors(rng, 100, 64), 40, params=params)[1]
    assert (np.sort(labels, axis=1) == np.arange(0, 200, 5)).all()


def test_concurrent_searches(rng):
    index = make_index([64, 64])
    index.add(random_vectors(rng, 3000, 64))
    queries = random_vectors(rng, 40, 64)
    expected = index.search(queries, 9)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: index.search(queries, 9), range(60)))
    for ours in found:
        np.testing.assert_array_equal(ours[0], expected[0])
        np.testing.assert_array_equal(ours[1], expected[1])


@pytest.mark.parametrize("nbits", [1, 4, 8])
def test_trains_its_range_on_other_vectors_than_codes(nbits):
    x = np.random.default_rng(5).normal(0, 0.05, (500, 40)).astype(np.float32)
    index = faiss_bebr.IndexSDC(40, nbits, L2)
    index.is_trained = False
    with pytest.raises(RuntimeError, match="not trained"):
        index.add(x)
    index.train(x)
    assert index.is_trained
    errors = ((index.sa_decode(index.sa_encode(x)) - x) ** 2).mean(axis=0)
    # what Max's quantizers lose of a unit Gaussian, and a little for the sample
    lost = {1: 0.3634, 4: 0.01154, 8: 0.0001}[nbits]
    assert errors.mean() < 1.1 * lost * 0.05**2
    with pytest.raises(RuntimeError, match="zeros"):
        other = faiss_bebr.IndexSDC(40, nbits, L2)
        other.is_trained = False
        other.train(np.zeros((3, 40), np.float32))
    # the range would be infinite, or no normal number
    for size in [1e-40] if nbits == 1 else [1e-40, 3e38]:
        bad = np.full((9, 40), size, np.float32)
        with pytest.raises(RuntimeError, match="too small or too large"):
            other.train(bad)
        assert not other.is_trained
