"""ParameterSpace over this package's indexes, in FAISS's containers."""

from __future__ import annotations

import itertools
from typing import Any

import faiss
import numpy as np
import pytest

import faiss_bebr

D = 32
STOCK = [
    "Flat",
    "IVF16,Flat",
    "IVF16_HNSW8,PQ4x4",
    "PQ8x4",
    "IVF16,PQ8",
    "IVF16,PQ4+4",
    "IMI2x3,SQ8",
    "HNSW8",
    "PCA16,IVF16,SQ8,RFlat",
    "IVF16(HNSW8,SQ8),Flat",
]


def ranges(space: Any) -> dict[str, list[float]]:
    return {
        each.name: faiss.vector_to_array(each.values).tolist()
        for each in map(space.parameter_ranges.at, range(space.parameter_ranges.size()))
    }


def explored(index: Any) -> dict[str, list[float]]:
    space = faiss_bebr.ParameterSpace()
    space.initialize(index)
    return ranges(space)


def downcast(index: Any, *names: str) -> Any:
    """The index below, as the class that it is."""
    for name in names:
        index = faiss_bebr.downcast_index(getattr(index, name))
    return index


@pytest.mark.parametrize("text", STOCK)
def test_stock_indexes_have_the_parameters_of_faiss(text):
    index = faiss.index_factory(D, text)
    stock = faiss.ParameterSpace()
    stock.initialize(index)
    assert explored(index) == ranges(stock)
    # and through containers that FAISS does not look into
    for container in (faiss.IndexIDMap2(index), faiss.IndexShards(D)):
        if isinstance(container, faiss.IndexShards):
            container.add_shard(index)
        assert explored(container) == ranges(stock)


POWERS = [float(2**i) for i in range(13)]
TWO_PASSES = [2, 4, 8, 16, 32, 64, 1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("IVF16,SDC4", {"nprobe": POWERS[:4]}),
        ("BEBR16x2,IVF16,SDC2", {"nprobe": POWERS[:4]}),
        ("IDMap2,BEBR16x2,IVF16,SDC2", {"nprobe": POWERS[:4]}),
        (
            "IDMap,L2norm,BEBR16x2,IVF64_HNSW8,SDC2,RFlat",
            {
                "k_factor_rf": POWERS[:7],
                "nprobe": POWERS[:6],
                "quantizer_efSearch": POWERS[2:10],
            },
        ),
        (
            "IVF64(PCA16,HNSW8,SDC2),Flat",
            {"nprobe": POWERS[:6], "quantizer_efSearch": POWERS[2:10]},
        ),
        ("HNSW8,SDC4", {"efSearch": POWERS[2:10]}),
        ("IMI2x2,SDC4", {"nprobe": POWERS[:4], "max_codes": POWERS[8:13]}),
        ("SDC1", {}),
        ("IDMap,SDC2", {"k_factor": TWO_PASSES, "first_nbits": [1]}),
        ("BEBR16x4,SDC3", {"k_factor": TWO_PASSES, "first_nbits": [1, 2]}),
        (
            "IDMap2,PCA16,SDC3fs,RFlat",
            {
                "k_factor_rf": POWERS[:7],
                "k_factor": TWO_PASSES,
                "first_nbits": [1, 2],
            },
        ),
        (
            "IVF16(SDC3),Flat",
            {
                "nprobe": POWERS[:4],
                "quantizer_k_factor": TWO_PASSES,
                "quantizer_first_nbits": [1, 2],
            },
        ),
    ],
)
def test_ranges(text, expected):
    found = explored(faiss_bebr.index_factory(D, text))
    assert {name: found[name][: len(expected[name])] for name in expected} == expected
    assert found.keys() == expected.keys() or text.startswith("IMI")


def test_empty_groups_have_no_parameters():
    for group in (faiss.IndexShards(D), faiss.IndexReplicas(D)):
        assert explored(group) == {}


def test_set_through_containers():
    space = faiss_bebr.ParameterSpace()
    text = "IDMap2,BEBR16x2,IVF64_HNSW8,SDC2,Refine(SQfp16)"
    parts = [faiss_bebr.index_factory(D, text) for _ in range(2)]
    shards = faiss.IndexShards(D, True)
    replicas = faiss.IndexReplicas(D, True)
    shards.add_shard(parts[0])
    replicas.addIndex(parts[1])
    for index in (shards, replicas):
        space.set_index_parameters(
            index,
            "nprobe=5,max_codes=321,quantizer_efSearch=77,quantizer_verbose=1,"
            "k_factor_rf=9,efConstruction=44",
        )
    for index in parts:
        refine = downcast(index, "index")
        ivf = downcast(refine, "base_index", "index")
        graph = downcast(ivf, "quantizer")
        assert refine.k_factor == 9
        assert (ivf.nprobe, ivf.max_codes) == (5, 321)
        assert (graph.hnsw.efSearch, graph.hnsw.efConstruction) == (77, 44)
        assert graph.verbose
        assert not ivf.verbose


def test_two_passes(embeddings):
    x, queries = embeddings[:1400], embeddings[1400:]
    flat = faiss_bebr.IndexSDC(D, 4)
    index = faiss.IndexIDMap(add_to(faiss.IndexShards(D), flat))
    flat.is_trained = False
    index.train(x)
    index.add_with_ids(x, np.arange(len(x)))
    space = faiss_bebr.ParameterSpace()
    for k_factor, first_nbits in ((1, 1), (2, 1), (8, 3)):
        space.set_index_parameters(
            index, f"k_factor={k_factor},first_nbits={first_nbits}"
        )
        assert (flat.k_factor, flat.first_nbits) == (k_factor, first_nbits)
        params = faiss_bebr.SearchParametersSDC(
            k_factor=k_factor, first_nbits=first_nbits
        )
        for ours, theirs in zip(
            index.search(queries, 5),
            flat.search(queries, 5, params=params),
            strict=True,
        ):
            np.testing.assert_array_equal(ours, theirs)
    for name, value in (
        ("k_factor", 0.5),
        ("k_factor", float("inf")),
        ("k_factor", float("nan")),
        ("first_nbits", 0),
        ("first_nbits", 5),
    ):
        with pytest.raises(RuntimeError, match=f"{name} must be .*, got {value:g}"):
            space.set_index_parameter(index, name, value)
    assert (flat.k_factor, flat.first_nbits) == (8, 3)
    # a graph does not search its storage
    graph = faiss_bebr.index_factory(D, "HNSW8,SDC4")
    with pytest.raises(RuntimeError, match="could not set parameter k_factor"):
        space.set_index_parameter(graph, "k_factor", 2)


def test_combinations_by_number():
    index = faiss_bebr.index_factory(D, "BEBR16x2,IVF64_HNSW8,SDC2")
    space = faiss_bebr.ParameterSpace()
    space.initialize(index)
    ivf = downcast(index, "index")
    for number in range(0, space.n_combinations(), 7):
        name = space.combination_name(number)
        wanted = dict(each.split("=") for each in name.split(","))
        space.set_index_parameters(index, number)
        assert ivf.nprobe == float(wanted["nprobe"])
        graph = downcast(ivf, "quantizer")
        assert graph.hnsw.efSearch == float(wanted["quantizer_efSearch"])


def test_unknown_parameters():
    space = faiss_bebr.ParameterSpace()
    for text in ("SDC4", "IVF4,SDC4", "HNSW8,SDC4", "BEBR16x2,SDC2,RFlat"):
        index = faiss_bebr.index_factory(D, text)
        for name in ("foo", "quantizer_foo", "ht"):
            # of a coarse quantizer's it names the rest
            named = name.removeprefix("quantizer_")
            with pytest.raises(
                RuntimeError, match=f"could not set parameter .*{named}"
            ):
                space.set_index_parameter(index, name, 3)
    with pytest.raises(RuntimeError, match="could not set parameter nprobe"):
        space.set_index_parameter(faiss_bebr.index_factory(D, "SDC4"), "nprobe", 3)
    with pytest.raises(RuntimeError, match="could not interpret"):
        space.set_index_parameters(faiss_bebr.index_factory(D, "IVF4,SDC4"), "nprobe=x")


def binary_containers() -> list[tuple[Any, Any]]:
    """An index and the inverted file in it."""
    found = []
    for wrap in (
        lambda ivf: ivf,
        faiss.IndexBinaryIDMap,
        faiss.IndexBinaryIDMap2,
        lambda ivf: add_to(faiss.IndexBinaryShards(64), ivf),
        lambda ivf: add_to(faiss.IndexBinaryReplicas(64, True), ivf),
        lambda ivf: faiss.IndexBinaryIDMap(add_to(faiss.IndexBinaryShards(64), ivf)),
    ):
        ivf = faiss_bebr.index_binary_factory(64, "BIVF16_HNSW8,BSDC1")
        found.append((wrap(ivf), ivf))
    return found


def add_to(group: Any, index: Any) -> Any:
    group.addIndex(index)
    group.referenced_objects = [index]
    return group


def test_binary_indexes():
    space = faiss_bebr.ParameterSpace()
    for index, ivf in binary_containers():
        space.set_index_parameters(index, "nprobe=7,max_codes=99,efSearch=55")
        graph = faiss_bebr.downcast_IndexBinary(ivf.quantizer)
        assert (ivf.nprobe, ivf.max_codes, graph.hnsw.efSearch) == (7, 99, 55)
        space.set_index_parameter(index, "quantizer_efSearch", 66)
        space.set_index_parameter(index, "efConstruction", 33)
        space.set_index_parameter(index, "max_codes", 1e30)
        assert ivf.max_codes == 0
        space.set_index_parameter(index, "max_codes", 5)
        space.set_index_parameter(index, "max_codes", float("inf"))
        space.set_index_parameter(index, "verbose", 1)
        assert (graph.hnsw.efSearch, graph.hnsw.efConstruction) == (66, 33)
        assert ivf.max_codes == 0
        assert ivf.verbose
        for name, value, named in (
            ("foo", 1, "foo"),
            ("quantizer_foo", 1, "foo"),
            ("nprobe", 0, r"nprobe must be in 1\.\.2147483647, got 0"),
            ("nprobe", float("nan"), "nprobe must be in .* got nan"),
            ("nprobe", float("inf"), "nprobe must be in .* got inf"),
            ("nprobe", 1e30, r"nprobe must be in .* got 1e\+30"),
            ("max_codes", -1, "max_codes is negative: -1"),
        ):
            with pytest.raises(RuntimeError, match=named):
                space.set_index_parameter(index, name, value)
        assert (ivf.nprobe, ivf.max_codes) == (7, 0)


def test_binary_stock_indexes():
    space = faiss_bebr.ParameterSpace()
    index = faiss.index_binary_factory(64, "BIVF16")
    space.set_index_parameters(index, "nprobe=7")
    assert index.nprobe == 7
    ivf = faiss_bebr.index_factory(64, "IVF16,SDC4")
    space.set_index_parameters(faiss.IndexBinaryFromFloat(ivf), "nprobe=5")
    assert ivf.nprobe == 5
    with pytest.raises(RuntimeError, match="could not set parameter nprobe"):
        space.set_index_parameter(faiss_bebr.IndexBinarySDC(64, 2), "nprobe", 3)


def test_parameters_change_searches(rng):
    x = rng.standard_normal((600, D)).astype(np.float32)
    index = faiss_bebr.index_factory(D, "IDMap,IVF16,SDC4")
    index.train(x)
    index.add_with_ids(x, np.arange(600))
    space = faiss_bebr.ParameterSpace()
    ivf = downcast(index, "index")
    for nprobe in (1, 4, 16):
        space.set_index_parameters(index, f"nprobe={nprobe}")
        params = faiss.SearchParametersIVF(nprobe=nprobe)
        for ours, theirs in zip(
            index.search(x[:50], 5), ivf.search(x[:50], 5, params=params), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("n_experiments", [0, 8])
@pytest.mark.parametrize("criterion", [faiss.OneRecallAtRCriterion, None])
def test_explore(criterion, n_experiments, embeddings):
    x, queries = embeddings[:1400], embeddings[1400:]
    index = faiss_bebr.index_factory(D, "IDMap2,IVF32_HNSW8,SDC6,RFlat")
    index.train(x)
    index.add_with_ids(x, np.arange(len(x)))
    exact = faiss.IndexFlatL2(D)
    exact.add(x)
    D_exact, I_exact = exact.search(queries, 10)
    criterion = (criterion or faiss.IntersectionCriterion)(len(queries), 10)
    criterion.set_groundtruth(D_exact, I_exact)

    space = faiss_bebr.ParameterSpace()
    space.verbose = 0
    space.n_experiments = n_experiments
    space.initialize(index)
    points = space.explore(index, queries, criterion)
    if n_experiments == 0:
        assert points.all_pts.size() == space.n_combinations() > 100
    else:  # those that cannot be optimal are left out
        assert 2 <= points.all_pts.size() <= n_experiments
    optimal = [points.optimal_pts.at(i) for i in range(points.optimal_pts.size())]
    best = optimal[-1]
    assert best.perf > 0.95
    assert all(a.perf < b.perf and a.t < b.t for a, b in itertools.pairwise(optimal))
    # the key of a point sets the parameters that gave it
    space.set_index_parameters(index, best.key)
    D_again, I_again = index.search(queries, 10)
    again = criterion.evaluate(faiss.swig_ptr(D_again), faiss.swig_ptr(I_again))
    assert again == pytest.approx(best.perf, abs=1e-9)
    wanted = dict(each.split("=") for each in best.key.split(","))
    ivf = downcast(index, "index", "base_index")
    assert ivf.nprobe == float(wanted["nprobe"])
