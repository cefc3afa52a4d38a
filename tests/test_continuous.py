"""Binarizers whose output is W_0(f): of a transform, of a network, in files, and of
training for a budget of bytes."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
from test_transform import apply_block, random_network
from test_uniform_quantizer import D_IN, Blocks

import faiss_bebr
from faiss_bebr.training import RecurrentBinarizer, train_binarizer
from faiss_bebr.training.tensor_file import write_tensor_file
from faiss_bebr.training.weights import read_description

IP = faiss.METRIC_INNER_PRODUCT


@pytest.mark.parametrize("widths", [[24, 16, 16], [32] * 4, [16]])
@pytest.mark.parametrize("hidden", [0, 5])
@pytest.mark.parametrize("normalize", [False, True])
def test_output_is_the_first_block(widths, hidden, normalize, nthreads, rng):
    transform, W, _ = random_network(rng, 20, widths, hidden, normalize)
    transform.continuous = True
    f = rng.standard_normal((300, 20)).astype(np.float32)
    out = transform.apply(f)
    np.testing.assert_allclose(out, apply_block(W[0], f), atol=1e-5)
    for rows in (slice(0, 1), slice(7, 10), slice(100, 251)):
        np.testing.assert_array_equal(transform.apply(f[rows]), out[rows])


def test_planes_are_those_of_the_recurrence(rng):
    transform, _, _ = random_network(rng, 20, [24, 16], 5, True)
    f = rng.standard_normal((300, 20)).astype(np.float32)
    codes, output = transform.encode(f), transform.apply(f)
    embeddings = transform.reverse_transform(output)
    transform.continuous = True
    assert (transform.apply(f) != output).any()
    np.testing.assert_array_equal(transform.encode(f), codes)
    np.testing.assert_array_equal(transform.reverse_transform(output), embeddings)


def test_copies_and_others_are_told_apart(rng):
    transform, _, _ = random_network(rng, 20, [24, 16], 0, False)
    other = faiss_bebr.BinarizerTransform(transform)
    transform.continuous = True
    with pytest.raises(RuntimeError, match="kind of output"):
        transform.check_identical(other)
    faiss_bebr.BinarizerTransform(transform).check_identical(transform)


def test_codes_of_all_planes_are_not_the_output(rng):
    """So scales are those of finer input, not those of the code itself."""
    transform = Blocks(rng, [24, 24]).transform()
    assert faiss_bebr.IndexSDC(transform, 2, IP).sdc.scale_type == (
        faiss_bebr.Scale_cosine
    )
    transform.continuous = True
    index = faiss_bebr.IndexSDC(transform, 2, IP)
    assert index.sdc.scale_type == faiss_bebr.Scale_unbiased
    f = rng.standard_normal((300, D_IN)).astype(np.float32)
    codes = index.sa_encode(transform.apply(f))
    np.testing.assert_array_equal(codes[:, :6], transform.encode(f))


@pytest.mark.parametrize("continuous", [False, True])
def test_files(continuous, rng, tmp_path):
    transform = Blocks(rng, [24] * 8).transform()
    transform.continuous = continuous
    index = faiss.IndexPreTransform(transform, faiss_bebr.IndexSDC(transform, 2))
    f = rng.standard_normal((300, D_IN)).astype(np.float32)
    path = tmp_path / "index.bebr"
    faiss_bebr.write_index(index, str(path))
    # Weights that all blocks share are there once.
    assert path.stat().st_size < 2.5 * D_IN * D_IN * 4 + 4000
    for copy in (faiss_bebr.clone_index(index), faiss_bebr.read_index(str(path))):
        other = faiss_bebr.downcast_VectorTransform(copy.chain.at(0))
        assert other.continuous is continuous
        other.check_identical(transform)
        np.testing.assert_array_equal(other.apply(f), transform.apply(f))


def test_network(rng, tmp_path):
    net = RecurrentBinarizer(20, [24, 16]).eval()
    f = rng.standard_normal((50, 20)).astype(np.float32)
    planes = net.encode(f)
    net.continuous = True
    transform = net.to_transform()
    assert transform.continuous
    np.testing.assert_allclose(net.encode(f), transform.apply(f), atol=1e-5)
    np.testing.assert_array_equal(net.encode(f, net.nbits), planes)
    net.save(tmp_path / "net")
    assert read_description(tmp_path / "net")["network"]["continuous"] is True
    found = RecurrentBinarizer.load(tmp_path / "net")
    assert found.continuous
    np.testing.assert_array_equal(found.encode(f), net.encode(f))


def test_network_files_from_before(tmp_path):
    net = RecurrentBinarizer(20, [24, 16])
    net.save(tmp_path / "net")
    description = read_description(tmp_path / "net")
    del description["network"]["continuous"]
    write_tensor_file(tmp_path / "old", "binarizer", description, net.state_dict())
    assert not RecurrentBinarizer.load(tmp_path / "old").continuous
    description["network"]["continuous"] = 1
    write_tensor_file(tmp_path / "bad", "binarizer", description, net.state_dict())
    with pytest.raises(ValueError, match="continuous of type bool expected"):
        RecurrentBinarizer.load(tmp_path / "bad")


def test_a_budget_is_coded_from_what_was_not_rounded(embeddings):
    net = train_binarizer(embeddings, code_size=12, epochs=0, rotation_rounds=2)
    transform = net.to_transform()
    assert transform.continuous
    y = transform.apply(embeddings)
    # An isometry in one unit, whatever the grid of the planes is.
    unit = np.sqrt(faiss.vector_to_array(transform.query_weight)[0])
    lengths = np.linalg.norm(np.diff(embeddings, axis=0), axis=1)
    np.testing.assert_allclose(
        unit * np.linalg.norm(np.diff(y, axis=0), axis=1), lengths, rtol=1e-4
    )
    transform.continuous = False
    assert np.abs(transform.apply(embeddings) - y).max() > 1e-3
