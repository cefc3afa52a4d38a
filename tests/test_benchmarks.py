"""The parts of the benchmarks that compute, without their data."""

from __future__ import annotations

import sys
from pathlib import Path

import faiss
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import faiss_codecs  # noqa: E402
import plots  # noqa: E402
import recall as benchmark  # noqa: E402
import word_vectors  # noqa: E402
from embeddings import Embeddings  # noqa: E402
from faiss_codecs import DECODED, OWN, Codec, Pattern  # noqa: E402
from results import Results, Row  # noqa: E402

METRICS = {"IP": faiss.METRIC_INNER_PRODUCT, "L2": faiss.METRIC_L2}


@pytest.fixture
def small(embeddings, monkeypatch) -> benchmark.Benchmark:
    monkeypatch.setattr(benchmark, "NUM_QUERIES", 60)
    relevant = np.arange(60, dtype=np.int32)
    data = Embeddings(embeddings[60:], embeddings[:60], relevant)
    return benchmark.Benchmark("small", data, 30, 30)


@pytest.mark.parametrize(
    ("d", "size"), [(100, 13), (100, 50), (384, 36), (384, 68), (384, 196)]
)
def test_codecs_fit(d, size):
    codecs = faiss_codecs.codecs_of(d, size)
    assert len(codecs) == len(set(codecs)) > 20
    for codec in codecs:
        index = faiss.index_factory(d, codec.description, METRICS[codec.metric])
        assert 0.7 * size <= index.sa_code_size() <= size, codec


@pytest.mark.parametrize(
    ("pattern", "d", "size", "description"),
    [
        (Pattern("SQ", "PCA{m}", "SQ4"), 384, 36, "PCA72,SQ4"),
        (Pattern("SQ", "", "SQ4"), 384, 36, None),
        (Pattern("SQ", "", "SQ4"), 384, 192, "SQ4"),
        (Pattern("RaBitQ", "RR{m}", "RaBitQ"), 384, 56, "RR384,RaBitQ"),
        (Pattern("RaBitQ", "RR{m}", "RaBitQ"), 384, 55, None),
        (Pattern("PQ", "", "PQ{M}x8np"), 384, 68, "PQ64x8np"),
        (Pattern("PQ", "OPQ{M}_{m}", "PQ{M}x8np"), 384, 68, "OPQ68_340,PQ68x8np"),
        (Pattern("PQ", "OPQ{M}_{m}", "PQ{M}x8np"), 384, 132, "OPQ128_384,PQ128x8np"),
        (Pattern("PRQ", "", "PRQ4x{M}x8"), 100, 13, "PRQ4x3x8"),
        (Pattern("LSQ", "", "LSQ{M}x8", largest_size=36), 100, 37, None),
        (Pattern("LSQ", "", "LSQ{M}x8", largest_size=36), 100, 13, "LSQ13x8"),
    ],
)
def test_fill(pattern, d, size, description):
    assert faiss_codecs.fill(pattern, d, size) == description


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("description", ["PQ8x4np", "PCAR24,SQ4", "SQ8", "RQ2x4"])
def test_decoded_search_is_that_of_the_index(description, metric, embeddings):
    documents, queries = embeddings[100:], embeddings[:100]
    found = [
        benchmark.Searcher(Codec("", description, metric, search), documents).search(
            queries, metric
        )
        for search in (OWN, DECODED)
    ]
    # the two sum in another order, so that near ties may swap
    assert (found[0] == found[1]).mean() > 0.99


def test_measures(small):
    exact = small.truth["reported"]
    assert small.recall_10_at_10(exact, "reported") == 1
    assert small.recall_1_at_10(exact) == 1
    shifted = np.roll(exact, 1, axis=1)
    shifted[:, 0] = -1  # the tenth is lost
    assert small.recall_10_at_10(shifted, "reported") == pytest.approx(0.9)
    assert small.recall_1_at_10(shifted) == 1
    assert small.recall_1_at_10(np.full_like(exact, -1)) == 0
    found = np.full((30, 10), -1)
    found[:15, 9] = np.arange(30, 45)
    assert small.hit_at_10(found) == pytest.approx(0.5)


def test_a_run_goes_on_where_it_was_broken_off(small, tmp_path, monkeypatch):
    path = tmp_path / "recall.csv"
    codecs = [
        Codec("SQ", "SQ8", "IP", DECODED),
        Codec("SQ", "SQ8", "L2", DECODED),
        Codec("SQ", "SQ4", "IP", DECODED),
        Codec("LSH", "LSH", "L2", OWN),
    ]
    benchmark.run(codecs[:2], 32, small, Results(path))
    before = path.read_text()
    trained = []
    searcher = benchmark.Searcher

    def count(codec, documents):
        trained.append(codec.description)
        return searcher(codec, documents)

    monkeypatch.setattr(benchmark, "Searcher", count)
    benchmark.run(codecs, 32, small, Results(path))
    assert trained == ["SQ4", "LSH"]
    assert path.read_text().startswith(before)
    rows = Results(path).rows
    assert [(row.description, row.metric) for row in rows] == [
        (codec.description, codec.metric) for codec in codecs
    ]
    assert [row.code_size for row in rows] == [32, 32, 16, 4]
    assert [row.file_bytes for row in rows] == [32, 32, 16, 4]
    # SQ4 is not the best of its family, so it is not reported
    assert rows[2].choosing_recall < rows[0].choosing_recall
    reported = [row.recall_10_at_10 is not None for row in rows]
    assert reported[0] and reported[3]
    assert rows[0].recall_10_at_10 > rows[3].recall_10_at_10


def test_training_on_a_sample_is_said(small, tmp_path):
    results = Results(tmp_path / "recall.csv")
    benchmark.run([Codec("RQ", "RQ2x4", "L2", DECODED, 500)], 4, small, results)
    assert Results(results.path).rows[0].train_vectors == 500


def _row(family: str, size: int, choosing: float, reported: float | None) -> Row:
    return Row(
        "small", family, f"{family}{size}", "IP", OWN, 9, size, size, 0.0, 9,
        choosing, 9, reported, reported, None,
    )  # fmt: skip


def test_plots_take_the_best_on_the_choosing_queries(tmp_path):
    rows = [
        _row("BEBR", 8, 0.5, 0.51),
        _row("SQ", 8, 0.4, 0.45),
        _row("SQ", 8, 0.45, 0.4),
        _row("SQ", 16, 0.9, None),
        _row("SQ", 12, 0.3, 0.3),
        _row("PQ", 16, 0.6, 0.61),
    ]
    families = plots.best_rows(rows)
    assert [row.recall_10_at_10 for row in families["SQ"]] == [0.4]
    lines = plots.table(families, (8, 16)).splitlines()[2:]
    assert lines[0] == (
        "| 8 | `BEBR8` IP, 8 | 0.5100 | 0.5100 | `SQ8` IP, 8 | 0.4000 | 0.4000 |"
    )
    assert "`BEBR8` IP, 8" in lines[1] and "`PQ16` IP, 16 | 0.6100" in lines[1]
    assert plots.best_at(families["PQ"], 15) is None


def test_plot(tmp_path):
    pytest.importorskip("matplotlib")
    families = plots.best_rows([_row("BEBR", 8, 0.5, 0.51), _row("SQ", 8, 0.4, 0.45)])
    plots.draw(families, tmp_path / "recall.png")
    assert (tmp_path / "recall.png").read_bytes().startswith(b"\x89PNG")


def test_word_vectors_are_read_in_order_and_of_unit_length():
    numbers = np.arange(1, 2 * word_vectors.D + 1, dtype=float)
    first, second = np.split(numbers, 2)
    content = {
        "words": ["b", "missing", "zero", "a"],
        "vectors": {
            "a": [*first, 5.0, 1],
            "b": [*second, 7.0, 0],
            "zero": [0.0] * word_vectors.D + [0.0, 2],
        },
    }
    x = word_vectors.read_vectors(content)
    expected = np.stack([second, first])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert x.dtype == np.float32
    np.testing.assert_allclose(x, expected, rtol=1e-6)


def test_word_vectors_split_every_row_once():
    x = np.arange(50, dtype=np.float32)[:, None]
    documents, queries = word_vectors.split(x, 7)
    assert len(queries) == 7
    assert (np.diff(documents[:, 0]) > 0).all()
    assert sorted(np.concatenate([documents, queries])[:, 0]) == list(range(50))
    np.testing.assert_array_equal(word_vectors.split(x, 7)[1], queries)
