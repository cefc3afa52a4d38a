"""Progress bar, TensorBoard's log, device and precision of a training."""

from __future__ import annotations

import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from faiss_bebr.training import train_binarizer  # noqa: E402

# 5 steps an epoch
SMALL = {
    "m": 16,
    "nbits": 3,
    "hidden": 0,
    "epochs": 2,
    "batch_size": 256,
    "rotation_rounds": 2,
}


class TestBar:
    def test_losses_and_recall(self, embeddings, capsys):
        train_binarizer(embeddings, progress=True, **SMALL)
        bar = capsys.readouterr().err
        assert "training the binarizer" in bar and "100%" in bar
        assert "recall=" in bar and "nce=" in bar and "distillation=" in bar

    def test_quiet(self, embeddings, capsys):
        train_binarizer(embeddings, progress=False, **SMALL)
        assert capsys.readouterr().err == ""


class TestTensorBoard:
    @staticmethod
    def read(folder):
        """Tag to a list of (step, value), in the order of the log."""
        accumulator = pytest.importorskip(
            "tensorboard.backend.event_processing.event_accumulator"
        )
        log = accumulator.EventAccumulator(str(folder))
        log.Reload()
        return {
            tag: [(event.step, event.value) for event in log.Scalars(tag)]
            for tag in log.Tags()["scalars"]
        }

    def test_losses_and_recall(self, embeddings, tmp_path):
        pytest.importorskip("tensorboard")
        net = train_binarizer(embeddings, log_dir=tmp_path, **SMALL)
        log = self.read(tmp_path)
        assert log.keys() == {"loss/nce", "loss/distillation", "recall"}
        assert [step for step, _ in log["loss/nce"]] == list(range(1, 11))
        report = net.report
        expected = [(0, report.start_recall)]
        expected += [(entry["step"], entry["recall"]) for entry in report.history]
        np.testing.assert_allclose(log["recall"], expected, rtol=1e-6)
        losses = np.array([value for _, value in log["loss/distillation"]])
        np.testing.assert_allclose(
            losses.reshape(2, 5).mean(axis=1),
            [entry["distillation"] for entry in report.history],
            rtol=1e-5,
        )

    def test_log_goes_on_with_a_checkpoint(self, embeddings, tmp_path, monkeypatch):
        pytest.importorskip("tensorboard")
        pytest.importorskip("safetensors")
        from faiss_bebr.training.learner import Learner

        original, taken = Learner.step, []

        def step(learner, embeddings):
            if len(taken) == 8:
                raise KeyboardInterrupt
            taken.append(None)
            return original(learner, embeddings)

        log = tmp_path / "log"
        arguments = {**SMALL, "log_dir": log, "checkpoint": tmp_path / "checkpoint"}
        with monkeypatch.context() as patch:
            patch.setattr(Learner, "step", step)
            train_binarizer(embeddings, **arguments)
        train_binarizer(embeddings, **arguments)
        found = self.read(log)
        assert [step for step, _ in found["loss/nce"]] == list(range(1, 11))
        assert [step for step, _ in found["recall"]] == [0, 5, 10]

    def test_missing_package(self, embeddings, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)

        def no_data():
            raise AssertionError("data were read")
            yield

        with pytest.raises(ImportError, match=r"faiss_bebr\[tensorboard\]"):
            train_binarizer(no_data(), log_dir=tmp_path, **SMALL)

    def test_missing_safetensors(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "safetensors", None)
        with pytest.raises(ImportError, match=r"faiss_bebr\[train\]"):
            train_binarizer(np.ones((9, 4)), checkpoint=tmp_path, **SMALL)


class TestPrecision:
    @pytest.mark.parametrize("precision", ["float16", "bfloat16"])
    @pytest.mark.parametrize("hidden", [0, 8])
    def test_learns_as_float32_does(self, embeddings, precision, hidden):
        arguments = {**SMALL, "hidden": hidden, "epochs": 6, "patience": 6}
        expected = train_binarizer(embeddings, precision="float32", **arguments)
        found = train_binarizer(embeddings, precision=precision, **arguments)
        assert found.report.start_recall == expected.report.start_recall
        for ours, theirs in zip(
            found.report.history, expected.report.history, strict=True
        ):
            assert ours["distillation"] == pytest.approx(
                theirs["distillation"], rel=0.1
            )
            assert ours["recall"] == pytest.approx(theirs["recall"], abs=0.03)
        assert found.report.history != expected.report.history
        assert all(value.dtype == torch.float32 for value in found.parameters())

    def test_overflow_takes_no_step(self, embeddings):
        """What float16 cannot hold is left out, and the loss scaled down."""
        from faiss_bebr.training.learner import Learner
        from faiss_bebr.training.learning_options import LearningOptions
        from faiss_bebr.training.network import RecurrentBinarizer

        net = RecurrentBinarizer(32, [16, 16]).eval()
        options = LearningOptions(
            learning_rate=1e-3,
            temperature=0.07,
            queue_size=64,
            momentum=0.9,
            hard_negatives=8,
            nce_weight=0.0,
            distillation_weight=1e12,
        )
        x = torch.from_numpy(embeddings)
        learner = Learner(
            net, x, options, epochs=1, batch_size=256, seed=0, precision="float16"
        )
        before = net.binarization[0].skip.weight.clone()
        scale = learner.scaler.get_scale()
        next(learner.epoch())
        assert learner.scaler.get_scale() < scale
        assert learner.schedule.last_epoch == 0
        assert torch.equal(net.binarization[0].skip.weight, before)

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
    def test_cuda(self, embeddings):
        found = train_binarizer(embeddings, **SMALL)
        assert found.report.settings["precision"] == "float16"
        assert found.query_weight.device.type == "cpu"
        expected = train_binarizer(embeddings, device="cpu", **SMALL)
        assert found.report.best_recall == pytest.approx(
            expected.report.best_recall, abs=0.03
        )

    def test_refused(self, embeddings):
        with pytest.raises(ValueError, match="precision: one of float32.* 'half'"):
            train_binarizer(embeddings, precision="half", **SMALL)
        with pytest.raises(ValueError, match="precision: only expected together"):
            train_binarizer(embeddings, code_size=12, precision="float16")

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
    def test_no_cuda(self, embeddings):
        with pytest.raises(ValueError, match="device: cuda:0 is not there"):
            train_binarizer(embeddings, device="cuda:0", **SMALL)
