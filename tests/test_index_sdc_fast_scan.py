"""IndexSDCFastScan against IndexSDC, which it equals to the last bit."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import faiss
import numpy as np
import pytest
from factory_strings import make_binarizer
from sdc_data import IP, L2, clustered_vectors, random_map, random_vectors

import faiss_bebr
from faiss_bebr import factory_tools

# planes, d, centroids: codes of one byte to those that fill several registers
SHAPES = [([8], 8, 0), ([64, 64], 64, 0), ([72, 40, 8], 80, 0), ([72, 40, 8], 80, 300)]
SHAPES += [([40] * 8, 40, 0), ([64, 32], 64, 9)]
N = 2500


def make_pair(
    widths: list[int], d: int, ncentroids: int, metric: int, scale_bytes: int
) -> tuple[Any, Any, np.ndarray]:
    """Both indexes, trained and filled alike, and queries."""
    x, queries = clustered_vectors(N, 70, d)
    pair = []
    for the_class in (faiss_bebr.IndexSDC, faiss_bebr.IndexSDCFastScan):
        index = the_class(widths, metric, d, ncentroids)
        index.cp.niter = 2
        index.cp.min_points_per_centroid = 1
        index.set_query_map(*random_map(np.random.default_rng(5), d))
        index.set_scale_bytes(scale_bytes)
        index.is_trained = False
        index.train(x)
        index.add(x)
        pair.append(index)
    return pair[0], pair[1], queries


def assert_same(
    rows: Any, columns: Any, queries: np.ndarray, k: int, **kwargs: Any
) -> None:
    expected = rows.search(queries, k, **kwargs)
    found = columns.search(queries, k, **kwargs)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("scale_bytes", [1, 2])
@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize(("widths", "d", "ncentroids"), SHAPES)
def test_same_results(widths, d, ncentroids, metric, scale_bytes, simd_level):
    rows, columns, queries = make_pair(widths, d, ncentroids, metric, scale_bytes)
    assert columns.ntotal == N
    assert columns.sa_code_size() == rows.sa_code_size() == columns.code_size
    np.testing.assert_array_equal(columns.centroids, rows.centroids)
    np.testing.assert_array_equal(columns.reconstruct_n(), rows.reconstruct_n())
    np.testing.assert_array_equal(
        columns.quantize_queries(queries), rows.quantize_queries(queries)
    )
    members = faiss.IDSelectorBatch(np.arange(7, N, 5))
    for nq, k in ((1, 10), (3, 100), (70, 10), (1, N), (5, 1)):
        assert_same(rows, columns, queries[:nq], k)
    for sel in (members, faiss.IDSelectorRange(100, 164), faiss.IDSelectorNot(members)):
        params = faiss.SearchParameters(sel=sel)
        for nq in (1, 20):
            assert_same(rows, columns, queries[:nq], 9, params=params)
    for first_nbits in range(1, len(widths) + 1):
        params = faiss_bebr.SearchParametersSDC(k_factor=3.5, first_nbits=first_nbits)
        for nq, k in ((1, 10), (5, 1), (3, 40), (70, 10)):
            assert_same(rows, columns, queries[:nq], k, params=params)
        params.sel = members
        assert_same(rows, columns, queries[:9], 7, params=params)
    radius = rows.search(queries[:1], 30)[0][0, -1].item()
    for nq in (1, 20):
        for expected, found in zip(
            rows.range_search(queries[:nq], radius),
            columns.range_search(queries[:nq], radius),
            strict=True,
        ):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("nq", [1, 40, 300])
def test_threads_do_not_change_results(nq, nthreads, rng):
    rows = faiss_bebr.IndexSDC(64, 2, IP)
    # few different documents, so that ties are the rule
    rows.add(np.tile(random_vectors(rng, 40, 64), (100, 1)))
    queries = random_vectors(rng, nq, 64)
    for k_factor in (1, 3):
        rows.k_factor = k_factor
        columns = faiss_bebr.IndexSDCFastScan(rows)
        for k in (5, 30):
            assert_same(rows, columns, queries, k)
            D, I = columns.search(queries, k)
            tied = np.diff(D, axis=1) == 0
            assert tied.any() and (np.diff(I, axis=1)[tied] > 0).all()


def test_two_passes_of_the_index():
    rows = faiss_bebr.IndexSDC(64, 4, IP)
    x, queries = clustered_vectors(1000, 30, 64)
    rows.add(x)
    one_pass = rows.search(queries, 10)
    rows.k_factor, rows.first_nbits = 1.5, 2
    columns = faiss_bebr.IndexSDCFastScan(rows)
    assert (columns.k_factor, columns.first_nbits) == (1.5, 2)
    assert_same(rows, columns, queries, 10)
    assert (columns.search(queries, 10)[1] != one_pass[1]).any()
    for again in (
        faiss_bebr.clone_index(columns),
        faiss_bebr.deserialize_index(faiss_bebr.serialize_index(columns)),
    ):
        assert (again.k_factor, again.first_nbits) == (1.5, 2)
        assert_same(rows, again, queries, 10)
    space = faiss_bebr.ParameterSpace()
    space.set_index_parameters(columns, "k_factor=1,first_nbits=3")
    assert (columns.k_factor, columns.first_nbits) == (1, 3)
    for found, expected in zip(columns.search(queries, 10), one_pass, strict=True):
        np.testing.assert_array_equal(found, expected)
    for name, value in (("k_factor", 0.5), ("first_nbits", 5)):
        with pytest.raises(RuntimeError, match=name):
            space.set_index_parameter(columns, name, value)
    space.initialize(columns)
    ranges = space.parameter_ranges
    assert [ranges.at(i).name for i in range(ranges.size())] == [
        "k_factor",
        "first_nbits",
    ]


@pytest.mark.parametrize("metric", [L2, IP])
def test_changes(metric, rng):
    x, queries = random_vectors(rng, 400, 64), random_vectors(rng, 30, 64)
    rows = faiss_bebr.IndexSDC(64, 3, metric)
    columns = faiss_bebr.IndexSDCFastScan(64, 3, metric)

    def check() -> None:
        assert columns.ntotal == rows.ntotal
        np.testing.assert_array_equal(columns.reconstruct_n(), rows.reconstruct_n())
        assert_same(rows, columns, queries, 5)
        assert_same(rows, columns, queries[:1], 5)

    check()
    for begin, end in ((0, 1), (1, 63), (63, 64), (64, 130), (130, 400)):
        rows.add(x[begin:end])
        columns.add(x[begin:end])
        check()
    for gone in ([399], [0], [63, 64, 65], np.arange(5, 300, 3), np.arange(100, 200)):
        assert columns.remove_ids(np.array(gone)) == rows.remove_ids(np.array(gone))
        check()
    codes = rows.sa_encode(x[:70])
    rows.add_sa_codes(codes)
    columns.add_sa_codes(codes)
    check()
    others = rows.__class__(64, 3, metric), columns.__class__(64, 3, metric)
    for index, other in zip((rows, columns), others, strict=True):
        other.add(x[:77])
        index.merge_from(other)
        assert other.ntotal == 0
    check()
    np.testing.assert_array_equal(columns.reconstruct(9), rows.reconstruct(9))
    np.testing.assert_array_equal(
        columns.reconstruct_batch([70, 3]), rows.reconstruct_batch([70, 3])
    )
    for ours, theirs in zip(
        columns.search_and_reconstruct(queries, 4),
        rows.search_and_reconstruct(queries, 4),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)
    rows.reset()
    columns.reset()
    check()
    columns.add(x[:5])
    assert columns.ntotal == 5


def test_copies_of_rows(rng):
    rows, columns, queries = make_pair([64, 32], 64, 9, IP, 1)
    again = faiss_bebr.IndexSDCFastScan(rows)
    rows.reset()
    assert_same(columns, again, queries, 7)
    with pytest.raises(TypeError):
        faiss_bebr.IndexSDCFastScan(faiss.IndexFlat(64))


def test_memory_is_that_of_the_codes(rng):
    index = faiss_bebr.IndexSDCFastScan(64, 2)
    x = random_vectors(rng, 500, 64)
    for _ in range(12):
        index.add(x)
    nbytes = index.ntotal * index.code_size
    assert nbytes <= index.codes.get_num_bytes() <= 1.05 * nbytes


def test_shape_of_a_binarizer(rng):
    """Which training chooses, and the index then takes."""
    x = random_vectors(rng, 300, 24)
    results = []
    for the_class in (faiss_bebr.IndexSDC, faiss_bebr.IndexSDCFastScan):
        binarizer = make_binarizer(24, [16, 16])
        binarizer.is_trained = False
        index = the_class(binarizer, 0, IP)
        assert index.follows_binarizer
        with pytest.raises(RuntimeError, match="those that training chooses"):
            index.set_scale_bytes(1)
        binarizer.set_document_code([16, 8], 5)
        binarizer.is_trained = True
        vectors = binarizer.apply(x)
        index.cp.min_points_per_centroid = 1
        index.train(vectors)
        assert not index.follows_binarizer
        assert index.ncentroids == 5
        index.add(vectors)
        results.append((index.sa_code_size(), index.search(vectors[:30], 5)))
    (size, rows), (size_of_columns, columns) = results
    assert size == size_of_columns == index.code_size
    np.testing.assert_array_equal(rows[0], columns[0])
    np.testing.assert_array_equal(rows[1], columns[1])


def test_copy_of_an_untrained_index():
    index = faiss_bebr.index_factory(32, "BEBR40B,SDCfs", IP)
    copied = faiss_bebr.clone_index(index)
    part = faiss_bebr.downcast_index(copied.index)
    assert type(part) is faiss_bebr.IndexSDCFastScan
    assert part.follows_binarizer
    assert factory_tools.reverse_index_factory(copied) == "BEBR40B,SDCfs"


def test_factory_strings():
    for text, widths, ncentroids, scale_bytes in (
        ("SDC2fs", [24, 24], 0, 1),
        ("SDC16-8fs", [16, 8], 0, 1),
        ("SDC16-8_9fs_Sfp16", [16, 8], 9, 2),
    ):
        index = faiss_bebr.index_factory(24, text, IP)
        assert type(index) is faiss_bebr.IndexSDCFastScan
        assert faiss.vector_to_array(index.sdc.layout.plane_widths).tolist() == widths
        assert index.ncentroids == ncentroids
        assert index.sdc.scale_bytes == scale_bytes
        assert index.metric_type == IP
        assert not index.is_trained
    for text in ("HNSW8,SDC2fs", "IVF4,SDC2fs", "BEBR16x2,IVF4,SDCfs"):
        with pytest.raises(ValueError, match="only flat codes lie side by side"):
            faiss_bebr.index_factory(24, text)
    for text in ("SDCfs", "SDCfs_Sfp16", "SDC2fsfs", "SDC2_Sfp16fs", "BSDC2fs"):
        with pytest.raises(ValueError, match="SDC"):
            faiss_bebr.index_factory(24, text)


def test_inside_faiss_containers(rng):
    x, queries = random_vectors(rng, 300, 64), random_vectors(rng, 30, 64)
    for make in (
        lambda index: faiss.IndexRefine(faiss.IndexFlat(64), index),
        lambda index: faiss.IndexIDMap2(index),
        lambda index: faiss.IndexRefineFlat(index),
    ):
        results = []
        for the_class in (faiss_bebr.IndexSDC, faiss_bebr.IndexSDCFastScan):
            part = the_class(64, 4)
            index = make(part)
            if isinstance(index, faiss.IndexIDMap):
                index.add_with_ids(x, np.arange(300) + 50)
            else:
                index.add(x)
                index.k_factor = 3
            results.append(index.search(queries, 6))
        np.testing.assert_array_equal(results[1][0], results[0][0])
        np.testing.assert_array_equal(results[1][1], results[0][1])


def test_pickle_and_attributes(rng):
    _, index, queries = make_pair([64, 32], 64, 9, L2, 1)
    for again in (pickle.loads(pickle.dumps(index)), copy.deepcopy(index)):
        assert type(again) is faiss_bebr.IndexSDCFastScan
        assert_same(index, again, queries, 5)
        assert again.cp.niter == 2
        again.add(queries)
        assert again.ntotal == N + 70
    with pytest.raises(AttributeError):
        index.sdc.scale_type = faiss_bebr.Scale_cosine
    for name in ("codes", "code_size", "sdc"):
        with pytest.raises(AttributeError):
            setattr(index, name, None)


def test_bad_input(rng):
    x = random_vectors(rng, 120, 64)
    index = faiss_bebr.IndexSDCFastScan(64, 2)
    index.add(x)
    before = index.reconstruct_n()
    bad = x.copy()
    bad[100, 3] = np.nan
    for call in (index.add, lambda x: index.search(x, 2), index.sa_encode):
        with pytest.raises(RuntimeError, match=r"x\[100, 3\] is NaN or infinite"):
            call(bad)
    with pytest.raises(ValueError, match="x must have shape"):
        index.add(x[:, :-8])
    with pytest.raises(ValueError, match="codes must have shape"):
        index.add_sa_codes(index.sa_encode(x)[:, :-1])
    with pytest.raises(ValueError, match="k must be"):
        index.search(x, 0)
    with pytest.raises(ValueError, match="key must be in 0..119"):
        index.reconstruct(120)
    for params, text in (
        (faiss.SearchParametersIVF(), "takes SearchParametersSDC"),
        (faiss_bebr.SearchParametersSDC(k_factor=0.5), "k_factor must be at least 1"),
        (faiss_bebr.SearchParametersSDC(first_nbits=3), "first_nbits must be in 1..2"),
    ):
        with pytest.raises(RuntimeError, match=text):
            index.search(x, 2, params=params)
        with pytest.raises(RuntimeError, match=text):
            index.range_search(x, 1.0, params=params)
    with pytest.raises(RuntimeError, match="radius is NaN"):
        index.range_search(x, np.nan)
    for change in (
        lambda: index.set_query_map(np.ones(64), np.zeros(64)),
        lambda: index.set_scale_type(faiss_bebr.Scale_cosine),
        lambda: index.set_scale_bytes(1),
    ):
        with pytest.raises(RuntimeError, match="stored codes"):
            change()
    for other in (
        index,
        faiss_bebr.IndexSDC(64, 2),
        faiss_bebr.IndexSDCFastScan(64, 3),
        faiss_bebr.IndexSDCFastScan(64, 2, IP),
    ):
        with pytest.raises(RuntimeError, match="merge|planes|metric|codes"):
            index.merge_from(other)

    def fail_late(i: int) -> bool:
        if i == 50:
            raise ValueError("from the selector")
        return i % 2 == 0

    with pytest.raises(ValueError, match="from the selector"):
        index.remove_ids(faiss.PyCallbackIDSelector(fail_late))
    np.testing.assert_array_equal(index.reconstruct_n(), before)
    untrained = faiss_bebr.IndexSDCFastScan([64], L2, 64, 5)
    for call in (untrained.add, lambda x: untrained.search(x, 2)):
        with pytest.raises(RuntimeError, match="not trained"):
            call(x)
    numbers = faiss_bebr.IndexSDCFastScan([64], L2, 64, 5)
    numbers.cp.min_points_per_centroid = 1
    numbers.train(x)
    codes = numbers.sa_encode(x)
    codes[7, -1] = 200
    with pytest.raises(RuntimeError, match="centroid"):
        numbers.add_sa_codes(codes)
    assert numbers.ntotal == 0
    with pytest.raises(RuntimeError, match="width|nbits"):
        faiss_bebr.IndexSDCFastScan(63, 1)


def test_binarizer_stays_until_training():
    binarizer = make_binarizer(24, [16, 16])
    binarizer.is_trained = False
    index = faiss_bebr.IndexSDCFastScan(binarizer, 2)
    assert index.referenced_objects == [binarizer]
    with pytest.raises(RuntimeError, match="train the binarizer before the index"):
        index.train(np.zeros((3, 16), np.float32))
    linked = faiss_bebr.IndexSDCFastScan([16, 16])
    linked.is_trained = False
    linked.link_binarizer(binarizer)
    binarizer.is_trained = True
    for each in (index, linked):
        each.train(np.zeros((3, 16), np.float32))
        assert each.is_trained
        np.testing.assert_array_equal(
            faiss.vector_to_array(each.sdc.query_weight),
            faiss.vector_to_array(binarizer.query_weight),
        )


@pytest.mark.parametrize("name", ["IndexSDC", "IndexSDCFastScan"])
def test_training_with_stored_codes(name, rng):
    x = random_vectors(rng, 3000, 64)
    index = getattr(faiss_bebr, name)(64, 3)
    index.is_trained = False
    index.train(x)
    index.add(x)
    before = index.search(x[:1], 10)
    index.train(x)  # it is trained: nothing to do
    index.is_trained = False
    with pytest.raises(RuntimeError, match="stored codes"):
        index.train(x / 10)
    index.is_trained = True
    np.testing.assert_array_equal(index.search(x[:1], 10)[0], before[0])


@pytest.mark.parametrize("name", ["IndexSDC", "IndexSDCFastScan"])
def test_failed_training_changes_nothing(name):
    binarizer = make_binarizer(24, [16, 16])
    binarizer.is_trained = False
    index = getattr(faiss_bebr, name)(binarizer, 0, IP)
    size = index.sa_code_size()
    binarizer.set_document_code([16, 8], 5)
    binarizer.is_trained = True
    with pytest.raises(RuntimeError, match="NaN"):
        index.train(np.full((100, 16), np.nan, np.float32))
    assert index.code_size == index.sa_code_size() == size
    assert index.ncentroids == 0
    assert index.follows_binarizer and not index.is_trained


def test_clustering_parameters_can_be_set():
    index = faiss_bebr.IndexSDCFastScan([64], L2, 64, 5)
    cp = faiss.ClusteringParameters()
    cp.niter = 3
    index.cp = cp
    assert index.cp.niter == 3


def test_files_have_the_codes_that_there_are(rng, tmp_path):
    index = faiss_bebr.IndexSDCFastScan(64, 2)
    index.add(random_vectors(rng, 100, 64))
    index.ntotal = 500  # which FAISS lets anybody set
    faiss_bebr.write_index(index, str(tmp_path / "index.bebr"))
    again = faiss_bebr.read_index(str(tmp_path / "index.bebr"))
    assert again.ntotal == 100
    np.testing.assert_array_equal(
        again.search(again.reconstruct_n(), 3)[1],
        index.search(again.reconstruct_n(), 3)[1],
    )
