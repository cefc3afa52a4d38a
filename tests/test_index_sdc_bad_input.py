"""What IndexSDC refuses, and that nothing has changed then."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
from sdc_data import IP, L2, make_index, random_map, random_vectors

import faiss_bebr


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_values(bad, rng):
    x = random_vectors(rng, 1200, 64)
    index = make_index([64])
    index.add(x)
    codes = index.sa_encode(x)
    x[1100, 3] = bad
    for call in (
        lambda: index.add(x),
        lambda: index.search(x, 2),
        lambda: index.range_search(x, 1.0),
        lambda: index.sa_encode(x),
        lambda: index.quantize_queries(x),
    ):
        with pytest.raises(RuntimeError, match=r"x\[1100, 3\] is NaN or infinite"):
            call()
    assert index.ntotal == 1200
    np.testing.assert_array_equal(index.reconstruct_n(), index.sa_decode(codes))


def test_values_beyond_the_scale(rng):
    index = make_index([64])
    x = np.full((1, 64), 1e6, dtype=np.float32)
    with pytest.raises(RuntimeError, match="too large"):
        index.add(x)
    assert index.ntotal == 0
    index.add(x / 100)
    np.testing.assert_allclose(index.reconstruct(0), 1e4, rtol=1e-3)


@pytest.mark.parametrize(
    "method", ["add", "train", "search", "range_search", "assign", "sa_encode"]
)
def test_bad_vectors(method, rng):
    index = make_index([64])
    more = {"search": (3,), "range_search": (0.5,), "assign": (3,)}.get(method, ())
    x = random_vectors(rng, 20, 64)
    for bad, error in (
        (x[:, :-8], ValueError),
        (x[0], ValueError),
        (x[None], ValueError),
        (x.tolist(), TypeError),
        (x.astype(str), TypeError),
        (x.astype(complex), TypeError),
        (None, TypeError),
    ):
        with pytest.raises(error, match="x must"):
            getattr(index, method)(bad, *more)
    assert index.ntotal == 0


@pytest.mark.parametrize("k", [0, -1, 2.5, None, True])
def test_bad_k(k, rng):
    index = make_index([64])
    for method in ("search", "assign", "search_and_reconstruct"):
        with pytest.raises((ValueError, TypeError), match="k must be"):
            getattr(index, method)(random_vectors(rng, 20, 64), k)
    with pytest.raises(RuntimeError, match="k must be positive"):
        # what a container of FAISS would hit
        index.search_c(0, None, -1, None, None, None)


def test_codes_of_another_depth(rng):
    codes = make_index([64] * 3).sa_encode(random_vectors(rng, 20, 64))
    index = make_index([64] * 2)
    for method in ("add_sa_codes", "sa_decode"):
        with pytest.raises(ValueError, match=r"codes must have shape \(n, .* = 18\)"):
            getattr(index, method)(codes)
    assert index.ntotal == 0


def test_outputs_must_be_writeable(rng):
    index = make_index([64])
    index.add(random_vectors(rng, 20, 64))
    D = np.zeros((2, 3), dtype=np.float32)
    D.flags.writeable = False
    with pytest.raises(ValueError, match="D is read-only"):
        index.search(random_vectors(rng, 20, 64)[:2], 3, D=D)
    recons = np.zeros(64, dtype=np.float32)
    recons.flags.writeable = False
    with pytest.raises(ValueError, match="x is read-only"):
        index.reconstruct(0, recons)


@pytest.mark.parametrize(
    "arguments",
    [
        (64, 0),
        (64, 9),
        (63, 1),
        (0, 1),
        (-8, 1),
        (32776, 1),
        ([],),
        ([64, 72],),
        ([64, 0],),
        ([64, 12],),
        ([8] * 9,),
        (64, 2, faiss.METRIC_L1),
    ],
)
def test_bad_constructor_arguments(arguments):
    with pytest.raises(RuntimeError, match="nbits|width|metric"):
        faiss_bebr.IndexSDC(*arguments)


def test_bad_query_map():
    index = make_index([64])
    ones, zeros = np.ones(64), np.zeros(64)
    for weight, offset in (
        (ones[:-1], zeros),
        (ones, zeros[:-1]),
        (-ones, zeros),
        (ones * np.nan, zeros),
        (ones, zeros + np.inf),
    ):
        with pytest.raises(RuntimeError, match="weight|offset"):
            index.set_query_map(weight, offset)
    np.testing.assert_array_equal(faiss.vector_to_array(index.sdc.query_weight), ones)


def test_stored_codes_fix_map_and_scale(rng):
    index = make_index([64])
    index.add(random_vectors(rng, 20, 64))
    with pytest.raises(RuntimeError, match="query map"):
        index.set_query_map(np.ones(64), np.zeros(64))
    with pytest.raises(RuntimeError, match="type of scale"):
        index.set_scale_type(faiss_bebr.Scale_cosine)
    with pytest.raises(AttributeError):
        index.sdc.scale_type = faiss_bebr.Scale_cosine
    index.reset()
    index.set_scale_type(faiss_bebr.Scale_cosine)
    assert index.sdc.scale_type == faiss_bebr.Scale_cosine
    assert make_index([64], L2).sdc.scale_type == faiss_bebr.Scale_least_squares


def test_selector_that_raises_changes_nothing(rng):
    def fail_late(i: int) -> bool:
        if i == 50:
            raise ValueError("from the selector")
        return i % 2 == 0

    codes = rng.integers(0, 256, (100, 16), dtype=np.uint8)
    binary = faiss_bebr.IndexBinarySDC(128, 2)
    binary.add(codes)
    index = make_index([64])
    index.add(random_vectors(rng, 100, 64))
    for each in (binary, index):
        before = each.reconstruct_n(0, 100)
        with pytest.raises(ValueError, match="from the selector"):
            each.remove_ids(faiss.PyCallbackIDSelector(fail_late))
        assert each.ntotal == 100
        np.testing.assert_array_equal(each.reconstruct_n(0, 100), before)


@pytest.mark.parametrize("metric", [L2, IP])
def test_non_finite_query_inside_refine(metric, rng):
    """FAISS computes distances in regions that no exception may leave."""
    base = faiss.IndexFlat(64, metric)
    refined = faiss.IndexRefine(base, make_index([64, 64], metric))
    refined.add(random_vectors(rng, 300, 64))
    refined.k_factor = 4
    queries = random_vectors(rng, 40, 64)
    expected = refined.search(queries, 3)[1]
    queries[7, 3] = np.nan
    labels = refined.search(queries, 3)[1]
    np.testing.assert_array_equal(np.delete(labels, 7, 0), np.delete(expected, 7, 0))


def test_classes_have_no_empty_form():
    for the_class in (
        faiss_bebr.IndexSDC,
        faiss_bebr.IndexBinarySDC,
        faiss_bebr.BinarizerTransform,
    ):
        with pytest.raises(TypeError):
            the_class()
    with pytest.raises(OverflowError):
        faiss_bebr.IndexSDC([2**32 + 64])


def test_merge_refuses_other_codes(rng):
    index = make_index([64, 64])
    index.add(random_vectors(rng, 40, 64))
    others = [
        make_index([64, 32]),
        make_index([64, 64], L2),
        make_index([64, 64], IP, random_map(rng, 64)),
        make_index([64, 64], scale_type=faiss_bebr.Scale_cosine),
        faiss.IndexFlat(64, IP),
        index,
    ]
    for other in others:
        if other is not index:
            other.add(random_vectors(rng, 20, 64))
        n = other.ntotal
        with pytest.raises(RuntimeError):
            index.merge_from(other)
        assert (index.ntotal, other.ntotal) == (40, n)


def test_query_that_overflows_with_the_range_alone(rng):
    """The query map leaves it finite; the range of what it is compared with not."""
    x = 1e10 * random_vectors(rng, 300, 64)
    index = faiss_bebr.IndexSDC(64, 2, IP)
    index.set_scale_bytes(1)  # with which train() learns a range
    index.train(x)
    index.add(x)
    query = np.full((1, 64), 1e28, np.float32)
    assert (index.search(query, 3)[1] >= 0).all()
    with pytest.raises(RuntimeError, match=r"x\[0\] overflows"):
        index.search(1000 * query, 3)


@pytest.mark.parametrize("class_name", ["IndexSDC", "IndexSDCFastScan"])
def test_first_of_many_queries_that_overflow(class_name, nthreads, rng):
    """Whatever the number of threads, and before any result is written."""
    index = getattr(faiss_bebr, class_name)(64, 2, L2)
    index.set_query_map(np.full(64, 1e30, np.float32), np.zeros(64, np.float32))
    index.add(random_vectors(rng, 100, 64))
    queries = random_vectors(rng, 5000, 64)
    D = np.full((5000, 3), 7, np.float32)
    labels = np.full((5000, 3), 7, np.int64)
    for first, n, k_factor in [(300, 1000, 1), (300, 1000, 2), (4500, 5000, 1)]:
        bad = queries[:n].copy()
        bad[first:] = 1e20
        index.k_factor = k_factor
        with pytest.raises(RuntimeError, match=rf"x\[{first}\] overflows"):
            index.search(bad, 3, D=D[:n], I=labels[:n])
        with pytest.raises(RuntimeError, match=rf"x\[{first}\] overflows"):
            index.range_search(bad, 1.0)
        assert (D == 7).all() and (labels == 7).all()


def test_no_internal_methods_of_the_codec():
    """Which take pointers to codes that nothing checks."""
    internal = ("get_scale", "get_scales", "get_max_scale", "decode", "compute_codes")
    assert not [
        name for name in internal if hasattr(faiss_bebr.IndexSDC(64, 2).sdc, name)
    ]
