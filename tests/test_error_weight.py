"""Codes that are chosen by weights of errors, a matrix."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import pytest
from coarse_data import (
    coarse_vectors,
    decode_reference,
    get_scales,
    make_coarse,
    split_codes,
)
from networks import random_network
from reference import (
    Choice,
    error_direction,
    nearest_pairs,
    nearest_scales,
    pack_levels,
    planes_of_dimensions,
    unpack_levels,
    values,
)
from sdc_data import IP, L2, get_offset, get_range

import faiss_bebr

D = 53
WIDTHS = [40, 24, 8]
SWEEPS = 5


def make_weight(d: int, seed: int = 3) -> np.ndarray:
    """A few directions have most of it."""
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal((d, 6)) / np.sqrt(d)
    weight = 0.2 * np.eye(d) + directions @ directions.T
    return ((weight + weight.T) / 2).astype(np.float32)


def make_pair(
    metric: int, ncentroids: int = 0, scale_bytes: int = 2, **settings: Any
) -> tuple[Any, Any]:
    """Two indexes that differ in weights of errors only, the second one without."""
    index = make_coarse(
        WIDTHS, D, ncentroids, metric, scale_bytes=scale_bytes, **settings
    )
    index.set_error_weight(make_weight(D).ravel())
    index.is_trained = False
    index.train(coarse_vectors(np.random.default_rng(9), 900, D))
    plain = faiss_bebr.clone_index(index)
    plain.set_error_weight([])
    return index, plain


def lower_errors(
    levels: np.ndarray, y: np.ndarray, scale: np.ndarray, unit_range: np.ndarray
) -> np.ndarray:
    """One level after the other is set to what leaves the least error: (n, m)."""
    weight = make_weight(D).astype(np.float64)
    n, m = levels.shape
    nplanes = len(WIDTHS)
    step = 1 << (nplanes - planes_of_dimensions(WIDTHS))
    v = values(levels, WIDTHS) * unit_range
    error = y - np.pad(scale[:, None] * v, ((0, 0), (0, D - m)))
    levels = levels.copy()
    for _ in range(SWEEPS):
        for j in range(m):
            move = scale * (unit_range[j] * step[j] * 2.0 ** (2 - nplanes))
            gradient = error @ weight[j]
            ratio = np.divide(
                gradient, weight[j, j] * move, out=np.zeros(n), where=move > 0
            )
            moved = levels[:, j] + step[j] * np.round(ratio).astype(int)
            moved = np.clip(moved, 0, (1 << nplanes) - step[j])
            error[:, j] -= (moved - levels[:, j]) / step[j] * move
            levels[:, j] = moved
    return levels


def choose_scales(index: Any, levels: np.ndarray, y: np.ndarray, x: np.ndarray):
    """Scales in a code, of vectors y that are less their centroids, for these levels:
    float16, or the numbers of those of one byte."""
    m = levels.shape[1]
    weight = faiss.vector_to_array(index.sdc.query_weight).astype(np.float64)
    scale_values, centroid_scales = get_scales(index)
    scale = "unbiased" if index.metric_type == IP else "least_squares"
    if centroid_scales is not None:
        scale = "scaled"
    direction, along = error_direction(y, weight, scale, x, get_offset(index))
    v = values(levels, WIDTHS) * get_range(index).astype(np.float64)
    yv, vv = ((weight[:m] * a * v).sum(axis=1) for a in (y[:, :m], v))
    xv = (direction[:, :m] * v).sum(axis=1)
    sum_yv = yv + along * (direction * y).sum(axis=1) * xv
    sum_vv = vv + along * xv**2
    factor = np.divide(sum_yv, sum_vv, out=np.zeros_like(vv), where=sum_vv > 0)
    factor = np.maximum(factor, 0)
    if scale_values is None:
        return factor.astype(np.float32).astype(np.float16)
    if centroid_scales is None:
        return nearest_scales(factor, scale_values)
    choice = Choice(levels, yv, vv, xv, factor)
    return nearest_pairs(
        y, weight, direction, along, choice, scale_values, centroid_scales
    )


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize(("ncentroids", "scale_bytes"), [(0, 2), (0, 1), (16, 1)])
@pytest.mark.parametrize("metric", [L2, IP])
def test_codes_equal_reference(metric, ncentroids, scale_bytes, mapped, rng):
    index, plain = make_pair(
        metric, ncentroids, scale_bytes, mapped=mapped, least_weight=0.1
    )
    x = coarse_vectors(rng, 400, D)
    before, numbers = split_codes(plain, plain.sa_encode(x))
    after, same_numbers = split_codes(index, index.sa_encode(x))
    np.testing.assert_array_equal(numbers, same_numbers)
    y = x - index.centroids[numbers] if ncentroids else x
    scale_values, centroid_scales = get_scales(index)
    if scale_bytes == 2:
        scale = before[:, -2:].copy().view(np.float16)[:, 0].astype(np.float64)
    else:
        scale = scale_values[before[:, -1]].astype(np.float64)
        if centroid_scales is not None:
            factor = centroid_scales[before[:, -1]]
            scale = np.divide(scale, factor, out=np.zeros_like(scale), where=factor > 0)
    levels = unpack_levels(before, WIDTHS)
    moved = lower_errors(levels, y, scale, get_range(index).astype(np.float64))
    changed = (moved != levels).any(axis=1)
    assert changed.mean() > 0.5
    planes = pack_levels(moved, WIDTHS)
    same = (after[:, :-scale_bytes] == planes).all(axis=1)
    # where sums of floats are rounded otherwise, a level may be another one
    assert same.mean() > 0.97
    scales = choose_scales(index, moved, y, x)
    if scale_bytes == 1:
        assert (after[:, -1] == scales)[same & changed].mean() > 0.98
    else:
        bits = after[:, -2:].copy().view(np.uint16)[:, 0].astype(int)
        assert np.abs(bits - scales.view(np.uint16))[same & changed].max() <= 1


@pytest.mark.parametrize("ncentroids", [0, 16])
@pytest.mark.parametrize("metric", [L2, IP])
def test_errors_cost_less(metric, ncentroids, rng):
    index, plain = make_pair(metric, ncentroids)
    x = coarse_vectors(rng, 1000, D)[20:]
    costs = []
    for each in (index, plain):
        error = x - decode_reference(each, each.sa_encode(x))
        costs.append(((error @ make_weight(D)) * error).sum(axis=1).mean())
    assert costs[0] < 0.9 * costs[1]


def test_search_is_of_what_is_decoded(rng):
    index, _ = make_pair(IP, 16, 1)
    x = coarse_vectors(rng, 500, D)
    index.add(x)
    distances, labels = index.search(x[:20], 5)
    exact = (
        index.quantize_queries(x[:20]) @ decode_reference(index, index.sa_encode(x)).T
    )
    np.testing.assert_allclose(
        distances, np.take_along_axis(exact, labels, 1), rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(distances[:, 0], exact.max(axis=1), rtol=1e-4)


def test_codes_are_the_same_at_every_simd_level(simd_level, rng):
    index, _ = make_pair(IP, 16, 1)
    x = coarse_vectors(rng, 300, D)
    codes = index.sa_encode(x)
    level = faiss.SIMDConfig.get_level()
    faiss.SIMDConfig.set_level(faiss.SIMDLevel_NONE)
    try:
        np.testing.assert_array_equal(index.sa_encode(x), codes)
    finally:
        faiss.SIMDConfig.set_level(level)


def test_codes_do_not_depend_on_threads(nthreads, rng):
    index, _ = make_pair(L2, 16)
    x = coarse_vectors(rng, 3000, D)
    codes = index.sa_encode(x)
    for i0 in range(0, 3000, 701):
        np.testing.assert_array_equal(
            index.sa_encode(x[i0 : i0 + 701]), codes[i0:][:701]
        )


@pytest.mark.parametrize("magnitude", [1e-15, 1e12])
def test_magnitudes_do_not_matter(magnitude, rng):
    x = coarse_vectors(rng, 600, D)
    codes = []
    for factor in (1, 2.0 ** round(np.log2(magnitude))):
        index = faiss_bebr.IndexSDC(WIDTHS, IP, D)
        index.set_error_weight(make_weight(D).ravel())
        index.is_trained = False
        index.train(x * np.float32(factor))
        codes.append(index.sa_encode(x * np.float32(factor))[:, :-2])
    np.testing.assert_array_equal(*codes)


def test_products_that_overflow(rng):
    """Levels stay as they were."""
    x = coarse_vectors(rng, 600, D)
    index = faiss_bebr.IndexSDC(WIDTHS, IP, D)
    index.set_error_weight(np.diag(np.full(D, 3e38, np.float32)).ravel())
    index.is_trained = False
    index.train(x)
    plain = faiss_bebr.clone_index(index)
    plain.set_error_weight([])
    large = 1e3 * x
    np.testing.assert_array_equal(index.sa_encode(large), plain.sa_encode(large))


def test_weights_that_are_not_positive_semidefinite(rng):
    """Something is left of each vector."""
    x = coarse_vectors(rng, 900, D)[19:]
    index = faiss_bebr.IndexSDC(WIDTHS, IP, D)
    index.set_error_weight(
        (np.ones((D, D)) - 0.5 * np.eye(D)).astype(np.float32).ravel()
    )
    index.is_trained = False
    index.train(x)
    codes = index.sa_encode(x)
    assert (codes[:, -2:].copy().view(np.float16) > 0).all()


def test_weights_of_a_linked_binarizer_are_kept():
    transform = random_network([24] * 6, 0, False).to_transform()
    transform.is_trained = False
    for index in (
        faiss_bebr.IndexSDC(transform, [16, 8], IP),
        faiss_bebr.IndexSDCFastScan(transform, [16, 8], IP),
        faiss_bebr.IndexIVFSDC(faiss.IndexFlatIP(24), transform, [16, 8], 4, IP),
    ):
        with pytest.raises(RuntimeError, match="are those of the binarizer"):
            index.set_error_weight(make_weight(24).ravel())


def test_merge_of_codes_chosen_otherwise(rng):
    index, plain = make_pair(IP)
    x = coarse_vectors(rng, 100, D)
    index.add(x)
    plain.add(x)
    expected = np.concatenate([index.sa_encode(x), plain.sa_encode(x)])
    index.merge_from(plain)
    codes = faiss.vector_to_array(index.codes).reshape(200, -1)
    np.testing.assert_array_equal(codes, expected)
    assert (codes[:100] != codes[100:]).any()


def test_weights_have_no_part_in_codes_of_all_planes(rng):
    """Of a binarizer's output, which is what is stored."""
    index = faiss_bebr.IndexSDC(16, 2, IP)
    x = rng.uniform(-2, 2, (100, 16)).astype(np.float32)
    codes = index.sa_encode(x)
    index.set_error_weight(make_weight(16).ravel())
    np.testing.assert_array_equal(index.sa_encode(x), codes)
    # nor in those whose scales make all norms the same
    index = faiss_bebr.IndexSDC(16, 2, IP)
    index.set_scale_type(faiss_bebr.Scale_cosine)
    index.is_trained = False
    index.train(x)
    codes = index.sa_encode(x)
    index.set_error_weight(make_weight(16).ravel())
    np.testing.assert_array_equal(index.sa_encode(x), codes)


@pytest.mark.parametrize(
    "make",
    [
        lambda transform: faiss_bebr.IndexSDC(transform, [16, 8], IP),
        lambda transform: faiss_bebr.IndexSDCFastScan(transform, [16, 8], IP),
        lambda transform: faiss_bebr.IndexIVFSDC(
            faiss.IndexFlatIP(24), transform, [16, 8], 4, IP
        ),
    ],
)
def test_indexes_take_them_from_a_binarizer(make, rng):
    transform = random_network([24] * 6, 0, False).to_transform()
    weight = make_weight(24)
    transform.set_error_weight(weight.ravel())
    index = make(transform)
    index.train(
        transform.apply(rng.standard_normal((400, transform.d_in)).astype(np.float32))
    )
    found = faiss.vector_to_array(index.sdc.error_weight)
    np.testing.assert_array_equal(found.reshape(24, 24), weight)


def test_residuals_of_lists(rng):
    x = coarse_vectors(rng, 900, D)[18:]
    costs = []
    for weight in (make_weight(D).ravel(), []):
        quantizer = faiss.IndexFlatL2(D)
        index = faiss_bebr.IndexIVFSDC(quantizer, WIDTHS, 9, L2, True, D)
        index.set_error_weight(weight)
        index.by_residual = True
        index.train(x)
        index.add(x)
        index.make_direct_map()
        error = x - index.reconstruct_n(0, len(x))
        costs.append(((error @ make_weight(D)) * error).sum(axis=1).mean())
    assert costs[0] < 0.9 * costs[1]


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.ones(D), "size 53 \\* 53 or 0, got 53"),
        (np.full((D, D), np.nan), "not be negative|finite"),
        (-np.eye(D), "negative on the diagonal, got -1 in row 0"),
        (np.eye(D) + np.eye(D, k=1), "symmetric, not so in row 1, column 0"),
        (np.where(np.eye(D, k=2) + np.eye(D, k=-2), np.inf, 1), "row 2, column 0"),
    ],
)
def test_bad_weights(weight, message):
    index = faiss_bebr.IndexSDC(WIDTHS, IP, D)
    with pytest.raises(RuntimeError, match=message):
        index.set_error_weight(weight.astype(np.float32).ravel())
    assert index.sdc.error_weight.size() == 0


@pytest.mark.parametrize("fast_scan", [False, True])
def test_index_must_be_empty(fast_scan, rng):
    make = faiss_bebr.IndexSDCFastScan if fast_scan else faiss_bebr.IndexSDC
    index = make(16, 2, IP)
    index.add(rng.uniform(-2, 2, (10, 16)).astype(np.float32))
    with pytest.raises(RuntimeError):
        index.set_error_weight(make_weight(16).ravel())
    index.reset()
    index.set_error_weight(make_weight(16).ravel())
