"""Scales of one byte: their training, their limits, and what they are for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
import pytest
from coarse_data import coarse_vectors, get_scales, make_coarse, split_codes
from comparisons import assert_same
from sdc_data import IP, L2

import faiss_bebr

# the graph is built twice and compared
pytestmark = pytest.mark.usefixtures("one_thread")

WIDTHS, D = [40, 24, 8], 53


def make_untrained(metric: int = IP, ncentroids: int = 0) -> Any:
    index = faiss_bebr.IndexSDC(WIDTHS, metric, D, ncentroids)
    index.set_scale_bytes(1)
    index.cp.min_points_per_centroid = 1
    return index


def make_ivf(metric: int = IP, *, by_residual: bool = True) -> Any:
    quantizer = faiss.IndexFlatL2(D)
    index = faiss_bebr.IndexIVFSDC(quantizer, WIDTHS, 9, metric, True, D)
    index.by_residual = by_residual
    index.set_scale_bytes(1)
    return index


KINDS: dict[str, Callable[[int], Any]] = {
    "flat": make_untrained,
    "centroids": lambda metric: make_untrained(metric, 16),
    "lists": make_ivf,
    "lists of whole vectors": lambda metric: make_ivf(metric, by_residual=False),
    "graph": lambda metric: faiss.IndexHNSW(make_untrained(metric, 16), 8),
}


@pytest.fixture(params=[L2, IP], ids=["L2", "IP"])
def metric(request) -> int:
    return request.param


@pytest.fixture(params=KINDS)
def index(request, metric) -> Any:
    return KINDS[request.param](metric)


def test_index_has_to_be_trained(index, rng):
    if isinstance(index, faiss.IndexHNSW):
        index.is_trained = False
    assert not index.is_trained
    with pytest.raises(RuntimeError, match="not trained|'is_trained' failed"):
        index.add(coarse_vectors(rng, 100, D))


def test_codes_mean_nothing_before_training():
    index = make_untrained()
    codes = np.zeros((3, index.code_size), np.uint8)
    with pytest.raises(RuntimeError, match="scales of one byte are not trained"):
        index.sa_decode(codes)
    index.is_trained = True  # by hand
    with pytest.raises(RuntimeError, match="scales of one byte are not trained"):
        index.add_sa_codes(codes)
    with pytest.raises(RuntimeError, match="scales of one byte are not trained"):
        index.search(np.zeros((1, D), np.float32), 3)


def test_files_and_copies(index, rng, tmp_path):
    x = coarse_vectors(rng, 700, D)
    index.is_trained = False
    copies = []
    for trained in (False, True):
        if trained:
            index.train(x)
            index.add(x)
        faiss_bebr.write_index(index, str(tmp_path / "index"))
        copies += [
            faiss_bebr.read_index(str(tmp_path / "index")),
            faiss_bebr.clone_index(index),
        ]
    for copy in copies[:2]:
        copy.train(x)
        copy.add(x)
    for copy in copies:
        assert_same(copy.search(x[:50], 10), index.search(x[:50], 10))


def test_flat_index_maps_its_file(metric, rng, tmp_path):
    index = make_untrained(metric, 16)
    x = coarse_vectors(rng, 700, D)
    index.train(x)
    index.add(x)
    faiss_bebr.write_index(index, str(tmp_path / "index"))
    mapped = faiss_bebr.read_index(str(tmp_path / "index"), faiss.IO_FLAG_MMAP)
    assert_same(mapped.search(x[:50], 10), index.search(x[:50], 10))


@pytest.mark.parametrize("nbytes", [0, 3, 2**40])
def test_other_sizes_are_refused(nbytes):
    for index in (make_untrained(), make_ivf()):
        with pytest.raises(RuntimeError, match=f"1 or 2 bytes, got {nbytes}"):
            index.set_scale_bytes(nbytes)
        assert index.sdc.scale_bytes == 1


def test_full_index_keeps_its_scales(rng):
    for index in (make_untrained(), make_ivf()):
        x = coarse_vectors(rng, 300, D)
        index.train(x)
        index.add(x)
        with pytest.raises(RuntimeError, match="the present scales"):
            index.set_scale_bytes(2)


def test_back_to_two_bytes(metric, rng):
    x = coarse_vectors(rng, 300, D)
    index = make_untrained(metric, 16)
    index.set_scale_bytes(2)
    index.train(x)
    expected = faiss_bebr.IndexSDC(WIDTHS, metric, D, 16)
    expected.cp.min_points_per_centroid = 1
    expected.train(x)
    np.testing.assert_array_equal(index.sa_encode(x), expected.sa_encode(x))
    ivf = make_ivf(metric)
    ivf.set_scale_bytes(2)
    assert ivf.code_size == ivf.invlists.code_size == 9 + 2


def test_back_and_forth_is_as_it_was_made(rng):
    x = coarse_vectors(rng, 300, D)
    index = faiss_bebr.IndexSDC(WIDTHS, IP, D)
    expected = index.sa_encode(x)
    index.set_scale_bytes(1)
    assert not index.is_trained
    index.set_scale_bytes(2)
    assert index.is_trained
    np.testing.assert_array_equal(index.sa_encode(x), expected)
    quantizer = faiss.IndexFlatL2(D)
    quantizer.add(x[:9])
    for by_residual, learn_range in np.ndindex(2, 2):
        ivf = faiss_bebr.IndexIVFSDC(quantizer, WIDTHS, 9, IP, True, D)
        assert ivf.is_trained
        ivf.by_residual, ivf.learn_range = bool(by_residual), bool(learn_range)
        ivf.set_scale_bytes(1)
        assert not ivf.is_trained
        ivf.set_scale_bytes(2)
        assert ivf.learn_range == learn_range
        assert ivf.is_trained != (by_residual or learn_range)
        ivf.train(x)
        ranges = faiss.vector_to_array(ivf.sdc.range)
        assert (ranges == 1).all() != (by_residual or learn_range)


def test_setting_what_is_set_changes_nothing(rng):
    x = coarse_vectors(rng, 300, D)
    for index in (make_untrained(), make_ivf(by_residual=False)):
        index.train(x)
        values = get_scales(index)[0]
        index.set_scale_bytes(1)
        index.set_scale_type(index.sdc.scale_type)
        assert index.is_trained
        np.testing.assert_array_equal(get_scales(index)[0], values)


def test_other_scales_need_the_training_of_their_range(rng):
    """It is not that of the output of a binarizer any more."""
    index = make_untrained()
    index.train(coarse_vectors(rng, 300, D))
    index.is_trained = False
    index.set_scale_bytes(2)
    assert not index.is_trained


def test_budget_decides_on_the_scale():
    binarizer = faiss_bebr.BinarizerTransform(D, [56] * 8)
    binarizer.set_document_budget(20)
    index = faiss_bebr.IndexSDC(binarizer, 0, IP)
    assert index.sdc.scale_bytes == 1
    with pytest.raises(RuntimeError, match="that training chooses"):
        index.set_scale_bytes(2)


@pytest.mark.parametrize(
    ("widths", "ncentroids", "scale_bytes"),
    [([56, 56], 0, 2), ([56], 0, 2), ([56, 48], 0, 1), ([56, 56], 7, 1), ([8], 0, 1)],
)
def test_one_byte_where_the_range_is_learned(widths, ncentroids, scale_bytes):
    binarizer = faiss_bebr.BinarizerTransform(D, [56] * 8)
    index = faiss_bebr.IndexSDC(binarizer, widths, IP, ncentroids)
    assert index.sdc.scale_bytes == scale_bytes
    binarizer.set_document_code(widths, ncentroids)
    index = faiss_bebr.IndexSDC(binarizer, 0, IP)
    assert index.sdc.scale_bytes == scale_bytes


def test_values_are_a_grid_of_equal_ratios(metric, rng):
    x = coarse_vectors(rng, 3000, D)
    index = make_untrained(metric)
    index.train(x)
    values, centroid_scales = get_scales(index)
    assert centroid_scales is None
    assert values[0] == 0
    ratios = values[2:] / values[1:-1]
    np.testing.assert_allclose(ratios, ratios.mean(), rtol=1e-5)
    exact = make_coarse(WIDTHS, D, 0, metric)
    exact.is_trained = False
    exact.train(x)
    scales = exact.sa_encode(x)[:, -2:].copy().view(np.float16)[:, 0]
    np.testing.assert_allclose(values[-1], scales.max(), rtol=1e-3)
    numbers = index.sa_encode(x)[:, -1]
    assert numbers.max() == 255
    assert len(np.unique(numbers)) > 50


def test_scales_beyond_the_trained_ones_are_clipped(metric, rng):
    x = coarse_vectors(rng, 700, D)
    index = make_untrained(metric)
    index.train(x)
    codes = index.sa_encode(np.concatenate([1e4 * x[:50], 1e-9 * x[:50], 0 * x[:50]]))
    large = np.abs(x[:50]).max(axis=1) > 0
    assert (codes[:50][large, -1] == 255).all()
    assert (codes[50:, -1] == 0).all()
    assert (index.sa_decode(codes[50:]) == 0).all()


def test_vectors_next_to_their_centroids_do_not_coarsen_the_grid(metric, rng):
    x = coarse_vectors(rng, 700, D)[100:]
    index = make_untrained(metric)
    index.train(np.concatenate([x, 1e-6 * x]))
    values, _ = get_scales(index)
    assert values[1] >= values[-1] / 64.001


def test_error_is_next_to_that_of_float16(rng):
    x = coarse_vectors(rng, 3000, D)[100:]
    errors = []
    for scale_bytes in (1, 2):
        index = make_coarse(WIDTHS, D, 0, L2, scale_bytes=scale_bytes)
        errors.append(((index.sa_decode(index.sa_encode(x)) - x) ** 2).mean())
    assert errors[0] < 1.001 * errors[1]


@pytest.mark.parametrize("mapped", [False, True])
def test_centroids_with_scales_keep_the_norm(mapped, rng):
    """Of vectors plus the origin, in the metric of the query map."""
    index = make_coarse(WIDTHS, D, 40, IP, mapped=mapped, scale_bytes=1)
    x = coarse_vectors(rng, 3000, D)[100:]
    weight = faiss.vector_to_array(index.sdc.query_weight).astype(np.float64)
    offset = faiss.vector_to_array(index.sdc.query_offset).astype(np.float64)
    z = np.divide(offset, weight, out=np.zeros(D), where=weight > 0)
    decoded = index.sa_decode(index.sa_encode(x))
    norms, decoded_norms = (
        np.sqrt((weight * (v + z) ** 2).sum(axis=1)) for v in (x, decoded)
    )
    ratio = decoded_norms / norms
    assert abs(ratio.mean() - 1) < 0.01
    assert ratio.std() < 0.03
    exact = make_coarse(WIDTHS, D, 40, IP, mapped=mapped)
    vectors = exact.sa_decode(exact.sa_encode(x))
    exact_ratio = np.sqrt((weight * (vectors + z) ** 2).sum(axis=1)) / norms
    assert ratio.std() < 0.7 * exact_ratio.std()


def test_few_training_vectors_are_the_pairs_of_scales(rng):
    x = coarse_vectors(rng, 100, D)
    index = make_untrained(IP, 3)
    index.train(x)
    values, centroid_scales = get_scales(index)
    assert (values[0], centroid_scales[0]) == (0, 1)
    assert len(np.unique(values[1:])) <= 100
    assert (values[101:] == values[100]).all()
    error = ((index.sa_decode(index.sa_encode(x)) - x) ** 2).mean()
    assert error < 0.2 * (x**2).mean()


@pytest.mark.parametrize("ncentroids", [0, 100])
@pytest.mark.parametrize("nq", [1, 100])
def test_many_documents_at_every_simd_level(metric, ncentroids, nq, rng):
    """Enough of them for scans that reject most by bounds of their keys."""
    x = coarse_vectors(rng, 12_000, D)
    index = make_coarse(WIDTHS, D, ncentroids, metric, mapped=True, scale_bytes=1)
    index.add(x)
    detected = faiss.SIMDConfig.get_level()
    expected = index.search(x[-nq:], 10)
    try:
        for level in range(detected):
            if faiss.SIMDConfig.is_simd_level_available(level):
                faiss.SIMDConfig.set_level(level)
                assert_same(index.search(x[-nq:], 10), expected)
    finally:
        faiss.SIMDConfig.set_level(detected)


@pytest.mark.parametrize("ncentroids", [0, 16])
def test_merge(metric, ncentroids, rng):
    x = coarse_vectors(rng, 700, D)
    one, same = (
        make_coarse(WIDTHS, D, ncentroids, metric, scale_bytes=1) for _ in "ab"
    )
    other = make_coarse(WIDTHS, D, ncentroids, metric)
    for index in (one, same, other):
        index.add(x)
    one.merge_from(same)
    assert one.ntotal == 1400
    # centroids, and so ranges, are moved with the scales that there are
    message = "differ in plane widths" if ncentroids else "differ in their scales"
    with pytest.raises(RuntimeError, match=message):
        one.merge_from(other)


def test_new_type_of_scale_needs_training(rng):
    x = coarse_vectors(rng, 300, D)
    for index in (make_untrained(), make_ivf(by_residual=False)):
        index.train(x)
        before = get_scales(index)[0]
        index.set_scale_type(faiss_bebr.Scale_cosine)
        assert not index.is_trained
        index.train(x)
        assert get_scales(index)[0][-1] != before[-1]


def test_weights_of_zero_have_no_scales(rng):
    index = make_untrained()
    index.set_query_map(np.zeros(D).tolist(), np.zeros(D).tolist())
    with pytest.raises(RuntimeError, match="scales of at most 0"):
        index.train(coarse_vectors(rng, 300, D))
    assert not index.is_trained


@pytest.mark.parametrize("ncentroids", [0, 16])
@pytest.mark.parametrize("factor", [2.0**-40, 2.0**40])
def test_magnitudes_do_not_matter(metric, ncentroids, factor, rng):
    x = coarse_vectors(rng, 600, D)
    codes = []
    for f in (1, factor):
        index = make_untrained(metric, ncentroids)
        index.train(x * np.float32(f))
        codes.append(split_codes(index, index.sa_encode(x * np.float32(f))))
    (planes, numbers), (others, other_numbers) = codes
    same = numbers == other_numbers  # FAISS's k-means may round otherwise
    assert same.mean() > 0.9
    assert (planes == others)[same].mean() > 0.95
