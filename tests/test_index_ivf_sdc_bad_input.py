"""What IndexIVFSDC refuses, before anything changes."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
from ivf_sdc_data import (
    IP,
    L2,
    NLIST,
    D,
    make_binarizer,
    make_clusters,
    make_filled,
    make_ivf,
    make_quantizer,
    make_trained,
)
from sdc_data import random_vectors

import faiss_bebr


@pytest.fixture
def x() -> np.ndarray:
    return make_clusters()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, D, 20, 2), "quantizer must not be null"),
        ((D, 0, 2), "nlist must be positive"),
        ((D + 8, 20, 2), "quantizer has d = 32"),
        ((D, 20, 0), "nbits"),
        ((D, 20, 9), "nbits"),
        ((30, 20, 2), "width"),
        ((0, 20, 2), "width"),
        ((2**32 + D, 20, 2), "width"),
        ((D, 20, 2, faiss.METRIC_L1), "metric"),
        (([], 20), "nbits"),
        (([D, D + 8], 20), "width"),
        (([D + 8], 20), "quantizer has d = 32"),
        (([D], 0), "nlist must be positive"),
    ],
)
def test_bad_constructor_arguments(arguments, message):
    if arguments[0] is not None:
        arguments = (faiss.IndexFlatL2(D), *arguments)
    with pytest.raises(RuntimeError, match=message):
        faiss_bebr.IndexIVFSDC(*arguments)


def test_bad_constructor_types():
    quantizer = faiss.IndexFlatL2(D)
    for arguments in ((), (quantizer,), (quantizer, D), (quantizer, "32", 9, 2)):
        with pytest.raises(TypeError):
            faiss_bebr.IndexIVFSDC(*arguments)
    for arguments in ((quantizer, -D, 9, 2), (quantizer, D, -9, 2)):
        with pytest.raises((OverflowError, TypeError)):
            faiss_bebr.IndexIVFSDC(*arguments)
    for nbits in (-1, 4):
        with pytest.raises(RuntimeError, match="nbits must be in 1..3"):
            faiss_bebr.IndexIVFSDC(quantizer, make_trained(), nbits, 9)
    with pytest.raises(RuntimeError, match="quantizer has d = 32"):
        faiss_bebr.IndexIVFSDC(quantizer, make_binarizer([40, 40]), 2, 9)


@pytest.mark.parametrize("kind", ["L2", "HNSW"])
def test_untrained(kind, x):
    index = faiss_bebr.IndexIVFSDC(make_quantizer(kind), D, 20, 2)
    codes = np.zeros((3, index.sa_code_size()), dtype=np.uint8)
    for call in (
        lambda: index.add(x),
        lambda: index.add_with_ids(x, np.arange(900)),
        lambda: index.search(x, 2),
        lambda: index.range_search(x, 0.5),
        lambda: index.search_and_reconstruct(x, 2),
        lambda: index.sa_encode(x),
        lambda: index.add_sa_codes(codes),
        lambda: index.update_vectors(np.arange(3), x[:3]),
    ):
        with pytest.raises(RuntimeError, match="not trained|is_trained"):
            call()
    assert index.ntotal == 0


def test_training_vectors_are_checked(x):
    index = faiss_bebr.IndexIVFSDC(faiss.IndexFlatL2(D), D, 20, 2)
    with pytest.raises(RuntimeError, match="at least as large"):
        index.train(x[:19])
    x[70, 3] = np.nan
    with pytest.raises(RuntimeError, match=r"x\[70, 3\] is NaN"):
        index.train(x)
    assert not index.is_trained
    index.by_residual = True
    with pytest.raises(RuntimeError, match="zeros"):
        index.train(np.zeros((900, D), dtype=np.float32))
    assert not index.is_trained


@pytest.mark.parametrize("by_residual", [False, True])
@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_values(bad, metric, by_residual, rng):
    index = make_ivf([72, 72], metric, by_residual=by_residual)
    x = random_vectors(rng, 300, 72)
    index.add(x)
    index.set_direct_map_type(faiss.DirectMap.Hashtable)
    before = index.reconstruct_n()
    x[110, 3] = bad
    lists = np.zeros((300, 1), dtype=np.int64)
    for mode in (0, 1, 2, 3):
        index.parallel_mode = mode
        for call in (
            lambda: index.add(x),
            lambda: index.add_with_ids(x, np.arange(300)),
            lambda: index.update_vectors(np.arange(300), x),
            lambda: index.search(x, 2),
            lambda: index.range_search(x, 1.0),
            lambda: index.search_and_reconstruct(x, 2),
            lambda: index.search_preassigned(x, 2, lists, None),
            lambda: index.range_search_preassigned(x, 2.0, lists, None),
            lambda: index.sa_encode(x),
            lambda: index.quantize_queries(x, lists[:, 0]),
        ):
            with pytest.raises(RuntimeError, match=r"x\[110, 3\] is NaN or infinite"):
                call()
    assert index.ntotal == 300
    np.testing.assert_array_equal(index.reconstruct_n(), before)
    with pytest.raises(RuntimeError, match="radius is NaN"):
        index.range_search(x[:3], np.nan)


@pytest.mark.parametrize("metric", [L2, IP])
def test_queries_that_overflow(metric, rng):
    index = make_ivf([72, 72], metric)
    index.set_query_map(np.full(72, 10.0), np.zeros(72))
    x = random_vectors(rng, 40, 72)
    index.add(x)
    x[7, 0] = 3e38
    for mode in (0, 1, 2, 3):
        index.parallel_mode = mode
        with pytest.raises(RuntimeError, match=r"x\[7\] overflows"):
            index.search(x, 3)
    index = make_ivf([72, 72], L2, by_residual=True)
    index.set_query_map(np.full(72, 10.0), np.zeros(72))
    index.add(np.delete(x, 7, 0))
    lists = np.zeros((40, 1), dtype=np.int64)
    for mode in (0, 1, 2, 3):
        index.parallel_mode = mode
        with pytest.raises(RuntimeError, match="overflows"):
            index.search_preassigned(x, 3, lists, None)


def test_values_beyond_the_scale(rng):
    index = make_ivf([72, 72], IP)
    x = random_vectors(rng, 40, 72)
    x[33] = 1e6
    with pytest.raises(RuntimeError, match="too large"):
        index.add(x)
    assert index.ntotal == 0
    assert index.invlists.compute_ntotal() == 0


@pytest.mark.parametrize(
    "method",
    [
        "add",
        "add_with_ids",
        "train",
        "search",
        "search_and_reconstruct",
        "search_and_return_codes",
        "search_preassigned",
        "range_search",
        "range_search_preassigned",
        "assign",
        "sa_encode",
    ],
)
def test_bad_vectors(method, rng):
    index, _, _ = make_filled()
    x = random_vectors(rng, 20, 72)
    lists = np.zeros((20, 1), dtype=np.int64)
    more = {
        "add_with_ids": (np.arange(20),),
        "search": (3,),
        "search_and_reconstruct": (3,),
        "search_and_return_codes": (3,),
        "search_preassigned": (3, lists, None),
        "range_search": (0.5,),
        "range_search_preassigned": (0.5, lists, None),
        "assign": (3,),
    }.get(method, ())
    for bad, error in (
        (x[:, :-8], ValueError),
        (x[0], ValueError),
        (x[None], ValueError),
        (x.tolist(), TypeError),
        (x.astype(str), TypeError),
        (None, TypeError),
    ):
        with pytest.raises(error, match="x must"):
            getattr(index, method)(bad, *more)
    assert index.ntotal == 700


def test_bad_k_ids_codes_and_outputs(rng):
    index, x, queries = make_filled()
    for k in (0, -1, 2.5, None, True):
        for method in ("search", "search_and_reconstruct", "assign"):
            with pytest.raises((ValueError, TypeError), match="k must be"):
                getattr(index, method)(queries, k)
    for ids in (np.arange(3), np.arange(700)[:, None]):
        with pytest.raises(ValueError, match="ids must have shape"):
            index.add_with_ids(x, ids)
    with pytest.raises(TypeError, match="ids must be an array"):
        index.add_with_ids(x, list(range(700)))
    codes = index.sa_encode(x)
    for method in ("add_sa_codes", "sa_decode"):
        with pytest.raises(ValueError, match="codes must have shape"):
            getattr(index, method)(codes[:, 1:])
    with pytest.raises(ValueError, match="ids must have shape"):
        index.add_sa_codes(codes, np.arange(3))
    index.make_direct_map()
    for call in (
        lambda: index.add_with_ids(x, np.arange(700)),
        lambda: index.add_sa_codes(codes, np.arange(700)),
    ):
        with pytest.raises(RuntimeError, match="cannot have array direct map"):
            call()
    read_only = np.zeros((25, 3), dtype=np.float32)
    read_only.flags.writeable = False
    with pytest.raises(ValueError, match="D is read-only"):
        index.search(queries, 3, D=read_only)
    assert index.ntotal == 700
    assert index.invlists.compute_ntotal() == 700


def test_stored_codes_fix_map_and_scale():
    index, x, _ = make_filled()
    with pytest.raises(RuntimeError, match="query map"):
        index.set_query_map(np.ones(72), np.zeros(72))
    with pytest.raises(RuntimeError, match="type of scale"):
        index.set_scale_type(faiss_bebr.Scale_cosine)
    for name, value in (("scale_type", faiss_bebr.Scale_cosine), ("range", 2.0)):
        with pytest.raises(AttributeError):
            setattr(index.sdc, name, value)
    index.reset()
    index.set_scale_type(faiss_bebr.Scale_cosine)
    index.by_residual = True
    with pytest.raises(RuntimeError, match="residuals differ in length"):
        index.set_scale_type(faiss_bebr.Scale_cosine)
    index.train(x)
    assert index.sdc.scale_type == faiss_bebr.Scale_unbiased
    with pytest.raises(RuntimeError, match="weight"):
        index.set_query_map(-np.ones(72), np.zeros(72))
    assert index.nlist == NLIST


@pytest.mark.parametrize("metric", [L2, IP])
def test_training_vectors_whose_distances_overflow(metric, x):
    """In FAISS's clustering they would end the process."""
    large = x.copy()
    large[3] = 1e19
    quantizer = faiss.IndexFlat(D, metric)
    index = faiss_bebr.IndexIVFSDC(quantizer, D, 5, 2, metric)
    with pytest.raises(RuntimeError, match=r"x\[3\] is too large"):
        index.train(large)
    assert not index.is_trained
    coarse = faiss_bebr.IndexSDC([D], metric, D, 5)
    coarse.cp.min_points_per_centroid = 1
    with pytest.raises(RuntimeError, match=r"x\[3\] is too large"):
        coarse.train(large)
    assert not coarse.is_trained and len(coarse.centroids) == 0
    coarse.train(x)
