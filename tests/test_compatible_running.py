"""train_compatible: stopped and resumed, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from two_models import two_models  # noqa: E402

import faiss_bebr  # noqa: E402
from faiss_bebr.training import (  # noqa: E402
    RecurrentBinarizer,
    compatible_trainer,
    train_binarizer,
    train_compatible,
)
from faiss_bebr.training.compatible_learner import CompatibleLearner  # noqa: E402
from faiss_bebr.training.compatible_scores import CompatibleScoreLearner  # noqa: E402

QUICK = {"epochs": 0, "rotation_rounds": 2}
# 5 steps an epoch
SETTINGS = {"epochs": 3, "max_train_points": 1500}
KINDS = {
    "planes": ({"m": 24, "nbits": 3, "document_nbits": 2}, {"batch_size": 270}),
    "hidden": (
        {"m": 24, "nbits": 3, "document_nbits": 2},
        {"batch_size": 270, "hidden": 8, "nce_weight": 0.0},
    ),
    "budget": ({"code_size": 11, "ncentroids": 16}, {}),
}


class Stopped(Exception):
    pass


def count_steps(patch, limit=None, error=Stopped):
    """A list that grows with each gradient step; the one after ``limit`` fails."""
    taken: list[None] = []
    for learner in (CompatibleLearner, CompatibleScoreLearner):

        def step(*args, original=learner.step):
            if len(taken) == limit:
                raise error
            taken.append(None)
            return original(*args)

        patch.setattr(learner, "step", step)
    return taken


@pytest.fixture(autouse=True)
def short_epochs(monkeypatch):
    monkeypatch.setattr(CompatibleScoreLearner, "steps_per_epoch", 5)


@pytest.fixture(scope="module")
def x():
    """Documents by the new and by the old model."""
    models = two_models()
    return models.new.documents, models.old.documents


@pytest.fixture(scope="module")
def old_binarizers(x):
    return {
        kind: train_binarizer(x[1], **QUICK, **arguments)
        for kind, (arguments, _) in KINDS.items()
    }


@pytest.fixture(scope="module")
def uninterrupted():
    """Results of whole trainings, each made once."""
    return {}


def assert_same_result(found, expected):
    assert found.report == expected.report
    expected = expected.state_dict()
    for name, value in found.state_dict().items():
        assert torch.equal(value, expected[name]), name


@pytest.mark.parametrize("kind", KINDS)
class TestRunning:
    def train(self, kind, x, old_binarizers, **arguments):
        arguments = {**SETTINGS, **KINDS[kind][1], **arguments}
        return train_compatible(x[0], old_binarizers[kind], x[1], **arguments)

    def whole(self, kind, x, old_binarizers, uninterrupted):
        if kind not in uninterrupted:
            uninterrupted[kind] = self.train(kind, x, old_binarizers)
        return uninterrupted[kind]

    @pytest.mark.parametrize("steps", [0, 3, 5, 8])
    def test_resumes_to_the_same_result(
        self, kind, steps, x, old_binarizers, uninterrupted, tmp_path, monkeypatch
    ):
        expected = self.whole(kind, x, old_binarizers, uninterrupted)
        total = expected.report.history[-1]["step"]
        arguments = {"checkpoint": tmp_path / "checkpoint", "checkpoint_steps": 2}
        with monkeypatch.context() as patch:
            count_steps(patch, steps)
            with pytest.raises(Stopped):
                self.train(kind, x, old_binarizers, **arguments)
        # What was done up to the last writing is not done again.
        done = {0: 0, 3: 2, 5: 5, 8: 8}[steps]
        with monkeypatch.context() as patch:
            taken = count_steps(patch)
            found = self.train(kind, x, old_binarizers, **arguments)
        assert len(taken) == total - done
        assert_same_result(found, expected)
        with monkeypatch.context() as patch:
            taken = count_steps(patch)
            again = self.train(kind, x, old_binarizers, **arguments)
        assert taken == []
        assert_same_result(again, expected)

    def test_interrupt_keeps_the_best(
        self, kind, x, old_binarizers, uninterrupted, monkeypatch
    ):
        expected = self.whole(kind, x, old_binarizers, uninterrupted)
        with monkeypatch.context() as patch:
            count_steps(patch, 3, KeyboardInterrupt)
            found = self.train(kind, x, old_binarizers)
        assert found.report.interrupted
        assert found.report.best_recall == expected.report.start_recall
        start = self.train(kind, x, old_binarizers, epochs=0)
        np.testing.assert_array_equal(found.encode(x[0]), start.encode(x[0]))

    def test_leaves_random_state_and_the_old_one_alone(
        self, kind, x, old_binarizers, uninterrupted
    ):
        old = old_binarizers[kind]
        before = {name: value.clone() for name, value in old.state_dict().items()}
        torch.manual_seed(99)
        np.random.seed(99)
        expected = torch.rand(1), np.random.rand()
        torch.manual_seed(99)
        np.random.seed(99)
        found = self.train(kind, x, old_binarizers)
        assert (torch.rand(1), np.random.rand()) == expected
        assert_same_result(found, self.whole(kind, x, old_binarizers, uninterrupted))
        for name, value in old.state_dict().items():
            assert torch.equal(value, before[name]), name
        other = self.train(kind, x, old_binarizers, seed=1)
        assert not np.array_equal(other.encode(x[0]), found.encode(x[0]))

    def test_harmful_steps_return_the_start(self, kind, x, old_binarizers):
        net = self.train(kind, x, old_binarizers, learning_rate=5.0)
        start = self.train(kind, x, old_binarizers, epochs=0)
        assert net.report.history[-1]["recall"] < start.report.start_recall
        for name, value in start.state_dict().items():
            assert torch.equal(value, net.state_dict()[name]), name

    def test_checkpoint_of_another_old_binarizer(
        self, kind, x, old_binarizers, tmp_path
    ):
        self.train(kind, x, old_binarizers, epochs=1, checkpoint=tmp_path)
        other = {kind: train_binarizer(x[1], seed=1, **QUICK, **KINDS[kind][0])}
        with pytest.raises(ValueError, match="of other data: .*old_binarizer"):
            self.train(kind, x, other, epochs=1, checkpoint=tmp_path)

    def test_report_is_saved(self, kind, x, old_binarizers, uninterrupted, tmp_path):
        net = self.whole(kind, x, old_binarizers, uninterrupted)
        net.save(tmp_path / "net")
        assert RecurrentBinarizer.load(tmp_path / "net").report == net.report

    def test_progress(self, kind, x, old_binarizers, capsys):
        pytest.importorskip("tqdm")
        self.train(kind, x, old_binarizers, epochs=1, progress=True)
        shown = capsys.readouterr().err
        assert "recall=" in shown and "100%" in shown


def test_sources_and_order(x, old_binarizers, tmp_path):
    """A map and batches of the same rows give what arrays give."""
    old = old_binarizers["planes"]
    arguments = {"epochs": 0, "max_train_points": 700}
    expected = train_compatible(x[0], old, x[1], **arguments)
    np.save(tmp_path / "new.npy", x[0])
    mapped = np.load(tmp_path / "new.npy", mmap_mode="r")
    batches = (x[1][i : i + 99] for i in range(0, len(x[1]), 99))
    assert_same_result(train_compatible(mapped, old, batches, **arguments), expected)


class TestRefused:
    @pytest.fixture(autouse=True)
    def no_training(self, monkeypatch):
        def unreachable(*_args, **_kwargs):
            raise AssertionError("training began in spite of a bad argument")

        monkeypatch.setattr(compatible_trainer, "choose_start", unreachable)

    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            ({"old_weight": -1.0}, ValueError, "old_weight: 0 or more.*-1"),
            ({"old_weight": np.nan}, ValueError, "old_weight"),
            ({"hidden": -1}, ValueError, "hidden"),
            ({"hidden": 2.5}, TypeError, "hidden: an integer"),
            ({"epochs": -1}, ValueError, "epochs"),
            ({"learning_rate": 0.0}, ValueError, "learning_rate"),
            ({"nce_weight": -1.0}, ValueError, "nce_weight"),
            ({"surrogate": "none"}, ValueError, "surrogate"),
            ({"patience": 0}, ValueError, "patience"),
            ({"queries": np.ones((100, 47))}, ValueError, "queries: 48 .*47"),
            ({"queries": np.ones((10, 48))}, ValueError, "queries: at least 64.*10"),
            ({"x_new": "text"}, TypeError, "x_new: real numbers"),
            ({"x_old": np.ones(100)}, ValueError, r"x_old: shape \(n, d\)"),
            ({"x_new": np.ones((2000, 48))}, ValueError, "x_new: different vectors"),
        ],
    )
    def test_arguments(self, x, old_binarizers, change, error, message):
        arguments = {"x_new": x[0], "x_old": x[1], **change}
        with pytest.raises(error, match=message):
            train_compatible(old_binarizer=old_binarizers["planes"], **arguments)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"hidden": 8}, "hidden: only expected where documents are the first"),
            ({"precision": "bfloat16"}, "precision: only expected where"),
            ({"nested": True}, "nested: only expected where"),
            ({"queries": np.ones((100, 47))}, "queries: 48 .*47"),
            ({"queries": np.ones((10, 48))}, "queries: at least 64.*10"),
        ],
    )
    def test_arguments_of_the_other_kind(self, x, old_binarizers, change, message):
        with pytest.raises(ValueError, match=message):
            train_compatible(x[0], old_binarizers["budget"], x[1], **change)

    def test_unequal_lengths(self, x, old_binarizers):
        old = old_binarizers["planes"]
        with pytest.raises(ValueError, match="x_old: 2000 rows.*got 1999"):
            train_compatible(x[0], old, x[1][:-1])
        batches = (x[1][i : i + 99] for i in range(0, 990, 99))
        with pytest.raises(ValueError, match="x_old: 2000 rows.*got 990"):
            train_compatible(x[0], old, batches)

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    @pytest.mark.parametrize("side", ["x_new", "x_old"])
    def test_bad_rows_are_named(self, x, old_binarizers, side, value):
        arguments = {"x_new": x[0].copy(), "x_old": x[1].copy()}
        arguments[side][[7, 1234], 3] = value
        message = f"{side}: NaN or infinite values in rows 7, 1234"
        with pytest.raises(ValueError, match=message):
            train_compatible(old_binarizer=old_binarizers["planes"], **arguments)

    def test_zero_rows_are_named(self, x, old_binarizers):
        bad = x[1].copy()
        bad[77] = 0
        with pytest.raises(ValueError, match="x_old: zero vectors.*row 77"):
            train_compatible(x[0], old_binarizers["budget"], bad)

    def test_binarizer_of_another_dimension(self, x, old_binarizers):
        with pytest.raises(ValueError, match="x_old: 32 dimensions expected.*got 48"):
            train_compatible(x[0], old_binarizers["planes"], x[0])

    def test_untrained_binarizers(self, x):
        for untrained in (
            faiss_bebr.BinarizerTransform(32, [24, 24]),
            faiss_bebr.BinarizerTransform(32, [32] * 8),
        ):
            with pytest.raises(ValueError, match="old_binarizer: a trained one"):
                train_compatible(x[0], untrained, x[1])

    def test_foreign_binarizer(self, x, old_binarizers):
        """Of the right dimension, but all of these embeddings get one code."""
        with pytest.raises(
            ValueError, match="old_binarizer: one that was trained for x_old expected"
        ):
            train_compatible(x[0], old_binarizers["planes"], x[1] - 9)

    def test_broken_weights(self, x, old_binarizers, tmp_path):
        old_binarizers["planes"].save(tmp_path / "net")
        broken = RecurrentBinarizer.load(tmp_path / "net")
        with torch.no_grad():
            broken.binarization[1].skip.weight[0, 0] = np.nan
        with pytest.raises(ValueError, match="old_binarizer: NaN.*binarization.1"):
            train_compatible(x[0], broken, x[1])

    def test_continuous_binarizer_of_plain_planes(self, x, old_binarizers):
        transform = old_binarizers["planes"].to_transform()
        transform.continuous = True
        with pytest.raises(ValueError, match="old_binarizer: one that is continuous"):
            train_compatible(x[0], transform, x[1])

    @pytest.mark.parametrize("other", [None, 3, "binarizer", faiss_bebr.IndexSDC(8, 2)])
    def test_no_binarizer(self, x, other):
        with pytest.raises(TypeError, match="old_binarizer: a RecurrentBinarizer or"):
            train_compatible(x[0], other, x[1])

    def test_fewer_rows_than_centroids(self, x):
        old = train_binarizer(x[1], code_size=11, ncentroids=300, **QUICK)
        with pytest.raises(ValueError, match="x_old: more than 300 different.*270"):
            train_compatible(x[0][:300], old, x[1][:300])

    def test_checkpoint_of_other_settings(self, x, old_binarizers, tmp_path):
        path = tmp_path / "checkpoint"
        train_binarizer(x[1], 24, 2, checkpoint=path, epochs=1, rotation_rounds=1)
        with pytest.raises(ValueError, match="of other settings: .*old_weight"):
            train_compatible(x[0], old_binarizers["planes"], x[1], checkpoint=path)
