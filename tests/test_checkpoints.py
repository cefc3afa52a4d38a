"""Training that was stopped goes on to the same result, or refuses clearly."""

from __future__ import annotations

import os

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from faiss_bebr.training import score_training, train_binarizer  # noqa: E402
from faiss_bebr.training.checkpoint import FILE_NAME  # noqa: E402
from faiss_bebr.training.learner import Learner  # noqa: E402
from faiss_bebr.training.tensor_file import (  # noqa: E402
    read_tensor_file,
    write_tensor_file,
)

# 5 steps an epoch
PLANES = {
    "m": [24, 16, 8],
    "document_nbits": 2,
    "epochs": 3,
    "batch_size": 256,
    "rotation_rounds": 2,
    "queue_size": 600,
}
KINDS = {
    "linear": PLANES,
    "hidden": {**PLANES, "hidden": 8, "normalize": True},
    "distillation": {**PLANES, "nce_weight": 0.0},
    "float16": {**PLANES, "precision": "float16"},
    "prefixes": {**PLANES, "matryoshka_dims": [8, 16]},
    "stops early": {**PLANES, "learning_rate": 3.0, "epochs": 9, "patience": 2},
    "budget": {"code_size": 12, "epochs": 3, "rotation_rounds": 2, "ncentroids": 16},
}


class Stopped(Exception):
    pass


def count_steps(patch, limit=None, error=Stopped):
    """A list that grows with each gradient step; the one after ``limit`` fails."""
    taken: list[None] = []
    for learner in (Learner, score_training.ScoreLearner):

        def step(*args, original=learner.step):
            if len(taken) == limit:
                raise error
            taken.append(None)
            return original(*args)

        patch.setattr(learner, "step", step)
    return taken


def assert_same_result(found, expected):
    assert found.report == expected.report
    assert found.document_plane_widths == expected.document_plane_widths
    assert found.ncentroids == expected.ncentroids
    expected = expected.state_dict()
    assert found.state_dict().keys() == expected.keys()
    for name, value in found.state_dict().items():
        assert torch.equal(value, expected[name]), name


@pytest.fixture(autouse=True)
def short_epochs(monkeypatch):
    monkeypatch.setattr(score_training, "STEPS_PER_EPOCH", 5)
    monkeypatch.setattr(score_training.ScoreLearner, "steps_per_epoch", 5)


@pytest.fixture(scope="module")
def uninterrupted():
    """Results of whole trainings, each made once."""
    return {}


@pytest.fixture
def stopped(embeddings, tmp_path, monkeypatch):
    """The file of a linear training that was stopped after 7 steps."""
    path = tmp_path / "checkpoint"
    with monkeypatch.context() as patch:
        count_steps(patch, 7)
        with pytest.raises(Stopped):
            train_binarizer(embeddings, checkpoint=path, checkpoint_steps=2, **PLANES)
    return path


class TestResume:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("steps", [0, 3, 5, 8])
    def test_same_result(
        self, embeddings, tmp_path, monkeypatch, uninterrupted, kind, steps
    ):
        arguments = KINDS[kind]
        if kind not in uninterrupted:
            uninterrupted[kind] = train_binarizer(embeddings, **arguments)
        expected = uninterrupted[kind]
        total = expected.report.history[-1]["step"]
        assert total >= 10
        arguments = {
            **arguments,
            "checkpoint": tmp_path / "checkpoint",
            "checkpoint_steps": 2,
        }
        with monkeypatch.context() as patch:
            count_steps(patch, steps)
            with pytest.raises(Stopped):
                train_binarizer(embeddings, **arguments)
        # What was done up to the last writing is not done again.
        done = {0: 0, 3: 2, 5: 5, 8: 8}[steps]
        with monkeypatch.context() as patch:
            taken = count_steps(patch)
            found = train_binarizer(embeddings, **arguments)
        assert len(taken) == total - done
        assert_same_result(found, expected)
        with monkeypatch.context() as patch:
            taken = count_steps(patch)
            again = train_binarizer(embeddings, **arguments)
        assert taken == []
        assert_same_result(again, expected)
        assert os.listdir(tmp_path) == ["checkpoint"]

    @pytest.mark.parametrize("steps", [7, 18])
    def test_several_widths(
        self, embeddings, tmp_path, monkeypatch, uninterrupted, steps
    ):
        """Stopped in the first one's training, and in the second's."""
        arguments = {**PLANES, "hidden": [0, 8]}
        if "several" not in uninterrupted:
            uninterrupted["several"] = train_binarizer(embeddings, **arguments)
        arguments["checkpoint"] = tmp_path / "checkpoint"
        with monkeypatch.context() as patch:
            count_steps(patch, steps)
            with pytest.raises(Stopped):
                train_binarizer(embeddings, **arguments)
        with monkeypatch.context() as patch:
            taken = count_steps(patch)
            found = train_binarizer(embeddings, **arguments)
        assert len(taken) == 30 - steps // 5 * 5
        assert_same_result(found, uninterrupted["several"])
        assert sorted(os.listdir(tmp_path)) == ["checkpoint", "checkpoint.hidden8"]

    def test_start_is_not_made_again(self, embeddings, stopped, monkeypatch):
        def unreachable(*_args, **_kwargs):
            raise AssertionError("the start was made again")

        monkeypatch.setattr(
            "faiss_bebr.training.plane_trainer.fit_linear_start", unreachable
        )
        train_binarizer(embeddings, checkpoint=stopped, **PLANES)

    def test_goes_on_after_ctrl_c(
        self, embeddings, tmp_path, monkeypatch, uninterrupted
    ):
        if "linear" not in uninterrupted:
            uninterrupted["linear"] = train_binarizer(embeddings, **PLANES)
        arguments = {**PLANES, "checkpoint": tmp_path}
        with monkeypatch.context() as patch:
            count_steps(patch, 7, KeyboardInterrupt)
            first = train_binarizer(embeddings, **arguments)
        assert first.report.interrupted and len(first.report.history) == 1
        found = train_binarizer(embeddings, **arguments)
        assert_same_result(found, uninterrupted["linear"])

    def test_batches_resume_as_an_array(self, embeddings, stopped, uninterrupted):
        if "linear" not in uninterrupted:
            uninterrupted["linear"] = train_binarizer(embeddings, **PLANES)
        batches = (embeddings[i : i + 99] for i in range(0, len(embeddings), 99))
        found = train_binarizer(batches, checkpoint=stopped, **PLANES)
        assert_same_result(found, uninterrupted["linear"])

    def test_folders(self, embeddings, tmp_path):
        arguments = {**PLANES, "epochs": 1}
        train_binarizer(embeddings, checkpoint=tmp_path, **arguments)
        train_binarizer(embeddings, checkpoint=f"{tmp_path}/new/run/", **arguments)
        train_binarizer(embeddings, checkpoint=tmp_path / "other/file", **arguments)
        files = {path for path in tmp_path.rglob("*") if path.is_file()}
        assert files == {
            tmp_path / FILE_NAME,
            tmp_path / "new/run" / FILE_NAME,
            tmp_path / "other/file",
        }

    def test_failed_writing_keeps_the_last_one(
        self, embeddings, stopped, monkeypatch, uninterrupted
    ):
        before = stopped.read_bytes()

        def full(_fd):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(OSError, match="No space"):
                train_binarizer(embeddings, checkpoint=stopped, **PLANES)
        assert stopped.read_bytes() == before
        assert os.listdir(stopped.parent) == [stopped.name]


class TestRefused:
    @pytest.fixture(autouse=True)
    def no_steps(self, stopped, monkeypatch):
        """Whatever is wrong shows before the first step."""
        self.before = stopped.read_bytes()
        taken = count_steps(monkeypatch)
        yield
        assert taken == []

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"epochs": 4}, "of other settings: epochs 3 there, 4 here"),
            (
                {"learning_rate": 2e-3, "seed": 1},
                "learning_rate 0.001 there, 0.002 here; seed 0 there, 1 here",
            ),
            ({"m": [24, 16, 16]}, r"m \[24, 16, 8\] there, \[24, 16, 16\] here"),
            (
                {"precision": "bfloat16"},
                "precision 'float(32|16)' there, 'bfloat16' here",
            ),
            ({"document_nbits": 3}, "document_nbits 2 there, 3 here"),
            ({"matryoshka_dims": (8,)}, r"matryoshka_dims \[\] there, \[8\] here"),
        ],
    )
    def test_other_settings(self, embeddings, stopped, change, message):
        def no_data():
            raise AssertionError("data were read")
            yield

        for x in (embeddings, no_data()):
            with pytest.raises(ValueError, match=message):
                train_binarizer(x, checkpoint=stopped, **{**PLANES, **change})
        assert stopped.read_bytes() == self.before

    def test_other_settings_of_a_further_width(self, stopped):
        def no_data():
            raise AssertionError("data were read")
            yield

        path = stopped.with_name("several")
        first = {**PLANES, "hidden": [8, 4], "checkpoint": path}
        stopped.rename(path.with_name("several.hidden4"))
        with pytest.raises(ValueError, match=r"hidden4: of other settings: hidden \["):
            train_binarizer(no_data(), **first)
        path.with_name("several.hidden4").rename(stopped)

    def test_other_data(self, embeddings, stopped):
        with pytest.raises(ValueError, match="of other data: .*n 1500 there, 1499"):
            train_binarizer(embeddings[1:], checkpoint=stopped, **PLANES)
        other = embeddings.copy()
        other[3, 4] += 1e-3
        with pytest.raises(ValueError, match="of other data: fingerprint"):
            train_binarizer(other, checkpoint=stopped, **PLANES)
        assert stopped.read_bytes() == self.before

    def test_numpy_arguments_are_the_same_settings(self, embeddings, stopped):
        arguments = {**PLANES, "m": np.array([24, 16, 8]).tolist()}
        arguments["epochs"] = np.int64(4)
        with pytest.raises(ValueError, match="settings: epochs 3 there, 4 here. Rem"):
            train_binarizer(embeddings, checkpoint=stopped, **arguments)

    def test_damaged(self, embeddings, stopped):
        damaged = bytearray(self.before)
        damaged[-20] ^= 4
        for data in (damaged, self.before[:-1], self.before[:100], b"", b"\x80pickle"):
            stopped.write_bytes(data)
            with pytest.raises(ValueError, match=f"{stopped}: damaged"):
                train_binarizer(embeddings, checkpoint=stopped, **PLANES)

    def test_file_of_a_network(self, embeddings, tmp_path):
        net = train_binarizer(embeddings, **{**PLANES, "epochs": 0})
        net.save(tmp_path / "net")
        with pytest.raises(ValueError, match="'faiss_bebr checkpoint' expected"):
            train_binarizer(embeddings, checkpoint=tmp_path / "net", **PLANES)

    @pytest.mark.parametrize(
        "name",
        [
            "learner.net.query_weight",
            "learner.queue.documents",
            "learner.optimizer.0.exp_avg",
            "learner.generator",
            "best.query_offset",
        ],
    )
    def test_made_by_hand(self, embeddings, stopped, name):
        description, tensors = read_tensor_file(stopped, "checkpoint")
        tensors[name] = torch.ones(3)
        write_tensor_file(stopped, "checkpoint", description, tensors)
        with pytest.raises(ValueError, match="not one that this version"):
            train_binarizer(embeddings, checkpoint=stopped, **PLANES)
        del description["progress"]
        write_tensor_file(stopped, "checkpoint", description, tensors)
        with pytest.raises(ValueError, match="not one that this version"):
            train_binarizer(embeddings, checkpoint=stopped, **PLANES)

    def test_start_made_by_hand(self, embeddings, tmp_path, monkeypatch):
        path = tmp_path / "budget"
        with monkeypatch.context() as patch:
            count_steps(patch, 0)
            with pytest.raises(Stopped):
                train_binarizer(embeddings, checkpoint=path, **KINDS["budget"])
        description, tensors = read_tensor_file(path, "checkpoint")
        del tensors["start.centroids"]
        write_tensor_file(path, "checkpoint", description, tensors)
        with pytest.raises(ValueError, match="not one that this version"):
            train_binarizer(embeddings, checkpoint=path, **KINDS["budget"])

    def test_path_of_another_type(self, embeddings):
        with pytest.raises(TypeError):
            train_binarizer(embeddings, checkpoint=3, **PLANES)
        with pytest.raises(ValueError, match="checkpoint_steps: at least 0"):
            train_binarizer(embeddings, checkpoint_steps=-1, **PLANES)
