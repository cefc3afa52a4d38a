"""IndexBinaryIVFSDC against IndexBinarySDC, against numpy, and inside FAISS."""

from __future__ import annotations

import gc
from typing import Any

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inputs import random_codes, selectors
from reference import binary_distances, pack_levels, unpack_levels

import faiss_bebr

L2, IP = faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT
INT_MAX, INT_MIN = np.iinfo(np.int32).max, np.iinfo(np.int32).min

# dimensions that fill registers and odd ones that fill none
SHAPES = [(8, 1), (72, 1), (256, 1), (8, 8), (24, 3), (72, 2), (136, 7), (256, 2)]


def make_index(
    m: int,
    nbits: int,
    metric: int,
    codes: np.ndarray,
    nlist: int = 13,
    ids: np.ndarray | None = None,
):
    """The first nlist codes are the centroids."""
    quantizer = faiss_bebr.IndexBinarySDC(m * nbits, nbits)
    quantizer.add(codes[:nlist])
    index = faiss_bebr.IndexBinaryIVFSDC(quantizer, m * nbits, nlist, nbits, metric)
    assert index.is_trained
    if ids is None:
        index.add(codes)
    else:
        index.add_with_ids(codes, ids)
    return index


def make_flat(m: int, nbits: int, metric: int, codes: np.ndarray):
    index = faiss_bebr.IndexBinarySDC(m * nbits, nbits, metric)
    index.add(codes)
    return index


def assert_same(ours: tuple, theirs: tuple) -> None:
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


class Reference:
    """The same in numpy: which codes a query visits, and the best of these."""

    def __init__(self, index: Any, codes: np.ndarray, ids: np.ndarray | None = None):
        self.index = index
        self.codes = codes
        self.ids = np.arange(len(codes)) if ids is None else ids
        self.lists = index.quantizer.search(codes, 1)[1][:, 0]

    def visited(self, assign: np.ndarray, max_codes: int = 0) -> list[np.ndarray]:
        """Rows of codes for each query, in the order of `assign`."""
        result = []
        for lists in assign:
            rows = [np.flatnonzero(self.lists == i) for i in lists if i >= 0]
            one = np.concatenate([np.empty(0, dtype=np.int64), *rows])
            result.append(one[:max_codes] if max_codes else one)
        return result

    def results(
        self, queries: np.ndarray, assign: np.ndarray, *, max_codes: int = 0, sel=None
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Distances and ids of all visited codes, the best first."""
        is_ip = self.index.metric_type == IP
        distances = binary_distances(
            queries, self.codes, self.index.nbits, inner_product=is_ip
        )
        result = []
        for q, rows in enumerate(self.visited(assign, max_codes)):
            if sel is not None:
                member = [sel.is_member(int(i)) for i in self.ids[rows]]
                rows = rows[np.array(member, dtype=bool)]
            D, I = distances[q, rows], self.ids[rows]
            order = np.lexsort((I, -D if is_ip else D))
            result.append((D[order], I[order]))
        return result

    def search(self, queries, k, assign, **kwargs) -> tuple[np.ndarray, np.ndarray]:
        is_ip = self.index.metric_type == IP
        D = np.full((len(queries), k), INT_MIN if is_ip else INT_MAX)
        I = np.full((len(queries), k), -1)
        for q, one in enumerate(self.results(queries, assign, **kwargs)):
            n = min(k, len(one[0]))
            D[q, :n], I[q, :n] = one[0][:n], one[1][:n]
        return D, I

    def range_search(self, queries, radius, assign, **kwargs) -> tuple:
        is_ip = self.index.metric_type == IP
        lims, found = [0], []
        for D, I in self.results(queries, assign, **kwargs):
            inside = D > radius if is_ip else D < radius
            order = np.argsort(I[inside], kind="stable")
            found.append((D[inside][order], I[inside][order]))
            lims.append(lims[-1] + len(order))
        D = np.concatenate([one[0] for one in found]).astype(np.float32)
        return np.array(lims), D, np.concatenate([one[1] for one in found])


def nearest_lists(index, queries: np.ndarray, nprobe: int) -> np.ndarray:
    return index.quantizer.search(queries, nprobe)[1]


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


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("nq", [1, 20, 100])
def test_threads_do_not_change_results(nq, metric, nthreads, rng):
    codes = rng.integers(0, 4, (3000, 16), dtype=np.uint8)
    queries = rng.integers(0, 4, (nq, 16), dtype=np.uint8)
    index = make_index(64, 2, metric, codes, nlist=5)
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


@pytest.mark.parametrize("max_codes", [1, 7, 100, 101, 400, 10**6])
def test_max_codes(max_codes, rng):
    codes = random_codes(rng, 500, 128)
    queries = random_codes(rng, 90, 128)
    index = make_index(64, 2, L2, codes)
    reference = Reference(index, codes)
    assign = nearest_lists(index, queries, 6)
    expected = reference.search(queries, 10, assign, max_codes=max_codes)
    params = faiss.SearchParametersIVF(nprobe=6, max_codes=max_codes)
    for nq in (3, 90):  # shared out by entries, and by queries
        ours = index.search(queries[:nq], 10, params=params)
        assert_same(ours, [one[:nq] for one in expected])
    index.nprobe, index.max_codes = 6, max_codes
    assert_same(index.search(queries, 10), expected)
    assert_same(
        index.range_search(queries, 150),
        reference.range_search(queries, 150, assign, max_codes=max_codes),
    )


@pytest.mark.parametrize("kind", list(selectors(100)))
@pytest.mark.parametrize("nq", [2, 90])
def test_selectors(kind, nq, rng):
    codes = random_codes(rng, 900, 128)
    queries = random_codes(rng, nq, 128)
    index = make_index(64, 2, L2, codes)
    index.nprobe = 5
    reference = Reference(index, codes)
    assign = nearest_lists(index, queries, 5)
    sel = selectors(900)[kind]
    expected = reference.search(queries, 15, assign, sel=sel)
    in_range = reference.range_search(queries, 300, assign, sel=sel)
    for params in (
        faiss.SearchParameters(sel=sel),
        faiss.SearchParametersIVF(sel=sel, nprobe=5),
    ):
        assert_same(index.search(queries, 15, params=params), expected)
        D, I, R = index.search_and_reconstruct(queries, 15, params=params)
        assert_same((D, I), expected)
        np.testing.assert_array_equal(R[I >= 0], codes[I[I >= 0]])
        assert_same(index.range_search(queries, 300, params=params), in_range)
    assert_same(
        index.search_preassigned(queries, 15, assign, None, params=params), expected
    )
    assert_same(
        index.range_search_preassigned(queries, 300, assign, None, params=params),
        in_range,
    )


def raise_error(_id):
    raise ZeroDivisionError


@pytest.mark.parametrize("nq", [2, 200])
def test_selector_that_raises(nq, rng):
    codes = random_codes(rng, 900, 128)
    index = make_index(64, 2, L2, codes)
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


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (faiss.SearchParametersHNSW(efSearch=3), "SearchParametersIVF"),
        (faiss.SearchParametersIVF(nprobe=0), "nprobe"),
        (faiss.SearchParametersIVF(max_lists_num=3), "takes nprobe"),
        (faiss.SearchParametersIVF(ensure_topk_full=True), "takes nprobe"),
        (faiss.SearchParametersIVF(max_empty_result_buckets=3), "takes nprobe"),
    ],
)
def test_refused_parameters(params, message, rng):
    codes = random_codes(rng, 100, 128)
    index = make_index(64, 2, L2, codes)
    for search in (
        lambda: index.search(codes, 3, params=params),
        lambda: index.range_search(codes, 3, params=params),
        lambda: index.search_and_reconstruct(codes, 3, params=params),
    ):
        with pytest.raises(RuntimeError, match=message):
            search()
    index.nprobe = 0
    with pytest.raises(RuntimeError, match="nprobe"):
        index.search(codes, 3)


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


# ------------------------------------------------------------- training


def planted(rng, m: int, nbits: int, nclusters: int, n: int):
    """Codes around far centres: levels differ by at most 1, or few bits do."""
    max_level = 2**nbits - 1
    centers = rng.integers(0, 2, (nclusters, m)) * max_level
    member = rng.permutation(np.arange(n) % nclusters)
    levels = centers[member]
    moved = rng.random((n, m)) < 0.1
    levels = np.where(moved, np.abs(levels - 1), levels)
    return pack_levels(levels, [m] * nbits), member, centers


@pytest.mark.parametrize(("m", "nbits"), [(64, 1), (72, 1), (40, 2), (24, 5), (16, 8)])
def test_training_finds_planted_clusters(m, nbits, rng):
    codes, member, centers = planted(rng, m, nbits, 8, 2000)
    quantizer = faiss_bebr.IndexBinarySDC(m * nbits, nbits)
    index = faiss_bebr.IndexBinaryIVFSDC(quantizer, m * nbits, 8, nbits)
    assert not index.is_trained
    assert index.cp.niter == 10
    index.cp.init_method = faiss.ClusteringInitMethod_KMEANS_PLUS_PLUS
    index.cp.nredo = 10
    index.train(codes)
    assert index.is_trained
    assert quantizer.ntotal == 8
    found = unpack_levels(quantizer.reconstruct_n(), [m] * nbits)
    # means are within 0.1 of the centres and round to them
    assert {tuple(row) for row in found} == {tuple(row) for row in centers}
    lists = quantizer.search(codes, 1)[1][:, 0]
    assert len({(a, b) for a, b in zip(lists, member, strict=True)}) == 8
    index.add(codes)
    assert sorted(index.get_list_size(i) for i in range(8)) == [250] * 8


@pytest.mark.parametrize("nbits", [1, 3])
def test_centroids_are_rounded_means(nbits, rng):
    m = 40
    codes = random_codes(rng, 600, m * nbits)
    quantizer = faiss_bebr.IndexBinarySDC(m * nbits, nbits)
    index = faiss_bebr.IndexBinaryIVFSDC(quantizer, m * nbits, 7, nbits)
    index.cp.niter = 100
    index.cp.max_points_per_centroid = 1000
    float_index = faiss.IndexFlatL2(m)
    index.clustering_index = float_index
    index.train(codes)
    centroids = float_index.reconstruct_n()
    levels = unpack_levels(codes, [m] * nbits)
    nearest = float_index.search(levels.astype(np.float32), 1)[1][:, 0]
    for i in range(7):
        np.testing.assert_allclose(
            centroids[i], levels[nearest == i].mean(axis=0), atol=1e-4
        )
    np.testing.assert_array_equal(
        unpack_levels(quantizer.reconstruct_n(), [m] * nbits),
        np.floor(centroids + 0.5),
    )


def test_training_lowers_the_error(rng):
    levels = np.clip(rng.normal(1.5, 1, (40, 64)).round(), 0, 3).astype(int)
    levels = levels[rng.integers(0, 40, 3000)]
    noise = rng.integers(-1, 2, levels.shape)
    codes = pack_levels(np.clip(levels + noise, 0, 3), [64] * 2)
    random_index = make_index(64, 2, L2, codes, nlist=40)
    quantizer = faiss_bebr.IndexBinarySDC(128, 2)
    index = faiss_bebr.IndexBinaryIVFSDC(quantizer, 128, 40, 2)
    index.train(codes)
    errors = [one.quantizer.search(codes, 1)[0].mean() for one in (index, random_index)]
    assert errors[0] < 0.7 * errors[1]


@pytest.mark.parametrize(
    "make_quantizer",
    [
        lambda: faiss.IndexBinaryFlat(128),
        lambda: faiss.IndexBinaryHNSW(128, 8),
        lambda: faiss_bebr.IndexBinarySDC(128, 2, IP),
        # one that has to be trained itself
        lambda: faiss_bebr.IndexBinaryIVFSDC(
            faiss_bebr.IndexBinarySDC(128, 2), 128, 3, 2
        ),
    ],
    ids=["flat", "hnsw", "inner product", "inverted file"],
)
def test_other_quantizers(make_quantizer, rng):
    codes = random_codes(rng, 800, 128)
    quantizer = make_quantizer()
    index = faiss_bebr.IndexBinaryIVFSDC(quantizer, 128, 12, 2)
    index.train(codes)
    index.add(codes)
    assert (quantizer.ntotal, index.ntotal) == (12, 800)
    reference = Reference(index, codes)
    queries = codes[:20]
    index.nprobe = 4
    expected = reference.search(queries, 9, nearest_lists(index, queries, 4))
    assert_same(index.search(queries, 9), expected)
    index.nprobe = 12
    if hasattr(quantizer, "nprobe"):
        quantizer.nprobe = 3
    if "HNSW" in type(quantizer).__name__:
        quantizer.hnsw.efSearch = 100
    flat = make_flat(64, 2, L2, codes)
    assert_same(index.search(queries, 9), flat.search(queries, 9))


def test_training_of_a_trained_quantizer_changes_nothing(rng):
    codes = random_codes(rng, 300, 128)
    quantizer = faiss_bebr.IndexBinarySDC(128, 2)
    index = faiss_bebr.IndexBinaryIVFSDC(quantizer, 128, 10, 2)
    assert not index.is_trained
    quantizer.add(codes[:10])
    index.train(codes[:0])
    assert index.is_trained
    np.testing.assert_array_equal(quantizer.reconstruct_n(), codes[:10])
    # one with another number of codes starts anew
    index = faiss_bebr.IndexBinaryIVFSDC(quantizer, 128, 9, 2)
    assert not index.is_trained
    index.train(codes)
    assert quantizer.ntotal == 9


def test_bad_training(rng):
    codes = random_codes(rng, 100, 128)
    quantizer = faiss_bebr.IndexBinarySDC(128, 2)
    quantizer.add(codes[:3])
    index = faiss_bebr.IndexBinaryIVFSDC(quantizer, 128, 10, 2)
    with pytest.raises(RuntimeError, match="training vectors at least, got 9"):
        index.train(codes[:9])
    float_index = faiss.IndexFlatL2(128)
    index.clustering_index = float_index
    with pytest.raises(RuntimeError, match="dimension"):
        index.train(codes)
    index.clustering_index = None
    index.cp.spherical = True
    with pytest.raises(RuntimeError, match="spherical"):
        index.train(codes)
    index.cp.spherical = False
    assert quantizer.ntotal == 3
    for use in (
        lambda: index.add(codes),
        lambda: index.search(codes, 3),
        lambda: index.range_search(codes, 3),
        lambda: index.search_and_reconstruct(codes, 3),
        lambda: index.search_preassigned(codes, 3, np.zeros((100, 1), int), None),
        lambda: index.remove_ids(np.arange(3)),
    ):
        with pytest.raises(RuntimeError, match="not trained"):
            use()
    assert (index.ntotal, index.is_trained) == (0, False)
    index.train(codes[:10])  # as many as lists: they are the centroids
    assert {bytes(c) for c in quantizer.reconstruct_n()} == {
        bytes(c) for c in codes[:10]
    }


# ------------------------------------------------- what the lists hold


def test_add_in_pieces_and_with_ids(rng):
    codes = random_codes(rng, 300, 128)
    queries = random_codes(rng, 30, 128)
    ids = rng.permutation(10**6)[:300]
    index = make_index(64, 2, L2, codes, ids=ids)
    index.nprobe = 5
    expected = index.search(queries, 12)
    assign = nearest_lists(index, queries, 5)
    assert_same(expected, Reference(index, codes, ids).search(queries, 12, assign))
    pieces = faiss_bebr.IndexBinaryIVFSDC(index.quantizer, 128, 13, 2)
    for begin in range(0, 300, 70):
        part = slice(begin, begin + 70)
        pieces.add_with_ids(codes[part], ids[part])
    pieces.nprobe = 5
    assert pieces.ntotal == 300
    assert_same(pieces.search(queries, 12), expected)
    encoded = faiss_bebr.IndexBinaryIVFSDC(index.quantizer, 128, 13, 2)
    assert encoded.sa_code_size() == 16
    encoded.add_sa_codes(codes, ids)
    encoded.nprobe = 5
    assert_same(encoded.search(queries, 12), expected)
    plain = faiss_bebr.IndexBinaryIVFSDC(index.quantizer, 128, 13, 2)
    plain.add_sa_codes(codes)
    np.testing.assert_array_equal(plain.reconstruct_n(), codes)
    with pytest.raises(ValueError, match="ids must have shape"):
        index.add_with_ids(codes, ids[:-1])
    with pytest.raises(ValueError, match="ids must have shape"):
        index.add_sa_codes(codes, ids[:-1])
    assert index.ntotal == 300


def test_negative_ids_are_ids(rng):
    codes = random_codes(rng, 40, 128)
    for metric in (L2, IP):
        index = make_index(64, 2, metric, codes, 3, -1 - np.arange(40))
        index.nprobe = 3
        D, I = index.search(codes[:5], 50)
        flat_D, flat_I = make_flat(64, 2, metric, codes).search(codes[:5], 50)
        np.testing.assert_array_equal(D, flat_D)
        assert (np.sort(-1 - I[:, :40]) == np.arange(40)).all()
        assert (flat_I[:, 40:] == I[:, 40:]).all()


def test_add_core_takes_lists(rng):
    codes = random_codes(rng, 50, 128)
    index = make_index(64, 2, L2, codes[:13])
    index.reset()
    lists = rng.integers(-1, 13, 50)
    index.add_core(50, faiss.swig_ptr(codes), None, faiss.swig_ptr(lists))
    # those of list -1 count and are nowhere
    assert index.ntotal == 50
    for i in range(13):
        n = int((lists == i).sum())
        assert index.get_list_size(i) == n
        ids = faiss.rev_swig_ptr(index.invlists.get_ids(i), n)
        np.testing.assert_array_equal(ids, np.flatnonzero(lists == i))
    lists[40] = 13
    with pytest.raises(RuntimeError, match="code 40 is for list 13 of 13"):
        index.add_core(50, faiss.swig_ptr(codes), None, faiss.swig_ptr(lists))
    assert index.ntotal == 50
    with pytest.raises(RuntimeError, match="no list 13"):
        index.get_list_size(13)


@pytest.mark.parametrize("kind", ["Array", "Hashtable"])
def test_direct_maps(kind, rng):
    codes = random_codes(rng, 200, 192)
    has_ids = kind == "Hashtable"
    ids = rng.permutation(10**6)[:200] if has_ids else np.arange(200)
    index = make_index(64, 3, L2, codes[:120], ids=ids[:120] if has_ids else None)
    with pytest.raises(RuntimeError, match="make_direct_map"):
        index.reconstruct(int(ids[3]))
    index.set_direct_map_type(getattr(faiss.DirectMap, kind))
    if has_ids:  # also of what is added later
        index.add_with_ids(codes[120:], ids[120:])
    else:
        index.add(codes[120:])
        with pytest.raises(RuntimeError, match="array direct map"):
            index.add_with_ids(codes, ids)
    assert index.ntotal == 200
    for i in range(200):
        np.testing.assert_array_equal(index.reconstruct(int(ids[i])), codes[i])
    for key in (-1, 10**7, 2**62):
        with pytest.raises(RuntimeError, match="key"):
            index.reconstruct(key)
    index.make_direct_map(False)
    with pytest.raises(RuntimeError, match="make_direct_map"):
        index.reconstruct(int(ids[3]))


def test_direct_map_of_sequential_ids_only(rng):
    codes = random_codes(rng, 100, 128)
    index = make_index(64, 2, L2, codes, ids=np.arange(100) + 50)
    index.set_direct_map_type(faiss.DirectMap.Hashtable)
    with pytest.raises(RuntimeError, match="sequential ids"):
        index.make_direct_map()
    # the map before that is still there
    np.testing.assert_array_equal(index.reconstruct(140), codes[90])


def test_hashtable_follows_ids_given_by_the_index(rng):
    codes = random_codes(rng, 100, 128)
    index = make_index(64, 2, L2, codes[:60])
    index.set_direct_map_type(faiss.DirectMap.Hashtable)
    index.add(codes[60:])
    for i in (0, 59, 60, 99):
        np.testing.assert_array_equal(index.reconstruct(i), codes[i])


def test_reconstruct_n(rng):
    codes = random_codes(rng, 60, 192)
    index = make_index(64, 3, L2, codes)
    np.testing.assert_array_equal(index.reconstruct_n(), codes)
    np.testing.assert_array_equal(index.reconstruct_n(10, 20), codes[10:30])
    assert index.reconstruct_n(60, 0).shape == (0, 24)
    for bounds in ((45, 16), (-1, 2), (61, 1), (2**63 - 1, 1)):
        with pytest.raises(RuntimeError, match=r"not in 0\.\.59"):
            index.reconstruct_n(*bounds)
    ids = np.array([2**63 - 1, -(2**63)])
    index.add_with_ids(codes[:2], ids)
    np.testing.assert_array_equal(index.reconstruct_n(10, 20), codes[10:30])
    index.remove_ids(np.array([7, *ids]))
    with pytest.raises(RuntimeError, match="id 7 is not in the index"):
        index.reconstruct_n()
    code = np.empty(24, dtype=np.uint8)
    for place in ((13, 0), (-1, 0), (0, 60), (0, -1)):
        with pytest.raises(RuntimeError, match="has no entry"):
            index.reconstruct_from_offset(*place, faiss.swig_ptr(code))


@pytest.mark.parametrize("kind", ["NoMap", "Hashtable"])
def test_remove_ids(kind, rng):
    codes = random_codes(rng, 300, 128)
    queries = random_codes(rng, 30, 128)
    ids = rng.permutation(1000)[:300]
    index = make_index(64, 2, L2, codes, ids=ids)
    index.nprobe = 4
    index.set_direct_map_type(getattr(faiss.DirectMap, kind))
    gone = np.concatenate([ids[::7], [2000, ids[0]]])
    assert index.remove_ids(gone) == len(ids[::7])
    left = np.delete(np.arange(300), np.s_[::7])
    assert index.ntotal == len(left)
    reference = Reference(index, codes[left], ids[left])
    assign = nearest_lists(index, queries, 4)
    assert_same(index.search(queries, 25), reference.search(queries, 25, assign))
    if kind == "Hashtable":
        for i in left:
            np.testing.assert_array_equal(index.reconstruct(int(ids[i])), codes[i])
        with pytest.raises(RuntimeError, match="key not found"):
            index.reconstruct(int(ids[7]))
        with pytest.raises(RuntimeError, match="IDSelectorArray"):
            index.remove_ids(faiss.IDSelectorRange(0, 5))
        index.make_direct_map(False)
    assert index.remove_ids(faiss.IDSelectorRange(0, 10**6)) == len(left)
    assert index.ntotal == 0
    assert (index.search(queries, 3)[1] == -1).all()
    with pytest.raises(ValueError, match="ids must have shape"):
        index.remove_ids(np.zeros((2, 2), dtype=np.int64))


def test_remove_ids_needs_another_map_than_an_array(rng):
    codes = random_codes(rng, 100, 128)
    index = make_index(64, 2, L2, codes)
    index.make_direct_map()
    with pytest.raises(RuntimeError, match="remove not supported"):
        index.remove_ids(np.array([3]))
    assert index.ntotal == 100
    np.testing.assert_array_equal(index.reconstruct(3), codes[3])


def test_reset(rng):
    codes = random_codes(rng, 100, 128)
    index = make_index(64, 2, L2, codes)
    index.set_direct_map_type(faiss.DirectMap.Hashtable)
    index.reset()
    assert index.ntotal == 0
    assert index.is_trained
    assert (index.search(codes, 3)[1] == -1).all()
    index.add(codes[50:])
    np.testing.assert_array_equal(index.reconstruct(49), codes[99])
    np.testing.assert_array_equal(index.reconstruct_n(), codes[50:])


def test_merge(rng):
    codes = random_codes(rng, 300, 128)
    whole = make_index(64, 2, L2, codes)
    first = make_index(64, 2, L2, codes)
    first.remove_ids(faiss.IDSelectorRange(100, 300))
    second = faiss_bebr.IndexBinaryIVFSDC(whole.quantizer, 128, 13, 2)
    second.add(codes[100:250])
    third = faiss_bebr.IndexBinaryIVFSDC(whole.quantizer, 128, 13, 2)
    third.add_with_ids(codes[250:], np.arange(250, 300) - 7)
    first.check_compatible_for_merge(second)
    first.merge_from(second)  # ids follow
    assert (first.ntotal, second.ntotal) == (250, 0)
    assert (second.search(codes[:5], 1)[1] == -1).all()
    first.merge_from(third, 7)
    assert first.ntotal == 300
    for nprobe in (2, 13):
        first.nprobe = whole.nprobe = nprobe
        assert_same(first.search(codes[:50], 20), whole.search(codes[:50], 20))
    second.add(codes[:5])
    assert second.ntotal == 5


def test_merge_of_what_does_not_fit(rng):
    codes = random_codes(rng, 300, 128)
    index = make_index(64, 2, L2, codes)
    with_map = make_index(64, 2, L2, codes)
    with_map.make_direct_map()
    no_lists = faiss_bebr.IndexBinaryIVFSDC(index.quantizer, 128, 13, 2, L2, False)
    others = [
        (make_index(32, 4, L2, codes), "m and nbits are 64 and 2 here, 32 and 4"),
        (make_index(64, 2, IP, codes), "metrics differ"),
        (make_index(64, 2, L2, codes, nlist=12), "nlist differs: 13 here, 12"),
        (make_index(64, 2, L2, codes[::-1]), "differ in centroid 0"),
        (with_map, "direct map"),
        (no_lists, "no inverted lists"),
        (index.quantizer, "same type"),
        (faiss.IndexBinaryIVF(index.quantizer, 128, 13), "same type"),
        (index, "into itself"),
    ]
    for other, message in others:
        n = other.ntotal
        with pytest.raises(RuntimeError, match=message):
            index.check_compatible_for_merge(other)
        with pytest.raises(RuntimeError, match=message):
            index.merge_from(other)
        assert (index.ntotal, other.ntotal) == (300, n)
    # the user may know better than the comparison of centroids
    faiss.cvar.check_compatible_for_merge_expensive_check = False
    try:
        index.check_compatible_for_merge(make_index(64, 2, L2, codes[::-1]))
    finally:
        faiss.cvar.check_compatible_for_merge_expensive_check = True


def test_lists_on_disk(rng, tmp_path):
    codes = random_codes(rng, 400, 128)
    queries = random_codes(rng, 80, 128)
    index = make_index(64, 2, L2, codes)
    index.nprobe = 4
    expected = index.search(queries, 12)
    lists = faiss.OnDiskInvertedLists(13, 16, str(tmp_path / "lists"))
    lists.merge_from(index.invlists, 0)
    index.replace_invlists(lists, True)
    del lists
    gc.collect()
    assert_same(index.search(queries, 12), expected)
    index.add(codes[:100])
    assert index.ntotal == 500
    index.remove_ids(faiss.IDSelectorRange(400, 500))
    assert_same(index.search(queries, 12), expected)
    D, I, R = index.search_and_reconstruct(queries, 12)
    np.testing.assert_array_equal(R[I >= 0], codes[I[I >= 0]])

    on_disk = faiss.downcast_InvertedLists(index.invlists)
    on_disk.read_only = True
    other = make_index(64, 2, L2, codes)
    for change in (
        lambda: index.add(codes),
        lambda: index.remove_ids(np.arange(5)),
        lambda: index.reset(),
        lambda: index.merge_from(other),
        lambda: other.merge_from(index),
    ):
        with pytest.raises(RuntimeError, match="read-only"):
            change()
    assert (index.ntotal, other.ntotal) == (400, 400)
    assert_same(index.search(queries, 12), expected)
    np.testing.assert_array_equal(other.reconstruct_n(), codes)


def test_several_lists_as_one(rng):
    """Lists that hand out copies of their codes."""
    codes = random_codes(rng, 400, 128)
    parts = [make_index(64, 2, L2, codes) for _ in range(2)]
    parts[0].remove_ids(faiss.IDSelectorRange(200, 400))
    parts[1].remove_ids(faiss.IDSelectorRange(0, 200))
    vector = faiss.InvertedListsPtrVector()
    for part in parts:
        vector.push_back(part.invlists)
    stack = faiss.HStackInvertedLists(2, vector.data())
    index = faiss_bebr.IndexBinaryIVFSDC(parts[0].quantizer, 128, 13, 2, L2, False)
    for use in (
        lambda: index.add(codes),
        lambda: index.search(codes, 3),
        lambda: index.reset(),
        lambda: index.make_direct_map(),
        lambda: index.get_list_size(0),
    ):
        with pytest.raises(RuntimeError, match="no inverted lists"):
            use()
    assert index.invlists is None
    index.replace_invlists(stack)
    del stack
    gc.collect()
    index.nprobe = 4
    index.ntotal = 400
    whole = make_index(64, 2, L2, codes)
    whole.nprobe = 4
    for nq in (3, 90):
        assert_same(index.search(codes[:nq], 9), whole.search(codes[:nq], 9))
    np.testing.assert_array_equal(index.reconstruct_n(), codes)


def test_replace_invlists_refuses_others(rng):
    codes = random_codes(rng, 100, 128)
    index = make_index(64, 2, L2, codes)
    for lists in (
        faiss.ArrayInvertedLists(12, 16),
        faiss.ArrayInvertedLists(13, 15),
    ):
        with pytest.raises(RuntimeError, match="13 lists of 16 bytes"):
            index.replace_invlists(lists, True)
        assert lists.thisown  # it still belongs to Python
    with pytest.raises(RuntimeError, match="must not be null"):
        index.replace_invlists(None)
    index.replace_invlists(index.invlists, True)  # nothing happens
    np.testing.assert_array_equal(index.reconstruct_n(), codes)


def test_quantizer_stays_alive(rng):
    codes = random_codes(rng, 100, 128)
    index = make_index(64, 2, L2, codes)
    gc.collect()
    assert index.quantizer.ntotal == 13
    owner = faiss_bebr.IndexBinarySDC(128, 2)
    owner.add(codes[:13])
    index = faiss_bebr.IndexBinaryIVFSDC(owner, 128, 13, 2)
    assert not index.own_fields
    index.own_fields = True
    owner.this.disown()
    index.add(codes)
    assert index.search(codes, 1)[1].shape == (100, 1)


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


# ---------------------------------------------------- inside FAISS's types


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("map_type", ["IndexBinaryIDMap", "IndexBinaryIDMap2"])
def test_inside_id_map(map_type, metric, rng):
    codes = random_codes(rng, 200, 128)
    ids = rng.permutation(10_000)[:200]
    inner = make_index(64, 2, metric, codes)
    inner.reset()
    inner.nprobe = 5
    index = getattr(faiss, map_type)(inner)
    index.add_with_ids(codes, ids)
    plain = make_index(64, 2, metric, codes)
    plain.nprobe = 5
    D, I = index.search(codes[:20], 7)
    D_plain, I_plain = plain.search(codes[:20], 7)
    np.testing.assert_array_equal(D, D_plain)
    np.testing.assert_array_equal(I, ids[I_plain])
    sel = faiss.IDSelectorBatch(ids[50:90])
    inside = faiss.IDSelectorRange(50, 90)
    for make in (
        faiss.SearchParameters,
        lambda sel: faiss.SearchParametersIVF(sel=sel, nprobe=5),
    ):
        D, I = index.search(codes[:20], 7, params=make(sel=sel))
        D_plain, I_plain = plain.search(codes[:20], 7, params=make(sel=inside))
        np.testing.assert_array_equal(D, D_plain)
        np.testing.assert_array_equal(I, np.where(I_plain < 0, -1, ids[I_plain]))
    # a range search hands over bare SearchParameters
    params = faiss.SearchParameters(sel=sel)
    lims, D, I = index.range_search(codes[:20], 100, params=params)
    params = faiss.SearchParameters(sel=inside)
    expected = plain.range_search(codes[:20], 100, params=params)
    assert_same((lims, D, I), (*expected[:2], ids[expected[2]]))
    if map_type == "IndexBinaryIDMap2":
        inner.make_direct_map()
        np.testing.assert_array_equal(index.reconstruct(int(ids[99])), codes[99])


@pytest.mark.parametrize("metric", [L2, IP])
def test_inside_shards_and_replicas(metric, rng):
    codes = random_codes(rng, 400, 128)
    queries = random_codes(rng, 10, 128)
    whole = make_index(64, 2, metric, codes)
    whole.nprobe = 13
    expected = whole.search(queries, 9)
    quantizer = whole.quantizer

    def make_part():
        part = faiss_bebr.IndexBinaryIVFSDC(quantizer, 128, 13, 2, metric)
        part.nprobe = 13
        return part

    for threaded in (False, True):
        shards = faiss.IndexBinaryShards(128, threaded, False)
        shards.metric_type = metric
        parts = [make_part() for _ in range(2)]
        for part in parts:
            shards.add_shard(part)
        assert shards.is_trained
        shards.add_with_ids(codes, np.arange(400))
        assert [part.ntotal for part in parts] == [200, 200]
        D, I = shards.search(queries, 9)
        np.testing.assert_array_equal(D, expected[0])
        distances = binary_distances(queries, codes, 2, inner_product=metric == IP)
        np.testing.assert_array_equal(np.take_along_axis(distances, I, 1), D)

        replicas = faiss.IndexBinaryReplicas(128, threaded)
        copies = [make_part() for _ in range(2)]
        for copy in copies:
            replicas.addIndex(copy)
        replicas.add(codes)
        assert_same(replicas.search(queries, 9), expected)


def test_faiss_never_takes_it_for_a_hamming_index(rng):
    index = make_index(64, 2, L2, random_codes(rng, 100, 128))
    assert not isinstance(index, faiss.IndexBinaryIVF)
    assert not isinstance(faiss.downcast_IndexBinary(index), faiss.IndexBinaryIVF)
    with pytest.raises(RuntimeError):
        faiss.serialize_index_binary(index)
    with pytest.raises(RuntimeError):
        faiss.clone_binary_index(index)


# -------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    "method", ["add", "train", "search", "range_search", "assign", "add_with_ids"]
)
def test_bad_vectors(method, rng):
    codes = random_codes(rng, 20, 128)
    index = make_index(64, 2, L2, codes)
    more = {
        "search": (3,),
        "range_search": (10,),
        "assign": (3,),
        "add_with_ids": (np.arange(20),),
    }
    for x, error in (
        (codes.astype(np.float32), TypeError),
        (codes.astype(np.int8), TypeError),
        (codes[:, :-1], ValueError),
        (codes[0], ValueError),
        (codes[None], ValueError),
        (codes.tolist(), TypeError),
        (None, TypeError),
    ):
        with pytest.raises(error):
            getattr(index, method)(x, *more.get(method, ()))
    assert index.ntotal == 20
    np.testing.assert_array_equal(index.reconstruct_n(), codes)


@pytest.mark.parametrize("k", [0, -1, 2.5, None, "3", True])
def test_bad_k(k, rng):
    index = make_index(64, 2, L2, random_codes(rng, 20, 128))
    for method in ("search", "assign", "search_and_reconstruct"):
        with pytest.raises((ValueError, TypeError), match="k must be"):
            getattr(index, method)(random_codes(rng, 2, 128), k)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((128, 0, 2), "nlist must be in"),
        ((128, 2**31, 2), "nlist must be in"),
        ((128, 10, 0), "nbits must be in 1..8, got 0"),
        ((128, 10, 9), "nbits must be in 1..8, got 9"),
        ((128, 10, -1), "nbits must be in 1..8, got -1"),
        ((128, 10, 3), "d must be nbits times a multiple of 8"),
        ((0, 10, 1), "d must be nbits times a multiple of 8"),
        ((2**40, 10, 1), "d must be nbits times a multiple of 8"),
        ((127, 10, 1), "d_ % 8"),
        ((256, 10, 2), "the quantizer has d = 128, but codes have 256 bits"),
        ((128, 10, 1), "the quantizer has nbits = 2, but codes have 1"),
        ((128, 10, 2, faiss.METRIC_L1), "metric must be"),
    ],
)
def test_bad_constructor_arguments(arguments, message):
    quantizer = faiss_bebr.IndexBinarySDC(128, 2)
    inverted_file = faiss_bebr.IndexBinaryIVFSDC(quantizer, 128, 10, 2)
    for one in (quantizer, inverted_file):
        with pytest.raises(RuntimeError, match=message):
            faiss_bebr.IndexBinaryIVFSDC(one, *arguments)


def test_missing_quantizer(rng):
    with pytest.raises(RuntimeError, match="quantizer must not be null"):
        faiss_bebr.IndexBinaryIVFSDC(None, 128, 10, 2)
    for quantizer in (faiss.IndexFlatL2(128), 3, "flat"):
        with pytest.raises(TypeError):
            faiss_bebr.IndexBinaryIVFSDC(quantizer, 128, 10, 2)
    codes = random_codes(rng, 20, 128)
    index = make_index(64, 2, L2, codes)
    index.quantizer = None
    for use in (
        lambda: index.add(codes),
        lambda: index.train(codes),
        lambda: index.search(codes, 3),
    ):
        with pytest.raises(RuntimeError, match="quantizer must not be null"):
            use()


def test_unknown_attributes_are_refused():
    quantizer = faiss_bebr.IndexBinarySDC(128, 2)
    index = faiss_bebr.IndexBinaryIVFSDC(quantizer, 128, 10, 2)
    for name in ("nbits", "layout", "use_heap", "per_invlist_search"):
        with pytest.raises(AttributeError):
            setattr(index, name, 4)
    assert index.nbits == 2
    assert (index.nprobe, index.max_codes, index.nlist) == (1, 0, 10)
