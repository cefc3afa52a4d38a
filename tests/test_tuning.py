"""`faiss_bebr.tune`: what it measures, what it chooses, and what it refuses."""

from __future__ import annotations

import csv
import sys

import faiss
import numpy as np
import pytest
from reference import recall

import faiss_bebr
from faiss_bebr.training.sampling import draw_sample
from faiss_bebr.tuning import TuningResult, TuningRow, faiss_grid, own_grid
from faiss_bebr.tuning.grid import MIN_SIZE, measure_code
from faiss_bebr.tuning.measurement import Measurement
from faiss_bebr.tuning.result import pareto_rows

GRID = ["BEBR8B,SDC", "BEBR16B,SDC", "BEBR32x4,SDC1"]
COMPARE = ["PQ8x4np", "SQ8"]
FAST = dict(sample_size=1000, num_queries=100, rotation_rounds=1, progress=False)


def _row(description: str, size: int, recall: float, speed: float = 1.0) -> TuningRow:
    return TuningRow(description, description, size, recall, speed, 0.0)


def _result(rows: list[TuningRow], **asked) -> TuningResult:
    return TuningResult(
        rows,
        **({"max_bytes": None, "min_recall": None} | asked),
        k=10,
        num_documents=100,
        num_queries=10,
    )


ROWS = [
    _row("BEBR8B,SDC", 8, 0.5, 9.0),
    _row("BEBR16B,SDC", 16, 0.8, 5.0),
    _row("BEBR32B,SDC", 32, 0.8, 4.0),
    _row("PQ16x8np", 16, 0.9, 7.0),
]


@pytest.fixture(scope="module")
def tuned(embeddings) -> TuningResult:
    return faiss_bebr.tune(embeddings, bytes=16, grid=GRID, compare=COMPARE, **FAST)


def test_measures_each_string_as_it_is_by_hand(tuned, embeddings):
    """Of FAISS's, as those have no settings here."""
    assert [row.factory_string for row in tuned.rows] == GRID + COMPARE
    sample = draw_sample(embeddings, 1100, np.random.default_rng(0)).rows
    queries, documents = sample[:100], sample[100:]
    exact = faiss.IndexFlatIP(32)
    exact.add(documents)
    index = faiss.index_factory(32, "SQ8", faiss.METRIC_INNER_PRODUCT)
    index.train(documents)
    index.add(documents)
    found = index.search(queries, 10)[1]
    expected = recall(found, exact.search(queries, 10)[1])
    assert tuned.rows[-1].recall == pytest.approx(expected)
    assert (tuned.num_documents, tuned.num_queries) == (1000, 100)


def test_bytes_are_those_of_the_codes(tuned):
    small, large, *others = tuned.rows
    assert small.bytes <= 8 < large.bytes <= 16
    for row in others:
        assert row.bytes == measure_code(32, row.factory_string)
    assert all(row.queries_per_second > 0 for row in tuned.rows)


def test_more_bytes_are_more_recall_and_the_best_is_chosen(tuned):
    small, large, plane, *_ = tuned.rows
    assert large.recall > small.recall + 0.05
    assert tuned.best is max((small, large, plane), key=lambda row: row.recall)
    assert tuned.best.bytes <= 16
    assert isinstance(
        faiss_bebr.index_factory(32, tuned.factory_string), faiss.IndexPreTransform
    )


def test_is_deterministic(tuned, embeddings):
    again = faiss_bebr.tune(embeddings, bytes=16, grid=GRID, compare=COMPARE, **FAST)
    assert [row.recall for row in again.rows] == [row.recall for row in tuned.rows]
    other = faiss_bebr.tune(
        embeddings, bytes=16, grid=GRID[:1], compare=COMPARE[1:], seed=1, **FAST
    )
    assert other.rows[-1].recall != tuned.rows[-1].recall


def test_own_queries_are_used_and_x_is_left_whole(embeddings):
    # queries of one point only: each has the same ten neighbours
    queries = np.repeat(embeddings[:1], 50, axis=0)
    result = faiss_bebr.tune(
        embeddings[:1000],
        queries,
        recall=0.1,
        grid=["BEBR32x2,SDC2"],
        compare=["SQ8"],
        **FAST,
    )
    assert (result.num_documents, result.num_queries) == (1000, 50)
    # recall of one query, in tenths
    assert result.rows[1].recall * 10 == pytest.approx(
        round(result.rows[1].recall * 10)
    )


def test_metric_l2(embeddings):
    result = faiss_bebr.tune(
        embeddings * np.linspace(0.95, 1.05, len(embeddings), dtype="float32")[:, None],
        bytes=40,
        metric=faiss.METRIC_L2,
        grid=["BEBR32B,SDC"],
        compare=["Flat"],
        **FAST,
    )
    assert result.rows[1].recall == 1.0
    assert result.best.recall > 0.8


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        ({"max_bytes": 8}, "BEBR8B,SDC"),
        ({"max_bytes": 31}, "BEBR16B,SDC"),
        ({"max_bytes": 40}, "BEBR16B,SDC"),  # as good as the larger one
        ({"min_recall": 0.5}, "BEBR8B,SDC"),
        ({"min_recall": 0.51}, "BEBR16B,SDC"),
    ],
)
def test_choice(asked, chosen):
    assert _result(ROWS, **asked).factory_string == chosen


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"max_bytes": 7}, "at most 7 bytes.*'BEBR8B,SDC'.*0.5000 at 8 bytes"),
        # FAISS's own is not chosen
        ({"min_recall": 0.85}, "recall 0.85.*'BEBR16B,SDC'.*0.8000 at 16 bytes"),
    ],
)
def test_nothing_fulfils_it(asked, message):
    result = _result(ROWS, **asked)
    with pytest.raises(LookupError, match=message):
        _ = result.factory_string
    assert "*" not in result.table()


def test_table_is_by_recall_and_marks_the_best():
    lines = _result(ROWS, max_bytes=16).table().splitlines()
    assert lines[0] == "recall 10@10 among 100 documents, 10 queries"
    names = [line[2:].split()[0] for line in lines[2:]]
    assert names == ["PQ16x8np", "BEBR16B,SDC", "BEBR32B,SDC", "BEBR8B,SDC"]
    assert [line[0] for line in lines[2:]] == [" ", "*", " ", " "]


def test_csv_has_the_rows(tmp_path):
    _result(ROWS, max_bytes=16).to_csv(tmp_path / "tuned.csv")
    with open(tmp_path / "tuned.csv", newline="") as file:
        read = list(csv.DictReader(file))
    assert [
        (r["factory_string"], int(r["bytes"]), float(r["recall"])) for r in read
    ] == [(row.factory_string, row.bytes, row.recall) for row in ROWS]


def test_pareto_rows():
    assert pareto_rows(ROWS) == [ROWS[0], ROWS[3]]
    assert pareto_rows(ROWS, "queries_per_second") == [ROWS[0], ROWS[3]]
    assert pareto_rows(ROWS[:3], "queries_per_second") == ROWS[:2]


def test_plot(tmp_path):
    pytest.importorskip("matplotlib")
    figure = _result(ROWS, max_bytes=16).plot(tmp_path / "tuned.png")
    assert (tmp_path / "tuned.png").read_bytes().startswith(b"\x89PNG")
    by_bytes, by_speed = figure.axes
    assert by_bytes.get_xlabel() == "bytes per vector"
    assert by_speed.get_xlabel() == "queries per second"
    front = by_bytes.lines[0]
    assert list(front.get_xdata()) == [8, 16]
    assert list(front.get_ydata()) == [0.5, 0.9]
    assert len(by_bytes.lines) == 1 + len({row.family for row in ROWS})


def test_plot_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"faiss_bebr\[plot\]"):
        _result(ROWS, max_bytes=16).plot()


@pytest.mark.parametrize("d", [32, 100, 384])
@pytest.mark.parametrize("size", [None, 8, 13, 68])
def test_grids_are_indexes_of_the_sizes(d, size):
    limit = d / 2 if size is None else 1.5 * size
    for family, description in own_grid(d, size):
        index = faiss_bebr.index_factory(d, description)
        if family != "BEBR":  # whose bytes are known after training
            assert index.sa_code_size() <= limit, description
    for candidate in faiss_grid(d, size):
        assert measure_code(d, candidate.description) <= limit, candidate
    asked = size or max(MIN_SIZE, d // 8)
    assert ("BEBR", f"BEBR{asked}B,SDC") in own_grid(d, size)


def test_constant_columns_leave_fewer_dimensions(embeddings):
    x = embeddings.copy()
    x[:, 5], x[:, 9] = 0.1, x[:, 8]
    result = faiss_bebr.tune(x, bytes=6, compare=False, **FAST)
    # 30 columns are left of 32
    assert "BEBR24x6,SDC1" in [row.factory_string for row in result.rows]
    assert not any("BEBR32" in row.factory_string for row in result.rows)
    assert all(row.is_own for row in result.rows)


def test_budget_past_all_planes(embeddings):
    """As many bytes as the planes of 32 dimensions need are enough for it."""
    settings = {**FAST, "grid": ["BEBR99B,SDC"], "compare": False}
    result = faiss_bebr.tune(embeddings, bytes=34, **settings)
    assert result.best.bytes == 34
    with pytest.raises(ValueError, match="bytes: at least 33 .*'BEBR99B,SDC'"):
        faiss_bebr.tune(embeddings, bytes=32, **settings)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "one of bytes and recall"),
        ({"bytes": 8, "recall": 0.5}, ValueError, "one of bytes and recall"),
        ({"bytes": 0}, ValueError, "bytes: at least 1 expected, got 0"),
        ({"bytes": 8.5}, TypeError, "bytes: an integer expected, got 8.5"),
        ({"recall": 0}, ValueError, "recall: above 0, at most 1 expected, got 0"),
        ({"recall": 1.01}, ValueError, "recall: above 0.*got 1.01"),
        ({"recall": "high"}, TypeError, "recall: a number expected, got 'high'"),
        ({"bytes": 2}, ValueError, "bytes: at least 4 .*'BEBR4B,SDC'.* got 2"),
        ({"bytes": 5, "grid": GRID[:2]}, ValueError, "at least 8 .*'BEBR8B,SDC'"),
        ({"bytes": 33, "grid": ["BEBR32x8,SDC8"]}, ValueError, "at least 34 .* got 33"),
        ({"bytes": 8, "metric": faiss.METRIC_L1}, ValueError, "metric"),
        ({"bytes": 8, "k": 0}, ValueError, "k: at least 1"),
        ({"bytes": 8, "k": 2000}, ValueError, "k: at most 1000 documents"),
        ({"bytes": 8, "num_queries": 0}, ValueError, "num_queries: at least 1"),
        ({"bytes": 8, "epochs": -1}, ValueError, "epochs: at least 0"),
        ({"bytes": 8, "seed": "a"}, TypeError, "seed: an integer"),
        ({"bytes": 8, "grid": []}, ValueError, "grid: at least one"),
        ({"bytes": 8, "grid": "BEBR8B,SDC"}, TypeError, "grid: a sequence of strings"),
        ({"bytes": 8, "grid": ["BEBR9x"]}, ValueError, "'BEBR9x' cannot be measured"),
        ({"bytes": 8, "grid": ["SQ8"]}, ValueError, "grid: .*'SQ8'"),
        ({"bytes": 8, "compare": ["PQ7"]}, ValueError, "'PQ7' cannot be measured"),
        ({"bytes": 8, "compare": [3]}, TypeError, "compare: a sequence of strings"),
    ],
)
def test_bad_arguments(arguments, error, message, embeddings, monkeypatch):
    def unreachable(*_args, **_kwargs):
        raise AssertionError("a code was trained in spite of a bad argument")

    monkeypatch.setattr(Measurement, "measure", unreachable)
    with pytest.raises(error, match=message):
        faiss_bebr.tune(embeddings, **(FAST | arguments))


def test_bad_vectors(embeddings):
    broken = embeddings.copy()
    broken[7, 3] = np.nan
    with pytest.raises(ValueError, match="x: NaN or infinite values in row 7"):
        faiss_bebr.tune(broken, bytes=8, **FAST)
    with pytest.raises(ValueError, match="queries: NaN or infinite values in row 7"):
        faiss_bebr.tune(embeddings, broken, bytes=8, **FAST)
    with pytest.raises(ValueError, match="queries: 32 columns expected.*got 16"):
        faiss_bebr.tune(embeddings, embeddings[:, :16], bytes=8, **FAST)
    with pytest.raises(ValueError, match="x: at least 64"):
        faiss_bebr.tune(embeddings[:10], bytes=8, **FAST)
