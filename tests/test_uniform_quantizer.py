"""BinarizerTransform of blocks whose recurrence is the uniform quantizer of a linear
map, as training for a budget of bytes makes them."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
from test_transform import Arrays, recurrence

import faiss_bebr

D_IN = 24
WIDTHS = ([24] * 8, [24, 24], [24, 16, 16, 8], [32] * 4)


def linear_block(weight: np.ndarray, bias: np.ndarray) -> Arrays:
    d_out, d_in = weight.shape
    shapes = ((0, d_in), (0,), (d_out, 0))
    return (weight, bias, *(np.zeros(shape) for shape in shapes))


class Blocks:
    """Blocks of ``scale * rotation (f - mean)``, with empty dimensions past d_in."""

    def __init__(self, rng, widths, *, rotation=None, mean=None, scale=3.0) -> None:
        m = widths[0]
        if rotation is None:
            rotation = np.linalg.qr(rng.standard_normal((D_IN, D_IN)))[0]
        if mean is None:
            mean = rng.standard_normal(D_IN)
        self.widths = widths
        weight, inverse = np.zeros((m, D_IN)), np.zeros((D_IN, m))
        weight[:D_IN], inverse[:, :D_IN] = scale * rotation, rotation.T / scale
        empty = np.where(np.arange(m) < D_IN, 0.0, -1.0)
        self.W = [
            linear_block(weight[:width], empty[:width] if t else -weight @ mean)
            for t, width in enumerate(widths)
        ]
        self.R = [linear_block(inverse, mean) for _ in widths]

    def transform(self, normalize: bool = False) -> faiss_bebr.BinarizerTransform:
        transform = faiss_bebr.BinarizerTransform(D_IN, self.widths, normalize)
        for t in range(len(self.widths)):
            transform.set_binarization_block(t, *self.W[t])
            transform.set_reconstruction_block(t, *self.R[t])
        transform.is_trained = True
        return transform

    def check(self, f: np.ndarray, margin: float) -> int:
        """Compare the output with the recurrence where no value is as near to an edge
        as margin; the number of vectors compared."""
        expected, distance = recurrence(f, self.widths, self.W, self.R, False, D_IN)
        clear = distance >= margin
        np.testing.assert_array_equal(
            self.transform().apply(f)[clear], expected[clear].astype(np.float32)
        )
        return int(clear.sum())


@pytest.mark.parametrize("widths", WIDTHS)
def test_output_equals_recurrence(widths, rng):
    blocks = Blocks(rng, widths)
    assert blocks.transform().quantizes_uniformly()
    f = rng.standard_normal((2000, D_IN)).astype(np.float32)
    # some values beyond the range
    assert np.abs(blocks.transform().apply(f)).max() == 2 - 0.5 ** (len(widths) - 1)
    assert blocks.check(f, 1e-5) > 1800


@pytest.mark.parametrize("widths", WIDTHS)
def test_values_at_edges_go_up(widths, rng):
    """Sums that no one rounds: the recurrence itself, ties included."""
    signs = np.diag(rng.choice([-1.0, 1.0], D_IN))
    mean = rng.integers(-4, 5, D_IN) / 16
    blocks = Blocks(rng, widths, rotation=signs, mean=mean, scale=2.0)
    assert blocks.transform().quantizes_uniformly()
    f = (rng.integers(-300, 301, (1000, D_IN)) / 256).astype(np.float32)
    assert blocks.check(f, 0) == 1000
    at_edges = ((f - mean) * 2) % 0.5 ** (len(widths) - 2) == 0
    assert at_edges.sum() > 30


@pytest.mark.parametrize("widths", WIDTHS)
def test_a_vector_has_the_same_bits_among_any_others(widths, nthreads, rng):
    transform = Blocks(rng, widths).transform()
    f = rng.standard_normal((500, D_IN)).astype(np.float32)
    out = transform.apply(f)
    for rows in (slice(0, 1), slice(7, 10), slice(100, 251)):
        np.testing.assert_array_equal(transform.apply(f[rows]), out[rows])


@pytest.mark.parametrize("widths", WIDTHS)
def test_first_planes(widths, rng):
    transform = Blocks(rng, widths).transform()
    f = rng.standard_normal((300, D_IN)).astype(np.float32)
    codes = transform.encode(f)
    for nbits in range(1, len(widths) + 1):
        np.testing.assert_array_equal(
            transform.encode(f, nbits), codes[:, : sum(widths[:nbits]) // 8]
        )


def change_weight(blocks: Blocks) -> None:
    blocks.W[1][0][3, 2] += 1e-6


def change_all_weights(blocks: Blocks) -> None:
    for block in blocks.W:
        block[0][3, 2] += 1e-4


def change_reconstruction(blocks: Blocks) -> None:
    blocks.R[-1][0][3, 2] += 1e-6


def change_reconstructions(blocks: Blocks) -> None:
    for block in blocks.R:
        block[0][3, 2] += 1e-4


def change_bias(blocks: Blocks) -> None:
    blocks.W[1][1][3] += 1e-3


def change_all_inverse_weights(blocks: Blocks) -> None:
    """Each so little that only their sum counts."""
    for block in blocks.R:
        block[0][:] += 4e-6


def change_mean(blocks: Blocks) -> None:
    for block in blocks.R:
        block[1][3] += 1e-3


def add_hidden(blocks: Blocks) -> None:
    skip, bias = blocks.W[0][:2]
    hidden = np.ones((2, D_IN)), np.ones(2), np.ones((len(skip), 2))
    blocks.W[0] = (skip, bias, *hidden)


@pytest.mark.parametrize("widths", [[24] * 8, [24, 16]])
@pytest.mark.parametrize(
    "change",
    [
        change_weight,
        change_all_weights,
        change_reconstruction,
        change_reconstructions,
        change_bias,
        change_all_inverse_weights,
        change_mean,
        add_hidden,
    ],
)
def test_other_blocks_are_not_quantizers(change, widths, rng):
    blocks = Blocks(rng, widths)
    # blocks of one array are changed apart
    blocks.W = [tuple(a.copy() for a in block) for block in blocks.W]
    blocks.R = [tuple(a.copy() for a in block) for block in blocks.R]
    assert blocks.transform().quantizes_uniformly()
    change(blocks)
    assert not blocks.transform().quantizes_uniformly()
    f = rng.standard_normal((300, D_IN)).astype(np.float32)
    assert blocks.check(f, 1e-5) > 250


@pytest.mark.parametrize("bias", [[0.5, -1.0], [0.0, 1.0]])
def test_empty_dimensions_have_the_code_of_zero(bias, rng):
    """Else the biases make another code of them than the quantizer would."""
    blocks = Blocks(rng, [32, 32])
    for block, value in zip(blocks.W, bias, strict=True):
        block[1][-1] = value
    assert not blocks.transform().quantizes_uniformly()
    f = rng.standard_normal((300, D_IN)).astype(np.float32)
    assert blocks.check(f, 1e-5) > 250


def test_normalization_and_changes_are_seen(rng):
    blocks = Blocks(rng, [24, 24])
    assert not blocks.transform(normalize=True).quantizes_uniformly()
    transform = blocks.transform()
    transform.normalize = True
    assert not transform.quantizes_uniformly()
    transform.normalize = False
    assert transform.quantizes_uniformly()
    transform.set_reconstruction_block(0, *linear_block(np.ones((24, 24)), np.ones(24)))
    assert not transform.quantizes_uniformly()
    transform.set_reconstruction_block(0, *blocks.R[0])
    assert transform.quantizes_uniformly()
    assert not faiss_bebr.BinarizerTransform(24, [24, 24]).quantizes_uniformly()
    # with one plane there is nothing to save
    assert not Blocks(rng, [24]).transform().quantizes_uniformly()


def test_copies_and_files_quantize_too(rng, tmp_path):
    transform = Blocks(rng, [24] * 8).transform()
    index = faiss.IndexPreTransform(transform, faiss_bebr.IndexSDC(transform, 2))
    f = rng.standard_normal((300, D_IN)).astype(np.float32)
    faiss_bebr.write_index(index, str(tmp_path / "index.bebr"))
    for copy in (
        faiss_bebr.clone_index(index),
        faiss_bebr.read_index(str(tmp_path / "index.bebr")),
    ):
        other = faiss_bebr.downcast_VectorTransform(copy.chain.at(0))
        assert other.quantizes_uniformly()
        np.testing.assert_array_equal(other.apply(f), transform.apply(f))


def test_a_trained_budget_quantizes(embeddings):
    index = faiss_bebr.index_factory(32, "BEBR12B,SDC", faiss.METRIC_INNER_PRODUCT)
    index.train(embeddings)
    transform = faiss_bebr.downcast_VectorTransform(index.chain.at(0))
    assert transform.quantizes_uniformly()
