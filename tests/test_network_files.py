"""RecurrentBinarizer.save and load: the same network, or a clear error."""

from __future__ import annotations

import copy
import json
import os
import struct

import faiss
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from networks import D_IN, random_network  # noqa: E402

import faiss_bebr  # noqa: E402
from faiss_bebr.training import (  # noqa: E402
    RecurrentBinarizer,
    read_description,
    train_binarizer,
)
from faiss_bebr.training.tensor_file import (  # noqa: E402
    read_tensor_file,
    write_tensor_file,
)


def assert_same_state(found, expected):
    found, expected = found.state_dict(), expected.state_dict()
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value), name


@pytest.fixture
def saved(tmp_path):
    """Path, description and tensors of a network with every kind of parameter."""
    path = tmp_path / "net.safetensors"
    random_network([24, 16, 8], 6, True).save(path)
    return path, *read_tensor_file(path, "binarizer")


class TestRoundTrip:
    @pytest.mark.parametrize("normalize", [False, True])
    @pytest.mark.parametrize("hidden", [0, 12])
    @pytest.mark.parametrize("plane_widths", [[16], [32, 16, 16, 8]])
    def test_same_network(self, tmp_path, plane_widths, hidden, normalize):
        net = random_network(plane_widths, hidden, normalize)
        net.query_offset.fill_(0.5)
        net.train().save(str(tmp_path / "net"))
        torch.manual_seed(4)
        random_state = torch.random.get_rng_state()
        found = RecurrentBinarizer.load(tmp_path / "net")
        assert torch.equal(torch.random.get_rng_state(), random_state)
        assert not found.training and found.report is None
        assert found.plane_widths == tuple(plane_widths)
        assert (found.hidden, found.normalize) == (hidden, normalize)
        assert_same_state(found, net)
        x = np.random.default_rng(0).standard_normal((50, D_IN)).astype(np.float32)
        np.testing.assert_array_equal(found.encode(x), net.eval().encode(x))
        np.testing.assert_array_equal(
            found.to_transform().apply(x), net.to_transform().apply(x)
        )
        assert all(parameter.requires_grad for parameter in found.parameters())
        # no longer bound to the file
        (tmp_path / "net").unlink()
        found.train()(torch.from_numpy(x)).sum().backward()

    def test_weights_of_errors(self, tmp_path):
        net = random_network([16, 8], 0, False)
        assert net.to_transform().error_weight.size() == 0
        weight = np.random.default_rng(0).standard_normal((16, 16))
        net.set_error_weight(weight @ weight.T)
        net.save(tmp_path / "net")
        found = RecurrentBinarizer.load(tmp_path / "net")
        assert_same_state(found, net)
        transform = found.to_transform()
        copied = faiss.vector_to_array(transform.error_weight).reshape(16, 16)
        np.testing.assert_array_equal(copied, net.error_weight.numpy())
        np.testing.assert_allclose(net.error_weight, weight @ weight.T, rtol=1e-5)
        net.set_error_weight(None)
        assert net.to_transform().error_weight.size() == 0
        with pytest.raises(
            ValueError, match=r"shape \(16, 16\) expected, got \(8, 8\)"
        ):
            net.set_error_weight(np.eye(8))
        for bad, message in (
            (np.full((16, 16), np.nan), "NaN"),
            (np.eye(16, k=1) + np.eye(16), "symmetric"),
            (-np.eye(16), "negative"),
        ):
            with pytest.raises(ValueError, match=message):
                net.set_error_weight(bad)

    def test_files_from_before_there_were_weights_of_errors(self, saved):
        path, description, tensors = saved
        del tensors["error_weight"]
        write_tensor_file(path, "binarizer", description, tensors)
        assert RecurrentBinarizer.load(path).error_weight.shape == (0, 0)

    def test_weights_of_errors_of_another_shape(self, saved):
        path, description, tensors = saved
        tensors["error_weight"] = torch.ones(3, 3)
        write_tensor_file(path, "binarizer", description, tensors)
        with pytest.raises(ValueError, match="error_weight: .* expected"):
            RecurrentBinarizer.load(path)
        d = tensors["query_weight"].numel()
        for bad in (-torch.eye(d), torch.ones(d, d).triu()):
            tensors["error_weight"] = bad
            write_tensor_file(path, "binarizer", description, tensors)
            with pytest.raises(ValueError, match="net.safetensors: error_weight: not"):
                RecurrentBinarizer.load(path)

    def test_description_of_a_trained_network(self, embeddings, tmp_path):
        net = train_binarizer(
            embeddings,
            [24, 16],
            document_nbits=1,
            epochs=1,
            batch_size=256,
            rotation_rounds=2,
            max_train_points=1000,
            seed=5,
        )
        path = tmp_path / "net.safetensors"
        net.save(path)
        description = read_description(path)
        assert description["network"] == {
            "d_in": D_IN,
            "plane_widths": [24, 16],
            "hidden": 0,
            "normalize": False,
            "continuous": False,
        }
        assert description["versions"] == {
            "faiss_bebr": faiss_bebr.__version__,
            "torch": torch.__version__,
        }
        report = description["report"]
        assert report["best_recall"] == net.report.best_recall > 0
        assert len(report["history"]) == 1
        settings = report["settings"]
        assert settings["document_nbits"] == 1 and settings["seed"] == 5
        assert settings["learning_rate"] == 1e-3
        data = report["data"]
        assert (data["n"], data["d"], data["sampled"]) == (1500, D_IN, 1000)
        assert data["mean_norm"] == pytest.approx(1.0)
        assert RecurrentBinarizer.load(path).report == net.report

    def test_other_programs_can_read_it(self, saved):
        from safetensors.torch import load_file

        path, _, tensors = saved
        found = load_file(path)
        assert found.keys() == tensors.keys()
        assert torch.equal(found["query_weight"], tensors["query_weight"])


class TestWriting:
    def test_failure_leaves_the_old_file(self, saved, monkeypatch):
        path, _, _ = saved
        before = path.read_bytes()

        def full(_fd):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            random_network([8], 0, False).save(path)
        assert path.read_bytes() == before
        assert list(path.parent.iterdir()) == [path]

    def test_mode_is_that_of_a_new_file(self, saved):
        path = saved[0]
        plain = path.with_name("plain")
        plain.write_bytes(b"")
        assert path.stat().st_mode == plain.stat().st_mode

    def test_folder_is_missing(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            random_network([8], 0, False).save(tmp_path / "none" / "net")

    def test_values_that_are_not_finite(self, tmp_path):
        net = random_network([8], 0, False)
        net.query_offset[3] = np.nan
        with pytest.raises(ValueError, match="query_offset: NaN"):
            net.save(tmp_path / "net")
        assert list(tmp_path.iterdir()) == []


class TestBadFiles:
    """Whatever is in a file, reading it is an error that names the file."""

    def load(self, path, message):
        with pytest.raises(ValueError, match=message) as caught:
            RecurrentBinarizer.load(path)
        assert str(path) in str(caught.value)

    def test_missing_file_and_folder(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="none"):
            RecurrentBinarizer.load(tmp_path / "none")
        with pytest.raises(IsADirectoryError):
            RecurrentBinarizer.load(tmp_path)

    def test_every_truncation(self, saved):
        path = saved[0]
        data = path.read_bytes()
        for length in [*range(0, 400, 7), *range(400, len(data), 997), len(data) - 1]:
            path.write_bytes(data[:length])
            self.load(path, "damaged, or no safetensors file")

    def test_flipped_bits(self, saved):
        path = saved[0]
        data = path.read_bytes()
        rng = np.random.default_rng(0)
        positions = [*range(0, 300, 3), *rng.integers(0, len(data), 150)]
        for position in positions:
            damaged = bytearray(data)
            damaged[position] ^= 1 << int(rng.integers(8))
            path.write_bytes(damaged)
            self.load(path, ".")

    def test_foreign_files(self, tmp_path):
        from safetensors.numpy import save_file

        path = tmp_path / "net"
        for data in (b"\x80\x04pickle", b"BEBR" * 10, struct.pack("<Q", 2**62)):
            path.write_bytes(data)
            self.load(path, "no safetensors file")
        save_file({"a": np.ones(3, np.float32)}, path)
        self.load(path, "'faiss_bebr binarizer' expected, got None")
        save_file({"a": np.ones(3, np.float32)}, path, {"format": "pt"})
        self.load(path, "'faiss_bebr binarizer' expected, got 'pt'")
        save_file(
            {"a": np.ones(3, np.float32)},
            path,
            {"format": "faiss_bebr binarizer", "version": "2"},
        )
        self.load(path, "version 1 .* got 2")
        save_file(
            {"a": np.ones(3, np.float16)},
            path,
            {"format": "faiss_bebr binarizer", "version": "1"},
        )
        self.load(path, "a has type F16")
        write_tensor_file(path, "checkpoint", {}, {})
        self.load(path, "'faiss_bebr binarizer' expected, got 'faiss_bebr checkpoint'")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"network": None}, "network: an object"),
            ({"network": {}}, "network: d_in, hidden, normalize, plane_widths missing"),
            ({"network": {"extra": 1}}, "network: extra unknown"),
            ({"network": {"d_in": "32"}}, "network: d_in of type int"),
            ({"network": {"d_in": True}}, "network: d_in of type int"),
            ({"network": {"d_in": -1}}, "d_in: a positive"),
            ({"network": {"d_in": 2**40}}, r"weight: .*1099511627776\) expected"),
            ({"network": {"d_in": 2**62}}, "network: impossible sizes"),
            ({"network": {"d_in": 10**30}}, "network: impossible sizes"),
            ({"network": {"hidden": 2**60}}, "network: impossible sizes|shape"),
            ({"network": {"hidden": 7}}, r"hidden.bias: .*\(7,\) .* \(6,\)"),
            ({"network": {"hidden": 0}}, "unknown"),
            ({"network": {"plane_widths": 24}}, "network: plane_widths of type list"),
            ({"network": {"plane_widths": [24.0]}}, "network: integer plane_widths"),
            ({"network": {"plane_widths": [8, 16]}}, "may not widen"),
            ({"network": {"plane_widths": [8] * 9}}, "1 to 8 planes"),
            ({"network": {"plane_widths": [24, 16]}}, "unknown"),
            ({"network": {"normalize": 1}}, "network: normalize of type bool"),
            ({"report": 3}, "report: an object"),
            ({"report": {"start_recall": 0.5}}, "report: best_recall.* missing"),
            ({"report": {"data": []}}, "report: .* missing"),
            ({"versions": ...}, "description: versions missing"),
            ({"more": 1}, "description: more unknown"),
        ],
    )
    def test_descriptions(self, saved, change, message):
        path, description, tensors = saved
        for name, value in change.items():
            if value is ...:
                del description[name]
            elif name == "network" and value:
                description["network"] = {**description["network"], **value}
            else:
                description[name] = value
        write_tensor_file(path, "binarizer", description, tensors)
        self.load(path, message)

    def test_report_of_wrong_types(self, embeddings, tmp_path):
        path = tmp_path / "net"
        train_binarizer(embeddings, 16, 1, epochs=0, rotation_rounds=1).save(path)
        description, tensors = read_tensor_file(path, "binarizer")
        for name, value in (("best_recall", "high"), ("history", 1), ("settings", [])):
            bad = copy.deepcopy(description)
            bad["report"][name] = value
            write_tensor_file(path, "binarizer", bad, tensors)
            self.load(path, f"report: {name} of type")

    def test_tensors(self, saved):
        path, description, tensors = saved
        name = "reconstruction.1.hidden.weight"
        bias = "binarization.0.skip.bias"
        for key, value, message in (
            (name, None, f"tensors: {name} missing"),
            ("other", torch.ones(2), "tensors: other unknown"),
            (name, tensors[name].T.contiguous(), f"{name}: .*float32 .* expected"),
            (bias, tensors[bias].long(), f"{bias}: .*float32.* got .*int64"),
            (bias, tensors[bias] * np.inf, f"{bias}: NaN or infinite"),
            ("binarization.1.norm.running_var", -torch.ones(6), "negative variances"),
        ):
            changed = {**tensors, key: value}
            if value is None:
                del changed[key]
            write_tensor_file(path, "binarizer", description, changed)
            self.load(path, message)

    @pytest.mark.parametrize(
        "text", ["", "[]", "3", '{"a": NaN}', '{"a": Infinity}', "{" * 9, "[" * 100_000]
    )
    def test_text_that_is_no_description(self, saved, text):
        path = saved[0]
        data = path.read_bytes()
        size = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8 : 8 + size])
        tensors = read_tensor_file(path, "binarizer").tensors
        from faiss_bebr.training.tensor_file import _checksum

        arrays = {name: value.numpy() for name, value in tensors.items()}
        header["__metadata__"]["description"] = text
        header["__metadata__"]["checksum"] = _checksum("binarizer", text, arrays)
        changed = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(changed)) + changed + data[8 + size :])
        self.load(path, "its description is no JSON")
