"""The coarse first stage of IndexSDC, and dimensions without bits, against numpy."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
from coarse_data import (
    coarse_distances,
    coarse_vectors,
    decode_reference,
    encode_reference,
    error_reference,
    get_widths,
    make_coarse,
    query_reference,
    refine_reference,
    split_codes,
)
from comparisons import assert_same
from hypothesis import given, settings
from hypothesis import strategies as st
from sdc_data import IP, L2, get_range

import faiss_bebr

# plane widths, d, ncentroids: one byte and two for the number, none, one centroid
SHAPES = [
    ([64, 64], 64, 16),
    ([40, 24, 8], 53, 16),
    ([8], 67, 1),
    ([72, 16], 131, 300),
    ([24, 8], 41, 0),
]


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("scale_bytes", [1, 2])
@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize(("widths", "d", "ncentroids"), SHAPES)
def test_codes_equal_reference(widths, d, ncentroids, metric, scale_bytes, mapped, rng):
    index = make_coarse(
        widths, d, ncentroids, metric, mapped=mapped, scale_bytes=scale_bytes
    )
    x = coarse_vectors(rng, 300, d)
    codes = index.sa_encode(x)
    number_bytes = 0 if ncentroids == 0 else 1 if ncentroids <= 256 else 2
    assert codes.shape == (300, sum(widths) // 8 + scale_bytes + number_bytes)
    assert index.sa_code_size() == index.code_size == codes.shape[1]
    planes, numbers = split_codes(index, codes)
    expected = encode_reference(index, x, numbers)
    end = -scale_bytes
    same = (planes[:, :end] == expected[:, :end]).all(axis=1)
    assert same.mean() > 0.98  # two steps of the grid may be equally good
    dtype = {1: np.uint8, 2: np.uint16}[scale_bytes]
    scales, theirs = (c[:, end:].copy().view(dtype)[:, 0] for c in (planes, expected))
    if scale_bytes == 2:
        assert np.abs(scales.astype(int) - theirs)[same].max() <= 1
    else:
        assert (scales == theirs)[same].mean() > 0.98
    decoded = index.sa_decode(codes)
    assert decoded.shape == (300, d)
    np.testing.assert_allclose(
        decoded, decode_reference(index, codes), rtol=1e-5, atol=1e-5
    )
    for row in (0, 7, 299):
        one = index.sa_encode(x[row : row + 1])
        np.testing.assert_array_equal(one[0], codes[row])


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("scale_bytes", [1, 2])
@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize(("widths", "d", "ncentroids"), [s for s in SHAPES if s[2]])
def test_centroid_is_that_of_least_error(
    widths, d, ncentroids, metric, scale_bytes, mapped, rng
):
    # a weight of zero leaves no norm that errors are measured in
    index = make_coarse(
        widths,
        d,
        ncentroids,
        metric,
        mapped=mapped,
        least_weight=0.1,
        scale_bytes=scale_bytes,
    )
    x = coarse_vectors(rng, 300, d)
    numbers = split_codes(index, index.sa_encode(x))[1]
    distances = ((x[:, None] - index.centroids[None]) ** 2).sum(axis=2)
    tried = np.argsort(distances, axis=1)[:, : min(4, ncentroids)]
    errors = np.stack([error_reference(index, x, t) for t in tried.T], axis=1)
    expected = np.take_along_axis(tried, errors.argmin(axis=1)[:, None], axis=1)[:, 0]
    if ncentroids > 1:
        assert (expected != tried[:, 0]).mean() > 0.1
    # two may be equally good
    assert (numbers == expected).mean() > 0.97


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("scale_bytes", [1, 2])
@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize(("widths", "d", "ncentroids"), SHAPES)
def test_search_equals_reference(
    widths, d, ncentroids, metric, scale_bytes, mapped, simd_level, rng
):
    index = make_coarse(
        widths, d, ncentroids, metric, mapped=mapped, scale_bytes=scale_bytes
    )
    x = coarse_vectors(rng, 500, d)
    queries = coarse_vectors(rng, 70, d)
    index.add(x)
    codes = index.sa_encode(x)
    distances = coarse_distances(index, queries, codes)
    tolerance = 5e-6 * max(np.abs(distances).max(), 1)
    for nq in (1, 7, 70):
        D, I = index.search(queries[:nq], 500)
        assert (np.sort(I, axis=1) == np.arange(500)).all()
        expected = np.take_along_axis(distances[:nq], I, axis=1)
        np.testing.assert_allclose(D, expected, rtol=0, atol=tolerance)
        keys = D if metric == L2 else -D
        assert (np.diff(keys, axis=1) >= 0).all()
    np.testing.assert_allclose(
        index.quantize_queries(queries),
        query_reference(index, queries),
        rtol=1e-5,
        atol=1e-6,
    )


@pytest.mark.parametrize("scale_bytes", [1, 2])
@pytest.mark.parametrize("metric", [L2, IP])
def test_distances_are_those_of_flat_index(metric, scale_bytes, rng):
    index = make_coarse([40, 24, 8], 53, 16, metric, scale_bytes=scale_bytes)
    index.add(coarse_vectors(rng, 500, 53))
    queries = coarse_vectors(rng, 20, 53)
    flat = faiss.IndexFlat(53, metric)
    flat.add(index.reconstruct_n())
    D, I = index.search(queries, 500)
    D_flat, I_flat = flat.search(index.quantize_queries(queries), 500)
    np.testing.assert_allclose(D, D_flat, rtol=0, atol=1e-5 * np.abs(D_flat).max())
    # vectors decoded alike may come in another order
    assert (I == I_flat).mean() > 0.9


@pytest.mark.parametrize("scale_bytes", [1, 2])
@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize(("widths", "d", "ncentroids"), SHAPES)
def test_simd_levels_give_the_same_bits(
    widths, d, ncentroids, metric, scale_bytes, rng
):
    detected = faiss.SIMDConfig.get_level()
    index = make_coarse(widths, d, ncentroids, metric, scale_bytes=scale_bytes)
    x = coarse_vectors(rng, 900, d)
    index.add(x)
    index.k_factor = 3
    queries = coarse_vectors(rng, 40, d)
    expected = index.search(queries, 40)
    codes = split_codes(index, index.sa_encode(x))[0]
    numbers = split_codes(index, index.sa_encode(x))[1]
    try:
        for level in range(detected):
            if faiss.SIMDConfig.is_simd_level_available(level):
                faiss.SIMDConfig.set_level(level)
                assert_same(index.search(queries, 40), expected)
                # which centroid is nearest FAISS may round otherwise
                found = split_codes(index, index.sa_encode(x))
                same = found[1] == numbers
                assert same.mean() > 0.99
                np.testing.assert_array_equal(found[0][same], codes[same])
    finally:
        faiss.SIMDConfig.set_level(detected)


@pytest.mark.parametrize("scale_bytes", [1, 2])
@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("nq", [1, 63, 300])
def test_all_ways_to_a_distance_give_the_same_bits(
    nq, metric, scale_bytes, nthreads, rng
):
    index = make_coarse(
        [40, 24, 8], 53, 16, metric, mapped=True, scale_bytes=scale_bytes
    )
    # few different documents, so that ties are the rule
    index.add(np.tile(coarse_vectors(rng, 50, 53), (30, 1)))
    queries = coarse_vectors(rng, nq, 53)
    D, I = index.search(queries, 30)
    tied = np.diff(D, axis=1) == 0
    assert tied.any()
    assert (np.diff(I, axis=1)[tied] > 0).all()
    computer = index.get_distance_computer()
    for q in range(min(nq, 5)):
        computer.set_query(faiss.swig_ptr(queries[q]))
        every = np.array([computer(i) for i in range(index.ntotal)], dtype=np.float32)
        order = np.argsort(every if metric == L2 else -every, kind="stable")[:30]
        np.testing.assert_array_equal(I[q], order)
        np.testing.assert_array_equal(D[q], every[order])
    # all candidates of the first pass are compared again
    params = faiss_bebr.SearchParametersSDC(k_factor=49.9, first_nbits=1)
    D_two, I_two = index.search(queries, 30, params=params)
    agree = (I_two == I).mean()
    assert agree > 0.97
    np.testing.assert_array_equal(D_two[I_two == I], D[I_two == I])


@pytest.mark.parametrize("scale_bytes", [1, 2])
@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize(("widths", "d", "ncentroids"), SHAPES)
def test_symmetric_distances(
    widths, d, ncentroids, mapped, metric, scale_bytes, simd_level, rng
):
    """Of a decoded vector as a query that is not rounded."""
    index = make_coarse(
        widths, d, ncentroids, metric, mapped=mapped, scale_bytes=scale_bytes
    )
    index.add(coarse_vectors(rng, 60, d))
    codes = faiss.vector_to_array(index.codes).reshape(60, -1)
    v = decode_reference(index, codes)
    weight = faiss.vector_to_array(index.sdc.query_weight).astype(np.float64)
    offset = faiss.vector_to_array(index.sdc.query_offset).astype(np.float64)
    if metric == IP:
        expected = (weight * v + offset) @ v.T
    else:
        expected = (weight * (v[:, None] - v[None]) ** 2).sum(axis=2)
    computer = index.get_distance_computer()
    found = [[computer.symmetric_dis(i, j) for j in range(60)] for i in range(60)]
    np.testing.assert_allclose(
        found, expected, rtol=0, atol=5e-6 * np.abs(expected).max()
    )


@pytest.mark.parametrize("metric", [L2, IP])
def test_two_passes_find_what_one_finds(metric, rng):
    index = make_coarse([64, 32, 16], 100, 30, metric)
    index.add(coarse_vectors(rng, 2000, 100))
    queries = coarse_vectors(rng, 50, 100)
    D, I = index.search(queries, 10)
    recalls = []
    for first_nbits in (1, 2, 3):
        params = faiss_bebr.SearchParametersSDC(k_factor=8, first_nbits=first_nbits)
        D_two, I_two = index.search(queries, 10, params=params)
        recalls.append((I_two == I).mean())
        np.testing.assert_array_equal(D_two[I_two == I], D[I_two == I])
    assert recalls[0] > 0.85
    assert recalls[2] > 0.99


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("nq", [3, 100])
def test_range_search_and_selector(metric, nq, rng):
    index = make_coarse([40, 24, 8], 53, 300, metric)
    index.add(coarse_vectors(rng, 400, 53))
    queries = coarse_vectors(rng, nq, 53)
    D, I = index.search(queries, 400)
    radius = float(np.median(D))
    sel = faiss.IDSelectorRange(50, 350)
    for params, allowed in (
        (None, np.ones(400, dtype=bool)),
        (faiss.SearchParameters(sel=sel), (np.arange(400) // 50 % 7) > 0),
    ):
        lims, D_range, I_range = index.range_search(queries, radius, params=params)
        assert 0 < lims[-1] < nq * 400
        D_sel, I_sel = index.search(queries, int(allowed.sum()), params=params)
        for q in range(nq):
            keep = allowed[I[q]]
            np.testing.assert_array_equal(I_sel[q], I[q][keep])
            np.testing.assert_array_equal(D_sel[q], D[q][keep])
            inside = (D[q] < radius if metric == L2 else D[q] > radius) & keep
            order = np.argsort(I[q][inside])
            part = slice(lims[q], lims[q + 1])
            np.testing.assert_array_equal(I_range[part], I[q][inside][order])
            np.testing.assert_array_equal(D_range[part], D[q][inside][order])


def test_more_queries_than_the_tables_have_room_for(rng):
    """Tables of 65536 scores are made for 256 queries at a time."""
    d, ncentroids = 8, 65536
    index = faiss_bebr.IndexSDC([8], IP, d, ncentroids)
    index.cp.niter = 0
    index.cp.min_points_per_centroid = 1
    x = rng.standard_normal((ncentroids + 500, d)).astype(np.float32)
    index.train(x)
    assert index.centroids.shape == (ncentroids, d)
    index.add(x[-800:])
    codes = index.sa_encode(x[-800:])
    assert split_codes(index, codes)[1].max() > 60000
    queries = rng.standard_normal((600, d)).astype(np.float32)
    D, I = index.search(queries, 5)
    for part in (slice(0, 200), slice(200, 600)):
        assert_same(index.search(queries[part], 5), (D[part], I[part]))
    lims, D_range, I_range = index.range_search(queries, float(np.median(D)))
    for q in (0, 255, 256, 300, 599):
        one = index.range_search(queries[q : q + 1], float(np.median(D)))
        part = slice(lims[q], lims[q + 1])
        assert_same(one[1:], (D_range[part], I_range[part]))
    params = faiss_bebr.SearchParametersSDC(k_factor=20)
    D_two, I_two = index.search(queries, 5, params=params)
    assert_same(
        index.search(queries[300:400], 5, params=params),
        (D_two[300:400], I_two[300:400]),
    )


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_shape(data):
    widths = sorted(
        data.draw(
            st.lists(st.integers(1, 6).map(lambda w: 8 * w), min_size=1, max_size=5)
        ),
        reverse=True,
    )
    d = widths[0] + data.draw(st.integers(0, 20))
    ncentroids = data.draw(st.sampled_from([0, 1, 2, 255, 256, 257]))
    metric = data.draw(st.sampled_from([L2, IP]))
    n, nq = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    magnitude = data.draw(st.sampled_from([1e-3, 1.0, 1e3]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    index = faiss_bebr.IndexSDC(widths, metric, d, ncentroids)
    index.cp.niter = 2
    index.cp.min_points_per_centroid = 1
    index.is_trained = False
    index.train(magnitude * coarse_vectors(rng, 600, d))
    x = magnitude * coarse_vectors(rng, n + 100, d)[-n:]
    queries = magnitude * coarse_vectors(rng, nq + 100, d)[-nq:]
    index.add(x)
    D, I = index.search(queries, n)
    distances = coarse_distances(index, queries, index.sa_encode(x))
    np.testing.assert_allclose(
        D,
        np.take_along_axis(distances, I, axis=1),
        rtol=0,
        atol=1e-5 * np.abs(distances).max(),
    )


def test_dimensions_without_variance(rng):
    """They decode to 0 or to their part of the centroid, and take no levels of the
    queries."""
    x = coarse_vectors(rng, 700, 40)
    x[:, 3] = 0
    x[:, 39] = 5
    for ncentroids in (0, 8):
        index = faiss_bebr.IndexSDC([32, 32], IP, 40, ncentroids)
        index.is_trained = False
        index.train(x)
        assert get_range(index)[3] == 0
        assert (get_range(index)[4:] > 0).all()
        index.add(x)
        decoded = index.reconstruct_n()
        assert (decoded[:, 3] == 0).all()
        np.testing.assert_allclose(decoded[:, 39], 5 if ncentroids else 0, rtol=1e-5)
        queries = coarse_vectors(rng, 60, 40)
        queries[:, 3] = 1e4
        q = index.quantize_queries(queries)
        np.testing.assert_array_equal(q[:, 3], queries[:, 3])
        np.testing.assert_array_equal(q[:, 32:], queries[:, 32:])
        D, I = index.search(queries, 9)
        distances = coarse_distances(index, queries, index.sa_encode(x))
        np.testing.assert_allclose(
            D, np.take_along_axis(distances, I, axis=1), rtol=1e-5, atol=1e-3
        )


def test_centroids_make_codes_better(rng):
    """What they are for."""
    x = coarse_vectors(rng, 3000, 64)[100:]
    errors = []
    for ncentroids in (0, 40):
        index = faiss_bebr.IndexSDC([32, 32], L2, 64, ncentroids)
        index.is_trained = False
        index.train(x)
        errors.append(((index.sa_decode(index.sa_encode(x)) - x) ** 2).mean())
    assert errors[1] < 0.5 * errors[0]


def test_training(rng):
    x = coarse_vectors(rng, 2000, 48)
    index = faiss_bebr.IndexSDC([32, 16], L2, 48, 20)
    assert not index.is_trained
    assert index.centroids.shape == (0, 48)
    index.train(x)
    assert index.is_trained
    assert index.centroids.shape == (20, 48)
    assert get_widths(index) == [32, 16]
    kmeans = faiss.Kmeans(48, 20, seed=1234)
    kmeans.train(x)
    expected = kmeans.centroids
    for _ in range(2):
        expected = refine_reference(index, x, expected)
    np.testing.assert_allclose(index.centroids, expected, rtol=1e-3, atol=1e-4)
    # the half-width of Max's grids of 2 bits and of 1 bit
    distances = ((x[:, None] - index.centroids[None]) ** 2).sum(axis=2)
    residuals = x - index.centroids[distances.argmin(axis=1)]
    deviation = np.sqrt((residuals**2).mean(axis=0))
    expected_range = np.concatenate(
        [1.991 / 2 * deviation[:16], 1.596 / 2 * deviation[16:32]]
    )
    np.testing.assert_allclose(get_range(index), expected_range, rtol=1e-4)
    # what is trained stays as it is
    centroids = index.centroids
    index.train(x[:1000])
    np.testing.assert_array_equal(index.centroids, centroids)
    other = faiss_bebr.IndexSDC([32, 16], L2, 48, 20)
    other.cp.niter = 1
    other.cp.seed = 5
    other.train(x)
    assert not np.allclose(other.centroids, centroids)
    # and so are centroids that are given
    given = faiss_bebr.IndexSDC([32, 16], L2, 48, 20)
    faiss.copy_array_to_vector(kmeans.centroids.ravel(), given.sdc.centroids)
    given.train(x)
    np.testing.assert_array_equal(given.centroids, kmeans.centroids)
