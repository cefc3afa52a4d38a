"""Training of IndexIVFSDC and its coarse quantizers."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
import pytest
from comparisons import assert_same
from ivf_sdc_data import (
    IP,
    L2,
    D,
    decode_all,
    make_binarizer,
    make_clusters,
    make_filled,
    make_quantizer,
    make_trained,
)
from sdc_data import get_range

import faiss_bebr


@pytest.fixture
def x() -> np.ndarray:
    return make_clusters()


@pytest.mark.parametrize("by_residual", [False, True])
@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("kind", ["L2", "IP", "HNSW", "SDC"])
def test_coarse_quantizers(kind, metric, by_residual, x):
    quantizer = make_quantizer(kind)
    index = faiss_bebr.IndexIVFSDC(quantizer, D, 20, 4, metric)
    index.by_residual = by_residual
    if by_residual:  # residuals are coded alike wherever they are from
        index.set_scale_type(faiss_bebr.Scale_least_squares)
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
        codec.set_scale_type(faiss_bebr.Scale_least_squares)
        codec.is_trained = False
        codec.train(residuals)
        np.testing.assert_array_equal(get_range(index), get_range(codec))
        expected = codec.sa_decode(codec.sa_encode(residuals)) + centroids[list_nos]
    else:
        codec = faiss_bebr.IndexSDC(D, 4, metric)
        assert (get_range(index) == 1).all()
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
        np.testing.assert_array_equal(get_range(index), get_range(flat))
        assert (get_range(index) == 1).any() != learn_range
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
        assert (get_range(index) == 1).any() != by_residual
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
