"""train_binarizer with a budget in bytes, or plane widths by hand."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from reference import exact_neighbors, recall  # noqa: E402

import faiss_bebr  # noqa: E402
from faiss_bebr.training import (  # noqa: E402
    document_start,
    document_trainer,
    index_codes,
    score_training,
    train_binarizer,
)
from faiss_bebr.training.document_code import (  # noqa: E402
    LEAST_WIDTHS,
    PLANES_PER_OCTAVE,
    choose_plane_widths,
    default_ncentroids,
    extra_bytes,
)
from faiss_bebr.training.index_codes import IndexCodes  # noqa: E402
from faiss_bebr.training.residual_start import (  # noqa: E402
    fit_rotation,
    set_rotation,
    take_residuals,
)
from faiss_bebr.training.score_training import (  # noqa: E402
    ScoreLearner,
    ScoreOptions,
    find_true_neighbours,
    score_metric,
    turn_to_codes,
)
from faiss_bebr.training.start import random_rotation  # noqa: E402

IP = faiss.METRIC_INNER_PRODUCT
START = {"epochs": 0, "rotation_rounds": 3, "seed": 3}


@pytest.fixture
def short_epochs(monkeypatch):
    """A few gradient steps only."""
    monkeypatch.setattr(document_trainer, "STEPS_PER_EPOCH", 20)
    monkeypatch.setattr(ScoreLearner, "steps_per_epoch", 20)


def build(net, documents):
    """An index of what ``net`` is trained for, with the documents."""
    transform = net.to_transform()
    index = faiss_bebr.IndexSDC(transform, 0, IP)
    index.cp.min_points_per_centroid = 1
    coded = transform.apply(documents)
    index.train(coded)
    index.add(coded)
    return transform, index


class TestPlaneWidths:
    @pytest.mark.parametrize("planes_per_octave", PLANES_PER_OCTAVE)
    @pytest.mark.parametrize("least_width", LEAST_WIDTHS)
    @pytest.mark.parametrize("nbytes", [1, 2, 5, 31, 48, 64, 97, 300, 338, 384])
    def test_fill_the_budget(self, nbytes, planes_per_octave, least_width):
        variance = np.exp(-np.arange(384) / 90)
        widths = choose_plane_widths(variance, nbytes, planes_per_octave, least_width)
        assert sum(widths) == 8 * nbytes
        assert all(width % 8 == 0 for width in widths)
        assert list(widths) == sorted(widths, reverse=True)

    def test_narrow_planes_are_done_without(self):
        variance = np.exp(-np.arange(384) / 90)
        for nbytes in (32, 64, 100, 128, 192, 250):
            widths = choose_plane_widths(variance, nbytes, 1.0, 1 / 6)
            assert sum(widths) == 8 * nbytes
            assert widths[-1] >= 64
        assert choose_plane_widths(variance, 3, 1.0, 1 / 6) == (24,)

    def test_no_more_than_dimensions_hold(self):
        assert choose_plane_widths(np.ones(20), 99, 1.0) == (24,) * 8

    def test_follow_the_variance(self):
        flat = choose_plane_widths(np.ones(64), 16, 1.0)
        assert flat == (64, 64)
        steep = choose_plane_widths(4.0 ** -np.arange(64), 16, 1.0)
        assert steep[0] < 64 and len(steep) > 2

    @pytest.mark.parametrize("variance", [np.zeros(32), np.eye(1, 32)[0]])
    def test_degenerate_variance(self, variance):
        widths = choose_plane_widths(variance, 6, 1.0)
        assert sum(widths) == 48

    def test_centroids_by_size(self):
        sizes = [63, 64, 8192, 8224, 10_000_000]
        assert [default_ncentroids(n) for n in sizes] == [0, 2, 256, 257, 4096]
        assert [extra_bytes(k) for k in (0, 1, 256, 257)] == [1, 2, 2, 3]


class TestStart:
    @pytest.mark.parametrize("size", [4, 9, 12, 20, 30])
    @pytest.mark.parametrize("coarse", [True, False])
    def test_budget_is_kept(self, embeddings, size, coarse):
        net = train_binarizer(embeddings, code_size=size, coarse=coarse, **START)
        _, index = build(net, embeddings)
        assert index.sa_code_size() == index.code_size == size
        assert index.ncentroids == (46 if coarse else 0)
        assert net.plane_widths == (32,) * 8

    def test_budget_past_all_planes(self, embeddings):
        net = train_binarizer(embeddings, code_size=99, **START)
        _, index = build(net, embeddings)
        assert index.code_size == 32 + 2
        assert net.report.start_recall > 0.97

    @pytest.mark.parametrize("ncentroids", [0, 1, 300, None])
    def test_widths_by_hand(self, embeddings, ncentroids):
        net = train_binarizer(
            embeddings,
            document_plane_widths=[24, 16, 8],
            ncentroids=ncentroids,
            **START,
        )
        expected = 46 if ncentroids is None else ncentroids
        assert net.document_plane_widths == (24, 16, 8)
        _, index = build(net, embeddings)
        assert index.ncentroids == net.ncentroids == expected
        assert index.code_size == 6 + extra_bytes(expected)

    def test_output_is_an_isometry(self, embeddings):
        """Distances of the transform's output are those of the embeddings, and so are
        scores of the mapped query, but for a constant of each."""
        net = train_binarizer(embeddings, code_size=12, **START)
        y = net.encode(embeddings[:200]).astype(np.float64)
        unit = np.sqrt(net.query_weight.numpy()[0])
        distances = np.square(y[:, None] - y[None]).sum(axis=2) * unit**2
        x = embeddings[:200].astype(np.float64)
        expected = np.square(x[:, None] - x[None]).sum(axis=2)
        np.testing.assert_allclose(distances, expected, atol=0.06)
        queries = net.query_weight.numpy() * y + net.query_offset.numpy()
        scores = queries @ y.T
        difference = scores - x @ x.T
        difference -= difference.mean(axis=1, keepdims=True)
        assert np.abs(difference).max() < 0.03

    def test_dimensions_that_are_no_whole_bytes(self, embeddings):
        x = np.ascontiguousarray(embeddings[:, :21])
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        net = train_binarizer(x, code_size=12, **START)
        assert net.plane_widths == (24,) * 8
        y = net.encode(x)
        assert np.abs(y[:, 21:]).max() < 0.01
        transform, index = build(net, x)
        assert index.code_size == 12
        found = index.search(transform.apply(x[:100]), 10)[1]
        assert recall(found, exact_neighbors(x[:100], x, 10)) > 0.85

    def test_planes_past_the_dimensions(self, embeddings):
        """Up to whole bytes: the first 4 of the last 8 dimensions have bits."""
        x = np.ascontiguousarray(embeddings[:, :20])
        net = train_binarizer(x, code_size=99, epochs=1, rotation_rounds=2)
        assert net.document_plane_widths == (24,) * 8
        transform, index = build(net, x)
        assert index.code_size == 24 + 2
        decoded = index.reconstruct_n()
        np.testing.assert_allclose(decoded, transform.apply(x), atol=0.06)

    def test_reported_recall_is_that_of_an_index(self, embeddings):
        """With the centroids that the trainer had; an index of its own, which learns
        others, is near it."""
        net = train_binarizer(embeddings, code_size=10, **START)
        sample = document_trainer.draw_sample(
            embeddings, 10_000, np.random.default_rng(3)
        )[0]
        queries, documents = sample[:150], sample[150:]
        transform, index = build(net, documents)
        found = index.search(transform.apply(queries), 10)[1]
        measured = recall(found, exact_neighbors(queries, documents, 10))
        assert measured == pytest.approx(net.report.start_recall, abs=0.03)

    def test_behind_an_inverted_file(self, embeddings):
        net = train_binarizer(embeddings, code_size=14, coarse=False, **START)
        transform = net.to_transform()
        quantizer = faiss.IndexFlatL2(32)
        index = faiss_bebr.IndexIVFSDC(quantizer, transform, 0, 8, IP)
        coded = transform.apply(embeddings)
        index.train(coded)
        index.add(coded)
        index.nprobe = 8
        assert index.code_size == 14
        found = index.search(coded[:100], 10)[1]
        assert recall(found, exact_neighbors(embeddings[:100], embeddings, 10)) > 0.85

    def test_narrowing_planes_beat_equal_ones(self, embeddings):
        chosen = train_binarizer(embeddings, code_size=11, ncentroids=0, **START)
        equal = train_binarizer(
            embeddings, document_plane_widths=[24, 24, 24], ncentroids=0, **START
        )
        assert chosen.report.start_recall >= equal.report.start_recall

    def test_queries_are_what_recall_is_of(self, embeddings):
        queries, documents = embeddings[:400], embeddings[400:]
        net = train_binarizer(documents, code_size=12, queries=queries, **START)
        other = train_binarizer(documents, code_size=12, **START)
        assert net.report.start_recall != other.report.start_recall


class TestWeightsOfErrors:
    def split(self, embeddings):
        """Queries that vary in a few directions only, and documents."""
        queries = embeddings[:600].copy()
        queries[:, 8:] *= 0.2
        return queries, embeddings[600:]

    def test_are_learned_of_queries(self, embeddings):
        queries, documents = self.split(embeddings)
        net = train_binarizer(documents, code_size=12, queries=queries, **START)
        assert net.report.best_recall > net.report.start_recall + 0.01
        transform = net.to_transform()
        index = faiss_bebr.IndexSDC(transform, 0, IP)
        index.cp.min_points_per_centroid = 1
        y = transform.apply(documents)
        index.train(y)
        weight = faiss.vector_to_array(index.sdc.error_weight).reshape(32, 32)
        np.testing.assert_array_equal(weight, net.error_weight.numpy())
        # what queries see is in the directions in which they vary
        queries = transform.apply(queries)
        seen = np.einsum("ij,jk,ik->i", queries, weight, queries).mean()
        others = np.random.default_rng(0).permuted(queries, axis=1)
        assert seen > 1.2 * np.einsum("ij,jk,ik->i", others, weight, others).mean()

    def test_are_left_out_where_recall_is_lower(self, embeddings, monkeypatch):
        def wrong_metric(anchors, x, power):
            return np.diag(np.r_[np.full(4, 1e-3), np.ones(28)])

        monkeypatch.setattr(document_start, "score_metric", wrong_metric)
        queries, documents = self.split(embeddings)
        net = train_binarizer(documents, code_size=12, queries=queries, **START)
        assert net.error_weight.shape == (0, 0)
        assert net.report.best_recall == net.report.start_recall

    def test_are_not_learned_of_documents(self, embeddings):
        net = train_binarizer(embeddings, code_size=12, **START)
        assert net.error_weight.shape == (0, 0)

    def test_resumed_training_has_them(self, embeddings, tmp_path):
        queries, documents = self.split(embeddings)
        settings = {**START, "epochs": 1, "queries": queries, "code_size": 12}
        net = train_binarizer(documents, **settings)
        path = tmp_path / "checkpoint"
        train_binarizer(documents, **settings, checkpoint=path)
        again = train_binarizer(documents, **settings, checkpoint=path)
        assert torch.equal(again.error_weight, net.error_weight)
        assert again.error_weight.shape == (32, 32)
        assert again.report.best_recall == net.report.best_recall


class TestScores:
    def learner(self, embeddings, widths=(24, 16), ncentroids=16, epochs=1):
        sample = take_residuals(embeddings, ncentroids, 0)
        linear = fit_rotation(
            sample,
            widths,
            rotation_points=1000,
            rotation_rounds=2,
            rng=np.random.default_rng(0),
        )
        d = -(-embeddings.shape[1] // 8) * 8
        net = document_trainer.RecurrentBinarizer(embeddings.shape[1], [d] * 8)
        metric = score_metric(embeddings[:100], embeddings, 0.5)
        set_rotation(net, linear, metric)
        net.set_document_code(widths, ncentroids)
        return ScoreLearner(
            net,
            linear,
            sample,
            metric,
            ScoreOptions(learning_rate=1.0),
            epochs=epochs,
            seed=0,
        )

    @pytest.mark.parametrize(("ncentroids", "points"), [(16, 2048), (0, 2048), (16, 8)])
    def test_decoded_documents_are_those_of_the_index(
        self, embeddings, ncentroids, points, monkeypatch
    ):
        # fewer than there are centroids, too
        monkeypatch.setattr(index_codes, "TRAINING_POINTS", points)
        learner = self.learner(embeddings, ncentroids=ncentroids)
        sample = learner.sample
        z, decoded = IndexCodes(
            (24, 16), learner.rows, sample.mean, sample.centroids, learner.error_metric
        ).decode(sample.x)
        # The same by the network that the steps would end with, but for its 8 bits.
        learner.settle()
        transform = learner.net.to_transform()
        index = faiss_bebr.IndexSDC(transform, [24, 16], IP, ncentroids)
        if ncentroids:
            flat = transform.apply(sample.centroids).ravel()
            faiss.copy_array_to_vector(flat, index.sdc.centroids)
        y = transform.apply(sample.x)
        index.train(y)
        unit = float(learner.net.query_weight[0]) ** 0.5
        whole = unit * index.sa_decode(index.sa_encode(y))
        error = z.copy()
        error[:, :24] -= decoded
        lost = np.square(error).sum()
        expected = np.square(unit * y - whole).sum()
        assert lost == pytest.approx(expected, rel=0.03 if points > 100 else 0.3)
        assert lost < 0.5 * np.square(z).sum()
        near = ((sample.x - sample.mean) @ learner.rows.T - z).astype(np.float32)
        assert (np.abs(near).max() > 0.1) == bool(ncentroids)

    def test_rows_stay_orthonormal(self, embeddings):
        learner = self.learner(embeddings)
        before = learner.rows
        for _ in range(5):
            learner.step()
        rows = learner.rows
        assert not np.allclose(rows, before, atol=0.01)
        np.testing.assert_allclose(rows @ rows.T, np.eye(32), atol=1e-9)

    @pytest.mark.parametrize(
        ("widths", "ncentroids", "columns"), [((24, 16), 16, 32), ((24, 8), 0, 21)]
    )
    def test_steps_lower_the_loss(self, embeddings, widths, ncentroids, columns):
        """As it is measured on what the index stores."""
        x = np.ascontiguousarray(embeddings[:, :columns])
        learner = self.learner(x, widths, ncentroids)
        losses = [learner.step().score for _ in range(30)]
        assert losses[-1] < 0.98 * losses[0]
        learner.settle()
        assert np.isfinite(learner.net.encode(x)).all()

    def test_turn_to_codes_finds_a_rotation(self, rng):
        """Of vectors that are a rotation of their codes, by a little at a time."""
        d = 12
        decoded = rng.standard_normal((2000, d)).astype(np.float32)
        skew = rng.standard_normal((d, d)) * 0.05
        rotation = np.linalg.solve(
            np.eye(d) - (skew - skew.T), np.eye(d) + (skew - skew.T)
        )
        z = decoded @ rotation.astype(np.float32)
        metric = np.diag(np.linspace(1, 2, d))
        turned = np.eye(d)
        for _ in range(10):
            seen = z @ turned.T.astype(np.float32)
            moved = turned @ metric @ turned.T
            turned = turn_to_codes(seen, decoded, moved, 1.0) @ turned
        np.testing.assert_allclose(turned, rotation, atol=0.01)

    def test_metric_is_of_what_queries_see(self, rng):
        """Neighbours of queries that vary in some dimensions only."""
        x = rng.standard_normal((600, 16)).astype(np.float32)
        queries = x[:200].copy()
        queries[:, 8:] *= 0.1
        metric = score_metric(queries, x, 0.25)
        np.testing.assert_allclose(metric, metric.T)
        assert np.trace(metric) == pytest.approx(16)
        assert np.linalg.eigvalsh(metric).min() > 0
        assert np.diag(metric)[:8].min() > 1.2 * np.diag(metric)[8:].max()

    def test_neighbours_leave_duplicates_out(self, embeddings):
        x = np.concatenate([embeddings[:300], embeddings[:20], embeddings[:20]])
        near = find_true_neighbours(x[:30], x, 8)
        distances = np.square(x[near] - x[:30, None]).sum(axis=2)
        assert distances.min() > 1e-6
        similarity = x[:30] @ x.T
        similarity[np.square(x[None] - x[:30, None]).sum(axis=2) < 1e-6] = -np.inf
        best = -np.sort(-similarity, axis=1)[:, 0]
        np.testing.assert_allclose(similarity[np.arange(30), near[:, 0]], best)

    def test_neighbours_where_all_are_duplicates(self):
        x = np.ones((10, 8), dtype=np.float32)
        near = find_true_neighbours(x[:2], x, 4)
        assert near.shape == (2, 4) and near.max() < 10


class TestTraining:
    def test_steps_gain(self, embeddings, short_epochs):
        """On a start whose rotation is random."""
        settings = {**START, "epochs": 2, "rotation_rounds": 0, "seed": 1}
        reports = [
            train_binarizer(embeddings, code_size=size, **settings).report
            for size in (6, 13, 17)
        ]
        # One alone may be out of luck.
        gains = [report.best_recall - report.start_recall for report in reports]
        assert sum(gains) > 0.01
        for report in reports:
            before, after = report.history
            assert after["score"] < before["score"]

    def test_never_worse_than_the_start(self, embeddings, short_epochs, monkeypatch):
        def harmful(z, *_):
            return random_rotation(z.shape[1], np.random.default_rng(0))

        start = train_binarizer(embeddings, code_size=9, **START)
        monkeypatch.setattr(score_training, "turn_to_codes", harmful)
        net = train_binarizer(embeddings, code_size=9, **{**START, "epochs": 2})
        report = net.report
        assert report.start_recall == start.report.start_recall
        assert report.best_recall == report.start_recall
        assert report.history[-1]["recall"] < report.start_recall
        for name, value in start.state_dict().items():
            assert torch.equal(value, net.state_dict()[name]), name

    def test_is_deterministic(self, embeddings, short_epochs):
        settings = {"code_size": 9, "epochs": 1, "rotation_rounds": 3}
        first = train_binarizer(embeddings, **settings)
        second = train_binarizer(embeddings, **settings)
        assert first.report == second.report
        for name, value in first.state_dict().items():
            assert torch.equal(value, second.state_dict()[name]), name

    def test_duplicate_rows_and_columns(self, embeddings, short_epochs):
        x = np.concatenate([embeddings[:300], embeddings[:100]])
        x = np.concatenate([x, x[:, :4], np.full((len(x), 1), 0.1)], axis=1)
        x = x.astype(np.float32)
        net = train_binarizer(x, code_size=9, epochs=1, rotation_rounds=3)
        assert np.isfinite(net.encode(x)).all()
        assert net.report.best_recall > 0.4


class TestBadArguments:
    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            ({"code_size": None}, ValueError, "m, code_size.*exactly one"),
            ({"document_plane_widths": [8]}, ValueError, "exactly one"),
            ({"m": 16}, ValueError, "code_size: only expected without m"),
            ({"hidden": 8}, ValueError, "hidden: only expected together with m"),
            ({"nbits": 2}, ValueError, "nbits: only expected together with m"),
            ({"code_size": 3}, ValueError, "code_size: at least 4 bytes.*got 3"),
            ({"code_size": 2, "coarse": False}, ValueError, "code_size: at least 4"),
            ({"code_size": 8.5}, TypeError, "code_size: an integer"),
            ({"ncentroids": -1}, ValueError, "ncentroids: 0 to 65536.*-1"),
            ({"ncentroids": 2.5}, TypeError, "ncentroids: an integer"),
            ({"ncentroids": 5, "coarse": False}, ValueError, "without coarse.*5"),
            ({"ncentroids": 1500}, ValueError, "x: more than 1500 different"),
            ({"learning_rate": 0.0}, ValueError, "learning_rate"),
            ({"queries": np.zeros((100, 31))}, ValueError, "queries"),
            ({"queries": np.ones((100, 31))}, ValueError, "queries: 32 .*31"),
            ({"queries": np.ones((10, 32))}, ValueError, "queries: at least 64.*10"),
            ({"x": np.ones((100, 32))}, ValueError, "x: different vectors"),
            ({"x": np.ones((10, 32))}, ValueError, "x: at least 64.*10"),
        ],
    )
    def test_are_refused_before_training(
        self, embeddings, monkeypatch, change, error, message
    ):
        def unreachable(*_args, **_kwargs):
            raise AssertionError("training began in spite of a bad argument")

        monkeypatch.setattr(document_trainer, "take_residuals", unreachable)
        arguments = {"x": embeddings, "code_size": 9, **change}
        with pytest.raises(error, match=message):
            train_binarizer(**arguments)

    @pytest.mark.parametrize(
        ("widths", "message"),
        [
            ([8, 16], "may not widen"),
            ([12], "multiples of 8"),
            ([40], "at most the embeddings' 32.*40"),
            ([], "1 to 8 planes"),
        ],
    )
    def test_widths(self, embeddings, widths, message):
        with pytest.raises(ValueError, match=message):
            train_binarizer(embeddings, document_plane_widths=widths)
