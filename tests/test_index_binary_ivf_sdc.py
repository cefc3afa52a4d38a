"""IndexBinaryIVFSDC's searches against IndexBinarySDC and numpy."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
from binary_ivf_sdc_data import (
    INT_MAX,
    INT_MIN,
    IP,
    L2,
    Reference,
    make_flat,
    make_index,
)
from comparisons import assert_same
from hypothesis import given, settings
from hypothesis import strategies as st
from inputs import random_codes, selectors
from ivf_sdc_data import nearest_lists
from reference import binary_distances

import faiss_bebr

# dimensions that fill registers and odd ones that fill none
SHAPES = [(8, 1), (72, 1), (256, 1), (8, 8), (24, 3), (72, 2), (136, 7), (256, 2)]


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize(("m", "nbits"), SHAPES)
def test_all_lists_are_the_flat_index(m, nbits, metric, simd_level, rng):
    codes = random_codes(rng, 700, m * nbits)
    queries = random_codes(rng, 101, m * nbits)
    index = make_index(m, nbits, metric, codes)
    flat = make_flat(m, nbits, metric, codes)
    index.nprobe = index.nlist
    for nq in (1, 5, 101):
        expected = flat.search(queries[:nq], 20)
        assert_same(index.search(queries[:nq], 20), expected)
        radius = int(np.median(expected[0]))
        assert_same(
            index.range_search(queries[:nq], radius),
            flat.range_search(queries[:nq], radius),
        )
    assert_same(
        index.search_and_reconstruct(queries, 20),
        flat.search_and_reconstruct(queries, 20),
    )


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize(("m", "nbits"), SHAPES)
def test_any_nprobe_is_the_reference(m, nbits, metric, rng):
    codes = random_codes(rng, 500, m * nbits)
    queries = random_codes(rng, 70, m * nbits)
    index = make_index(m, nbits, metric, codes)
    reference = Reference(index, codes)
    for nprobe in (1, 3, 12):
        index.nprobe = nprobe
        assign = nearest_lists(index, queries, nprobe)
        expected = reference.search(queries, 30, assign)
        assert_same(index.search(queries, 30), expected)
        assert_same(index.search_preassigned(queries, 30, assign, None), expected)
        np.testing.assert_array_equal(index.assign(queries, 30), expected[1])
        radius = int(np.median(expected[0][:, 0]))
        expected = reference.range_search(queries, radius, assign)
        assert_same(index.range_search(queries, radius), expected)
        assert_same(
            index.range_search_preassigned(queries, radius, assign, None), expected
        )


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_shape(data):
    nbits = data.draw(st.integers(1, 8))
    m = 8 * data.draw(st.integers(1, 12))
    nlist = data.draw(st.integers(1, 9))
    n = data.draw(st.integers(nlist, 90))
    nq = data.draw(st.integers(0, 80))
    k = data.draw(st.integers(1, 60))
    nprobe = data.draw(st.integers(1, nlist))
    max_codes = data.draw(st.integers(0, 50))
    metric = data.draw(st.sampled_from([L2, IP]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    # few different bytes, so that ties are the rule; and ids in no order
    codes = rng.integers(0, 2, (n, m * nbits // 8), dtype=np.uint8) * 255
    queries = rng.integers(0, 2, (nq, m * nbits // 8), dtype=np.uint8) * 255
    ids = rng.permutation(1000)[:n] - 500
    index = make_index(m, nbits, metric, codes, nlist, ids)
    reference = Reference(index, codes, ids)
    # any list, none, or one twice
    assign = rng.integers(-1, nlist, (nq, nprobe))
    params = faiss.SearchParametersIVF(nprobe=nprobe, max_codes=max_codes)
    assert_same(
        index.search_preassigned(queries, k, assign, None, params=params),
        reference.search(queries, k, assign, max_codes=max_codes),
    )


# lists of two bits that up to 128 queries probe are compared by their codes, of one
# bit up to 12, of three up to 4; others are unpacked
@pytest.mark.parametrize("nbits", [1, 2, 3])
@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("nq", [1, 20, 100])
def test_threads_do_not_change_results(nq, metric, nbits, nthreads, rng):
    codes = rng.integers(0, 4, (3000, 8 * nbits), dtype=np.uint8)
    queries = rng.integers(0, 4, (nq, 8 * nbits), dtype=np.uint8)
    index = make_index(64, nbits, metric, codes, nlist=5)
    index.nprobe = 3
    reference = Reference(index, codes)
    assign = nearest_lists(index, queries, 3)
    expected = reference.search(queries, 30, assign)
    assert_same(index.search(queries, 30), expected)
    assert_same(
        index.search_and_reconstruct(queries, 30), (*expected, codes[expected[1]])
    )
    radius = int(np.median(expected[0]))
    assert_same(
        index.range_search(queries, radius),
        reference.range_search(queries, radius, assign),
    )


@pytest.mark.parametrize("nbits", [1, 2, 3])
@pytest.mark.parametrize("max_codes", [1, 7, 100, 101, 400, 10**6])
def test_max_codes(max_codes, nbits, rng):
    codes = random_codes(rng, 500, 64 * nbits)
    queries = random_codes(rng, 90, 64 * nbits)
    index = make_index(64, nbits, L2, codes)
    reference = Reference(index, codes)
    assign = nearest_lists(index, queries, 6)
    expected = reference.search(queries, 10, assign, max_codes=max_codes)
    params = faiss.SearchParametersIVF(nprobe=6, max_codes=max_codes)
    for nq in (3, 90):  # shared out by entries, and by queries
        ours = index.search(queries[:nq], 10, params=params)
        assert_same(ours, [one[:nq] for one in expected])
    index.nprobe, index.max_codes = 6, max_codes
    assert_same(index.search(queries, 10), expected)
    radius = int(np.median(expected[0][:, 0])) + 1
    assert_same(
        index.range_search(queries, radius),
        reference.range_search(queries, radius, assign, max_codes=max_codes),
    )


@pytest.mark.parametrize("nbits", [1, 2, 3])
@pytest.mark.parametrize("kind", list(selectors(100)))
@pytest.mark.parametrize("nq", [2, 90])
def test_selectors(kind, nq, nbits, rng):
    codes = random_codes(rng, 900, 64 * nbits)
    queries = random_codes(rng, nq, 64 * nbits)
    index = make_index(64, nbits, L2, codes)
    index.nprobe = 5
    reference = Reference(index, codes)
    assign = nearest_lists(index, queries, 5)
    sel = selectors(900)[kind]
    expected = reference.search(queries, 15, assign, sel=sel)
    radius = 64 * (4**nbits - 1) // 6  # about what two random codes have
    in_range = reference.range_search(queries, radius, assign, sel=sel)
    for params in (
        faiss.SearchParameters(sel=sel),
        faiss.SearchParametersIVF(sel=sel, nprobe=5),
    ):
        assert_same(index.search(queries, 15, params=params), expected)
        D, I, R = index.search_and_reconstruct(queries, 15, params=params)
        assert_same((D, I), expected)
        np.testing.assert_array_equal(R[I >= 0], codes[I[I >= 0]])
        assert_same(index.range_search(queries, radius, params=params), in_range)
    assert_same(
        index.search_preassigned(queries, 15, assign, None, params=params), expected
    )
    assert_same(
        index.range_search_preassigned(queries, radius, assign, None, params=params),
        in_range,
    )


@pytest.mark.parametrize("nq", [2, 7, 40])
def test_few_probes_of_many_lists(nq, rng):
    codes = random_codes(rng, 1500, 128)
    queries = random_codes(rng, nq, 128)
    index = make_index(64, 2, L2, codes, nlist=200)
    reference = Reference(index, codes)
    for nprobe in (1, 3):
        index.nprobe = nprobe
        assign = nearest_lists(index, queries, nprobe)
        assert_same(index.search(queries, 5), reference.search(queries, 5, assign))


def raise_error(_id):
    raise ZeroDivisionError


@pytest.mark.parametrize("nbits", [1, 2])
@pytest.mark.parametrize("nq", [2, 200])
def test_selector_that_raises(nq, nbits, rng):
    codes = random_codes(rng, 900, 64 * nbits)
    index = make_index(64, nbits, L2, codes)
    sel = faiss.PyCallbackIDSelector(raise_error)
    params = faiss.SearchParameters(sel=sel)
    # itself, or as a RuntimeError when another thread met it
    with pytest.raises((ZeroDivisionError, RuntimeError)):
        index.search(codes[:nq], 5, params=params)
    with pytest.raises((ZeroDivisionError, RuntimeError)):
        index.remove_ids(sel)
    assert index.ntotal == 900
    index.nprobe = index.nlist
    np.testing.assert_array_equal(index.reconstruct_n(), codes)


def test_search_parameters(rng):
    codes = random_codes(rng, 500, 128)
    queries = random_codes(rng, 20, 128)
    index = make_index(64, 2, L2, codes)
    reference = Reference(index, codes)
    assign = nearest_lists(index, queries, 4)
    expected = reference.search(queries, 10, assign)
    params = faiss.SearchParametersIVF(nprobe=4)
    assert index.nprobe == 1
    assert_same(index.search(queries, 10, params=params), expected)
    assert_same(index.search_and_reconstruct(queries, 10, params=params)[:2], expected)
    # the quantizer's own: only some lists
    params = faiss.SearchParametersIVF(
        nprobe=2,
        quantizer_params=faiss.SearchParameters(sel=faiss.IDSelectorRange(3, 6)),
    )
    lists = index.quantizer.search(
        queries, 2, params=faiss.SearchParameters(sel=faiss.IDSelectorRange(3, 6))
    )[1]
    assert set(lists.ravel()) <= {3, 4, 5}
    assert_same(
        index.search(queries, 10, params=params), reference.search(queries, 10, lists)
    )
    # more lists than there are
    index.nprobe = 1000
    assert_same(
        index.search(queries, 10), make_flat(64, 2, L2, codes).search(queries, 10)
    )


def test_preassigned_lists(rng):
    codes = random_codes(rng, 300, 128)
    index = make_index(64, 2, L2, codes)
    reference = Reference(index, codes)
    index.nprobe = 3
    assign = np.array([[0, -1, 4], [-1, -1, -1], [7, 7, 2]])
    Dq = np.zeros_like(assign)
    expected = reference.search(codes[:3], 9, assign)
    assert (expected[1][1] == -1).all()
    D, I = np.empty((3, 9), dtype=np.int32), np.empty((3, 9), dtype=np.int64)
    index.search_preassigned(codes[:3], 9, assign, Dq, D=D, I=I)
    assert_same((D, I), expected)

    # places instead of ids
    index.search_preassigned_c(
        3,
        faiss.swig_ptr(codes),
        9,
        faiss.swig_ptr(assign),
        None,
        faiss.swig_ptr(D),
        faiss.swig_ptr(I),
        True,
    )
    np.testing.assert_array_equal(D, expected[0])
    assert (I[1] == -1).all()
    code = np.empty(16, dtype=np.uint8)
    for q, rank in np.argwhere(I >= 0):
        list_no, offset = int(I[q, rank]) >> 32, int(I[q, rank]) & 0xFFFFFFFF
        assert list_no in assign[q]
        index.reconstruct_from_offset(list_no, offset, faiss.swig_ptr(code))
        found = binary_distances(codes[q : q + 1], code[None], 2, inner_product=False)
        assert found[0, 0] == D[q, rank]

    for bad in (13, 10**12):
        assign[1, 1] = bad
        with pytest.raises(RuntimeError, match="list"):
            index.search_preassigned(codes[:3], 9, assign, None)
        with pytest.raises(RuntimeError, match="list"):
            index.range_search_preassigned(codes[:3], 9, assign, None)
    for search in (index.search_preassigned, index.range_search_preassigned):
        with pytest.raises(ValueError, match="Iq must have shape"):
            search(codes[:3], 9, assign[:, :2], None)
        with pytest.raises(ValueError, match="Dq must have shape"):
            search(codes[:3], 9, assign, Dq[:2])
        with pytest.raises(TypeError, match="Iq must be an array"):
            search(codes[:3], 9, assign.tolist(), None)
    with pytest.raises(ValueError, match="D must have shape"):
        index.search_preassigned(codes[:3], 9, assign, None, D=D[:2])
    with pytest.raises(ValueError, match="k must be"):
        index.search_preassigned(codes[:3], 0, assign, None)
    for params in (faiss.SearchParameters(), faiss.SearchParametersHNSW()):
        with pytest.raises(TypeError):
            index.search_preassigned(codes[:3], 9, assign, None, params=params)


@pytest.mark.parametrize("d", [64, 72, 256])
def test_one_bit_is_index_binary_ivf(d, rng):
    codes = random_codes(rng, 3000, d)
    queries = random_codes(rng, 50, d)
    index = make_index(d, 1, L2, codes, nlist=20)
    theirs = faiss.IndexBinaryIVF(index.quantizer, d, 20)
    theirs.add(codes)
    index.nprobe = theirs.nprobe = 4
    D, I = index.search(queries, 10)
    np.testing.assert_array_equal(D, theirs.search(queries, 10)[0])
    distances = binary_distances(queries, codes, 1, inner_product=False)
    np.testing.assert_array_equal(np.take_along_axis(distances, I, 1), D)
    lims, D, I = index.range_search(queries, d // 3)
    other_lims, _, other_I = theirs.range_search(queries, d // 3)
    np.testing.assert_array_equal(lims, other_lims)
    for q in range(50):
        one = slice(lims[q], lims[q + 1])
        np.testing.assert_array_equal(I[one], np.sort(other_I[one]))
    for i in range(20):
        assert index.get_list_size(i) == theirs.get_list_size(i)


def test_empty_and_short(rng):
    queries = random_codes(rng, 90, 128)
    quantizer = faiss_bebr.IndexBinarySDC(128, 2)
    quantizer.add(queries[:5])
    for metric, padding in ((L2, INT_MAX), (IP, INT_MIN)):
        index = faiss_bebr.IndexBinaryIVFSDC(quantizer, 128, 5, 2, metric)
        index.nprobe = 3
        for nq in (2, 90):
            D, I = index.search(queries[:nq], 3)
            assert (I == -1).all()
            assert (D == padding).all()
            D, I, R = index.search_and_reconstruct(queries[:nq], 3)
            assert (I == -1).all()
            assert (R == 255).all()
            lims, D, I = index.range_search(queries[:nq], 0)
            assert lims.tolist() == [0] * (nq + 1)
            assert len(D) == len(I) == 0
        index.add(queries[:0])
        assert index.ntotal == 0
        index.add(queries[:1])  # the other lists are empty
        D, I = index.search(queries[:2], 3)
        assert (D[:, 1:] == padding).all()
        assert I[0].tolist() == [0, -1, -1]
        D, I = index.search(queries[:0], 3)
        assert D.shape == I.shape == (0, 3)
        assert index.range_search(queries[:0], 3)[0].tolist() == [0]


def test_largest_distances_fit():
    m, nbits = 32768, 8
    codes = np.zeros((2, m), dtype=np.uint8)
    codes[1] = 255
    far = 255 * 255 * m
    for metric, expected in (
        (L2, [[0, far, INT_MAX], [0, far, INT_MAX]]),
        (IP, [[far, -far, INT_MIN], [far, -far, INT_MIN]]),
    ):
        index = make_index(m, nbits, metric, codes, nlist=2)
        index.nprobe = 2
        D, I = index.search(codes, 3)
        np.testing.assert_array_equal(D, expected)
        np.testing.assert_array_equal(I, [[0, 1, -1], [1, 0, -1]])


def test_statistics(rng):
    codes = random_codes(rng, 500, 128)
    index = make_index(64, 2, L2, codes)
    stats = faiss.cvar.indexIVF_stats
    sizes = np.array([index.get_list_size(i) for i in range(13)])
    for nq in (4, 90):
        queries = codes[100 : 100 + nq]
        lists = nearest_lists(index, queries, 3)
        index.nprobe = 3
        stats.reset()
        index.search(queries, 5)
        assert (stats.nq, stats.nlist) == (nq, 3 * nq)
        assert stats.ndis == sizes[lists].sum()
        assert 5 * nq <= stats.nheap_updates <= stats.ndis
        assert stats.quantization_time > 0
        assert stats.search_time > 0
        index.max_codes = 60
        stats.reset()
        index.range_search(queries, 10)
        visited = np.minimum(sizes[lists].sum(axis=1), 60)
        assert stats.ndis == visited.sum()
        index.max_codes = 0
