"""BinarizerTransform against the recurrence in numpy, and inside FAISS."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
from reference import unpack_levels, values

import faiss_bebr

Arrays = tuple[np.ndarray, ...]


def random_block(rng, d_in: int, d_out: int, hidden: int) -> Arrays:
    """Arrays of a block as `set_binarization_block` takes them."""
    shapes = ((d_out, d_in), (d_out,), (hidden, d_in), (hidden,), (d_out, hidden))
    return tuple(
        (rng.standard_normal(shape) / np.sqrt(d_in)).astype(np.float32)
        for shape in shapes
    )


def random_network(rng, d_in, widths, hidden, normalize):
    """A transform with random blocks, and the blocks."""
    transform = faiss_bebr.BinarizerTransform(d_in, widths, normalize)
    W = [random_block(rng, d_in, width, hidden) for width in widths]
    R = [random_block(rng, widths[0], d_in, hidden) for _ in widths]
    for t in range(len(widths)):
        transform.set_binarization_block(t, *W[t])
        transform.set_reconstruction_block(t, *R[t])
    transform.is_trained = True
    return transform, W, R


def apply_block(block: Arrays, x: np.ndarray) -> np.ndarray:
    skip, bias, hidden, hidden_bias, output = (a.astype(np.float64) for a in block)
    return x @ skip.T + bias + np.maximum(x @ hidden.T + hidden_bias, 0) @ output.T


def recurrence(
    f, widths, W, R, normalize, dims: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """b_u in float64, and the least distance of a pre-sign value
    of each vector from 0, in the first `dims` dimensions if given."""
    f = f.astype(np.float64)
    b = np.zeros((len(f), widths[0]))
    margin = np.full(len(f), np.inf)
    for t, width in enumerate(widths):
        residual = f
        if t > 0:
            f_t = apply_block(R[t - 1], b)
            if normalize:
                f_t /= np.linalg.norm(f_t, axis=1, keepdims=True)
            residual = f - f_t
        before_sign = apply_block(W[t], residual)
        b[:, :width] += np.where(before_sign >= 0, 1, -1) * 2.0**-t
        margin = np.minimum(margin, np.abs(before_sign[:, :dims]).min(axis=1))
    return b, margin


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("hidden", [0, 24])
@pytest.mark.parametrize("widths", [[16], [40, 40, 40], [64, 24, 8], [32] * 8])
def test_apply_equals_recurrence(widths, hidden, normalize, rng):
    transform, W, R = random_network(rng, 48, widths, hidden, normalize)
    f = rng.standard_normal((2100, 48)).astype(np.float32)  # several batches
    b, margin = recurrence(f, widths, W, R, normalize)
    clear = margin > 1e-5
    assert clear.mean() > 0.9
    out = transform.apply(f)
    np.testing.assert_array_equal(out[clear], b[clear].astype(np.float32))

    back = apply_block(R[-1], out.astype(np.float64))
    if normalize:
        back /= np.linalg.norm(back, axis=1, keepdims=True)
    np.testing.assert_allclose(transform.reverse_transform(out), back, atol=2e-5)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("hidden", [0, 13])
def test_a_vector_has_the_same_bits_among_any_others(hidden, normalize, nthreads, rng):
    transform, _, _ = random_network(rng, 43, [40, 40, 24], hidden, normalize)
    f = rng.standard_normal((1017, 43)).astype(np.float32)
    out, codes = transform.apply(f), transform.encode(f)
    back = transform.reverse_transform(out)
    for n in (1, 2, 3, 5, 17, 1000):
        for first in (0, 1, 17):
            rows = slice(first, first + n)
            np.testing.assert_array_equal(transform.apply(f[rows]), out[rows])
            np.testing.assert_array_equal(transform.encode(f[rows]), codes[rows])
            np.testing.assert_array_equal(
                transform.reverse_transform(out[rows]), back[rows]
            )
    faiss.omp_set_num_threads(1)
    np.testing.assert_array_equal(transform.apply(f), out)
    np.testing.assert_array_equal(transform.encode(f), codes)


def test_all_instruction_sets_give_the_same_bits(rng):
    transform, _, _ = random_network(rng, 43, [40, 40, 24], 13, True)
    f = rng.standard_normal((70, 43)).astype(np.float32)
    out = transform.apply(f)
    back = transform.reverse_transform(out)
    before = faiss.SIMDConfig.get_level()
    try:
        for name in ("NONE", "AVX2", "AVX512", "ARM_NEON"):
            level = getattr(faiss, f"SIMDLevel_{name}")
            if faiss.SIMDConfig.is_simd_level_available(level):
                faiss.SIMDConfig.set_level(level)
                np.testing.assert_array_equal(transform.apply(f), out)
                np.testing.assert_array_equal(transform.reverse_transform(out), back)
    finally:
        faiss.SIMDConfig.set_level(before)


def test_sign_of_zero_is_positive():
    transform = faiss_bebr.BinarizerTransform(16, [8, 8])
    transform.is_trained = True  # all blocks are zero
    x = np.ones((3, 16), dtype=np.float32)
    np.testing.assert_array_equal(transform.apply(x), np.full((3, 8), 1.5))


@pytest.mark.parametrize("widths", [[40, 40, 40], [64, 24, 8]])
def test_encode_packs_the_output(widths, rng):
    transform, _, _ = random_network(rng, 48, widths, 0, False)
    f = rng.standard_normal((1500, 48)).astype(np.float32)
    codes = transform.encode(f)
    assert codes.shape == (1500, sum(widths) // 8)
    np.testing.assert_array_equal(
        values(unpack_levels(codes, widths), widths), transform.apply(f)
    )


@pytest.mark.parametrize("widths", [[40, 40, 40], [64, 24, 8]])
@pytest.mark.parametrize("hidden", [0, 5])
def test_first_planes(widths, hidden, nthreads, rng):
    transform, _, _ = random_network(rng, 48, widths, hidden, True)
    f = rng.standard_normal((300, 48)).astype(np.float32)
    codes = transform.encode(f)
    for nbits in range(1, 4):
        np.testing.assert_array_equal(
            transform.encode(f, nbits), codes[:, : sum(widths[:nbits]) // 8]
        )
    for nbits in (-1, 4):
        with pytest.raises(ValueError, match=r"nbits must be in 0\.\.3"):
            transform.encode(f, nbits)


def test_codes_feed_the_binary_index(rng):
    transform, _, _ = random_network(rng, 48, [40, 40], 0, False)
    f = rng.standard_normal((300, 48)).astype(np.float32)
    index = faiss_bebr.IndexBinarySDC(80, 2, faiss.METRIC_INNER_PRODUCT)
    index.add(transform.encode(f))
    D, I = index.search(transform.encode(f[:20]), 5)
    b = transform.apply(f) * 2  # odd integers
    expected = np.sort(b[:20] @ b.T, axis=1)[:, ::-1][:, :5]
    np.testing.assert_array_equal(D, expected)


def test_check_identical(rng):
    def network(**changes):
        arguments = {"d_in": 48, "widths": [40, 16], "hidden": 8, "normalize": False}
        arguments.update(changes)
        return random_network(np.random.default_rng(3), **arguments)[0]

    transform = network()
    transform.check_identical(network())
    others = [
        network(d_in=56),
        network(widths=[40, 24]),
        network(hidden=16),
        network(normalize=True),
        faiss.RandomRotationMatrix(48, 40),
    ]
    for t, setter in ((0, "set_binarization_block"), (1, "set_reconstruction_block")):
        other = network()
        d_in, d_out = (48, 40) if t == 0 else (40, 48)
        getattr(other, setter)(t, *random_block(rng, d_in, d_out, 8))
        others.append(other)
    other = network()
    other.set_query_map(np.full(40, 0.5), np.zeros(40))
    others.append(other)
    for other in others:
        with pytest.raises(RuntimeError, match="differ|not a BinarizerTransform"):
            transform.check_identical(other)


def test_index_takes_the_query_map(rng):
    transform, _, _ = random_network(rng, 48, [40, 40, 40], 0, False)
    weight, offset = rng.random(40), rng.standard_normal(40)
    transform.set_query_map(weight, offset)
    index = faiss_bebr.IndexSDC(transform, 2, faiss.METRIC_INNER_PRODUCT)
    assert index.is_trained
    assert index.sdc.scale_type == faiss_bebr.Scale_unbiased
    assert index.code_size == 12
    for ours, theirs in (
        (index.sdc.query_weight, weight),
        (index.sdc.query_offset, offset),
    ):
        np.testing.assert_array_equal(
            faiss.vector_to_array(ours), theirs.astype(np.float32)
        )
    full = faiss_bebr.IndexSDC(transform, 3, faiss.METRIC_INNER_PRODUCT)
    assert full.sdc.scale_type == faiss_bebr.Scale_cosine
    full = faiss_bebr.IndexSDC(transform, 3, faiss.METRIC_L2)
    assert full.sdc.scale_type == faiss_bebr.Scale_least_squares
    for nbits in (-1, 4):
        with pytest.raises(RuntimeError, match="nbits must be in 1..3"):
            faiss_bebr.IndexSDC(transform, nbits)


def test_search_through_the_transform(rng):
    transform, _, _ = random_network(rng, 48, [40, 40, 40], 0, False)
    storage = faiss_bebr.IndexSDC(transform, 2)
    index = faiss.IndexPreTransform(transform, storage)
    x = rng.standard_normal((500, 48)).astype(np.float32)
    index.add(x)
    direct = faiss_bebr.IndexSDC(transform, 2)
    direct.add(transform.apply(x))
    for ours, theirs in zip(
        index.search(x[:30], 9), direct.search(transform.apply(x[:30]), 9), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(
        index.reconstruct_n(0, 20),
        transform.reverse_transform(direct.reconstruct_n(0, 20)),
    )


def test_untrained(rng):
    transform = faiss_bebr.BinarizerTransform(48, [40, 40])
    assert not transform.is_trained
    x = rng.standard_normal((10, 48)).astype(np.float32)
    for call in (
        lambda: transform.apply(x),
        lambda: transform.reverse_transform(transform.apply(x)),
        lambda: transform.encode(x),
    ):
        with pytest.raises(RuntimeError, match="not trained"):
            call()
    index = faiss_bebr.IndexSDC(transform, 2)
    assert not index.is_trained
    y = rng.standard_normal((10, 40)).astype(np.float32)
    for call in (
        lambda: index.add(y),
        lambda: index.search(y, 2),
        lambda: index.range_search(y, 0.5),
        lambda: index.sa_encode(y),
        lambda: index.add_sa_codes(np.zeros((3, 12), dtype=np.uint8)),
    ):
        with pytest.raises(RuntimeError, match="not trained"):
            call()
    with pytest.raises(RuntimeError, match="train the binarizer before"):
        index.train(y)
    assert index.ntotal == 0


def test_bad_arguments(rng):
    transform, W, _ = random_network(rng, 48, [40, 16], 8, False)
    f = rng.standard_normal((10, 48)).astype(np.float32)
    before = transform.encode(f)
    for t, block in (
        (2, W[1]),
        (-1, W[0]),
        (1, W[0]),  # the shapes of plane 0
        (0, W[0][:1] + (W[0][1][:-1],) + W[0][2:]),
        (0, (W[0][0] * np.nan, *W[0][1:])),
    ):
        with pytest.raises(ValueError, match="t must be|shape|NaN"):
            transform.set_binarization_block(t, *block)
    for method in ("apply", "encode", "train"):
        for bad, error in (
            (f[:, :-1], ValueError),
            (f[0], ValueError),
            (None, TypeError),
        ):
            with pytest.raises(error, match="x must"):
                getattr(transform, method)(bad)
    f[3, 5] = np.nan
    for call in (transform.apply, transform.encode):
        with pytest.raises(RuntimeError, match=r"x\[3, 5\] is NaN"):
            call(f)
    f[3, 5] = 0
    transform.encode(f)
    np.testing.assert_array_equal(
        np.delete(transform.encode(f), 3, 0), np.delete(before, 3, 0)
    )
    for arguments in ((0, [8]), (-1, [8]), (48, []), (48, [12]), (48, [8, 16])):
        with pytest.raises(RuntimeError, match="d_in|nbits|width"):
            faiss_bebr.BinarizerTransform(*arguments)


def test_unknown_attributes_are_refused():
    transform = faiss_bebr.BinarizerTransform(16, [8, 8])
    with pytest.raises(AttributeError, match="has no attribute 'document_bits'"):
        transform.document_bits = 1
    transform.normalize = True
    assert transform.normalize
