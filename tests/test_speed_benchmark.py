"""The parts of `benchmarks/speed.py`, without its data."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import faiss
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import roofline  # noqa: E402
import speed_cases  # noqa: E402
import timing  # noqa: E402
import trained  # noqa: E402
from embeddings import Embeddings  # noqa: E402

import faiss_bebr  # noqa: E402


class Slow:
    """Takes as much longer as it is told, by the clock that timing reads."""

    def __init__(self, clock: list[float], seconds: list[float]) -> None:
        self.clock, self.seconds, self.sizes = clock, seconds, []

    def search(self, queries: np.ndarray, k: int) -> None:
        self.sizes.append(len(queries))
        self.k = k
        # the first search warms up
        self.clock[0] += self.seconds[len(self.sizes) - 2] if self.sizes[1:] else 99.0


def test_rates_and_ratios(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])
    queries = np.zeros((100, 4), np.float32)
    contenders = [
        timing.Contender("theirs", Slow(clock, [1.0, 2.0, 4.0]), queries, 64),
        timing.Contender("ours", Slow(clock, [0.5, 0.5, 0.5]), queries, 66, 0.75),
    ]
    theirs, ours = timing.compare(
        "flat", contenders, queries_at_once=10, threads=1, rounds=3
    )
    assert contenders[1].index.sizes == [10] * 4
    assert (theirs.queries_a_second, theirs.least, theirs.most) == (5, 2.5, 10)
    assert (theirs.ratio, theirs.least_ratio, theirs.most_ratio) == (1, 1, 1)
    assert (ours.ratio, ours.least_ratio, ours.most_ratio) == (4, 2, 8)
    assert ours.reference == "theirs" and ours.recall_10_at_10 == 0.75
    assert "ratio  4.00 (2.00 to 8.00)" in timing.describe(ours)


def test_searches_in_a_row(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])
    queries = np.zeros((9, 4), np.float32)
    index = Slow(clock, [99.0, 99.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    (row,) = timing.compare(
        "flat",
        [timing.Contender("ours", index, queries, 66)],
        queries_at_once=3,
        threads=1,
        rounds=2,
        k=7,
        in_a_row=3,
    )
    assert index.sizes == [3] * 9
    assert (row.least, row.most) == (9 / 15, 9 / 6)
    assert row.k == index.k == 7
    assert "k=7 3 in a row" in timing.describe(row)


def test_indexes_without_networks():
    theirs, *ours = speed_cases.codes(21_000)
    assert theirs.bytes_per_vector == 64
    assert [one.bytes_per_vector for one in ours] == [66, 66]
    assert {one.index.ntotal for one in (theirs, *ours)} == {21_000}
    assert all(one.queries.shape == (1000, one.index.d) for one in (theirs, *ours))


def make_row(index: str, recall: float | None, rate: float) -> timing.SpeedRow:
    return timing.SpeedRow(
        "ivf", index, "A", 64, 8, recall, 10, 100, 1, 1, 3, rate, rate, rate, 1, 1, 1
    )


def test_csv_and_plot(tmp_path):
    pytest.importorskip("matplotlib")
    rows = [
        make_row("PQ", 0.7, 100),
        make_row("SDC2", 0.81234567, 200),
        make_row("binary", None, 3),
    ]
    timing.write(rows, tmp_path / "folder" / "speed.csv")
    with (tmp_path / "folder" / "speed.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["index"] for row in read] == ["PQ", "SDC2", "binary"]
    assert read[1]["recall_10_at_10"] == "0.8123"
    timing.draw(rows, tmp_path / "speed.png")
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")


def test_ratio_at_equal_recall():
    reference = [make_row("A", 0.8, 100), make_row("A", 0.9, 25)]
    ours = [make_row("B", recall, 75) for recall in (0.8, 0.85, 0.9, 0.79, 0.91)]
    lines = timing.describe_at_equal_recall([*ours, *reference[::-1]])
    assert [line.split()[-6] for line in lines] == ["0.75", "1.50", "3.00"]
    assert "0.850" in lines[1] and lines[1].endswith("times A at equal recall")


def test_graphs_are_compared(embeddings):
    data = Embeddings(embeddings[200:], np.concatenate([embeddings[:200]] * 50))
    cases = speed_cases.Cases(data, "BEBR16x4", (16, 16), graph_bytes=14)
    contenders, parameter, values = cases.swept("hnsw")
    d = embeddings.shape[1]
    sizes = [one.bytes_per_vector for one in contenders[:3]]
    assert sizes[:2] == [d, d // 2 + 1] and d // 2 < sizes[2] <= 0.6 * d
    assert contenders[4].name == "BEBR[14B],HNSW32,SDC"
    assert contenders[4].bytes_per_vector == 14
    graph = faiss_bebr.downcast_index(contenders[4].index.index)
    assert faiss_bebr.downcast_index(graph.storage).ncentroids == 0
    assert (parameter, min(values)) == ("efSearch", 8)


def test_random_index_has_codes_of_one_scale():
    index = roofline.random_index(3000, 64, 2)
    assert index.ntotal == 3000
    decoded = index.reconstruct_n(0, 3000)
    # a code with planes of its own, and the scale of all
    assert len(np.unique(decoded, axis=0)) > 2990
    assert len(np.unique(np.abs(decoded[1:]))) == 2


def test_roofline_counts_what_is_read(monkeypatch):
    assert roofline.read_bandwidth(2, nbytes=2**20, rounds=1) > 0
    assert roofline.float_multiply_adds(size=64, rounds=1) > 0
    monkeypatch.setattr(roofline, "read_bandwidth", lambda threads: 1e9)
    monkeypatch.setattr(roofline, "float_multiply_adds", lambda: 1e9)
    lines = roofline.report(1, n=2000, rounds=1)
    assert len(lines) == 19
    networks = [
        (name, n)
        for name in ("BEBR256x6", "continuous")
        for n in (1, 2, 4, 16, 100, 1000)
    ]
    for line, (name, n) in zip(lines[1:13], networks, strict=True):
        assert line.startswith(f"{name} of {n} vectors of 384: ")
    assert lines[13].startswith("BEBR256x6, packed codes of 1000 vectors: ")
    for line, name in zip(lines[14:16], ("IndexSDC", "IndexSDCFastScan"), strict=True):
        assert line.startswith(f"{name}, one query, 2000 codes of 66 bytes: ")


def test_binary_contenders_hold_the_same_codes():
    contenders = speed_cases.binary(256, 300)
    assert [one.index.ntotal for one in contenders] == [300] * 4
    queries = contenders[0].queries[:3]
    expected = contenders[0].index.search(queries, 5)[0]
    np.testing.assert_array_equal(contenders[1].index.search(queries, 5)[0], expected)


def test_binary_inverted_files_have_the_same_lists():
    reference, *ours = speed_cases.binary_ivf(256, 900, nlist=20)
    sizes = [reference.index.invlists.list_size(i) for i in range(20)]
    for one in ours:
        lists = one.index.invlists
        assert [lists.list_size(i) for i in range(20)] == sizes
    for one in (reference, ours[0]):
        one.index.nprobe = 3
    queries = reference.queries[:5]
    np.testing.assert_array_equal(
        ours[0].index.search(queries, 5)[0], reference.index.search(queries, 5)[0]
    )


def test_cases_share_a_network(embeddings):
    data = Embeddings(embeddings[200:], np.concatenate([embeddings[:200]] * 50))
    cases = speed_cases.Cases(data, "BEBR16x2", (16, 16))
    first, second = cases.contender("BEBR16x2,SDC2"), cases.contender("BEBR16x2,SDC1")
    networks = [
        faiss.downcast_VectorTransform(one.index.chain.at(0)) for one in (first, second)
    ]
    x = data.queries[:5]
    np.testing.assert_array_equal(networks[0].apply(x), networks[1].apply(x))
    assert 0 < second.recall <= 1 and first.recall > second.recall
    assert (first.bytes_per_vector, second.bytes_per_vector) == (6, 4)
    by_hand = cases.contender(f"{cases.planes},SDC")
    transform = faiss_bebr.downcast_VectorTransform(by_hand.index.chain.at(0))
    assert transform.quantizes_uniformly()
    assert by_hand.bytes_per_vector == 5 and by_hand.recall > second.recall


def test_given_strings_are_compared(embeddings):
    data = Embeddings(embeddings[200:], np.concatenate([embeddings[:200]] * 50))
    by_product, by_distance = (
        speed_cases.given(data, ["Flat", "SDC4"], metric)
        for metric in (faiss.METRIC_INNER_PRODUCT, faiss.METRIC_L2)
    )
    assert [one.name for one in by_product] == ["Flat", "SDC4"]
    assert by_product[0].recall == 1 > by_product[1].recall > 0.7
    assert by_distance[1].index.metric_type == faiss.METRIC_L2
    assert by_product[1].bytes_per_vector == embeddings.shape[1] // 2 + 1


def test_parameters_of_a_search_follow_a_space(embeddings):
    data = Embeddings(embeddings[200:], np.concatenate([embeddings[:200]] * 50))
    one_pass, two_passes = speed_cases.given(
        data, ["SDC4fs", "SDC4fs first_nbits=1,k_factor=1.2"]
    )
    assert (two_passes.index.first_nbits, two_passes.index.k_factor) == (
        1,
        pytest.approx(1.2),
    )
    assert two_passes.name == "SDC4fs first_nbits=1,k_factor=1.2"
    assert two_passes.recall < one_pass.recall
    with pytest.raises(RuntimeError, match="could not set parameter"):
        speed_cases.given(data, ["SDC4fs nprobe=4"])


@pytest.mark.parametrize("nbits", [1, 2, 3])
def test_documents_of_few_planes(nbits, embeddings):
    transform = roofline.random_network(embeddings.shape[1], [32] * 3)[0]
    coded = trained.apply_planes(transform, embeddings, nbits)
    if nbits == 3:
        np.testing.assert_array_equal(coded, transform.apply(embeddings))
    shallow = faiss_bebr.IndexSDC(32, nbits)
    np.testing.assert_array_equal(shallow.sa_decode(shallow.sa_encode(coded)), coded)
