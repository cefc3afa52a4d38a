"""The network and its linear start, against slow forms and the C++ transform."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from networks import D_IN, random_network  # noqa: E402

import faiss_bebr  # noqa: E402
from faiss_bebr.training import RecurrentBinarizer  # noqa: E402
from faiss_bebr.training.blocks import SURROGATES, binary_sign  # noqa: E402
from faiss_bebr.training.start import (  # noqa: E402
    LinearStart,
    fit_linear_start,
    learn_rotation,
    noise_coupling,
    principal_frame,
    random_rotation,
    uniform_levels,
)


def slow_block(block, x: np.ndarray) -> np.ndarray:
    """A block from its folded arrays, in float64."""
    folded = [array.astype(np.float64) for array in block.folded()]
    skip_weight, skip_bias, hidden_weight, hidden_bias, output_weight = folded
    hidden = np.maximum(hidden_weight @ x + hidden_bias, 0)
    return skip_weight @ x + skip_bias + output_weight @ hidden


def slow_code(net: RecurrentBinarizer, f: np.ndarray) -> tuple[np.ndarray, float]:
    """The paper's recurrence for one embedding, and how close a sign was."""
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
        y = binary_sign(x)
        assert y.tolist() == [-1, -1, -1, 1, 1, 1]
        (y * torch.arange(1.0, 7.0)).sum().backward()
        assert x.grad.tolist() == [0, 2, 3, 4, 5, 0]

    def test_surrogates(self):
        values = torch.linspace(-1.5, 1.5, 31)
        functions = {
            "straight_through": lambda x: x.clamp(-1, 1),
            "tanh": torch.tanh,
            "sine": lambda x: torch.sin(x.clamp(-1, 1) * np.pi / 2),
        }
        assert functions.keys() == SURROGATES.keys()
        inner = (values.abs() - 1).abs() > 1e-3  # not at the corners
        for name, function in functions.items():
            x = values.clone().requires_grad_()
            y = binary_sign(x, name)
            assert torch.equal(y, torch.where(values >= 0, 1.0, -1.0))
            y.sum().backward()
            expected = values.clone().requires_grad_()
            function(expected).sum().backward()
            torch.testing.assert_close(
                x.grad[inner], expected.grad[inner], rtol=1e-4, atol=1e-5
            )

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

    @pytest.mark.parametrize("normalize", [False, True])
    @pytest.mark.parametrize("hidden", [0, 24])
    @pytest.mark.parametrize("plane_widths", [[24] * 4, [32, 16, 8], [16]])
    def test_transform_has_the_same_code(self, plane_widths, hidden, normalize):
        net = random_network(plane_widths, hidden, normalize)
        net.query_offset.fill_(0.5)
        transform = net.to_transform()
        assert transform.is_trained
        for name, expected in (("query_weight", 1.0), ("query_offset", 0.5)):
            values = faiss.vector_to_array(getattr(transform, name))
            np.testing.assert_array_equal(values, np.full(net.d_out, expected))
        f = np.random.default_rng(5).standard_normal((2000, D_IN), dtype=np.float32)
        differ = (transform.apply(f) != net.encode(f)).any(axis=1)
        # rows may differ only where a value before a sign is close to 0
        close = [slow_code(net, row.astype(np.float64))[1] < 1e-4 for row in f[differ]]
        assert all(close)
        assert differ.sum() <= 20

        for other in (
            ([8], D_IN, normalize),
            (plane_widths, 40, normalize),
            (
                plane_widths,
                D_IN,
                not normalize,
            ),
        ):
            widths, d_in, normal = other
            target = faiss_bebr.BinarizerTransform(d_in, widths, normal)
            with pytest.raises(ValueError, match="transform: d_in, plane widths"):
                net.copy_to_transform(target)
            assert not target.is_trained

        with torch.no_grad():
            back = net.reconstruct(torch.from_numpy(net.encode(f))).numpy()
        np.testing.assert_allclose(
            transform.reverse_transform(net.encode(f)), back, atol=2e-5
        )


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

    def test_hidden_layers_foresee_signs(self, embeddings):
        """The errors that feedback is of are those after the plane itself, as far as
        its signs are certain; more feedback is stable then."""
        start = self.fit(embeddings, [16] * 2, 2)
        centred = (embeddings - start.mean) @ start.projection.T
        cost = start.covariance * np.outer(start.unit, start.unit)
        coupling = noise_coupling(cost)

        def seen(hidden, feedback):
            net = RecurrentBinarizer(D_IN, [16] * 2, hidden=hidden)
            start.apply(net, feedback=feedback, document_nbits=2)
            codes = net.encode(embeddings)
            error = codes * start.unit - centred
            return np.einsum("ni,ij,nj->", error, start.covariance, error), codes

        losses = {feedback: seen(32, feedback)[0] for feedback in (0.0, 0.15, 0.3)}
        assert losses[0.0] == pytest.approx(seen(0, 0.0)[0], rel=1e-4)
        assert losses[0.15] < 0.97 * losses[0.0]
        assert min(losses.values()) < min(seen(0, f)[0] for f in (0.05, 0.1, 0.15))
        # Numpy's own, of the same signs.
        u = centred / start.unit
        left = u - np.where(u >= 0, 1, -1)
        after = left - np.clip(4 * left, -1, 1) / 2
        signs = np.where(left + 0.3 * after @ coupling.T >= 0, 1, -1)
        expected = np.where(u >= 0, 1, -1) + signs / 2
        assert np.mean(seen(32, 0.3)[1] != expected) < 1e-3

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
