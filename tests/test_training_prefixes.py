"""Prefixes of dimensions: networks whose first dimensions are good documents alone."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from networks import D_IN, random_network  # noqa: E402
from reference import exact_neighbors, recall, unbiased_documents  # noqa: E402

import faiss_bebr  # noqa: E402
from faiss_bebr.training import (  # noqa: E402
    RecurrentBinarizer,
    plane_trainer,
    read_description,
    train_binarizer,
)
from faiss_bebr.training.held_out import HeldOut  # noqa: E402
from faiss_bebr.training.learner import Learner  # noqa: E402
from faiss_bebr.training.learning_options import LearningOptions  # noqa: E402
from faiss_bebr.training.losses import document_vectors  # noqa: E402
from faiss_bebr.training.objectives import documents_at, list_widths  # noqa: E402
from faiss_bebr.training.start import fit_linear_start, plane_groups  # noqa: E402

IP = faiss.METRIC_INNER_PRODUCT
SMALL = {
    "hidden": 0,
    "epochs": 2,
    "batch_size": 256,
    "rotation_rounds": 5,
    "seed": 3,
}
OPTIONS = {
    "learning_rate": 1e-3,
    "temperature": 0.07,
    "queue_size": 512,
    "momentum": 0.9,
    "hard_negatives": 16,
    "nce_weight": 0.0,
    "distillation_weight": 1.0,
}


def recall_of(net, plane_widths, embeddings, count=200):
    """Of an index of these planes: the first rows are queries, the others documents."""
    queries, documents = embeddings[:count], embeddings[count:]
    transform = net.to_transform()
    index = faiss_bebr.IndexSDC(transform, plane_widths, IP)
    coded = transform.apply(documents)
    index.train(coded)
    index.add(coded)
    found = index.search(transform.apply(queries), 10)[1]
    return recall(found, exact_neighbors(queries, documents, 10))


@pytest.fixture(scope="module")
def trained(embeddings):
    return train_binarizer(embeddings, 24, 4, matryoshka_dims=(8, 16), **SMALL)


class TestResult:
    def test_prefixes_are_better_than_without(self, embeddings, trained):
        plain = train_binarizer(embeddings, 24, 4, **SMALL)
        for width in (8, 16):
            found, expected = (
                recall_of(net, [width] * 4, embeddings) for net in (trained, plain)
            )
            assert found > expected + 0.07
        whole, expected = (
            recall_of(net, [24] * 4, embeddings) for net in (trained, plain)
        )
        assert whole > expected - 0.02

    def test_steps_gain(self, embeddings):
        """On held-out recall, the mean over widths that decides."""
        settings = {**SMALL, "epochs": 8, "patience": 8, "learning_rate": 3e-3}
        net = train_binarizer(embeddings, 24, 4, matryoshka_dims=(8, 16), **settings)
        assert net.report.best_recall > net.report.start_recall + 0.002

    def test_report_has_the_recall_of_each_width(self, embeddings, trained):
        report = trained.report
        assert [entry["step"] for entry in report.history] == [0, 5, 10]
        for entry in report.history:
            parts = [entry[f"recall_{width}"] for width in (8, 16, 24)]
            assert entry["recall"] == pytest.approx(np.mean(parts))
            assert parts == sorted(parts) and parts[0] > 0.2
        assert report.history[0]["recall"] == report.start_recall
        best = max(entry["recall"] for entry in report.history)
        assert report.best_recall == best
        assert report.settings["matryoshka_dims"] == [8, 16]

    def test_factory_strings(self, embeddings, trained, tmp_path):
        faiss_bebr.write_VectorTransform(trained.to_transform(), str(tmp_path / "net"))
        documents = embeddings[200:]
        index = faiss_bebr.index_factory(
            D_IN, f"BEBR[{tmp_path}/net],SDC16-16-16-16", IP
        )
        index.train(documents)
        index.add(documents)
        found = index.search(embeddings[:200], 10)[1]
        truth = exact_neighbors(embeddings[:200], documents, 10)
        expected = recall_of(trained, [16] * 4, embeddings)
        assert recall(found, truth) == pytest.approx(expected, abs=1e-3)

    def test_files_keep_it(self, trained, tmp_path):
        trained.save(tmp_path / "net")
        assert RecurrentBinarizer.load(tmp_path / "net").report == trained.report
        settings = read_description(tmp_path / "net")["report"]["settings"]
        assert settings["matryoshka_dims"] == [8, 16]

    def test_narrowing_planes_and_depths(self, embeddings):
        planes = [24, 24, 16]
        net = train_binarizer(
            embeddings, planes, matryoshka_dims=[8], nested=True, **SMALL
        )
        entry = net.report.history[0]
        parts = entry["recall_8"], entry["recall_24"]
        assert entry["recall"] == pytest.approx(np.mean(parts))
        plain = train_binarizer(embeddings, planes, nested=True, **SMALL)
        for widths in ([8], [8, 8], [8, 8, 8]):
            found, expected = (
                recall_of(each, widths, embeddings) for each in (net, plain)
            )
            assert found > expected


class TestParts:
    def test_start_keeps_the_leading_directions_together(self, embeddings):
        start = fit_linear_start(
            embeddings,
            [24] * 2,
            document_nbits=2,
            rotation_rounds=3,
            rng=np.random.default_rng(0),
            prefix_widths=(8, 16),
        )
        centred = embeddings - embeddings.mean(axis=0)
        variance = np.linalg.eigvalsh(centred.T @ centred / len(embeddings))[::-1]
        for width in (8, 16, 24):
            kept = np.square(centred @ start.projection[:width].T).sum(axis=1).mean()
            assert kept == pytest.approx(variance[:width].sum(), rel=1e-4)

    def test_groups(self):
        edges = [
            (group.start, group.stop) for group in plane_groups([24, 16, 8], (8, 20))
        ]
        assert edges == [(0, 8), (8, 16), (16, 20), (20, 24)]

    def test_widths(self):
        net = random_network([24, 16], 0, False)
        assert list_widths(net, ()) == [24]
        assert list_widths(net, (8, 16)) == [8, 16, 24]

    def test_documents_of_each_depth_and_width(self, embeddings):
        net = random_network([16] * 3, 0, False)
        codes = net.codes_by_depth(torch.from_numpy(embeddings[:20]))
        weight = torch.linspace(0.5, 2, 16)
        stacked = documents_at(codes, [1, 3], [8, 16], weight)
        assert stacked.shape == (20, 4, 16)
        pairs = [(1, 8), (3, 8), (1, 16), (3, 16)]
        for i, (depth, width) in enumerate(pairs):
            expected = document_vectors(codes, depth, width, weight)
            assert torch.equal(stacked[:, i], expected)

    def test_document_vectors_are_unbiased(self, embeddings):
        """A prefix scores a query of the whole code as the code itself does, on
        average; without weights, and with the square roots of some taken in."""
        net = random_network([16] * 3, 0, False)
        codes = [
            code.detach() for code in net.codes_by_depth(torch.from_numpy(embeddings))
        ]
        deep = codes[-1].numpy()
        levels = np.where(np.arange(16) < 8, codes[1].numpy(), 0)
        np.testing.assert_allclose(
            document_vectors(codes, 2, 8), unbiased_documents(deep, levels), rtol=1e-4
        )
        weight = torch.linspace(0.5, 2, 16)
        root = weight.sqrt().numpy()
        np.testing.assert_allclose(
            document_vectors(codes, 2, 8, weight).numpy() * root,
            unbiased_documents(deep * root, levels * root),
            rtol=1e-4,
        )
        whole = document_vectors(codes, 3, 16, weight) * weight.sqrt()
        np.testing.assert_allclose(whole.norm(dim=1), 1, rtol=1e-5)

    def test_decoded_as_by_the_index(self, embeddings, trained):
        """But for a common factor, and the rounding of scales to one byte."""
        codes = trained.codes_by_depth(torch.from_numpy(embeddings))
        ours = document_vectors(codes, 4, 8, trained.query_weight).detach().numpy()
        transform = trained.to_transform()
        index = faiss_bebr.IndexSDC(transform, [8] * 4, IP)
        coded = transform.apply(embeddings)
        index.train(coded)
        theirs = index.sa_decode(index.sa_encode(coded))
        assert not theirs[:, 8:].any() and not ours[:, 8:].any()
        assert np.corrcoef(ours[:, :8].ravel(), theirs[:, :8].ravel())[0, 1] > 0.97

    def test_losses_are_means_over_widths(self, embeddings):
        net = random_network([16] * 2, 0, False)
        options = LearningOptions(**OPTIONS, matryoshka_dims=(8,))
        x = torch.from_numpy(embeddings)
        learner = Learner(net, x, options, epochs=1, batch_size=128, seed=0)
        batch = x[:128].view(2, 64, D_IN)
        both = learner._losses(batch).distillation.item()
        single = []
        for width in (8, 16):
            learner.widths = [width]
            single.append(learner._losses(batch).distillation.item())
        assert both == pytest.approx(np.mean(single), rel=1e-5)
        assert single[0] > single[1]

    def test_held_out_recall_is_the_mean_over_widths(self, embeddings):
        net = random_network([16] * 3, 0, False)
        net.set_document_code((16, 16))
        held_out = HeldOut(
            embeddings[:100], embeddings[100:], k=10, matryoshka_dims=(8,)
        )
        found = held_out.recall(net)
        parts = {
            f"recall_{width}": recall_of(net, [width] * 2, embeddings, 100)
            for width in (8, 16)
        }
        assert held_out.parts == pytest.approx(parts, abs=2e-3)
        assert found == pytest.approx(np.mean(list(held_out.parts.values())))


class TestRefused:
    @pytest.mark.parametrize(
        ("dims", "error", "message"),
        [
            ((12, 16), ValueError, r"positive multiples of 8 expected, got \[12, 16\]"),
            ((0, 8), ValueError, "positive multiples of 8"),
            ((16, 8), ValueError, r"increasing widths expected, got \[16, 8\]"),
            ((8, 8), ValueError, "increasing widths"),
            ((8, 24), ValueError, "widths below the code's 24 .*in any case"),
            ((32,), ValueError, "widths below the code's 24"),
            ((), ValueError, "at least one width expected"),
            (8, TypeError, "a sequence of integers expected, got 8"),
            ("8", TypeError, "a sequence of integers"),
            ((8.5,), TypeError, "an integer expected, got 8.5"),
        ],
    )
    def test_bad_widths(self, embeddings, monkeypatch, dims, error, message):
        def unreachable(*_args, **_kwargs):
            raise AssertionError("training began in spite of a bad argument")

        monkeypatch.setattr(plane_trainer, "draw_sample", unreachable)
        with pytest.raises(error, match=f"^matryoshka_dims: {message}"):
            train_binarizer(embeddings, 24, 2, matryoshka_dims=dims)

    def test_not_with_a_budget(self, embeddings):
        message = "^matryoshka_dims: only expected together with m$"
        with pytest.raises(ValueError, match=message):
            train_binarizer(embeddings, code_size=9, matryoshka_dims=(8,))
