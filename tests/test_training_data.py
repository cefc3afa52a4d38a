"""What the trainer takes as training data, and what it refuses of it."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from faiss_bebr.training import (  # noqa: E402
    document_trainer,
    sampling,
    sources,
    train_binarizer,
)
from faiss_bebr.training import plane_trainer as trainer_module  # noqa: E402
from faiss_bebr.training.data_checks import check_columns, check_pairs  # noqa: E402
from faiss_bebr.training.sampling import draw_sample  # noqa: E402

D = 12


class Sliced:
    """Like a dataset of a file: slices only, and none of them large."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array
        self.shape, self.dtype = array.shape, array.dtype
        self.largest = 0

    def __getitem__(self, rows: slice) -> np.ndarray:
        assert isinstance(rows, slice)
        self.largest = max(self.largest, rows.stop - rows.start)
        return self._array[rows]


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return np.random.default_rng(5).standard_normal((3001, D)).astype(np.float32)


def batches(x, sizes=(1, 0, 700, 63, 5)):
    """Batches of uneven sizes, all in one buffer that is overwritten."""
    buffer = np.empty((max(sizes), x.shape[1]), dtype=x.dtype)
    first = i = 0
    while first < len(x):
        rows = x[first : first + sizes[i % len(sizes)]]
        buffer[: len(rows)] = rows
        yield buffer[: len(rows)]
        first, i = first + len(rows), i + 1


def sample(x, max_points=500, seed=1):
    return draw_sample(x, max_points, np.random.default_rng(seed))


class TestSources:
    def every_source(self, x, path):
        np.save(path / "x.npy", x)
        mapped = np.load(path / "x.npy", mmap_mode="r")
        tensor = torch.from_numpy(x)
        return {
            "array": x,
            "fortran": np.asfortranarray(x),
            "float64": x.astype(np.float64),
            "list": x.tolist(),
            "rows": list(x),
            "tensor": tensor,
            "gradient": tensor.clone().requires_grad_(),
            "tensor rows": list(tensor),
            "map": mapped,
            "view of map": np.asarray(mapped)[:],
            "sliced": Sliced(x),
            "generator": batches(x),
            "list of arrays": list(np.array_split(x, 7)),
            "list of tensors": list(tensor.split(400)),
            "loader": torch.utils.data.DataLoader(tensor, batch_size=256),
            "generator of tensors": iter(tensor.split(999)),
        }

    @pytest.mark.parametrize("max_points", [64, 500, 3001, 10_000])
    def test_same_sample_from_every_source(self, x, tmp_path, max_points):
        expected = sample(x, max_points)
        count = min(max_points, len(x))
        assert expected.rows.shape == (count, D) and expected.total == len(x)
        assert len(np.unique(expected.rows, axis=0)) == count
        rows_of_x = {row.tobytes() for row in x}
        assert all(row.tobytes() in rows_of_x for row in expected.rows)
        for name, source in self.every_source(x, tmp_path).items():
            found = sample(source, max_points)
            assert found.rows.dtype == np.float32, name
            np.testing.assert_array_equal(found.rows, expected.rows, name)
            assert found.total == len(x), name

    def test_half_types(self, x):
        half = x.astype(np.float16)
        expected = sample(half).rows
        assert np.array_equal(expected, sample(torch.from_numpy(half)).rows)
        brain = torch.from_numpy(x).bfloat16()
        expected = sample(brain.float().numpy()).rows
        np.testing.assert_array_equal(sample(brain).rows, expected)

    def test_every_row_is_equally_likely(self):
        x = np.arange(1, 201, dtype=np.float32)[:, None]
        counts = np.zeros(201)
        for seed in range(400):
            rows = sample(batches(x, (3, 50)), 64, seed).rows
            counts[rows[:, 0].astype(int)] += 1
        # 400 draws at probability 0.32: a standard deviation of 9.3
        assert abs(counts[1:] - 128).max() < 45
        assert abs(counts[1:101].sum() - counts[101:].sum()) < 400

    def test_leading_rows_are_from_anywhere(self):
        x = np.arange(1, 10_001, dtype=np.float32)[:, None]
        leading = sample(batches(x), 1000).rows[:100, 0]
        assert 4000 < leading.mean() < 6000

    def test_a_stream_holds_a_sample_only(self):
        def many():
            rng = np.random.default_rng(0)
            for _ in range(2000):
                yield rng.standard_normal((100, D), dtype=np.float32)

        held = []

        class Watched(sampling._Reservoir):
            def add(self, block):
                super().add(block)
                held.append(sum(len(rows) for rows in self._rows))

        original, sampling._Reservoir = sampling._Reservoir, Watched
        try:
            found = sample(many(), 400)
        finally:
            sampling._Reservoir = original
        assert found.total == 200_000 and len(found.rows) == 400
        assert max(held) <= 500

    def test_slices_are_of_bounded_size(self, x, monkeypatch):
        monkeypatch.setattr(sources, "BLOCK_BYTES", 4 * D * 100)
        source = Sliced(x)
        expected = sample(x)
        np.testing.assert_array_equal(sample(source).rows, expected.rows)
        assert source.largest == 100

    def test_map_is_read_at_the_sampled_rows_only(self, x, tmp_path):
        rows = sample(x, 100).rows
        bad = x.copy()
        bad[~(bad[:, None] == rows).all(axis=2).any(axis=1)] = np.nan
        np.save(tmp_path / "x.npy", bad)
        mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
        np.testing.assert_array_equal(sample(mapped, 100).rows, rows)
        with pytest.raises(ValueError, match="NaN"):
            sample(bad, 100)

    def test_statistics(self, x):
        found = sample(x, 100)
        statistics = found.statistics()
        assert (statistics["n"], statistics["d"], statistics["sampled"]) == (
            3001,
            D,
            100,
        )
        norms = np.linalg.norm(found.rows, axis=1)
        assert statistics["mean_norm"] == pytest.approx(norms.mean(), rel=1e-6)
        assert statistics == sample(batches(x), 100).statistics()
        other = x.copy()
        other[:, 3] += 1e-3
        fingerprints = {
            statistics["fingerprint"],
            sample(x, 100, seed=2).statistics()["fingerprint"],
            sample(other, 100).statistics()["fingerprint"],
        }
        assert len(fingerprints) == 3

    def test_training_on_batches(self, embeddings):
        options = {"epochs": 1, "batch_size": 256, "rotation_rounds": 2}
        expected = train_binarizer(embeddings, 16, 2, **options)
        found = train_binarizer(batches(embeddings), 16, 2, **options)
        assert found.report == expected.report
        for name, value in expected.state_dict().items():
            assert torch.equal(value, found.state_dict()[name]), name


def unreachable(*_args, **_kwargs):
    raise AssertionError("training began in spite of bad data")


class TestBadData:
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("kind", ["array", "map", "batches", "tensor"])
    def test_rows_of_bad_values_are_named(self, x, tmp_path, value, kind):
        bad = x.copy()
        bad[[3, 900, 901], [0, 5, D - 1]] = value
        np.save(tmp_path / "x.npy", bad)
        source = {
            "array": bad,
            "map": np.load(tmp_path / "x.npy", mmap_mode="r"),
            "batches": batches(bad, (2000,)),
            "tensor": torch.from_numpy(bad),
        }[kind]
        with pytest.raises(ValueError, match="^x: NaN or inf.* in rows 3, 900, 901$"):
            sample(source, 4000)

    def test_only_the_first_rows_are_named(self, x):
        bad = x.copy()
        bad[10:] = np.nan
        with pytest.raises(ValueError, match=r"rows 10, 11, 12, 13, 14, \.\.\.$"):
            sample(bad)
        bad = x.copy()
        bad[2000] = np.inf
        with pytest.raises(ValueError, match="row 2000$"):
            sample(batches(bad))

    def test_zero_vectors_are_named(self, x):
        bad = x.copy()
        bad[:, 0] = 0
        bad[[7, 2500]] = 0
        with pytest.raises(ValueError, match="zero vectors.* in rows 7, 2500$"):
            sample(bad)

    def test_beyond_float32(self, x):
        bad = x.astype(np.float64)
        bad[5, 5] = 1e300
        with pytest.raises(ValueError, match="NaN or infinite values in row 5"):
            sample(bad)

    @pytest.mark.parametrize("factor", [1e37, 1e25, 1e9, 1e-17, 1e-25])
    def test_very_long_and_short_vectors_are_named(self, x, factor):
        bad = x.copy()
        bad[[9, 600]] *= np.float32(factor)
        for source in (bad, batches(bad)):
            with pytest.raises(
                ValueError, match="^x: .* 1e-15 to 1e.08 .*rows 9, 600$"
            ):
                sample(source)

    @pytest.mark.parametrize("factor", [1e-14, 1e6])
    def test_long_and_short_vectors(self, embeddings, factor):
        options = {"epochs": 1, "batch_size": 256, "rotation_rounds": 2}
        x = embeddings * np.float32(factor)
        expected = train_binarizer(embeddings, 16, 2, hidden=0, **options)
        net = train_binarizer(x, 16, 2, hidden=0, **options)
        start = net.report.start_recall
        assert start == pytest.approx(expected.report.start_recall, abs=0.01)
        train_binarizer(x, code_size=9, epochs=0, rotation_rounds=2)

    @pytest.mark.parametrize(
        ("bad", "error", "message"),
        [
            (np.ones((100, 32), complex), TypeError, "x: real .*complex"),
            (np.ones((100, 32), bool), TypeError, "x: real .*bool"),
            (np.array([["a"] * 32] * 100), TypeError, "x: real"),
            (torch.ones(100, 32, dtype=torch.complex64), TypeError, "x: real"),
            (torch.ones(100, 32, dtype=torch.bool), TypeError, "x: real"),
            (torch.ones(100, 32).to_sparse(), TypeError, "x: a dense tensor"),
            ("embeddings.npy", TypeError, "x: real numbers expected, got str"),
            ({"x": np.ones((100, 32))}, TypeError, "x: real .*dict"),
            (None, TypeError, "x: real"),
            (np.ones(100), ValueError, r"x: shape \(n, d\).*\(100,\)"),
            (np.ones((100, 0)), ValueError, r"x: shape \(n, d\).*\(100, 0\)"),
            (torch.ones(100, 4, 4), ValueError, r"x: shape \(n, d\).*\(100, 4, 4\)"),
            ([[1.0, 2.0], [1.0]], ValueError, r"x: shape \(n, d\)"),
            (np.ones((10, 32)), ValueError, "x: at least 64.*10"),
            ([], ValueError, r"x: shape \(n, d\)"),
            (iter([]), ValueError, "x: at least 64.*0"),
            (iter([np.ones((40, 4)), np.ones((40, 5))]), ValueError, "batch 1 of x: 4"),
            (iter([np.ones((40, 4)), np.ones(4)]), ValueError, "batch 1 of x: shape"),
            (iter([np.ones((40, 4), str)]), TypeError, "batch 0 of x: real"),
        ],
    )
    def test_shapes_and_types(self, bad, error, message):
        with pytest.raises(error, match=message):
            sample(bad)

    def test_small_map(self, x, tmp_path):
        np.save(tmp_path / "x.npy", x[:10])
        mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
        with pytest.raises(ValueError, match="x: at least 64.*10"):
            sample(mapped)

    def test_constant_and_duplicate_columns(self, embeddings):
        """They are harmless while enough other columns are left."""
        x = embeddings.copy()
        x[:, 5] = 0.25
        x[:, 9] = x[:, 2]
        net = train_binarizer(x, 24, 2, epochs=1, batch_size=256, rotation_rounds=2)
        assert net.report.best_recall > 0.3
        check_columns(x, 30)
        with pytest.raises(
            ValueError,
            match="x: at least 32 columns.* got 30: of 32 columns 1 are constant and 1",
        ):
            check_columns(x, 32)
        with pytest.raises(ValueError, match="m: at most .*32 dimensions.*40"):
            check_columns(x, 40)

    def test_column_that_varies_in_few_rows(self, embeddings, monkeypatch):
        x = embeddings.copy()
        x[:, 5] = 0.25
        x[-1, 5] = 0.5
        monkeypatch.setattr("faiss_bebr.training.data_checks.COLUMN_ROWS", 100)
        check_columns(x, 32)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"x": np.ones((100, 32))}, "x: different vectors .* all are equal"),
            ({"x": np.eye(80), "m": 80}, None),
            ({"x": np.eye(80)[:70], "m": 72}, "x: at least 72 .*72 code dim.*70"),
            ({"m": 64, "max_train_points": 64}, "m: at most .*32.*64"),
            ({"m": 72, "max_train_points": 64}, "max_train_points: at least 72"),
        ],
    )
    def test_before_training(self, embeddings, monkeypatch, change, message):
        class Begun(Exception):
            pass

        def begin(*_args, **_kwargs):
            raise Begun

        monkeypatch.setattr(trainer_module, "fit_linear_start", begin)
        arguments = {"x": embeddings, "m": 16, "nbits": 2, **change}
        error = ValueError if message else Begun
        with pytest.raises(error, match=message):
            train_binarizer(**arguments)

    @pytest.mark.parametrize("count", [2, 3, 40])
    def test_few_different_vectors(self, embeddings, monkeypatch, count):
        x = np.resize(embeddings[:count], (1000, 32)).astype(np.float32)
        options = {"epochs": 1, "rotation_rounds": 2}
        net = train_binarizer(x, 16, 2, **options)
        assert np.isfinite(net.report.history[0]["nce"])
        train_binarizer(x, code_size=9, ncentroids=count - 1, **options)
        monkeypatch.setattr(document_trainer, "take_residuals", unreachable)
        message = f"^x: more than {count} different .*got {count} among 900$"
        with pytest.raises(ValueError, match=message):
            train_binarizer(x, code_size=9, ncentroids=count, **options)

    def test_centroids_of_what_is_not_held_out(self, embeddings, monkeypatch):
        monkeypatch.setattr(document_trainer, "take_residuals", unreachable)
        with pytest.raises(ValueError, match="more than 1350 .*got 1350 among 1350"):
            train_binarizer(embeddings, code_size=9, ncentroids=1350)

    def test_pairs(self):
        check_pairs(np.ones((3, 4)), np.ones((3, 5)))
        with pytest.raises(ValueError, match="as many queries as documents.*3 and 4"):
            check_pairs(np.ones((3, 4)), np.ones((4, 4)))
