"""train_binarizer: what it promises about its result, and its arguments."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from networks import D_IN  # noqa: E402
from reference import (  # noqa: E402
    cosine_documents,
    exact_neighbors,
    recall,
    unbiased_documents,
)

import faiss_bebr  # noqa: E402
from faiss_bebr.training import (  # noqa: E402
    RecurrentBinarizer,
    train_binarizer,
    train_compatible,
)
from faiss_bebr.training import plane_trainer as trainer_module  # noqa: E402
from faiss_bebr.training.learner import Learner  # noqa: E402
from faiss_bebr.training.sampling import sample_rows  # noqa: E402
from faiss_bebr.training.start import (  # noqa: E402
    fit_linear_start,
)


class TestTrain:
    SMALL = {"epochs": 2, "batch_size": 256, "rotation_rounds": 5, "seed": 3}

    @pytest.mark.parametrize("nbits", range(1, 9))
    def test_every_depth(self, embeddings, nbits):
        net = train_binarizer(
            embeddings[:500], 16, nbits, epochs=1, batch_size=128, rotation_rounds=2
        )
        assert not net.training and net.plane_widths == (16,) * nbits
        assert net.report.best_recall >= net.report.start_recall > 0
        levels = net.encode(embeddings) * 2 ** (nbits - 1)
        assert np.all(levels % 2 == 1) and np.abs(levels).max() < 2**nbits

    def test_is_deterministic_and_leaves_random_state_alone(self, embeddings):
        torch.manual_seed(99)
        np.random.seed(99)
        expected = torch.rand(1), np.random.rand()
        torch.manual_seed(99)
        np.random.seed(99)
        first = train_binarizer(embeddings, 16, 3, hidden=8, **self.SMALL)
        assert (torch.rand(1), np.random.rand()) == expected
        second = train_binarizer(embeddings, 16, 3, hidden=8, **self.SMALL)
        assert first.report == second.report
        for name, value in first.state_dict().items():
            assert torch.equal(value, second.state_dict()[name]), name
        other = train_binarizer(embeddings, 16, 3, **{**self.SMALL, "seed": 4})
        assert not np.array_equal(other.encode(embeddings), first.encode(embeddings))

    def test_harmful_training_returns_the_start(self, embeddings):
        start = train_binarizer(
            embeddings, 16, 3, document_nbits=2, **{**self.SMALL, "epochs": 0}
        )
        assert start.report.history == []
        net = train_binarizer(
            embeddings,
            16,
            3,
            document_nbits=2,
            learning_rate=3.0,
            **self.SMALL,
        )
        assert net.report.history[-1]["recall"] < start.report.start_recall
        assert net.report.best_recall == start.report.start_recall
        for name, value in start.state_dict().items():
            assert torch.equal(value, net.state_dict()[name]), name

    def test_reported_recall_is_that_of_the_result(self, embeddings):
        net = train_binarizer(embeddings, 16, 4, document_nbits=2, **self.SMALL)
        assert len(net.report.history) == 2
        sample = sample_rows(embeddings, 50_000, np.random.default_rng(3))
        queries, documents = sample[:150], sample[150:]
        decoded = unbiased_documents(net.encode(documents), net.encode(documents, 2))
        mapped = net.query_weight.numpy() * net.encode(queries)
        mapped += net.query_offset.numpy()
        found = exact_neighbors(mapped, decoded, 10)
        measured = recall(found, exact_neighbors(queries, documents, 10))
        # Equal scores may be ordered differently.
        assert measured == pytest.approx(net.report.best_recall, abs=5e-3)

    def test_gradient_steps_lower_the_losses(self, embeddings, monkeypatch):
        losses = []
        step = Learner.step

        def recorded(learner, batch):
            losses.append(step(learner, batch))
            return losses[-1]

        monkeypatch.setattr(Learner, "step", recorded)
        train_binarizer(
            embeddings,
            16,
            3,
            document_nbits=2,
            hidden=16,
            epochs=25,
            patience=25,
            batch_size=256,
            learning_rate=5e-3,
            rotation_rounds=0,
        )
        distillation = [float(parts.distillation) for parts in losses]
        assert np.mean(distillation[-20:]) < 0.95 * np.mean(distillation[:10])

    def test_hidden_layers_learn(self, embeddings, monkeypatch):
        states = []
        follow = Learner._follow

        def recorded(learner):
            follow(learner)
            states.append(learner.net.binarization[0].output.weight.abs().max().item())

        monkeypatch.setattr(Learner, "_follow", recorded)
        train_binarizer(embeddings, 16, 2, hidden=8, **self.SMALL)
        assert states[-1] > 0

    def test_best_of_several_widths(self, embeddings):
        settings = {**self.SMALL, "learning_rate": 1e-2}
        single = [
            train_binarizer(embeddings, 16, 2, hidden=hidden, **settings)
            for hidden in (0, 16)
        ]
        recalls = [net.report.best_recall for net in single]
        assert single[0].report.start_recall == single[1].report.start_recall
        expected = single[int(np.argmax(recalls))]
        for order in ((0, 16), [16, 0]):
            net = train_binarizer(embeddings, 16, 2, hidden=order, **settings)
            assert net.report.best_recall == max(recalls)
            if recalls[0] != recalls[1]:
                assert net.hidden == expected.hidden
                np.testing.assert_array_equal(
                    net.encode(embeddings), expected.encode(embeddings)
                )

    def test_hidden_layers_are_tried_where_queries_are_shallow(
        self, embeddings, monkeypatch
    ):
        tried = []

        def recorded(*args, **kwargs):
            learner = Learner(*args, **kwargs)
            tried.append(learner.net.hidden)
            return learner

        monkeypatch.setattr(trainer_module, "Learner", recorded)
        for nbits, document_nbits in ((2, None), (1, None), (3, 2)):
            train_binarizer(
                embeddings, 16, nbits, document_nbits=document_nbits, **self.SMALL
            )
        assert tried == [0, 32, 0, 0]

    def test_interrupt_leaves_further_widths_out(self, embeddings, monkeypatch):
        step, calls = Learner.step, []

        def interrupted(learner, batch):
            calls.append(learner.net.hidden)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return step(learner, batch)

        monkeypatch.setattr(Learner, "step", interrupted)
        net = train_binarizer(embeddings, 16, 2, hidden=(8, 0), **self.SMALL)
        assert net.report.interrupted and calls == [8, 8, 8]

    def test_interrupt_of_the_second_start_keeps_the_first(
        self, embeddings, monkeypatch
    ):
        apply, calls = trainer_module._Start.apply, []

        def interrupted(start, *arguments):
            calls.append(None)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return apply(start, *arguments)

        first = train_binarizer(embeddings, 16, 2, **{**self.SMALL, "hidden": 8})
        monkeypatch.setattr(trainer_module._Start, "apply", interrupted)
        net = train_binarizer(embeddings, 16, 2, **{**self.SMALL, "hidden": (8, 0)})
        assert net.report.interrupted and len(calls) == 2
        np.testing.assert_array_equal(net.encode(embeddings), first.encode(embeddings))
        calls[:] = [None]  # in the first one there is nothing to keep
        with pytest.raises(KeyboardInterrupt):
            train_binarizer(embeddings, 16, 2, **{**self.SMALL, "hidden": (8, 0)})

    def test_interrupt_keeps_the_best(self, embeddings, monkeypatch):
        calls = []
        step = Learner.step

        def interrupted(learner, batch):
            calls.append(None)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return step(learner, batch)

        monkeypatch.setattr(Learner, "step", interrupted)
        settings = {**self.SMALL, "hidden": 0}
        net = train_binarizer(embeddings, 16, 3, **settings)
        assert net.report.interrupted
        assert len(calls) == 3
        start = train_binarizer(embeddings, 16, 3, **{**settings, "epochs": 0})
        np.testing.assert_array_equal(net.encode(embeddings), start.encode(embeddings))

    def test_early_stop(self, embeddings):
        net = train_binarizer(
            embeddings, 16, 2, learning_rate=3.0, patience=2, batch_size=256, epochs=30
        )
        assert 2 <= len(net.report.history) < 30

    def test_beats_a_random_rotation_without_offset(self, embeddings):
        """The learned start is worth something on data with a mean."""
        net = train_binarizer(embeddings, 16, 2, **self.SMALL)
        queries, documents = embeddings[:200], embeddings[200:]
        truth = exact_neighbors(queries, documents, 10)
        decoded = cosine_documents(net.encode(documents))
        mapped = net.query_weight.numpy() * net.encode(queries)
        mapped += net.query_offset.numpy()
        trained = recall(exact_neighbors(mapped, decoded, 10), truth)
        plain = RecurrentBinarizer(D_IN, [16] * 2)
        rng = np.random.default_rng(0)
        fit_linear_start(
            documents, [16] * 2, document_nbits=2, rotation_rounds=0, rng=rng
        ).apply(plain, offset_factor=0.0)
        decoded = cosine_documents(plain.encode(documents))
        untrained = recall(exact_neighbors(plain.encode(queries), decoded, 10), truth)
        assert trained > untrained

    def test_plane_widths_and_progress(self, embeddings, capsys):
        pytest.importorskip("tqdm")
        net = train_binarizer(
            embeddings,
            [24, 16, 8],
            document_nbits=2,
            normalize=True,
            progress=True,
            **self.SMALL,
        )
        assert net.plane_widths == (24, 16, 8) and net.normalize
        assert "recall=" in capsys.readouterr().err

    def test_warns_where_lengths_vary(self, embeddings):
        lengths = np.random.default_rng(0).uniform(0.5, 2, (len(embeddings), 1))
        x = (embeddings * lengths).astype(np.float32)
        small = {"epochs": 0, "rotation_rounds": 0}
        old = train_binarizer(embeddings, 16, 2, **small)
        index = faiss_bebr.index_factory(D_IN, "IDMap2,BEBR16x2,SDC2")
        for train in (
            lambda: train_binarizer(x, 16, 2, **small),
            lambda: train_binarizer(x, code_size=9, **small),
            lambda: train_compatible(x, old, embeddings, **small),
            lambda: index.train(x),
        ):
            with pytest.warns(UserWarning, match="unit length") as caught:
                train()
            assert {warning.filename for warning in caught} == {__file__}

    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            ({"m": 12}, ValueError, "m: .*multiple of 8.*12"),
            ({"m": 40}, ValueError, "m: at most .*32.*40"),
            ({"m": [8, 16], "nbits": None}, ValueError, "may not widen"),
            ({"m": [16, 8], "nbits": 3}, ValueError, "nbits: m has 2"),
            ({"nbits": None}, ValueError, "nbits: needed"),
            ({"nbits": 0}, ValueError, "nbits: 1 to 8.*0"),
            ({"nbits": 9}, ValueError, "nbits: 1 to 8.*9"),
            ({"document_nbits": 3}, ValueError, "document_nbits: 1 to 2.*3"),
            ({"epochs": -1}, ValueError, "epochs"),
            ({"batch_size": 0}, ValueError, "batch_size"),
            ({"learning_rate": 0.0}, ValueError, "learning_rate"),
            ({"temperature": -1.0}, ValueError, "temperature"),
            ({"queue_size": 0}, ValueError, "queue_size"),
            ({"momentum": 1.0}, ValueError, "momentum"),
            ({"hard_negatives": 0}, ValueError, "hard_negatives"),
            ({"nce_weight": -1.0}, ValueError, "nce_weight"),
            ({"patience": 0}, ValueError, "patience"),
            ({"hidden": -1}, ValueError, "hidden"),
            ({"hidden": (0, -1)}, ValueError, "hidden"),
            ({"hidden": (8, 8)}, ValueError, "hidden: different widths.*8, 8"),
            ({"hidden": ()}, ValueError, "hidden: different widths"),
            ({"max_train_points": 10}, ValueError, "max_train_points"),
            ({"m": 64.0}, TypeError, "m: an integer"),
            ({"m": "64"}, TypeError, "m: an integer"),
            ({"m": [16.5, 8]}, TypeError, "m: an integer"),
            ({"nbits": 2.0}, TypeError, "nbits: an integer"),
            ({"document_nbits": 1.0}, TypeError, "document_nbits: an integer"),
            ({"epochs": 1.5}, TypeError, "epochs: an integer"),
            ({"hidden": 2.5}, TypeError, "hidden: an integer"),
            ({"queue_size": 2.5}, TypeError, "queue_size: an integer"),
        ],
    )
    def test_bad_arguments(self, embeddings, monkeypatch, change, error, message):
        def unreachable(*_args, **_kwargs):
            raise AssertionError("training began in spite of a bad argument")

        monkeypatch.setattr(trainer_module, "fit_linear_start", unreachable)
        arguments = {"x": embeddings, "m": 16, "nbits": 2, **change}
        with pytest.raises(error, match=message):
            train_binarizer(**arguments)
