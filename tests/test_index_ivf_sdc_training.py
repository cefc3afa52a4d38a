"""Construction and training of IndexIVFSDC, coarse quantizers, bad input."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
import pytest
from ivf_sdc_data import IP, L2, NLIST, assert_same, decode_all, make_filled, make_ivf
from sdc_data import random_vectors

import faiss_bebr

D = 32


@pytest.fixture
def x() -> np.ndarray:
    """(900, D) float32 in clusters."""
    rng = np.random.default_rng(3)
    centres = rng.standard_normal((30, D))
    x = centres[rng.integers(0, 30, 900)] + 0.4 * rng.standard_normal((900, D))
    return x.astype(np.float32)


def make_quantizer(kind: str):
    if kind == "L2":
        return faiss.IndexFlatL2(D)
    if kind == "IP":
        return faiss.IndexFlatIP(D)
    if kind == "HNSW":
        return faiss.IndexHNSWFlat(D, 8)
    return faiss_bebr.IndexSDC(D, 8, L2)


@pytest.mark.parametrize("by_residual", [False, True])
@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("kind", ["L2", "IP", "HNSW", "SDC"])
def test_coarse_quantizers(kind, metric, by_residual, x):
    quantizer = make_quantizer(kind)
    index = faiss_bebr.IndexIVFSDC(quantizer, D, 20, 4, metric)
    index.by_residual = by_residual
    assert not index.is_trained
    index.train(x)
    assert index.is_trained
    assert quantizer.ntotal == 20
    index.add(x)
    list_nos = decode_all(index)[1]
    np.testing.assert_array_equal(list_nos, quantizer.assign(x, 1)[:, 0])
    decoded = index.reconstruct_n()
    centroids = quantizer.reconstruct_n()
    if by_residual:
        residuals = x - centroids[list_nos]
        codec = faiss_bebr.IndexSDC(D, 4, metric)
        codec.is_trained = False
        codec.train(residuals)
        assert index.sdc.range == codec.sdc.range
        expected = codec.sa_decode(codec.sa_encode(residuals)) + centroids[list_nos]
    else:
        codec = faiss_bebr.IndexSDC(D, 4, metric)
        assert index.sdc.range == 1
        expected = codec.sa_decode(codec.sa_encode(x))
    np.testing.assert_array_equal(decoded, expected)
    index.nprobe = 20
    found = index.search(x, 1)[1][:, 0]
    exact = faiss.IndexFlat(D, metric)
    exact.add(x)
    assert (found == exact.search(x, 1)[1][:, 0]).mean() > 0.8


def test_residuals_of_4_bits_are_closer(x):
    """What by_residual is for."""
    errors = []
    for by_residual in (False, True):
        index = faiss_bebr.IndexIVFSDC(faiss.IndexFlatL2(D), D, 20, 2)
        index.by_residual = by_residual
        index.learn_range = True
        index.train(x)
        index.add(x)
        errors.append(((index.reconstruct_n() - x) ** 2).mean())
    assert errors[1] < 0.5 * errors[0]


def test_learned_range(x):
    """learn_range is for vectors that are not codes."""
    tiny = 1e-3 * x
    codes = []
    for learn_range in (False, True):
        index = faiss_bebr.IndexIVFSDC(faiss.IndexFlatL2(D), D, 20, 4)
        index.learn_range = learn_range
        index.train(tiny)
        flat = faiss_bebr.IndexSDC(D, 4)
        flat.is_trained = not learn_range
        flat.train(tiny)
        assert index.sdc.range == flat.sdc.range
        assert (index.sdc.range == 1) != learn_range
        index.add(tiny)
        codes.append(index.reconstruct_n())
        np.testing.assert_array_equal(codes[-1], flat.sa_decode(flat.sa_encode(tiny)))
    errors = [np.abs(c - tiny).mean() for c in codes]
    assert errors[1] < 0.2 * errors[0]


def test_quantizer_trains_alone(x):
    quantizer = faiss.MultiIndexQuantizer(D, 2, 2)
    index = faiss_bebr.IndexIVFSDC(quantizer, D, 16, 4)
    index.quantizer_trains_alone = 1
    index.by_residual = True
    index.train(x)
    assert quantizer.ntotal == 16
    index.add(x)
    index.nprobe = 16
    assert (index.search(x, 1)[1][:, 0] == np.arange(900)).mean() > 0.9

    quantizer = faiss.IndexHNSWFlat(D, 8)
    index = faiss_bebr.IndexIVFSDC(quantizer, D, 20, 4)
    index.quantizer_trains_alone = 2
    index.train(x)
    assert quantizer.ntotal == 20

    wrong = faiss_bebr.IndexIVFSDC(faiss.MultiIndexQuantizer(D, 2, 2), D, 20, 4)
    wrong.quantizer_trains_alone = 1
    with pytest.raises(RuntimeError, match="nlist not consistent"):
        wrong.train(x)
    assert not wrong.is_trained


def test_parameters_of_clustering(x):
    def train(**changes) -> np.ndarray:
        index = faiss_bebr.IndexIVFSDC(faiss.IndexFlatL2(D), D, 20, 4)
        for name, value in changes.items():
            setattr(index.cp, name, value)
        index.train(x)
        return index.quantizer.reconstruct_n()

    assert not np.allclose(train(), train(niter=1))
    assert not np.allclose(train(), train(seed=5))
    lengths = np.linalg.norm(train(spherical=True), axis=1)
    np.testing.assert_allclose(lengths, 1, rtol=1e-5)
    assert faiss_bebr.IndexIVFSDC(faiss.IndexFlatIP(D), D, 9, 2, IP).cp.spherical

    index = faiss_bebr.IndexIVFSDC(faiss.IndexFlatL2(D), D, 20, 4)
    assigner = faiss.IndexFlatL2(D)
    index.clustering_index = assigner
    index.train(x)
    np.testing.assert_array_equal(
        assigner.reconstruct_n(), index.quantizer.reconstruct_n()
    )


def make_binarizer(widths=(D, D, D)) -> faiss_bebr.BinarizerTransform:
    rng = np.random.default_rng(8)
    binarizer = faiss_bebr.BinarizerTransform(48, list(widths))
    weight, offset = rng.random(widths[0]), rng.standard_normal(widths[0])
    binarizer.set_query_map(weight, offset)
    return binarizer


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("nbits", [2, 3])
@pytest.mark.parametrize("by_residual", [False, True])
def test_binarizer_gives_map_and_scale(by_residual, nbits, metric, x):
    indexes = []
    for binarizer_first in (False, True):
        binarizer = make_binarizer()
        binarizer.is_trained = binarizer_first
        index = faiss_bebr.IndexIVFSDC(
            faiss.IndexFlatL2(D), binarizer, nbits, 20, metric
        )
        index.by_residual = by_residual
        if not binarizer_first:
            with pytest.raises(RuntimeError, match="train the binarizer before"):
                index.train(x)
            binarizer.is_trained = True
        index.train(x)
        del binarizer
        gc.collect()
        index.add(x)
        indexes.append(index)
    flat = faiss_bebr.IndexSDC(make_trained(), nbits, metric)
    for index in indexes:
        assert (index.sdc.range == 1) != by_residual
        for name in ("query_weight", "query_offset"):
            np.testing.assert_array_equal(
                faiss.vector_to_array(getattr(index.sdc, name)),
                faiss.vector_to_array(getattr(flat.sdc, name)),
            )
        expected = flat.sdc.scale_type
        if by_residual and expected == faiss_bebr.Scale_cosine:
            expected = faiss_bebr.Scale_unbiased
        assert index.sdc.scale_type == expected
        index.nprobe = 20
    assert_same(indexes[0].search(x[:50], 9), indexes[1].search(x[:50], 9))
    if not by_residual:
        flat.add(x)
        np.testing.assert_array_equal(
            indexes[0].search(x[:50], 9)[0], flat.search(x[:50], 9)[0]
        )


def make_trained() -> faiss_bebr.BinarizerTransform:
    binarizer = make_binarizer()
    binarizer.is_trained = True
    return binarizer


def test_trained_binarizer_and_quantizer_need_no_training(x):
    quantizer = faiss.IndexFlatL2(D)
    quantizer.add(x[:7])
    assert faiss_bebr.IndexIVFSDC(quantizer, make_trained(), 2, 7).is_trained
    assert not faiss_bebr.IndexIVFSDC(quantizer, make_binarizer(), 2, 7).is_trained
    assert faiss_bebr.IndexIVFSDC(quantizer, D, 7, 2).is_trained
    assert not faiss_bebr.IndexIVFSDC(quantizer, D, 8, 2).is_trained
    # but residuals do
    index = faiss_bebr.IndexIVFSDC(quantizer, D, 7, 2)
    index.by_residual = True
    for call in (index.add, index.sa_encode):
        with pytest.raises(RuntimeError, match="train the index after by_residual"):
            call(x)
    index.train(x)
    index.add(x)
    assert index.ntotal == 900


def test_train_in_a_chain(x):
    rotation = faiss.RandomRotationMatrix(D, D)
    index = faiss.IndexPreTransform(
        rotation, faiss_bebr.IndexIVFSDC(faiss.IndexFlatL2(D), D, 20, 4)
    )
    index.train(x)
    index.add(x)
    params = faiss.SearchParametersPreTransform(
        index_params=faiss.SearchParametersIVF(nprobe=20)
    )
    found = index.search(x, 1, params=params)[1][:, 0]
    assert (found == np.arange(900)).mean() > 0.95


def test_references_keep_parts_alive(x):
    index = faiss_bebr.IndexIVFSDC(faiss.IndexFlatL2(D), make_trained(), 2, 20)
    gc.collect()
    index.train(x)
    index.add(x)
    assert index.search(x[:5], 2)[1].shape == (5, 2)
    owner = faiss_bebr.IndexIVFSDC(faiss.IndexFlatL2(D), D, 20, 2)
    owner.referenced_objects[0].this.disown()
    owner.own_fields = True
    del owner
    gc.collect()


def test_verbose(x, capfd):
    index = faiss_bebr.IndexIVFSDC(faiss.IndexFlatL2(D), D, 20, 2)
    index.train(x)
    index.add(x[:5])
    assert "added" not in capfd.readouterr().out
    index.verbose = True
    index.add(x[:7])
    assert "added 7 vectors" in capfd.readouterr().out


def test_concurrent_searches():
    index, _, queries = make_filled(L2, by_residual=True)
    index.nprobe = 6
    expected = index.search(queries, 9)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: index.search(queries, 9), range(60)))
    for ours in found:
        assert_same(ours, expected)


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
    for nbits in (0, 4):
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
