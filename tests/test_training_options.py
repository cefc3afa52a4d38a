"""Depths, pairs and surrogates: what gradient training can be asked for."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from networks import D_IN, random_network  # noqa: E402
from reference import exact_neighbors, recall  # noqa: E402

import faiss_bebr  # noqa: E402
from faiss_bebr.training import plane_trainer, train_binarizer  # noqa: E402
from faiss_bebr.training.held_out import HeldOut  # noqa: E402
from faiss_bebr.training.learner import Learner  # noqa: E402
from faiss_bebr.training.learning_options import LearningOptions  # noqa: E402
from faiss_bebr.training.losses import document_vectors  # noqa: E402
from faiss_bebr.training.objectives import documents_at, list_depths  # noqa: E402

SMALL = {
    "hidden": 0,
    "epochs": 1,
    "batch_size": 256,
    "rotation_rounds": 3,
    "seed": 3,
}
OPTIONS = {
    "learning_rate": 1e-3,
    "temperature": 0.07,
    "queue_size": 512,
    "momentum": 0.9,
    "hard_negatives": 16,
    "nce_weight": 0.1,
    "distillation_weight": 1.0,
}


def make_learner(embeddings, pairs=None, **changes):
    net = random_network([16] * 3, 0, False)
    options = LearningOptions(**{**OPTIONS, **changes})
    x = torch.from_numpy(embeddings)
    return Learner(net, x, options, epochs=1, batch_size=128, seed=0, pairs=pairs)


class TestNested:
    def test_depths(self):
        net = random_network([24, 16, 8], 0, False)
        assert list_depths(net, False) == [3]
        assert list_depths(net, True) == [1, 2, 3]
        net.set_document_code((24, 16))
        assert list_depths(net, False) == [2]
        assert list_depths(net, True) == [1, 2]

    def test_documents_of_each_depth(self, embeddings):
        net = random_network([16] * 3, 0, False)
        codes = net.codes_by_depth(torch.from_numpy(embeddings[:20]))
        stacked = documents_at(codes, [1, 3])
        assert stacked.shape == (20, 2, 16)
        for i, depth in enumerate((1, 3)):
            assert torch.equal(stacked[:, i], document_vectors(codes, depth))

    def test_losses_are_means_over_depths(self, embeddings):
        learner = make_learner(embeddings, nested=True, nce_weight=0.0)
        batch = torch.from_numpy(embeddings[:128]).view(2, 64, D_IN)
        nested = learner._losses(batch).distillation.item()
        single = []
        for depth in (1, 2, 3):
            learner.depths = [depth]
            single.append(learner._losses(batch).distillation.item())
        assert nested == pytest.approx(np.mean(single), rel=1e-5)

    def test_held_out_recall_is_the_mean_over_depths(self, embeddings):
        net = random_network([16] * 3, 0, False)
        net.set_document_code((16, 16))
        queries, documents = embeddings[:100], embeddings[100:]
        nested = HeldOut(queries, documents, k=10, nested=True).recall(net)
        truth = exact_neighbors(queries, documents, 10)
        transform = net.to_transform()
        recalls = []
        for depth in (1, 2):
            index = faiss_bebr.IndexSDC(transform, depth, faiss.METRIC_INNER_PRODUCT)
            index.add(transform.apply(documents))
            found = index.search(transform.apply(queries), 10)[1]
            recalls.append(recall(found, truth))
        assert nested == pytest.approx(np.mean(recalls), abs=1e-3)

    def test_every_prefix_of_the_result_is_good(self, embeddings):
        net = train_binarizer(embeddings, 24, 4, nested=True, **SMALL)
        assert net.report.best_recall >= net.report.start_recall
        queries, documents = embeddings[:200], embeddings[200:]
        truth = exact_neighbors(queries, documents, 10)
        transform = net.to_transform()
        recalls = []
        for depth in range(1, 5):
            index = faiss_bebr.IndexSDC(transform, depth, faiss.METRIC_INNER_PRODUCT)
            index.add(transform.apply(documents))
            recalls.append(recall(index.search(transform.apply(queries), 10)[1], truth))
        assert recalls == sorted(recalls)
        assert recalls[0] > 0.3 and recalls[-1] > 0.7


class TestPairs:
    def test_they_are_the_positives(self, embeddings):
        """The loss of pairs of an embedding and itself is that of no pairs, for the
        same rows; of pairs that do not belong together it is larger."""
        x = torch.from_numpy(embeddings)
        batch = x[:128].view(2, 64, D_IN)
        losses = {}
        for name, documents in (("same", x), ("other", x.flip(0))):
            learner = make_learner(embeddings, pairs=(x, documents))
            losses[name] = learner._losses(batch).nce.item()
        assert losses["other"] > losses["same"] + 0.5

    def test_training_with_pairs(self, embeddings):
        pairs = embeddings[:500], embeddings[500:1000]
        net = train_binarizer(embeddings, 16, 2, pairs=pairs, **SMALL)
        plain = train_binarizer(embeddings, 16, 2, **SMALL)
        assert net.report.history[0]["nce"] != plain.report.history[0]["nce"]
        assert net.report.data["pairs"][0]["n"] == 500

    def test_rows_stay_together(self, embeddings):
        class Run:
            max_train_points = 100
            seed = 5

        queries, documents = plane_trainer.draw_pairs(
            (embeddings, 2 * embeddings), D_IN, Run
        )
        assert queries.rows.shape == (100, D_IN)
        np.testing.assert_array_equal(documents.rows, 2 * queries.rows)

    @pytest.mark.parametrize(
        ("pairs", "error", "message"),
        [
            (lambda x: (x, x[:-1]), ValueError, "pairs: as many.*1500 and 1499"),
            (lambda x: (x, x[:, :8]), ValueError, "pairs: 32 .*got 8"),
            (lambda x: (x[:9], x[:9]), ValueError, "pairs: at least 64"),
            (lambda x: x, TypeError, "pairs: .queries, documents."),
            (lambda x: (x, np.zeros_like(x)), ValueError, "pairs: zero vectors"),
        ],
    )
    def test_bad_pairs(self, embeddings, monkeypatch, pairs, error, message):
        def unreachable(*_args, **_kwargs):
            raise AssertionError("training began in spite of bad pairs")

        monkeypatch.setattr(plane_trainer, "fit_linear_start", unreachable)
        with pytest.raises(error, match=message):
            train_binarizer(embeddings, 16, 2, pairs=pairs(embeddings))


class TestSurrogate:
    @pytest.mark.parametrize("surrogate", ["tanh", "sine"])
    def test_changes_the_training(self, embeddings, surrogate):
        settings = {**SMALL, "learning_rate": 1e-2}
        net = train_binarizer(embeddings, 16, 2, surrogate=surrogate, **settings)
        plain = train_binarizer(embeddings, 16, 2, **settings)
        assert net.report.start_recall == plain.report.start_recall
        assert net.report.best_recall >= net.report.start_recall
        assert net.report.settings["surrogate"] == surrogate

    def test_unknown_name(self, embeddings):
        with pytest.raises(ValueError, match="surrogate: one of .*relu"):
            train_binarizer(embeddings, 16, 2, surrogate="relu")

    @pytest.mark.parametrize(
        "change", [{"surrogate": "tanh"}, {"nested": True}, {"pairs": (1, 2)}]
    )
    def test_not_with_a_budget(self, embeddings, change):
        with pytest.raises(ValueError, match="only expected together with m"):
            train_binarizer(embeddings, code_size=9, **change)

    def test_data_of_the_other_kind_is_named(self, embeddings):
        """Arrays have no truth value, and are not to be printed."""
        with pytest.raises(ValueError, match="^queries: only expected without m$"):
            train_binarizer(embeddings, 16, 2, queries=embeddings)
        pairs = (embeddings, embeddings)
        with pytest.raises(ValueError, match="^pairs: only expected together with m$"):
            train_binarizer(embeddings, code_size=9, pairs=pairs)
