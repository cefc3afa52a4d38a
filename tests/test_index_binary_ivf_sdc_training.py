"""The coarse quantizers of IndexBinaryIVFSDC and how they are trained."""

from __future__ import annotations

import gc

import faiss
import numpy as np
import pytest
from binary_ivf_sdc_data import IP, L2, Reference, make_flat, make_index
from comparisons import assert_same
from inputs import random_codes
from ivf_sdc_data import nearest_lists
from reference import pack_levels, unpack_levels

import faiss_bebr


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
