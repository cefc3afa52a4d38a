"""How the code and the scale of a vector are chosen where the range is learned."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import pytest
from coarse_data import (
    coarse_vectors,
    decode_reference,
    encode_reference,
    get_widths,
    make_coarse,
    split_codes,
)
from coarse_data import get_scales as get_scale_values
from ivf_sdc_data import get_entries
from reference import STEPS, encode, error_direction, quantize, values
from sdc_data import IP, L2, get_offset, get_range, random_map

import faiss_bebr

SCALES = {
    "unbiased": faiss_bebr.Scale_unbiased,
    "least_squares": faiss_bebr.Scale_least_squares,
    "cosine": faiss_bebr.Scale_cosine,
}


def get_scales(codes: np.ndarray) -> np.ndarray:
    """The float16 scales of codes without numbers of centroids, shape (n,)."""
    return codes[:, -2:].copy().view(np.float16)[:, 0]


def assert_nearly_equal(
    codes: np.ndarray, expected: np.ndarray, scale_bytes: int = 2
) -> None:
    """Sums of doubles may be rounded otherwise in numpy: where two steps of the
    grid are equally good the codes may differ, and scales by one bit."""
    end = -scale_bytes
    same = (codes[:, :end] == expected[:, :end]).all(axis=1)
    assert same.mean() > 0.98
    if scale_bytes == 1:
        assert (codes[:, -1] == expected[:, -1])[same].mean() > 0.98
        return
    bits, expected_bits = (
        get_scales(c).view(np.uint16).astype(int) for c in (codes, expected)
    )
    assert np.abs(bits - expected_bits)[same].max() <= 1


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("scale", SCALES)
def test_scales_equal_reference(scale, metric, rng):
    index = make_coarse(
        [40, 24, 8], 53, 0, metric, mapped=True, scale_type=SCALES[scale]
    )
    x = coarse_vectors(rng, 300, 53)
    codes = index.sa_encode(x)
    assert_nearly_equal(codes, encode_reference(index, x, np.zeros(300, int)))


def get_costs(
    index: Any, x: np.ndarray, y: np.ndarray, decoded: np.ndarray, scale: str
) -> np.ndarray:
    """What the choice minimizes by its definition, for the residuals y of x and what
    is decoded of them."""
    weight = faiss.vector_to_array(index.sdc.query_weight).astype(np.float64)
    direction, along = error_direction(y, weight, scale, x, get_offset(index))
    error = y - decoded
    m = index.sdc.layout.coded_dim()
    squares = (weight * error**2)[:, :m].sum(axis=1)
    # in dimensions without bits the error is that of every code
    return squares + along * (direction * error).sum(axis=1) ** 2


@pytest.mark.parametrize("ncentroids", [0, 16])
@pytest.mark.parametrize(
    ("metric", "scale"), [(IP, "unbiased"), (L2, "unbiased"), (L2, "least_squares")]
)
def test_no_step_and_scale_has_less_error(metric, scale, ncentroids, rng):
    index = make_coarse(
        [40, 24, 8], 53, ncentroids, metric, mapped=True, scale_type=SCALES[scale]
    )
    x = coarse_vectors(rng, 300, 53)
    codes = index.sa_encode(x)
    numbers = split_codes(index, codes)[1]
    centroids = index.centroids if ncentroids else np.zeros((1, 53), np.float32)
    y = x - centroids[numbers]
    chosen = decode_reference(index, codes) - centroids[numbers]
    costs = get_costs(index, x, y, chosen, scale)
    widths, value_range = get_widths(index), get_range(index)
    scales = get_scales(split_codes(index, codes)[0]).astype(np.float64)
    for step in STEPS:
        levels = quantize(y[:, :40] / (value_range * np.float32(step)), widths)
        v = np.pad(values(levels, widths) * value_range, ((0, 0), (0, 13)))
        for factor in (0.8, 0.99, 1, 1.01, 1.25):
            others = get_costs(index, x, y, factor * scales[:, None] * v, scale)
            # the scale is rounded to 11 bits
            assert (costs <= others * (1 + 1e-5) + 1e-9).all()


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize(("widths", "d"), [([40, 24, 8], 53), ([48], 48)])
def test_documents_that_are_centroids(widths, d, mapped, metric):
    """Have the scale 0 and are decoded as they are."""
    index = make_coarse(widths, d, 16, metric, mapped=mapped)
    codes = index.sa_encode(index.centroids)
    planes, numbers = split_codes(index, codes)
    np.testing.assert_array_equal(index.centroids[numbers], index.centroids)
    assert (planes[:, -2:] == 0).all()
    np.testing.assert_array_equal(index.sa_decode(codes), index.centroids)


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("scale", ["unbiased", "least_squares"])
def test_zeros(scale, mapped, metric):
    index = make_coarse(
        [40, 24, 8], 53, 0, metric, mapped=mapped, scale_type=SCALES[scale]
    )
    for x in (np.zeros((3, 53), np.float32), np.full((3, 53), -0.0, np.float32)):
        codes = index.sa_encode(x)
        assert (codes[:, -2:] == 0).all()
        assert (index.sa_decode(codes) == 0).all()
    if not mapped:
        # nothing is left of it in the dimensions that have bits
        x[:, 40:] = 5
        assert (index.sa_decode(index.sa_encode(x)) == 0).all()


@pytest.mark.parametrize("metric", [L2, IP])
def test_weights_of_zero(metric, rng):
    """There is nothing to choose by."""
    index = faiss_bebr.IndexSDC([16, 8], metric)
    index.set_query_map(np.zeros(16).tolist(), np.zeros(16).tolist())
    index.is_trained = False
    x = coarse_vectors(rng, 300, 16)
    index.train(x)
    decoded = index.sa_decode(index.sa_encode(x))
    assert (decoded == 0).all()


@pytest.mark.parametrize("magnitude", [1e-18, 1e18])
@pytest.mark.parametrize("metric", [L2, IP])
def test_magnitudes_do_not_matter(magnitude, metric, rng):
    """Squares and their products stay in the range of doubles."""
    x = coarse_vectors(rng, 600, 53)
    codes = []
    for factor in (1, 2.0 ** round(np.log2(magnitude))):
        index = faiss_bebr.IndexSDC([40, 24, 8], metric, 53)
        index.is_trained = False
        index.train(x * np.float32(factor))
        codes.append(index.sa_encode(x * np.float32(factor)))
    np.testing.assert_array_equal(*codes)


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("ncentroids", [0, 16])
def test_codes_do_not_depend_on_threads(ncentroids, metric, nthreads, rng):
    index = make_coarse([40, 24, 8], 53, ncentroids, metric, mapped=True)
    x = coarse_vectors(rng, 3000, 53)
    codes = index.sa_encode(x)
    for i0 in range(0, 3000, 701):
        np.testing.assert_array_equal(
            index.sa_encode(x[i0 : i0 + 701]), codes[i0:][:701]
        )


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("scale_bytes", [1, 2])
@pytest.mark.parametrize("metric", [L2, IP])
def test_residuals_of_lists(metric, scale_bytes, mapped, rng):
    """Errors count along the whole vectors, as with centroids."""
    x = coarse_vectors(rng, 700, 53)
    widths = [40, 24, 8]
    quantizer = faiss.IndexFlatL2(53)
    index = faiss_bebr.IndexIVFSDC(quantizer, widths, 9, metric, True, 53)
    if mapped:
        index.set_query_map(*random_map(rng, 53))
    index.by_residual = True
    index.set_scale_bytes(scale_bytes)
    index.train(x)
    index.add(x)
    entries = get_entries(index)
    numbers, codes = zip(*(entries[i] for i in range(700)), strict=True)
    planes, scales = encode(
        x - quantizer.reconstruct_n()[list(numbers)],
        widths,
        faiss.vector_to_array(index.sdc.query_weight),
        scale="unbiased" if metric == IP else "least_squares",
        value_range=get_range(index),
        whole=x,
        offset=get_offset(index),
        scale_values=get_scale_values(index)[0],
    )
    assert get_scale_values(index)[1] is None
    expected = np.concatenate([planes, scales[:, None].view(np.uint8)], axis=1)
    found = np.array([[*code] for code in codes], np.uint8)
    assert_nearly_equal(found, expected, scale_bytes)
