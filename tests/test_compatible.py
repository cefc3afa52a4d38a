"""train_compatible: one index, documents of two models, queries of the new one."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from reference import exact_neighbors, recall  # noqa: E402
from two_models import TwoModels, two_models  # noqa: E402

import faiss_bebr  # noqa: E402
from faiss_bebr.training import (  # noqa: E402
    RecurrentBinarizer,
    train_binarizer,
    train_compatible,
)
from faiss_bebr.training.compatible_data import OldGeneration  # noqa: E402
from faiss_bebr.training.compatible_held_out import (  # noqa: E402
    STAGE_WEIGHTS,
)
from faiss_bebr.training.compatible_learner import (  # noqa: E402
    CompatibleLearner,
    decoded_documents,
)
from faiss_bebr.training.compatible_scores import CompatibleScoreLearner  # noqa: E402
from faiss_bebr.training.compatible_start import (  # noqa: E402
    fit_alignment,
)
from faiss_bebr.training.linear_map import set_linear_map  # noqa: E402

IP = faiss.METRIC_INNER_PRODUCT
K = 10
# Old binarizers: documents of the first planes, of all planes, of narrowing ones, and
# of a budget with centroids.
KINDS = {
    "planes": {"m": 24, "nbits": 5, "document_nbits": 2},
    "symmetric": {"m": 24, "nbits": 2},
    "narrowing": {"m": [24, 24, 8], "document_nbits": 2},
    "budget": {"code_size": 11, "ncentroids": 16},
}
QUICK = {"epochs": 1, "rotation_rounds": 5}


@pytest.fixture(scope="module")
def models() -> TwoModels:
    return two_models()


@pytest.fixture(scope="module")
def old_binarizers(models) -> dict[str, RecurrentBinarizer]:
    return {
        kind: train_binarizer(models.old.documents, **QUICK, **arguments)
        for kind, arguments in KINDS.items()
    }


@pytest.fixture(scope="module")
def upgrades(models, old_binarizers) -> dict[str, RecurrentBinarizer]:
    return {
        kind: train_compatible(
            models.new.documents, old, models.old.documents, epochs=2
        )
        for kind, old in old_binarizers.items()
    }


@pytest.fixture(autouse=True)
def short_epochs(monkeypatch):
    monkeypatch.setattr(CompatibleScoreLearner, "steps_per_epoch", 20)


def make_index(binarizer, documents, metric=IP):
    """An index of the old generation, with its documents."""
    transform = binarizer.to_transform()
    index = faiss_bebr.IndexSDC(transform, 0, metric)
    index.cp.min_points_per_centroid = 1
    coded = transform.apply(documents)
    index.train(coded)
    index.add(coded)
    return index


def search(index, binarizer, queries):
    return index.search(binarizer.to_transform().apply(queries), K)[1]


@pytest.mark.parametrize("kind", KINDS)
class TestResult:
    def test_has_the_old_shape(self, kind, models, old_binarizers, upgrades):
        old, new = old_binarizers[kind], upgrades[kind]
        assert new.d_in == models.new.documents.shape[1] != old.d_in
        assert new.plane_widths == old.plane_widths
        assert new.document_plane_widths == old.document_plane_widths
        assert new.ncentroids == old.ncentroids
        assert new.continuous is old.continuous is (kind == "budget")
        assert torch.equal(new.query_weight, old.query_weight)
        assert torch.equal(new.query_offset, old.query_offset)
        assert not new.training and new.query_weight.device.type == "cpu"

    def test_recoded_in_steps(self, kind, models, old_binarizers, upgrades):
        """One index all along, by ids; recall is that of the new model's exact
        search, which old queries know less of."""
        truth = exact_neighbors(models.new.queries, models.new.documents, K)
        transform = upgrades[kind].to_transform()
        documents = make_index(old_binarizers[kind], models.old.documents)
        coded = old_binarizers[kind].to_transform().apply(models.old.documents)
        documents.reset()
        index = faiss.IndexIDMap2(documents)
        ids = 7 * np.arange(len(coded)) + 3
        index.add_with_ids(coded, ids)
        before = search(index, old_binarizers[kind], models.old.queries)
        queries = transform.apply(models.new.queries)
        recalls = []
        for rows in [[], *np.array_split(np.arange(len(ids)), 4)]:
            if len(rows):
                assert index.remove_ids(ids[rows]) == len(rows)
                index.add_with_ids(
                    transform.apply(models.new.documents[rows]), ids[rows]
                )
            found = index.search(queries, K)[1]
            assert index.ntotal == len(ids) and np.isin(found, ids).all()
            recalls.append(recall((found - 3) // 7, truth))
        old_recall = recall((before - 3) // 7, truth)
        if kind == "budget":
            # old codes suit the centroids better, so the first new ones may cost some
            assert recalls[1] > recalls[0] - 0.03
            recalls.pop(1)
        assert (np.diff(recalls) > 0).all()
        assert recalls[0] >= old_recall

    def test_near_a_network_without_the_old_one(
        self, kind, models, old_binarizers, upgrades
    ):
        truth = exact_neighbors(models.new.queries, models.new.documents, K)
        new = upgrades[kind]
        index = make_index(old_binarizers[kind], models.old.documents)
        index.reset()
        index.add(new.to_transform().apply(models.new.documents))
        compatible = recall(search(index, new, models.new.queries), truth)
        free = train_binarizer(models.new.documents, **QUICK, **KINDS[kind])
        index = make_index(free, models.new.documents)
        best = recall(search(index, free, models.new.queries), truth)
        assert compatible > best - 0.04

    def test_report(self, kind, models, upgrades):
        report = upgrades[kind].report
        assert [entry["step"] for entry in report.history][0] == 0
        assert len(report.history) >= 2
        for entry in report.history:
            mean = sum(weight * entry[name] for name, weight in STAGE_WEIGHTS.items())
            assert entry["recall"] == pytest.approx(mean)
            assert entry["recall_before"] < entry["recall_old"]
        recalls = [entry["recall"] for entry in report.history]
        assert report.start_recall == recalls[0]
        assert report.best_recall == max(recalls)
        assert report.settings["old_weight"] == 0.1
        assert report.data["old"]["d"] == models.old.documents.shape[1]


def test_mixed_in_lists_and_graphs(models, old_binarizers, upgrades):
    """By both metrics: half of the documents are new, and recall is between."""
    old, new = old_binarizers["planes"], upgrades["planes"]
    before, after = old.to_transform(), new.to_transform()
    truth = exact_neighbors(models.new.queries, models.new.documents, K)
    half = len(models.old.documents) // 2
    coded = before.apply(models.old.documents)
    mixed = np.concatenate([after.apply(models.new.documents[:half]), coded[half:]])
    queries = after.apply(models.new.queries)
    for metric in (IP, faiss.METRIC_L2):
        flat = faiss_bebr.IndexSDC(before, 0, metric)
        lists = faiss_bebr.IndexIVFSDC(faiss.IndexFlatL2(24), before, 0, 8, metric)
        lists.train(coded)
        lists.nprobe = 8
        graph = faiss.IndexHNSW(faiss_bebr.IndexSDC(before, 0, metric), 16)
        graph.hnsw.efSearch = 200
        recalls = []
        for index in (flat, lists, graph):
            index.add(mixed)
            recalls.append(recall(index.search(queries, K)[1], truth))
        np.testing.assert_allclose(recalls, recalls[0], atol=0.01)
        flat.reset()
        flat.add(coded)
        assert recalls[0] > recall(flat.search(queries, K)[1], truth)


def test_fewer_new_dimensions_than_the_code_has(models):
    """From the new model of the other tests back to the small one."""
    for arguments in ({"m": 40, "nbits": 4, "document_nbits": 2}, {"code_size": 13}):
        old = train_binarizer(models.new.documents, **QUICK, **arguments)
        new = train_compatible(
            models.old.documents, old, models.new.documents, epochs=1
        )
        index = make_index(old, models.new.documents)
        truth = exact_neighbors(models.old.queries, models.old.documents, K)
        first = recall(search(index, new, models.old.queries), truth)
        index.reset()
        index.add(new.to_transform().apply(models.old.documents))
        last = recall(search(index, new, models.old.queries), truth)
        assert last > first > 0.3 and last > 0.5


def test_from_a_transform_of_any_network(models, old_binarizers, upgrades):
    """The old one's blocks are not looked at: a transform has all that counts."""
    transform = old_binarizers["planes"].to_transform()
    new = train_compatible(
        models.new.documents, transform, models.old.documents, epochs=2
    )
    assert_same_network(new, upgrades["planes"])
    old = train_binarizer(
        models.old.documents, 24, 3, hidden=8, normalize=True, **QUICK
    )
    new = train_compatible(
        models.new.documents, old, models.old.documents, hidden=16, epochs=1
    )
    assert new.hidden == 16 and not new.normalize
    index = make_index(old, models.old.documents)
    truth = exact_neighbors(models.new.queries, models.new.documents, K)
    assert recall(search(index, new, models.new.queries), truth) > 0.4


def assert_same_network(found, expected):
    assert found.report == expected.report
    expected = expected.state_dict()
    for name, value in found.state_dict().items():
        assert torch.equal(value, expected[name]), name


def test_nested_prefixes(models):
    """Documents of the first plane alone are compatible too."""
    old = train_binarizer(
        models.old.documents, 24, 4, document_nbits=2, nested=True, **QUICK
    )
    arguments = (models.new.documents, old, models.old.documents)
    new = train_compatible(*arguments, nested=True, epochs=1)
    flat = train_compatible(*arguments, epochs=1)
    assert new.report.start_recall < flat.report.start_recall
    index = faiss_bebr.IndexSDC(old.to_transform(), 1, IP)
    index.add(old.to_transform().apply(models.old.documents))
    truth = exact_neighbors(models.new.queries, models.new.documents, K)
    assert recall(search(index, new, models.new.queries), truth) > 0.3


class TestStart:
    @pytest.mark.parametrize("centring", [0.0, 1.0])
    def test_is_the_uniform_quantizer_of_a_rotation(
        self, centring, models, old_binarizers
    ):
        old = OldGeneration(old_binarizers["planes"].to_transform())
        x = models.new.documents
        alignment = fit_alignment(
            x,
            old.transform.apply(models.old.documents),
            old.query_weight,
            old.query_offset,
            plane_widths=old.document_plane_widths,
        )
        linear = alignment.map(centring=centring)
        unit = np.sqrt(old.query_weight.astype(np.float64))
        rotation = linear.weight * unit[:, None]
        squares = rotation @ rotation.T
        np.testing.assert_allclose(squares, squares[0, 0] * np.eye(24), atol=1e-6)
        if centring:
            offset = rotation @ linear.centre * unit
            np.testing.assert_allclose(offset, old.query_offset, atol=1e-6)
        else:
            np.testing.assert_allclose(linear.centre, x.mean(axis=0), atol=1e-6)
        net = RecurrentBinarizer(48, [24] * 5)
        set_linear_map(net, linear)
        y = (x - linear.centre) @ linear.weight.T
        expected = np.clip(np.floor(y * 8) + 0.5, -15.5, 15.5) / 8
        assert (net.encode(x) == expected.astype(np.float32)).mean() > 0.999

    def test_finds_a_rotation_back(self, models):
        """Of the same embeddings turned, new codes are the old ones."""
        turned = np.linalg.qr(np.random.default_rng(0).standard_normal((48, 48)))[0]
        x = models.new.documents
        old = train_binarizer(x, 24, 5, document_nbits=2, **QUICK)
        x_new = (x @ turned).astype(np.float32)
        new = train_compatible(x_new, old, x, epochs=0)
        codes, expected = new.encode(x_new), old.encode(x)
        assert np.corrcoef(codes.ravel(), expected.ravel())[0, 1] > 0.98
        parts = new.report.history[0]
        assert parts["recall_old"] > parts["recall_new"] - 0.03


class TestLosses:
    @pytest.mark.parametrize("kind", ["planes", "symmetric"])
    def test_documents_are_decoded_as_by_the_index(self, kind, models, old_binarizers):
        old = old_binarizers[kind]
        x = torch.from_numpy(models.old.documents[:200])
        codes = old.codes_by_depth(x)
        depths = [1, old.document_nbits]
        decoded = decoded_documents(codes, depths, old.query_weight).detach().numpy()
        for column, depth in enumerate(depths):
            index = faiss_bebr.IndexSDC(old.to_transform(), depth, IP)
            expected = index.sa_decode(index.sa_encode(codes[-1].detach().numpy()))
            # scales are float16
            np.testing.assert_allclose(decoded[:, column], expected, rtol=2e-3)

    def test_budget_is_decoded_as_by_the_index(self, models, old_binarizers):
        learner, old, net = self.budget_learner(models, old_binarizers)
        learner.settle()
        y = net.to_transform().apply(models.new.documents[:200])
        z = torch.from_numpy(y) * learner.unit
        decoded = (learner.decode(z) / learner.unit.clamp_min(1e-12)).detach().numpy()
        expected = old.index.sa_decode(old.index.sa_encode(y))
        # which tries several steps of the grid for each vector
        error = np.square(decoded - y).sum(), np.square(expected - y).sum()
        assert error[1] < error[0] < 1.5 * error[1]

    def test_steps_lower_the_budget_losses(self, models, old_binarizers):
        learner, _, _ = self.budget_learner(models, old_binarizers)
        rows = torch.arange(100)
        near = learner.near[rows]
        before = learner.losses(rows, near)
        for _ in range(60):
            learner.step()
        after = learner.losses(rows, near)
        assert after.score < before.score
        assert after.old_score < before.old_score

    @staticmethod
    def budget_learner(models, old_binarizers):
        old = OldGeneration(old_binarizers["budget"].to_transform())
        codes = old.transform.apply(models.old.documents)
        old.train_index(codes)
        alignment = fit_alignment(
            models.new.documents,
            codes,
            old.query_weight,
            old.query_offset,
        )
        net = RecurrentBinarizer(48, old.plane_widths).eval()
        learner = CompatibleScoreLearner(
            net,
            alignment.map(),
            models.new.documents,
            old,
            codes,
            models.new.documents[:500],
            learning_rate=2e-3,
            old_weight=1.0,
            epochs=3,
            seed=0,
        )
        return learner, old, net

    def test_plane_steps_lower_the_losses(self, models, old_binarizers, monkeypatch):
        losses = []
        step = CompatibleLearner.step

        def recorded(learner, batch):
            losses.append(step(learner, batch))
            return losses[-1]

        monkeypatch.setattr(CompatibleLearner, "step", recorded)
        train_compatible(
            models.new.documents,
            old_binarizers["planes"],
            models.old.documents,
            epochs=6,
            patience=6,
            batch_size=256,
            learning_rate=5e-3,
        )
        for name in ("distillation", "old_distillation"):
            values = [float(getattr(parts, name)) for parts in losses]
            assert np.mean(values[-10:]) < np.mean(values[:5]), name
