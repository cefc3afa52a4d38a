"""Network, linear start, losses and trainer, against slow or independent forms."""

from __future__ import annotations

import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from faiss_bebr.evaluation import (  # noqa: E402
    cosine_documents,
    exact_neighbors,
    recall,
    unbiased_documents,
)
from faiss_bebr.training import RecurrentBinarizer, train_binarizer  # noqa: E402
from faiss_bebr.training import trainer as trainer_module  # noqa: E402
from faiss_bebr.training.learner import DocumentQueue, Learner  # noqa: E402
from faiss_bebr.training.losses import (  # noqa: E402
    Scores,
    calibration,
    distillation_loss,
    document_vectors,
    hardest_mask,
    nce_loss,
    pair_scores,
)
from faiss_bebr.training.network import straight_through_sign  # noqa: E402
from faiss_bebr.training.sampling import (  # noqa: E402
    count_batches,
    neighborhood_batches,
    sample_rows,
)
from faiss_bebr.training.start import (  # noqa: E402
    LinearStart,
    fit_linear_start,
    learn_rotation,
    principal_frame,
    random_rotation,
    uniform_levels,
)

D_IN = 32


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Small matrices: threads would only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def embeddings() -> np.ndarray:
    """(1500, 32) float32 unit rows in clusters, of falling variance and a mean."""
    rng = np.random.default_rng(123)
    spectrum = 1 / np.sqrt(1 + np.arange(D_IN))
    centres = rng.standard_normal((40, D_IN)) * spectrum
    x = centres[rng.integers(0, 40, 1500)]
    x = x + 0.6 * rng.standard_normal(x.shape) * spectrum + 0.1
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def random_network(
    plane_widths: list[int], hidden: int, normalize: bool
) -> RecurrentBinarizer:
    """In evaluation mode, BatchNorm far from the identity."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        net = RecurrentBinarizer(D_IN, plane_widths, hidden=hidden, normalize=normalize)
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2.0)
                module.weight.data.uniform_(-2.0, 2.0)
                module.bias.data.normal_()
    return net.eval()


def slow_block(block, x: np.ndarray) -> np.ndarray:
    """A block from its folded arrays, in float64."""
    folded = [array.astype(np.float64) for array in block.folded()]
    skip_weight, skip_bias, hidden_weight, hidden_bias, output_weight = folded
    hidden = np.maximum(hidden_weight @ x + hidden_bias, 0)
    return skip_weight @ x + skip_bias + output_weight @ hidden


def slow_code(net: RecurrentBinarizer, f: np.ndarray) -> tuple[np.ndarray, float]:
    """Section 3.2's recurrence for one embedding, and how close a sign was."""
    before_sign = slow_block(net.binarization[0], f)
    margin = np.abs(before_sign).min()
    code = np.where(before_sign >= 0, 1.0, -1.0)
    for t in range(1, net.nbits):
        f_t = slow_block(net.reconstruction[t - 1], code)
        if net.normalize:
            f_t = f_t / np.linalg.norm(f_t)
        before_sign = slow_block(net.binarization[t], f - f_t)
        margin = min(margin, np.abs(before_sign).min())
        code[: len(before_sign)] += np.where(before_sign >= 0, 1.0, -1.0) / 2**t
    return code, margin


class TestNetwork:
    @pytest.mark.parametrize("normalize", [False, True])
    @pytest.mark.parametrize("hidden", [0, 12])
    @pytest.mark.parametrize("plane_widths", [[16], [24, 24, 24], [32, 16, 16, 8]])
    def test_forward_is_the_recurrence(self, plane_widths, hidden, normalize):
        net = random_network(plane_widths, hidden, normalize)
        x = np.random.default_rng(0).standard_normal((50, D_IN)).astype(np.float32)
        codes = net.encode(x)
        compared = 0
        for f, code in zip(x.astype(np.float64), codes, strict=True):
            expected, margin = slow_code(net, f)
            if margin > 1e-5:
                np.testing.assert_array_equal(code, expected)
                compared += 1
        assert compared >= 45

    def test_folded_block_is_the_module(self):
        block = random_network([24, 24], 12, False).reconstruction[1]
        x = np.random.default_rng(1).standard_normal((20, 24)).astype(np.float32)
        with torch.no_grad():
            expected = block(torch.from_numpy(x)).numpy()
        found = np.stack([slow_block(block, row) for row in x])
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)

    def test_folded_shapes_and_types(self):
        linear = random_network([24, 16], 0, False).binarization[1].folded()
        shapes = [array.shape for array in linear]
        assert shapes == [(16, D_IN), (16,), (0, D_IN), (0,), (16, 0)]
        deep = random_network([24, 16], 5, False).binarization[1].folded()
        shapes = [array.shape for array in deep]
        assert shapes == [(16, D_IN), (16,), (5, D_IN), (5,), (16, 5)]
        assert all(array.dtype == np.float32 for array in (*linear, *deep))
        assert all(array.flags.c_contiguous for array in (*linear, *deep))

    def test_codes_nest(self):
        net = random_network([32, 16, 16, 8], 6, True)
        x = np.random.default_rng(2).standard_normal((40, D_IN)).astype(np.float32)
        deep = net.encode(x)
        for depth in range(1, 5):
            # The first planes are the greedy signs of the deep code.
            prefix, rest = np.zeros_like(deep), deep.copy()
            for t in range(depth):
                width = net.plane_widths[t]
                plane = np.sign(rest[:, :width]) / 2**t
                prefix[:, :width] += plane
                rest[:, :width] -= plane
            np.testing.assert_array_equal(net.encode(x, depth), prefix)

    def test_straight_through_sign(self):
        x = torch.tensor([-2.0, -1.0, -0.3, 0.0, 1.0, 1.5], requires_grad=True)
        y = straight_through_sign(x)
        assert y.tolist() == [-1, -1, -1, 1, 1, 1]
        (y * torch.arange(1.0, 7.0)).sum().backward()
        assert x.grad.tolist() == [0, 2, 3, 4, 5, 0]

    def test_gradient_reaches_every_block_that_is_used(self):
        net = random_network([16, 16, 16], 0, False)
        code = net(torch.ones(4, D_IN) / 8)
        code.sum().backward()
        for block in [*net.binarization, *net.reconstruction[:2]]:
            assert block.skip.weight.grad.abs().sum() > 0
        # The last reconstruction only serves the way back.
        assert net.reconstruction[2].skip.weight.grad is None

    def test_reconstruct_normalizes_on_demand(self):
        net = random_network([16, 16], 0, True)
        x = torch.randn(9, D_IN, generator=torch.Generator().manual_seed(0))
        f = net.reconstruct(net(x), 2)
        torch.testing.assert_close(f.norm(dim=1), torch.ones(9))

    @pytest.mark.parametrize(
        "widths", [[], [12], [0], [-8], [8, 16], [8] * 9, [16, 16, 24]]
    )
    def test_bad_plane_widths(self, widths):
        with pytest.raises(ValueError, match="plane_widths"):
            RecurrentBinarizer(D_IN, widths)

    def test_bad_calls(self):
        net = random_network([16, 16], 0, False)
        with pytest.raises(ValueError, match="nbits.*1 to 2"):
            net(torch.zeros(1, D_IN), 3)
        with pytest.raises(ValueError, match=r"x: shape \(n, 32\)"):
            net.encode(np.zeros((3, 5), dtype=np.float32))
        with pytest.raises(RuntimeError, match="eval"):
            net.train().encode(np.zeros((3, D_IN), dtype=np.float32))
        with pytest.raises(ValueError, match="hidden"):
            RecurrentBinarizer(D_IN, [8], hidden=-1)

    def test_transform_gets_every_block(self, monkeypatch):
        made = []

        class FakeTransform:
            def __init__(self, d_in, plane_widths, normalize):
                made.append((d_in, plane_widths, normalize))
                self.blocks = {}
                self.is_trained = False

            def set_binarization_block(self, t, *arrays):
                self.blocks["W", t] = arrays

            def set_reconstruction_block(self, t, *arrays):
                self.blocks["R", t] = arrays

            def set_query_map(self, weight, offset):
                self.query_map = weight, offset

        fake = type(sys)("faiss_bebr")
        fake.BinarizerTransform = FakeTransform
        monkeypatch.setitem(sys.modules, "faiss_bebr", fake)
        net = random_network([24, 16], 4, True)
        net.query_offset.fill_(0.5)
        transform = net.to_transform()
        assert made == [(D_IN, [24, 16], True)]
        assert transform.is_trained
        assert set(transform.blocks) == {("W", 0), ("W", 1), ("R", 0), ("R", 1)}
        np.testing.assert_array_equal(
            transform.blocks["R", 1][2], net.reconstruction[1].folded().hidden_weight
        )
        np.testing.assert_array_equal(transform.query_map[0], np.ones(24))
        np.testing.assert_array_equal(transform.query_map[1], np.full(24, 0.5))


class TestStart:
    @staticmethod
    def fit(x, widths, document_nbits) -> LinearStart:
        return fit_linear_start(
            x,
            widths,
            document_nbits=document_nbits,
            rotation_rounds=5,
            rng=np.random.default_rng(0),
        )

    @pytest.mark.parametrize("m", [16, D_IN])
    @pytest.mark.parametrize("nbits", [1, 2, 4, 8])
    def test_is_the_uniform_quantizer(self, embeddings, m, nbits):
        start = self.fit(embeddings, [m] * nbits, nbits)
        net = RecurrentBinarizer(D_IN, [m] * nbits, hidden=8)
        start.apply(net, range_factor=1.2)
        y = (embeddings - start.mean) @ start.projection.T / (1.2 * start.unit)
        # Levels jump at multiples of the cell; float32 may fall on either side there.
        cell = 4 / 2**nbits
        distance = np.abs(y / cell - np.round(y / cell)) * cell
        clear = distance > 1e-4
        assert clear.mean() > 0.95
        np.testing.assert_array_equal(
            net.encode(embeddings)[clear], uniform_levels(y, nbits)[clear]
        )

    def test_feedback_lowers_the_error_that_queries_see(self, embeddings):
        start = self.fit(embeddings, [16] * 2, 2)
        centred = embeddings - start.mean
        np.testing.assert_allclose(
            np.cov((centred @ start.projection.T).T, bias=True),
            start.covariance,
            atol=1e-6,
        )

        def seen(feedback):
            net = RecurrentBinarizer(D_IN, [16] * 2)
            start.apply(net, feedback=feedback, document_nbits=2)
            error = net.encode(embeddings) * start.unit - centred @ start.projection.T
            return np.einsum("ni,ij,nj->", error, start.covariance, error)

        assert seen(0.1) < 0.99 * seen(0.0)

    def test_query_map_restores_the_uncentred_query(self, embeddings):
        start = self.fit(embeddings, [D_IN] * 8, 8)
        net = RecurrentBinarizer(D_IN, [D_IN] * 8)
        start.apply(net)
        codes = net.encode(embeddings)
        scores = (net.query_weight.numpy() * codes + net.query_offset.numpy()) @ codes.T
        truth = embeddings @ (embeddings - start.mean.astype(np.float32)).T
        unit = np.mean(start.unit**2)
        # The clip beyond +-2 leaves a few per cent.
        correlation = np.corrcoef(scores.ravel() * unit, truth.ravel())[0, 1]
        assert correlation > 0.999
        # Without the offset the order is that of centred queries: clearly worse.
        centred = (codes @ codes.T).ravel()
        assert np.corrcoef(centred, truth.ravel())[0, 1] < correlation - 1e-4

    def test_narrow_planes_keep_the_variance_order(self, embeddings):
        start = self.fit(embeddings, [24, 16, 8], 3)
        np.testing.assert_allclose(
            start.projection @ start.projection.T, np.eye(24), atol=1e-6
        )
        z = (embeddings - start.mean) @ start.projection.T
        deviation = [z[:, a : a + 8].std() for a in (0, 8, 16)]
        assert deviation[0] > deviation[1] > deviation[2]
        assert len(np.unique(start.unit)) == 3

    def test_rotation_learning_lowers_the_error(self, embeddings):
        frame = principal_frame(embeddings, 16)
        z = (embeddings - frame.mean) @ frame.rows.T
        z = z / z.std()

        def error(rotation):
            y = z @ rotation.T
            return np.mean((y - uniform_levels(y, 2)) ** 2)

        first = random_rotation(16, np.random.default_rng(3))
        learned = learn_rotation(z, first, half_width=2.0, nbits=2, rounds=15)
        np.testing.assert_allclose(learned @ learned.T, np.eye(16), atol=1e-10)
        assert error(learned) < error(first) - 1e-3


class TestLosses:
    def test_duplicates_are_neither_negatives_nor_candidates(self):
        x = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.6, 0.8], [0.28, 0.96]])
        scores = pair_scores(x, x, x, x)
        assert scores.same.sum() == 6
        expected = [[0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 1, 0]]
        assert hardest_mask(scores, 1).int().tolist() == expected
        assert hardest_mask(scores, 4).int().tolist()[0] == [0, 0, 1, 1]
        factor = torch.tensor(1.0)
        loss = nce_loss(torch.ones(4), scores, top_k=3, temperature=1.0, factor=factor)
        # Row 0 sees its positive (1) against 0.6 and 0.28, its duplicate masked.
        row = torch.tensor([1.0, 0.6, 0.28]).logsumexp(0) - 1
        single = nce_loss(
            torch.ones(1),
            Scores(*(part[:1] for part in scores)),
            top_k=3,
            temperature=1.0,
            factor=factor,
        )
        torch.testing.assert_close(single, row)
        assert torch.isfinite(loss)

    def test_nce_keeps_the_hardest(self):
        scores = Scores(
            torch.tensor([[3.0, 1.0, 2.0]]),
            torch.zeros(1, 3),
            torch.zeros(1, 3, dtype=torch.bool),
        )
        loss = nce_loss(
            torch.tensor([2.5]),
            scores,
            top_k=2,
            temperature=0.5,
            factor=torch.tensor(2.0),
        )
        logits = torch.tensor([2.5, 3.0, 2.0]) * 4
        torch.testing.assert_close(loss, logits.logsumexp(0) - logits[0])

    def test_distillation_ignores_scale_and_query_constants(self):
        generator = torch.Generator().manual_seed(0)
        floats = torch.randn(6, 9, generator=generator)
        codes = 3 * floats + torch.randn(6, 1, generator=generator)
        mask = torch.ones(6, 9, dtype=torch.bool)
        exact = Scores(codes, floats, ~mask)
        assert distillation_loss(exact, mask) < 1e-10
        torch.testing.assert_close(calibration(exact, mask), torch.tensor(1 / 3))
        noise = torch.randn(6, 9, generator=generator)
        noisy = Scores(codes + noise, floats, ~mask)
        assert 0.01 < distillation_loss(noisy, mask) < 1

    def test_document_vectors_are_those_of_evaluation(self):
        net = random_network([16] * 4, 0, False)
        x = torch.randn(30, D_IN, generator=torch.Generator().manual_seed(1))
        codes = [code.detach() for code in net.codes_by_depth(x)]
        deep = codes[-1].numpy()
        np.testing.assert_allclose(
            document_vectors(codes, 4), cosine_documents(deep), rtol=1e-5
        )
        np.testing.assert_allclose(
            document_vectors(codes, 2),
            unbiased_documents(deep, codes[1].numpy()),
            rtol=1e-5,
        )

    def test_queue_overwrites_the_oldest(self):
        queue = DocumentQueue(4, 1, 2, torch.device("cpu"))
        for value in range(3):
            rows = torch.full((2, 1), float(value))
            queue.push(rows, rows.expand(2, 2) * 10)
        assert sorted(queue.embeddings[:, 0].tolist()) == [1, 1, 2, 2]
        assert sorted(queue.documents[:, 1].tolist()) == [10, 10, 20, 20]
        queue.push(torch.arange(6.0)[:, None], torch.zeros(6, 2))
        assert sorted(queue.embeddings[:, 0].tolist()) == [2, 3, 4, 5]


class TestSampling:
    def test_sample_is_of_the_array_and_shuffled(self, tmp_path, embeddings):
        path = tmp_path / "x.npy"
        np.save(path, embeddings.astype(np.float16))
        mapped = np.load(path, mmap_mode="r")
        sample = sample_rows(mapped, 200, np.random.default_rng(0))
        assert sample.shape == (200, D_IN) and sample.dtype == np.float32
        rows = {row.tobytes(): i for i, row in enumerate(np.asarray(mapped, "f4"))}
        found = [rows[row.tobytes()] for row in sample]
        assert len(set(found)) == 200
        assert found != sorted(found)

    def test_batches_are_neighborhoods(self, embeddings):
        x = torch.from_numpy(embeddings)
        batches = list(neighborhood_batches(x, 512, torch.Generator().manual_seed(0)))
        assert len(batches) == count_batches(len(x), 512) == 2
        assert all(groups.shape == (2, 256) for groups in batches)
        group = x[batches[0][0]]
        # The seed comes first, its nearest rows follow.
        similarity = group @ group[0]
        cut = (x @ group[0]).sort(descending=True).values[255]
        assert similarity.min() >= cut - 1e-6


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

    def test_interrupt_keeps_the_best(self, embeddings, monkeypatch):
        calls = []
        step = Learner.step

        def interrupted(learner, batch):
            calls.append(None)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return step(learner, batch)

        monkeypatch.setattr(Learner, "step", interrupted)
        net = train_binarizer(embeddings, 16, 3, **self.SMALL)
        assert net.report.interrupted
        assert len(calls) == 3
        start = train_binarizer(embeddings, 16, 3, **{**self.SMALL, "epochs": 0})
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

    def test_constant_data(self):
        net = train_binarizer(np.ones((100, 16), dtype=np.float32), 8, 2, epochs=1)
        assert np.isfinite(net.encode(np.ones((2, 16)))).all()

    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            ({"x": np.full((100, 32), np.nan)}, ValueError, "x: NaN"),
            ({"x": np.full((100, 32), np.inf)}, ValueError, "x: NaN or inf"),
            ({"x": np.zeros((100, 32), complex)}, TypeError, "x: real .*complex"),
            ({"x": np.array([["a"] * 32] * 100)}, TypeError, "x: real"),
            ({"x": np.zeros(100)}, ValueError, r"x: shape \(n, d\).*\(100,\)"),
            ({"x": np.zeros((10, 32))}, ValueError, "x: at least 64.*10"),
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
            ({"max_train_points": 10}, ValueError, "max_train_points"),
        ],
    )
    def test_bad_arguments(self, embeddings, monkeypatch, change, error, message):
        def unreachable(*_args, **_kwargs):
            raise AssertionError("training began in spite of a bad argument")

        monkeypatch.setattr(trainer_module, "fit_linear_start", unreachable)
        arguments = {"x": embeddings, "m": 16, "nbits": 2, **change}
        with pytest.raises(error, match=message):
            train_binarizer(**arguments)


class TestEvaluation:
    def test_recall(self):
        truth = np.array([[0, 1], [2, 3]])
        assert recall(truth[:, ::-1], truth) == 1.0
        assert recall(np.array([[0, -1], [9, 3]]), truth) == 0.5
        with pytest.raises(ValueError, match="rows"):
            recall(truth[:1], truth)

    def test_exact_neighbors(self):
        rng = np.random.default_rng(5)
        documents, queries = rng.standard_normal((97, 7)), rng.standard_normal((13, 7))
        expected = np.argsort(-queries @ documents.T, axis=1)[:, :5]
        found = exact_neighbors(queries, documents, 5, batch_size=4)
        np.testing.assert_array_equal(found, expected)
        with pytest.raises(ValueError, match="k: 1 to 97"):
            exact_neighbors(queries, documents, 98)
        with pytest.raises(ValueError, match="dimensions"):
            exact_neighbors(queries, documents[:, :3], 5)
