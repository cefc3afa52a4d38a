"""IndexBinarySDC against numpy, against IndexBinaryFlat, and inside FAISS."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inputs import random_codes, selectors
from reference import binary_distances, nearest

import faiss_bebr

L2, IP = faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT
INT_MAX, INT_MIN = np.iinfo(np.int32).max, np.iinfo(np.int32).min

# dimensions that fill registers and odd ones that fill none
SHAPES = [(8, 1), (72, 1), (200, 1), (256, 1), (8, 8), (40, 3), (72, 2), (136, 8)]
SHAPES += [(256, 2), (256, 4), (264, 7), (104, 5), (24, 6)]


def make_index(m: int, nbits: int, metric: int, codes: np.ndarray):
    index = faiss_bebr.IndexBinarySDC(m * nbits, nbits, metric)
    index.add(codes)
    return index


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize(("m", "nbits"), SHAPES)
def test_search_equals_reference(m, nbits, metric, simd_level, rng):
    codes = random_codes(rng, 700, m * nbits)
    queries = random_codes(rng, 150, m * nbits)
    index = make_index(m, nbits, metric, codes)
    expected = binary_distances(queries, codes, nbits, inner_product=metric == IP)
    for nq in (1, 3, 5, 13, 150):  # few queries, tiles and what is left of them
        D, I = index.search(queries[:nq], 20)
        D_ref, I_ref = nearest(expected[:nq], 20, largest=metric == IP)
        np.testing.assert_array_equal(D, D_ref)
        np.testing.assert_array_equal(I, I_ref)


@pytest.mark.parametrize("metric", [L2, IP])
def test_largest_distances_fit(metric):
    m, nbits = 32768, 8
    codes = np.zeros((2, m), dtype=np.uint8)
    codes[1] = 255
    index = make_index(m, nbits, metric, codes)
    D, I = index.search(codes, 2)
    far = 255 * 255 * m
    if metric == L2:
        np.testing.assert_array_equal(D, [[0, far], [0, far]])
    else:
        np.testing.assert_array_equal(D, [[far, -far], [far, -far]])
    np.testing.assert_array_equal(I, [[0, 1], [1, 0]])


@pytest.mark.parametrize("d", [64, 72, 256])
def test_one_bit_is_index_binary_flat(d, simd_level, rng):
    codes = random_codes(rng, 3000, d)
    queries = random_codes(rng, 100, d)
    index = make_index(d, 1, L2, codes)
    flat = faiss.IndexBinaryFlat(d)
    flat.add(codes)
    for k in (1, 10, 500):
        D, I = index.search(queries, k)
        D_flat, I_flat = flat.search(queries, k)
        np.testing.assert_array_equal(D, D_flat)
        np.testing.assert_array_equal(I, I_flat)
    radius = int(np.sort(index.search(queries, 20)[0].ravel())[1000])
    for ours, theirs in zip(
        index.range_search(queries, radius),
        flat.range_search(queries, radius),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_shape(data):
    nbits = data.draw(st.integers(1, 8))
    m = 8 * data.draw(st.integers(1, 20))
    n = data.draw(st.integers(0, 70))
    nq = data.draw(st.integers(0, 80))
    k = data.draw(st.integers(1, 80))
    metric = data.draw(st.sampled_from([L2, IP]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    # few different bytes, so that ties are the rule
    codes = rng.integers(0, 2, (n, m * nbits // 8), dtype=np.uint8) * 255
    queries = rng.integers(0, 2, (nq, m * nbits // 8), dtype=np.uint8) * 255
    D, I = make_index(m, nbits, metric, codes).search(queries, k)
    expected = binary_distances(queries, codes, nbits, inner_product=metric == IP)
    D_ref, I_ref = nearest(expected, k, largest=metric == IP)
    found = min(k, n)
    np.testing.assert_array_equal(D[:, :found], D_ref)
    np.testing.assert_array_equal(I[:, :found], I_ref)
    assert (I[:, found:] == -1).all()
    assert (D[:, found:] == (INT_MAX if metric == L2 else INT_MIN)).all()


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("nq", [1, 63, 64, 500])
def test_threads_do_not_change_results(nq, metric, nthreads, rng):
    codes = rng.integers(0, 4, (5000, 16), dtype=np.uint8)
    queries = rng.integers(0, 4, (nq, 16), dtype=np.uint8)
    index = make_index(64, 2, metric, codes)
    expected = binary_distances(queries, codes, 2, inner_product=metric == IP)
    D, I = index.search(queries, 30)
    D_ref, I_ref = nearest(expected, 30, largest=metric == IP)
    np.testing.assert_array_equal(D, D_ref)
    np.testing.assert_array_equal(I, I_ref)


@pytest.mark.parametrize("kind", list(selectors(100)))
@pytest.mark.parametrize("nq", [1, 2, 200])
def test_selectors(kind, nq, rng):
    codes = random_codes(rng, 900, 128)
    queries = random_codes(rng, nq, 128)
    index = make_index(64, 2, L2, codes)
    sel = selectors(900)[kind]
    allowed = np.array([i for i in range(900) if sel.is_member(i)], dtype=np.int64)
    expected = binary_distances(queries, codes[allowed], 2, inner_product=False)
    D, I = index.search(queries, 15, params=faiss.SearchParameters(sel=sel))
    D_ref, order = nearest(expected, 15, largest=False)
    found = D_ref.shape[1]
    np.testing.assert_array_equal(D[:, :found], D_ref)
    np.testing.assert_array_equal(I[:, :found], allowed[order])
    assert (I[:, found:] == -1).all()

    radius = int(np.median(expected)) if len(allowed) else 10
    lims, D, I = index.range_search(
        queries, radius, params=faiss.SearchParameters(sel=sel)
    )
    for q in range(nq):
        inside = expected[q] < radius
        np.testing.assert_array_equal(I[lims[q] : lims[q + 1]], allowed[inside])
        np.testing.assert_array_equal(D[lims[q] : lims[q + 1]], expected[q][inside])


@pytest.mark.parametrize(("nq", "nbits"), [(3, 2), (3, 1), (3, 4), (150, 2), (150, 1)])
def test_range_search_is_strict(nq, nbits, rng):
    codes = random_codes(rng, 400, 64 * nbits)
    queries = random_codes(rng, nq, 64 * nbits)
    for metric in (L2, IP):
        index = make_index(64, nbits, metric, codes)
        expected = binary_distances(queries, codes, nbits, inner_product=metric == IP)
        for radius in (int(expected[0, 0]), int(np.median(expected)), INT_MIN, INT_MAX):
            lims, D, I = index.range_search(queries, radius)
            inside = expected < radius if metric == L2 else expected > radius
            assert lims[-1] == inside.sum()
            q, ids = np.nonzero(inside)
            counts = np.diff(lims.astype(np.int64))
            np.testing.assert_array_equal(np.repeat(np.arange(nq), counts), q)
            np.testing.assert_array_equal(I, ids)
            np.testing.assert_array_equal(D, expected[inside].astype(np.float32))


def test_empty_and_short(rng):
    index = faiss_bebr.IndexBinarySDC(128, 2)
    queries = random_codes(rng, 4, 128)
    D, I = index.search(queries, 3)
    assert (I == -1).all()
    assert (D == INT_MAX).all()
    lims, D, I = index.range_search(queries, 1000)
    assert lims.tolist() == [0] * 5
    assert len(D) == len(I) == 0
    index.add(queries[:0])
    assert index.ntotal == 0
    index.add(queries)
    D, I = index.search(queries[:0], 3)
    assert D.shape == I.shape == (0, 3)
    assert index.range_search(queries[:0], 3)[0].tolist() == [0]


def test_reconstruct(rng):
    codes = random_codes(rng, 50, 192)
    index = make_index(64, 3, L2, codes)
    np.testing.assert_array_equal(index.reconstruct(7), codes[7])
    np.testing.assert_array_equal(index.reconstruct_n(10, 20), codes[10:30])
    np.testing.assert_array_equal(index.reconstruct_n(), codes)
    D, I, R = index.search_and_reconstruct(codes[:5], 60)
    np.testing.assert_array_equal(I, index.search(codes[:5], 60)[1])
    np.testing.assert_array_equal(R[:, :50], codes[I[:, :50]])
    assert (R[:, 50:] == 255).all()
    for key in (-1, 50):
        with pytest.raises(ValueError, match="key"):
            index.reconstruct(key)
    for bounds in ((45, 6), (-1, 2), (51, 1), (2**63 - 1, 1)):
        with pytest.raises(RuntimeError, match=r"not in 0\.\.49"):
            index.reconstruct_n(*bounds)


def test_remove_keeps_order(rng):
    codes = random_codes(rng, 300, 128)
    index = make_index(64, 2, L2, codes)
    ids = np.array([0, 5, 5, 299, 1000, 17])
    assert index.remove_ids(ids) == 4
    left = np.delete(codes, [0, 5, 17, 299], axis=0)
    assert index.ntotal == len(left)
    np.testing.assert_array_equal(index.reconstruct_n(), left)
    assert index.remove_ids(faiss.IDSelectorRange(0, 10**6)) == len(left)
    assert index.ntotal == 0
    index.add(codes)
    np.testing.assert_array_equal(index.reconstruct_n(), codes)
    index.reset()
    assert index.ntotal == 0
    assert (index.search(codes[:2], 1)[1] == -1).all()


def test_merge(rng):
    codes = random_codes(rng, 300, 128)
    first = make_index(64, 2, L2, codes[:100])
    second = make_index(64, 2, L2, codes[100:])
    first.check_compatible_for_merge(second)
    first.merge_from(second)
    assert (first.ntotal, second.ntotal) == (300, 0)
    np.testing.assert_array_equal(first.reconstruct_n(), codes)
    others = [
        make_index(32, 4, L2, codes),
        make_index(64, 2, IP, codes),
        faiss.IndexBinaryFlat(128),
        first,
    ]
    for other in others:
        n = other.ntotal
        with pytest.raises(RuntimeError, match="merge|differ"):
            first.check_compatible_for_merge(other)
        with pytest.raises(RuntimeError, match="merge|differ"):
            first.merge_from(other)
        assert (first.ntotal, other.ntotal) == (300, n)
    with pytest.raises(RuntimeError, match="cannot set ids"):
        first.merge_from(second, 5)


def test_standalone_codes(rng):
    codes = random_codes(rng, 30, 128)
    index = faiss_bebr.IndexBinarySDC(128, 2)
    assert index.sa_code_size() == 16
    index.add_sa_codes(codes)
    np.testing.assert_array_equal(index.reconstruct_n(), codes)
    np.testing.assert_array_equal(
        faiss.vector_to_array(index.codes).reshape(-1, 16), codes
    )
    with pytest.raises(ValueError, match="ids"):
        index.add_sa_codes(codes, np.arange(30))


def test_mapped_codes_are_read_only(rng):
    codes = random_codes(rng, 30, 128)
    index = make_index(64, 2, L2, codes)
    other = make_index(64, 2, L2, codes)
    index.codes.is_owned = False  # as if they were mapped
    for change in (
        lambda: index.add(codes),
        lambda: index.add_sa_codes(codes),
        lambda: index.remove_ids(np.array([3])),
        lambda: index.merge_from(other),
    ):
        with pytest.raises(RuntimeError, match="mapped from a file"):
            change()
    assert (index.ntotal, other.ntotal) == (30, 30)
    np.testing.assert_array_equal(index.reconstruct_n(), codes)
    np.testing.assert_array_equal(
        faiss.vector_to_array(index.codes).reshape(-1, 16), codes
    )
    index.reset()
    index.add(codes[:5])
    np.testing.assert_array_equal(index.reconstruct_n(), codes[:5])


@pytest.mark.parametrize("map_type", ["IndexBinaryIDMap", "IndexBinaryIDMap2"])
def test_inside_id_map(map_type, rng):
    codes = random_codes(rng, 200, 128)
    ids = rng.permutation(10_000)[:200]
    index = getattr(faiss, map_type)(faiss_bebr.IndexBinarySDC(128, 2))
    index.add_with_ids(codes, ids)
    plain = make_index(64, 2, L2, codes)
    D, I = index.search(codes[:20], 7)
    D_plain, I_plain = plain.search(codes[:20], 7)
    np.testing.assert_array_equal(D, D_plain)
    np.testing.assert_array_equal(I, ids[I_plain])
    sel = faiss.IDSelectorBatch(ids[50:90])
    I = index.search(codes[:20], 60, params=faiss.SearchParameters(sel=sel))[1]
    assert set(I.ravel()) == {-1, *ids[50:90]}
    other_type = faiss.SearchParametersIVF(sel=sel)
    with pytest.raises(RuntimeError, match="not those of other types"):
        plain.search(codes, 3, params=other_type)
    with pytest.raises(RuntimeError, match="not those of other types"):
        plain.range_search(codes, 3, params=other_type)
    assert index.remove_ids(ids[:10]) == 10
    assert index.ntotal == 190
    assert not set(index.search(codes[:20], 190)[1].ravel()) & set(ids[:10])
    if map_type == "IndexBinaryIDMap2":
        np.testing.assert_array_equal(index.reconstruct(int(ids[99])), codes[99])


def test_inside_shards_and_replicas(rng):
    codes = random_codes(rng, 400, 128)
    queries = random_codes(rng, 10, 128)
    expected = make_index(64, 2, L2, codes).search(queries, 9)

    shards = faiss.IndexBinaryShards(128, False, True)
    parts = [faiss_bebr.IndexBinarySDC(128, 2) for _ in range(2)]
    for part in parts:
        shards.add_shard(part)
    shards.add(codes)
    D, I = shards.search(queries, 9)
    np.testing.assert_array_equal(D, expected[0])
    distances = binary_distances(queries, codes, 2, inner_product=False)
    np.testing.assert_array_equal(np.take_along_axis(distances, I, 1), D)

    replicas = faiss.IndexBinaryReplicas()
    copies = [faiss_bebr.IndexBinarySDC(128, 2) for _ in range(2)]
    for copy in copies:
        replicas.addIndex(copy)
    replicas.add(codes)
    for ours, theirs in zip(replicas.search(queries, 9), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_arrays_of_any_memory_order(rng):
    codes = random_codes(rng, 100, 128)
    index = make_index(64, 2, L2, np.asfortranarray(codes))
    np.testing.assert_array_equal(index.reconstruct_n(), codes)
    expected = index.search(codes[::2], 5)
    read_only = codes[::2].copy()
    read_only.flags.writeable = False
    for queries in (codes[::2], np.asfortranarray(codes[::2]), read_only):
        for ours, theirs in zip(index.search(queries, 5), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("method", ["add", "train", "search", "range_search", "assign"])
def test_bad_vectors(method, rng):
    codes = random_codes(rng, 20, 128)
    index = make_index(64, 2, L2, codes)
    more = {"search": (3,), "range_search": (10,), "assign": (3,)}.get(method, ())
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
            getattr(index, method)(x, *more)
    assert index.ntotal == 20
    np.testing.assert_array_equal(index.reconstruct_n(), codes)


@pytest.mark.parametrize("k", [0, -1, 2.5, None, "3", True])
def test_bad_k(k, rng):
    index = make_index(64, 2, L2, random_codes(rng, 20, 128))
    for method in ("search", "assign", "search_and_reconstruct"):
        with pytest.raises((ValueError, TypeError), match="k must be"):
            getattr(index, method)(random_codes(rng, 2, 128), k)


def test_outputs_must_be_writeable(rng):
    index = make_index(64, 2, L2, random_codes(rng, 20, 128))
    R = np.zeros((2, 3, 16), dtype=np.uint8)
    R.flags.writeable = False
    with pytest.raises(ValueError, match="R is read-only"):
        index.search_and_reconstruct(random_codes(rng, 2, 128), 3, R=R)
    with pytest.raises(ValueError, match="R must have shape"):
        index.search_and_reconstruct(random_codes(rng, 2, 128), 3, R=R[:1].copy())


@pytest.mark.parametrize(
    "arguments",
    [
        (128, 0),
        (128, 9),
        (128, -1),
        (120, 2),
        (0, 1),
        (-64, 1),
        (129, 1),
        (8 * 32776, 8),
        (128, 2, faiss.METRIC_L1),
    ],
)
def test_bad_constructor_arguments(arguments):
    with pytest.raises(RuntimeError, match="nbits|d |d_|metric"):
        faiss_bebr.IndexBinarySDC(*arguments)


def test_unknown_attributes_are_refused():
    index = faiss_bebr.IndexBinarySDC(128, 2)
    for name in ("nbits", "layout", "use_heap"):
        with pytest.raises(AttributeError):
            setattr(index, name, 4)
    assert index.nbits == 2
