"""Search of flat indexes in two passes against numpy: the candidates of the first
pass, the distances of the second, and how both are asked for."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
from reference import nearest, recall, unpack_levels, values
from sdc_data import (
    IP,
    L2,
    clustered_vectors,
    exact_distances,
    make_index,
    random_map,
    random_vectors,
)

import faiss_bebr

K = 10


def make_params(k_factor: float, first_nbits: int = 1, sel=None):
    return faiss_bebr.SearchParametersSDC(
        k_factor=k_factor, first_nbits=first_nbits, sel=sel
    )


def get_levels(index, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Levels of the queries, int64, and what a step of them is, float64 (nq, 1)."""
    mapped = index.quantize_queries(queries).astype(np.float64)
    if index.metric_type == L2:
        mapped = mapped * faiss.vector_to_array(index.sdc.query_weight)
    mapped *= faiss.vector_to_array(index.sdc.range)
    step = np.abs(mapped).max(axis=1, keepdims=True) / 127
    levels = np.rint(mapped / np.where(step > 0, step, 1)).astype(np.int64)
    return levels, step


def estimate_products(levels: np.ndarray, planes: list[np.ndarray]) -> np.ndarray:
    """Products of levels with +-2^t in planes of bits, (nq, n) float64. The weights of
    24 bits sum up to 390.625 steps at most, each rounded, and what wrong bits lose of
    them counts for 255 at most."""
    powers = [1 << t for t in reversed(range(len(planes)))]
    weights = [
        power * levels[:, : plane.shape[1]]
        for power, plane in zip(powers, planes, strict=True)
    ]
    bits = np.hstack(planes).astype(bool)
    weight = np.hstack(weights)
    missing = -weight.shape[1] % 24
    bits = np.pad(bits, ((0, 0), (0, missing)))
    weight = np.pad(weight, ((0, 0), (0, missing)))
    triples = np.abs(weight).reshape(len(weight), -1, 24).sum(axis=2)
    per_weight = np.float32(390.625) / np.maximum(triples.max(axis=1), 1).astype(
        np.float32
    )
    steps = np.abs(weight).astype(np.float32) * per_weight[:, None]
    steps = np.floor(steps + np.float32(0.5)).astype(np.int64)
    wrong = bits[None] != (weight > 0)[:, None]
    lost = (wrong * steps[:, None]).reshape(len(weight), len(bits), -1, 24).sum(axis=3)
    lost = np.minimum(lost, 255).sum(axis=2)
    total = np.abs(weight).sum(axis=1, keepdims=True)
    return total - 2 * lost / per_weight[:, None].astype(np.float64)


def first_pass_distances(index, queries: np.ndarray, first_nbits: int) -> np.ndarray:
    """Of the first planes with the scales of the codes, float64; for L2 without
    the query's norm."""
    widths = [int(w) for w in faiss.vector_to_array(index.sdc.layout.plane_widths)]
    codes = faiss.rev_swig_ptr(index.codes.data(), index.ntotal * index.code_size)
    codes = codes.reshape(index.ntotal, index.code_size)
    scale = codes[:, -2:].copy().view(np.float16).astype(np.float64)
    shallow = widths[:first_nbits]
    bits = np.unpackbits(codes, axis=1, bitorder="little")
    ends = np.cumsum([0, *shallow])
    planes = [bits[:, ends[t] : ends[t + 1]] for t in range(first_nbits)]
    levels, step = get_levels(index, queries)
    unit = 2.0 ** (1 - first_nbits)
    products = step * unit * estimate_products(levels, planes) * scale.T
    if index.metric_type == IP:
        return products
    documents = scale * values(unpack_levels(codes, shallow), shallow)
    weight = faiss.vector_to_array(index.sdc.query_weight).astype(np.float64)
    return (weight * documents**2).sum(axis=1) - 2 * products


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize(
    ("widths", "first_nbits"),
    [
        ([8], 1),
        ([72, 72], 1),
        ([72, 72], 2),
        ([136] * 8, 1),
        ([136] * 8, 3),
        ([264, 128, 8], 1),
        ([264, 128, 8], 2),
        ([64, 64, 64, 64], 4),
    ],
)
def test_search_equals_numpy(widths, first_nbits, mapped, metric, simd_level, rng):
    n, nq = 400, 30
    query_map = random_map(rng, widths[0]) if mapped else None
    index = make_index(widths, metric, query_map)
    index.add(random_vectors(rng, n, widths[0]))
    queries = random_vectors(rng, nq, widths[0])
    queries[::2, :12] *= 8  # what some bytes lose counts for less then
    D, I = index.search(queries, K, params=make_params(4.9, first_nbits))

    first = first_pass_distances(index, queries, first_nbits)
    first = -first if metric == IP else first
    boundary = np.sort(first, axis=1)[:, 48:49]  # of 49 candidates
    tolerance = 1e-5 * np.abs(first).max()
    rows = np.arange(nq)[:, None]
    assert (first[rows, I] <= boundary + tolerance).all()

    D_all, I_all = index.search(queries, n)
    by_id = np.empty_like(D_all)
    np.put_along_axis(by_id, I_all, D_all, axis=1)
    np.testing.assert_array_equal(by_id[rows, I], D)
    exact = exact_distances(index, queries, index.reconstruct_n())
    np.testing.assert_allclose(
        D, exact[rows, I], rtol=0, atol=3e-6 * max(np.abs(exact).max(), 1)
    )
    # no certain candidate is better than what was found
    keys = -by_id if metric == IP else by_id
    certain = np.where(first < boundary - tolerance, keys, np.inf)
    np.put_along_axis(certain, I, np.inf, axis=1)
    assert (certain.min(axis=1) >= keys[rows, I][:, -1]).all()
    order = np.lexsort((I, keys[rows, I]))
    np.testing.assert_array_equal(order, np.broadcast_to(np.arange(K), order.shape))


@pytest.mark.parametrize("metric", [L2, IP])
def test_recall_grows_with_candidates(metric):
    x, queries = clustered_vectors(4000, 200, 64)
    index = make_index([64] * 4, metric)
    index.add(x)
    exact = index.search(queries, K)[1]
    kept = {
        first_nbits: [
            recall(
                index.search(queries, K, params=make_params(k_factor, first_nbits))[1],
                exact,
            )
            for k_factor in (1, 2, 4, 16)
        ]
        for first_nbits in (1, 2)
    }
    for recalls in kept.values():
        # 1 is one pass, which loses nothing
        assert recalls[0] == 1 > recalls[2] > recalls[1] > 0.4
        assert recalls[3] > 0.99
    assert kept[2][1] > kept[1][1] and kept[2][2] > kept[1][2]


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("nq", [1, 5, 300])
def test_threads_and_batches_do_not_change_results(nq, metric, nthreads, rng):
    index = make_index([64, 64], metric)
    # few different documents, so that ties are the rule
    index.add(np.tile(random_vectors(rng, 40, 64), (30, 1)))
    queries = random_vectors(rng, nq, 64)
    params = make_params(3.0)
    D, I = index.search(queries, 50, params=params)
    keys = D if metric == L2 else -D
    tied = np.diff(keys, axis=1) == 0
    assert tied.any()
    assert (np.diff(I, axis=1)[tied] > 0).all()
    for q in range(0, nq, 37):
        alone = index.search(queries[q : q + 1], 50, params=params)
        np.testing.assert_array_equal(alone[0][0], D[q])
        np.testing.assert_array_equal(alone[1][0], I[q])


@pytest.mark.parametrize(("d", "has_first_pass"), [(6144, True), (6152, False)])
def test_widest_first_pass(d, has_first_pass, rng):
    # of 768 bytes; planes of more are compared in one pass
    index = make_index([d, d], IP)
    index.add(rng.standard_normal((300, d)).astype(np.float32))
    queries = rng.standard_normal((20, d)).astype(np.float32)
    one_pass = index.search(queries, K)
    found = index.search(queries, K, params=make_params(1.2))
    assert (found[1] != one_pass[1]).any() == has_first_pass


def test_many_queries_with_many_candidates(rng):
    # more than are held at once
    index = make_index([16, 16], L2)
    index.add(random_vectors(rng, 5000, 16))
    queries = random_vectors(rng, 300, 16)
    D, I = index.search(queries, 5, params=make_params(999))
    for ours, theirs in zip((D, I), index.search(queries, 5), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    queries[280, 3] = np.nan
    with pytest.raises(RuntimeError, match=r"x\[280, 3\] is NaN"):
        index.search(queries, 5, params=make_params(999))


def test_defaults_of_the_index(rng):
    index = make_index([64, 64, 64], IP)
    assert (index.k_factor, index.first_nbits) == (1, 1)
    index.add(random_vectors(rng, 500, 64))
    queries = random_vectors(rng, 20, 64)
    one_pass = index.search(queries, K)
    expected = index.search(queries, K, params=make_params(1.5, 2))
    assert (expected[1] != one_pass[1]).any()
    index.k_factor, index.first_nbits = 1.5, 2
    for params in (None, faiss.SearchParameters()):
        for ours, theirs in zip(
            index.search(queries, K, params=params), expected, strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
    for ours, theirs in zip(
        index.search(queries, K, params=make_params(1)), one_pass, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    for copy in (
        faiss_bebr.clone_index(index),
        faiss_bebr.deserialize_index(faiss_bebr.serialize_index(index)),
    ):
        assert (copy.k_factor, copy.first_nbits) == (1.5, 2)
        np.testing.assert_array_equal(copy.search(queries, K)[1], expected[1])


@pytest.mark.parametrize("metric", [L2, IP])
def test_range_search_is_exact(metric, rng):
    index = make_index([64, 64], metric)
    index.add(random_vectors(rng, 500, 64))
    queries = random_vectors(rng, 20, 64)
    radius = float(np.median(index.search(queries, 50)[0]))
    expected = index.range_search(queries, radius)
    index.k_factor = 2
    for params in (None, make_params(2)):
        found = index.range_search(queries, radius, params=params)
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("metric", [L2, IP])
def test_selector_padding_and_empty(metric, rng):
    index = make_index([64, 64], metric)
    queries = random_vectors(rng, 20, 64)
    assert (index.search(queries, 3, params=make_params(5))[1] == -1).all()
    index.add(random_vectors(rng, 400, 64))
    sel = faiss.IDSelectorRange(100, 105)
    D, I = index.search(queries, 20, params=make_params(5, sel=sel))
    D_one, I_one = index.search(queries, 20, params=faiss.SearchParameters(sel=sel))
    np.testing.assert_array_equal(D, D_one)
    np.testing.assert_array_equal(I, I_one)
    assert (I[:, 5:] == -1).all() and (I[:, :5] >= 100).all()
    assert index.search(queries[:0], 3, params=make_params(5))[0].shape == (0, 3)


@pytest.mark.parametrize(
    ("params", "text"),
    [
        (make_params(0.5), "k_factor must be at least 1"),
        (make_params(float("nan")), "k_factor must be at least 1"),
        (make_params(float("inf")), "k_factor must be at least 1"),
        (make_params(4, 0), r"first_nbits must be in 1\.\.2, got 0"),
        (make_params(1, 3), r"first_nbits must be in 1\.\.2, got 3"),
        (faiss.SearchParametersHNSW(), "SearchParametersSDC"),
        (faiss.SearchParametersIVF(), "SearchParametersSDC"),
    ],
)
def test_bad_parameters(params, text, rng):
    index = make_index([64, 64])
    index.add(random_vectors(rng, 40, 64))
    queries = random_vectors(rng, 20, 64)
    with pytest.raises(RuntimeError, match=text):
        index.search(queries, 3, params=params)
    with pytest.raises(RuntimeError, match=text):
        index.range_search(queries, 0.5, params=params)


def test_bad_defaults(rng):
    index = make_index([64, 64])
    index.add(random_vectors(rng, 40, 64))
    queries = random_vectors(rng, 20, 64)
    index.k_factor = 0
    with pytest.raises(RuntimeError, match="k_factor must be at least 1"):
        index.search(queries, 3)
    index.k_factor, index.first_nbits = 2, 3
    with pytest.raises(RuntimeError, match="first_nbits must be in 1..2"):
        index.search(queries, 3)


def test_inside_faiss_containers(rng):
    x, queries = clustered_vectors(1500, 40, 64)
    plain = make_index([64] * 4, L2)
    plain.add(x)
    D, I = plain.search(queries, K, params=make_params(3))
    ids = rng.permutation(9000)[: len(x)]
    mapped = faiss.IndexIDMap2(make_index([64] * 4, L2))
    mapped.add_with_ids(x, ids)
    D_map, I_map = mapped.search(queries, K, params=make_params(3))
    np.testing.assert_array_equal(D_map, D)
    np.testing.assert_array_equal(I_map, ids[I])
    refined = faiss.IndexRefineFlat(make_index([64] * 4, L2))
    refined.add(x)
    outer = faiss.IndexRefineSearchParameters(
        k_factor=4, base_index_params=make_params(3)
    )
    candidates = plain.search(queries, 4 * K, params=make_params(3))[1]
    distances = ((queries[:, None] - x[None]) ** 2).sum(axis=2)
    allowed = np.full(distances.shape, np.inf)
    rows = np.arange(len(queries))[:, None]
    allowed[rows, candidates] = distances[rows, candidates]
    best = nearest(allowed, K, largest=False)[0]
    np.testing.assert_allclose(
        refined.search(queries, K, params=outer)[0], best, rtol=1e-4
    )


def test_parameter_space():
    x, queries = clustered_vectors(1500, 40, 64)
    index = make_index([64] * 4, L2)
    outer = faiss.IndexIDMap2(faiss.IndexPreTransform(index))
    outer.add_with_ids(x, np.arange(1500))
    space = faiss_bebr.ParameterSpace()
    space.set_index_parameters(outer, "k_factor=8,first_nbits=2")
    assert (index.k_factor, index.first_nbits) == (8, 2)
    space.initialize(outer)
    ranges = [
        space.parameter_ranges.at(i) for i in range(space.parameter_ranges.size())
    ]
    names = {r.name: faiss.vector_to_array(r.values).tolist() for r in ranges}
    # the single pass is the most accurate
    assert names["k_factor"] == [2, 4, 8, 16, 32, 64, 1]
    space.set_index_parameter(outer, "k_factor", 1)
    assert index.k_factor == 1
    for name, value in (("k_factor", 0.5), ("first_nbits", 0), ("first_nbits", 5)):
        with pytest.raises(RuntimeError, match=f"{name} must be"):
            space.set_index_parameter(outer, name, value)
    with pytest.raises(RuntimeError, match="could not set parameter nprobe"):
        space.set_index_parameter(outer, "nprobe", 4)
