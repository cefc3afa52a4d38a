"""What IndexIVFSDC finds: against IndexSDC, IndexIVFFlat and numpy."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
from comparisons import assert_same, assert_same_neighbors
from faiss.contrib import ivf_tools
from ivf_sdc_data import (
    IP,
    L2,
    NLIST,
    decode_all,
    make_filled,
    make_ivf,
    nearest_lists,
)
from reference import decode, encode, quantize_query
from sdc_data import get_offset, get_range, random_map, random_vectors

import faiss_bebr

WIDTHS = [[8], [72, 72], [264, 128, 8], [136] * 4, [40] * 7, [64, 24]]


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("widths", WIDTHS)
def test_all_lists_equal_index_sdc(widths, mapped, metric, simd_level, rng):
    query_map = random_map(rng, widths[0]) if mapped else None
    index = make_ivf(widths, metric, query_map=query_map)
    flat = faiss_bebr.IndexSDC(widths, metric)
    if query_map:
        flat.set_query_map(*query_map)
    x = random_vectors(rng, 500, widths[0])
    queries = random_vectors(rng, 30, widths[0])
    index.add(x)
    flat.add(x)
    index.nprobe = NLIST
    for k in (1, 10, 600):
        assert_same_neighbors(index.search(queries, k), flat.search(queries, k))
    radius = float(np.median(flat.search(queries, 500)[0]))
    lims, D, I = index.range_search(queries, radius)
    lims_flat, D_flat, I_flat = flat.range_search(queries, radius)
    np.testing.assert_array_equal(lims, lims_flat)
    assert 0 < lims[-1] < 30 * 500
    for q in range(30):
        part = slice(lims[q], lims[q + 1])
        order = np.argsort(I[part])
        np.testing.assert_array_equal(I[part][order], I_flat[part])
        np.testing.assert_array_equal(D[part][order], D_flat[part])
    np.testing.assert_array_equal(index.reconstruct_n(), flat.reconstruct_n())


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("nprobe", [1, 4, NLIST])
@pytest.mark.parametrize("by_residual", [False, True])
def test_equals_ivf_flat_of_decoded_vectors(by_residual, nprobe, metric):
    if by_residual and metric == L2:
        pytest.skip("each list has a level-quantized query of its own")
    index, _, queries = make_filled(metric, by_residual=by_residual)
    index.nprobe = nprobe
    decoded, list_nos = decode_all(index)
    q = index.quantize_queries(queries)
    if metric == L2:
        root = np.sqrt(faiss.vector_to_array(index.sdc.query_weight))
        decoded, q = decoded * root, q * root
    flat = faiss.IndexIVFFlat(index.quantizer, 72, NLIST, metric)
    ivf_tools.add_preassigned(flat, decoded, list_nos)
    flat.nprobe = nprobe
    probed = nearest_lists(index, queries, nprobe)
    D_flat, I_flat = ivf_tools.search_preassigned(flat, q, 700, probed)
    D, I = index.search(queries, 700)
    np.testing.assert_array_equal(np.sort(I, axis=1), np.sort(I_flat, axis=1))
    found = I >= 0
    scale = np.abs(D_flat[found]).max()
    np.testing.assert_allclose(D[found], D_flat[found], rtol=0, atol=1e-5 * scale)
    np.testing.assert_array_equal(D[~found], D_flat[~found])


def reference_distances(index, x, queries, centroids, list_nos) -> np.ndarray:
    """Distances of all queries to all documents by the definition, float64."""
    widths = list(faiss.vector_to_array(index.sdc.layout.plane_widths))
    weight = faiss.vector_to_array(index.sdc.query_weight)
    offset = faiss.vector_to_array(index.sdc.query_offset)
    scale = "unbiased" if index.metric_type == IP else "least_squares"
    residuals = x - centroids[list_nos]
    planes, scales = encode(
        residuals,
        widths,
        weight,
        scale=scale,
        value_range=get_range(index),
        whole=x,
        offset=get_offset(index),
    )
    codes = np.concatenate([planes, scales[:, None].view(np.uint8)], axis=1)
    v = decode(codes, widths, get_range(index))
    if index.metric_type == IP:
        q = quantize_query(weight * queries + offset, get_range(index))
        return q @ (centroids[list_nos] + v).T
    distances = np.empty((len(queries), len(x)))
    for list_no, centroid in enumerate(centroids):
        mapped = quantize_query(weight * (queries - centroid), get_range(index))
        q = np.divide(mapped, weight, out=mapped.copy(), where=weight > 0)
        members = np.flatnonzero(list_nos == list_no)
        difference = q[:, None] - v[None, members]
        distances[:, members] = (weight * difference**2).sum(axis=2)
    return distances


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("widths", WIDTHS)
def test_residuals_equal_reference(widths, mapped, metric, simd_level, rng):
    query_map = random_map(rng, widths[0]) if mapped else None
    index = make_ivf(widths, metric, by_residual=True, query_map=query_map)
    assert (get_range(index) != 1).all()
    x = random_vectors(rng, 300, widths[0])
    queries = random_vectors(rng, 20, widths[0])
    index.add(x)
    list_nos = index.quantizer.assign(x, 1)[:, 0]
    centroids = index.quantizer.reconstruct_n()
    distances = reference_distances(index, x, queries, centroids, list_nos)
    for nprobe in (2, NLIST):
        index.nprobe = nprobe
        D, I = index.search(queries, 300)
        probed = nearest_lists(index, queries, nprobe)
        allowed = (list_nos[None, :, None] == probed[:, None, :]).any(axis=2)
        for q in range(20):
            found = I[q] >= 0
            assert sorted(I[q][found]) == np.flatnonzero(allowed[q]).tolist()
            expected = distances[q, I[q][found]]
            # a scale that is rounded to the other float16 changes 1 in 1000
            tolerance = 2e-3 * np.abs(distances).max()
            np.testing.assert_allclose(D[q][found], expected, atol=tolerance)
            close = np.abs(D[q][found] - expected) < 1e-5 * np.abs(distances).max()
            assert close.mean() > 0.97


def test_level_quantized_query_of_a_list(rng):
    """The distances are those of quantize_queries for the list."""
    index, _, queries = make_filled(L2, by_residual=True)
    decoded, list_nos = decode_all(index)
    weight = faiss.vector_to_array(index.sdc.query_weight)
    index.nprobe = 1
    for list_no in range(NLIST):
        lists = np.full(len(queries), list_no)
        q = index.quantize_queries(queries, lists)
        D, I = index.search_preassigned(queries, 200, lists[:, None], None)
        for row in range(len(queries)):
            found = I[row] >= 0
            assert (list_nos[I[row][found]] == list_no).all()
            difference = (q[row] - decoded[I[row][found]]).astype(np.float64)
            expected = (weight * difference**2).sum(axis=1)
            np.testing.assert_allclose(D[row][found], expected, rtol=1e-4)
    with pytest.raises(RuntimeError, match="no list numbers"):
        index.quantize_queries(queries)
    with pytest.raises(RuntimeError, match="list number 13"):
        index.quantize_queries(queries, np.full(len(queries), NLIST))
    with pytest.raises(ValueError, match="list_nos must have shape"):
        index.quantize_queries(queries, lists[:-1])


@pytest.mark.parametrize("by_residual", [False, True])
@pytest.mark.parametrize("metric", [L2, IP])
def test_simd_levels_give_the_same_bits(metric, by_residual):
    detected = faiss.SIMDConfig.get_level()
    index, _, queries = make_filled(metric, by_residual=by_residual)
    index.nprobe = 5
    expected = index.search(queries, 40)
    expected_range = index.range_search(queries, float(np.median(expected[0])))
    names = {faiss_bebr.get_simd_level_name()}
    try:
        for level in range(detected):
            if faiss.SIMDConfig.is_simd_level_available(level):
                faiss.SIMDConfig.set_level(level)
                names.add(faiss_bebr.get_simd_level_name())
                assert_same(index.search(queries, 40), expected)
                radius = float(np.median(expected[0]))
                assert_same(index.range_search(queries, radius), expected_range)
    finally:
        faiss.SIMDConfig.set_level(detected)
    assert "NONE" in names


@pytest.mark.parametrize("by_residual", [False, True])
@pytest.mark.parametrize("metric", [L2, IP])
def test_parallel_modes(metric, by_residual, nthreads):
    index, _, queries = make_filled(metric, by_residual=by_residual)
    index.nprobe = 6
    expected = index.search(queries, 20)
    radius = float(np.median(expected[0]))
    lims, D, I = index.range_search(queries, radius)
    for mode in (0, 1, 2, 3):
        index.parallel_mode = mode
        for nq in (1, 25):
            D_mode, I_mode = index.search(queries[:nq], 20)
            np.testing.assert_array_equal(D_mode, expected[0][:nq])
            np.testing.assert_array_equal(I_mode, expected[1][:nq])
        if mode == 3:
            with pytest.raises(RuntimeError, match="parallel_mode 3 not supported"):
                index.range_search(queries, radius)
            continue
        lims_mode, D_mode, I_mode = index.range_search(queries, radius)
        np.testing.assert_array_equal(lims_mode, lims)
        for q in range(len(queries)):
            part = slice(lims[q], lims[q + 1])
            ours = sorted(zip(I_mode[part], D_mode[part], strict=True))
            assert ours == sorted(zip(I[part], D[part], strict=True))


@pytest.mark.parametrize("mode", [0, 3])
def test_heaps_that_have_results_already(mode):
    index, _, queries = make_filled(L2)
    index.nprobe = 8
    expected = index.search(queries, 15)
    probed = nearest_lists(index, queries, 8)
    D = np.full((25, 15), np.finfo(np.float32).max, dtype=np.float32)
    I = np.full((25, 15), -1)
    index.nprobe = 4
    index.parallel_mode = mode | index.PARALLEL_MODE_NO_HEAP_INIT
    for lists in (probed[:, :4], probed[:, 4:]):
        index.search_preassigned(queries, 15, lists, None, D=D, I=I)
    order = np.argsort(D, axis=1)
    found = np.take_along_axis(D, order, 1), np.take_along_axis(I, order, 1)
    assert_same_neighbors(found, expected)
    index.parallel_mode = 1 | index.PARALLEL_MODE_NO_HEAP_INIT
    with pytest.raises(RuntimeError, match="parallel_mode 1 does not work"):
        index.search_preassigned(queries, 15, probed[:, :4], None, D=D, I=I)


SELECTORS = {
    "range": (lambda: faiss.IDSelectorRange(100, 430), range(100, 430)),
    "sorted": (lambda: faiss.IDSelectorRange(100, 430, True), range(100, 430)),
    "batch": (lambda: faiss.IDSelectorBatch([3, 9, 600]), [3, 9, 600]),
    "none": (lambda: faiss.IDSelectorBatch([5000]), []),
    "python": (
        lambda: faiss.PyCallbackIDSelector(lambda i: i % 7 == 0),
        range(0, 700, 7),
    ),
}


@pytest.mark.parametrize("by_residual", [False, True])
@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("kind", SELECTORS)
def test_selectors(kind, metric, by_residual):
    index, _, queries = make_filled(metric, by_residual=by_residual)
    make_selector, members = SELECTORS[kind]
    index.nprobe = 6
    D, I = index.search(queries, 700)
    radius = float(np.median(D[I >= 0]))
    lims, D_range, I_range = index.range_search(queries, radius)
    is_member = np.isin(I, list(members))
    selector = make_selector()
    # the class of the parameters: FAISS's containers know only the base
    for params in (
        faiss.SearchParametersIVF(sel=selector, nprobe=6),
        faiss.SearchParameters(sel=selector),
    ):
        D_sel, I_sel = index.search(queries, 40, params=params)
        D_rec, I_rec, R = index.search_and_reconstruct(queries, 40, params=params)
        lims_sel, D_sel_range, I_sel_range = index.range_search(
            queries, radius, params=params
        )
        for q in range(len(queries)):
            n = min(is_member[q].sum(), 40)
            np.testing.assert_array_equal(I_sel[q, :n], I[q][is_member[q]][:n])
            np.testing.assert_array_equal(D_sel[q, :n], D[q][is_member[q]][:n])
            assert (I_sel[q, n:] == -1).all()
            part, part_sel = (slice(a[q], a[q + 1]) for a in (lims, lims_sel))
            inside = np.isin(I_range[part], list(members))
            np.testing.assert_array_equal(I_sel_range[part_sel], I_range[part][inside])
            np.testing.assert_array_equal(D_sel_range[part_sel], D_range[part][inside])
        np.testing.assert_array_equal(D_rec, D_sel)
        np.testing.assert_array_equal(I_rec, I_sel)
        np.testing.assert_array_equal(
            R[I_rec >= 0], index.reconstruct_n()[I_rec[I_rec >= 0]]
        )


def test_selector_that_raises():
    def fail(i: int) -> bool:
        raise ValueError("from the selector")

    index, _, queries = make_filled()
    params = faiss.SearchParametersIVF(sel=faiss.PyCallbackIDSelector(fail))
    before = index.reconstruct_n()
    for call in (
        lambda: index.search(queries, 3, params=params),
        # FAISS's loop over queries goes on after the first exception
        lambda: index.range_search(queries[:1], 3.0, params=params),
        lambda: index.search_and_reconstruct(queries, 3, params=params),
        lambda: index.remove_ids(params.sel),
    ):
        with pytest.raises(ValueError, match="from the selector"):
            call()
    assert index.ntotal == 700
    np.testing.assert_array_equal(index.reconstruct_n(), before)


def test_search_parameters():
    index, _, queries = make_filled()
    for nprobe in (1, 3, 1000):
        index.nprobe = nprobe
        expected = index.search(queries, 9)
        index.nprobe = 2
        params = faiss.SearchParametersIVF(nprobe=nprobe)
        assert_same(index.search(queries, 9, params=params), expected)
    params = faiss.SearchParametersIVF(nprobe=NLIST, max_codes=20)
    D, I = index.search(queries, 700, params=params)
    assert ((I >= 0).sum(axis=1) == 20).all()
    params.ensure_topk_full = True
    assert (index.search(queries, 100, params=params)[1] >= 0).all()
    for params, message in (
        (faiss.SearchParametersIVF(nprobe=0), "nprobe"),
        (faiss.SearchParametersIVF(max_lists_num=2), "max_lists_num"),
        (faiss.SearchParametersHNSW(efSearch=9), "must be SearchParametersIVF"),
    ):
        for method in ("search", "search_and_reconstruct", "range_search"):
            with pytest.raises(RuntimeError, match=message):
                getattr(index, method)(queries, 3, params=params)


def test_parameters_of_the_quantizer(rng):
    """They reach the quantizer in all searches."""
    x = random_vectors(rng, 600, 32)
    quantizer = faiss.IndexHNSWFlat(32, 4)
    index = faiss_bebr.IndexIVFSDC(quantizer, 32, 150, 2)
    index.train(x)
    index.add(x)
    params = faiss.SearchParametersIVF(
        nprobe=3, quantizer_params=faiss.SearchParametersHNSW(efSearch=1)
    )
    index.nprobe = 3
    wide = index.search(x, 5)
    narrow = index.search(x, 5, params=params)
    assert (wide[1] != narrow[1]).any()
    found = index.search_and_reconstruct(x, 5, params=params)
    assert_same(found[:2], narrow)


def test_statistics():
    index, _, queries = make_filled()
    index.nprobe = 4
    probed = nearest_lists(index, queries, 4)
    sizes = np.array([index.invlists.list_size(i) for i in range(NLIST)])
    stats = faiss.cvar.indexIVF_stats
    stats.reset()
    index.search(queries, 5)
    assert stats.nq == 25
    assert stats.nlist == (sizes[probed] > 0).sum()
    assert stats.ndis == sizes[probed].sum()
    assert 25 * 5 <= stats.nheap_updates < stats.ndis
    stats.reset()
    index.range_search(queries, 0.0)
    assert stats.ndis == sizes[probed].sum()
    D, I, found = faiss.search_with_parameters(index, queries, 5, output_stats=True)
    assert_same((D, I), index.search(queries, 5))
    assert found["ndis"] == sizes[probed].sum()
    params = faiss.SearchParametersIVF(nprobe=4, sel=faiss.IDSelectorRange(0, 50))
    stats.reset()
    index.search(queries, 5, params=params)
    lists = decode_all(index)[1][:50]
    assert stats.ndis == (probed[:, :, None] == lists).sum()


@pytest.mark.parametrize("by_residual", [False, True])
@pytest.mark.parametrize("metric", [L2, IP])
def test_inside_faiss_containers(metric, by_residual, rng):
    plain, x, queries = make_filled(metric, by_residual=by_residual)
    plain.nprobe = 5
    D, I = plain.search(queries, 8)
    inner, _, _ = make_filled(metric, by_residual=by_residual, n=0)
    inner.nprobe = 5
    ids = rng.permutation(9000)[:700]
    mapped = faiss.IndexIDMap2(inner)
    mapped.add_with_ids(x, ids)
    D_map, I_map = mapped.search(queries, 8)
    np.testing.assert_array_equal(D_map, D)
    np.testing.assert_array_equal(I_map, ids[I])
    sel = faiss.IDSelectorBatch(ids[:200])
    params = faiss.SearchParametersIVF(nprobe=NLIST, sel=sel)
    assert set(mapped.search(queries, 200, params=params)[1].ravel()) == {*ids[:200]}
    # FAISS 1.15.0 hands on only the selector, with which nprobe is the index's
    params.nprobe = 5
    radius = float(np.median(D))
    lims, _, I_all = mapped.range_search(queries, radius)
    lims_sel, _, I_sel = mapped.range_search(queries, radius, params=params)
    assert set(I_sel) == set(I_all) & set(ids[:200]) != set()

    rotation = faiss.RandomRotationMatrix(72, 72)
    rotation.init(3)
    inner, _, _ = make_filled(metric, by_residual=by_residual, n=0)
    chained = faiss.IndexPreTransform(rotation, inner)
    chained.add(rotation.reverse_transform(x))
    direct, _, _ = make_filled(metric, by_residual=by_residual, n=0)
    direct.add(rotation.apply(rotation.reverse_transform(x)))
    back = rotation.reverse_transform(queries)
    params = faiss.SearchParametersPreTransform(
        index_params=faiss.SearchParametersIVF(nprobe=5)
    )
    direct.nprobe = 5
    assert_same(
        chained.search(back, 8, params=params),
        direct.search(rotation.apply(back), 8),
    )

    refined = faiss.IndexRefineFlat(plain, faiss.swig_ptr(x))
    refined.k_factor = 700  # so that all are refined
    plain.nprobe = NLIST
    exact = faiss.IndexFlat(72, metric)
    exact.add(x)
    np.testing.assert_array_equal(
        refined.search(x[72:100], 1)[1], exact.search(x[72:100], 1)[1]
    )


def test_empty_index_and_lists():
    index, _, queries = make_filled(n=0)
    assert index.ntotal == 0
    assert (index.search(queries, 3)[1] == -1).all()
    assert index.range_search(queries, -1e9)[0].tolist() == [0] * 26
    index.add(queries[:0])
    index.add(queries[:1])
    index.nprobe = NLIST
    assert (index.search(queries, 3)[1][:, 0] == 0).all()
    assert index.search(queries[:0], 3)[0].shape == (0, 3)
