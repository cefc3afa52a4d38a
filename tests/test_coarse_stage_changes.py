"""The coarse first stage of IndexSDC: changes, containers, links to binarizers, and
what is refused."""

from __future__ import annotations

import copy
import gc
import pickle

import faiss
import numpy as np
import pytest
from coarse_data import coarse_vectors, get_widths, make_coarse, split_codes
from comparisons import assert_same
from factory_strings import make_binarizer, set_weights
from reference import exact_neighbors, recall
from sdc_data import IP, L2, get_range, make_index

import faiss_bebr

WIDTHS, D, NCENTROIDS = [40, 24, 8], 53, 16


@pytest.fixture
def x(rng) -> np.ndarray:
    return coarse_vectors(rng, 300, D)


def make(metric: int = IP, ncentroids: int = NCENTROIDS):
    return make_coarse(WIDTHS, D, ncentroids, metric)


def test_remove_merge_reset(x):
    index, other = make(), make()
    index.add(x[:120])
    other.add(x[120:])
    codes = index.sa_encode(x)
    index.merge_from(other)
    assert (index.ntotal, other.ntotal) == (300, 0)
    np.testing.assert_array_equal(index.reconstruct_n(), index.sa_decode(codes))
    assert index.remove_ids(np.array([0, 7, 299])) == 3
    left = np.delete(codes, [0, 7, 299], axis=0)
    np.testing.assert_array_equal(index.reconstruct_n(), index.sa_decode(left))
    index.reset()
    assert index.ntotal == 0
    assert index.centroids.shape == (NCENTROIDS, D)
    index.add_sa_codes(left)
    np.testing.assert_array_equal(index.reconstruct_n(), index.sa_decode(left))
    np.testing.assert_array_equal(index.reconstruct(5), index.sa_decode(left)[5])


@pytest.mark.parametrize("other", ["ncentroids", "centroids", "d", "range"])
def test_indexes_that_do_not_merge(other, x):
    index = make()
    if other == "ncentroids":
        second = make(ncentroids=17)
    elif other == "centroids":
        second = faiss_bebr.IndexSDC(WIDTHS, IP, D, NCENTROIDS)
        second.train(2 * x)
    elif other == "d":
        second = make_coarse(WIDTHS, D + 1, NCENTROIDS)
    else:
        index = faiss_bebr.IndexSDC(WIDTHS, IP, D)
        second = faiss_bebr.IndexSDC(WIDTHS, IP, D)
        second.is_trained = False
        second.train(x)
    named = "centroids|plane widths|range|dimension"
    with pytest.raises(RuntimeError, match=named):
        index.check_compatible_for_merge(second)
    with pytest.raises(RuntimeError, match=named):
        index.merge_from(second)


@pytest.mark.parametrize("metric", [L2, IP])
def test_copies(metric, x, tmp_path):
    index = make(metric)
    index.add(x)
    expected = index.search(x[:20], 9)
    path = tmp_path / "index"
    faiss_bebr.write_index(index, str(path))
    copies = {
        "clone": faiss_bebr.clone_index(index),
        "file": faiss_bebr.read_index(str(path)),
        "mapped": faiss_bebr.read_index(str(path), faiss.IO_FLAG_MMAP),
        "pickle": pickle.loads(pickle.dumps(index)),
        "deepcopy": copy.deepcopy(index),
    }
    for name, other in copies.items():
        assert_same(other.search(x[:20], 9), expected)
        assert (other.ncentroids, other.d, other.cp.niter) == (NCENTROIDS, D, 4), name
        np.testing.assert_array_equal(other.centroids, index.centroids)
        np.testing.assert_array_equal(other.sa_encode(x), index.sa_encode(x))
        if name != "mapped":
            other.add(x)
            assert other.ntotal == 600
    untrained = faiss_bebr.IndexSDC(WIDTHS, metric, D, NCENTROIDS)
    untrained.cp.niter = 3
    other = faiss_bebr.deserialize_index(faiss_bebr.serialize_index(untrained))
    assert (other.is_trained, other.ncentroids, other.cp.niter) == (False, 16, 3)
    for trained in (untrained, other):
        trained.train(x)
    np.testing.assert_array_equal(other.centroids, untrained.centroids)


@pytest.mark.parametrize("metric", [L2, IP])
def test_containers(metric, x, rng):
    plain = make(metric)
    plain.add(x)
    queries = coarse_vectors(rng, 30, D)
    D_plain, I_plain = plain.search(queries, 6)

    ids = rng.permutation(5000)[:300]
    mapped = faiss.IndexIDMap2(make(metric))
    mapped.add_with_ids(x, ids)
    assert_same(mapped.search(queries, 6), (D_plain, ids[I_plain]))

    chained = faiss.IndexPreTransform(
        faiss.RandomRotationMatrix(D, D),
        faiss_bebr.IndexSDC(WIDTHS, metric, D, NCENTROIDS),
    )
    assert not chained.is_trained
    chained.train(x)
    chained.add(x)
    assert chained.search(queries, 6)[1].shape == (30, 6)

    refined = faiss.IndexRefineFlat(make(metric))
    refined.add(x)
    refined.k_factor = 20
    exact = faiss.IndexFlat(D, metric)
    exact.add(x)
    found = refined.search(queries, 1)[1] == exact.search(queries, 1)[1]
    assert found.mean() > 0.9


@pytest.mark.parametrize("metric", [L2, IP])
def test_graph(metric, rng):
    x, queries = coarse_vectors(rng, 2000, D)[100:], coarse_vectors(rng, 80, D)[5:]
    storage = make(metric)
    flat = faiss_bebr.clone_index(storage)
    graph = faiss.IndexHNSW(storage, 16)
    graph.add(x)
    flat.add(x)
    graph.hnsw.efSearch = 100
    D_graph, I_graph = graph.search(queries, 10)
    D_flat, I_flat = flat.search(queries, 10)
    assert recall(I_graph, I_flat) > 0.95
    same = I_graph == I_flat
    np.testing.assert_array_equal(D_graph[same], D_flat[same])


def test_graph_of_an_untrained_storage(rng):
    x = coarse_vectors(rng, 400, D)
    graph = faiss.IndexHNSW(faiss_bebr.IndexSDC(WIDTHS, IP, D, NCENTROIDS), 8)
    graph.is_trained = False
    graph.train(x)
    graph.add(x)
    assert graph.search(x[:3], 4)[1].shape == (3, 4)


class TestBinarizer:
    """Links to binarizers, whose output has three planes of 24 dimensions."""

    D_IN, DEEP = 24, [24, 24, 24]

    def train(self, index, binarizer, x):
        if not binarizer.is_trained:
            with pytest.raises(RuntimeError, match="train the binarizer"):
                index.train(x)
            set_weights(binarizer)
        index.train(x)

    @pytest.mark.parametrize("trained_first", [False, True])
    @pytest.mark.parametrize("ncentroids", [0, 9])
    @pytest.mark.parametrize("widths", [[24, 24], [24, 16, 8], [16], [24, 24, 24]])
    def test_code_of_explicit_widths(self, widths, ncentroids, trained_first, rng):
        binarizer = faiss_bebr.BinarizerTransform(self.D_IN, self.DEEP)
        if trained_first:
            set_weights(binarizer)
        # what training aims at is something else
        binarizer.set_document_code([8], 3)
        index = faiss_bebr.IndexSDC(binarizer, widths, IP, ncentroids)
        is_prefix = widths == self.DEEP[: len(widths)] and not ncentroids
        assert index.is_trained == (trained_first and is_prefix)
        trained = make_binarizer(self.D_IN, self.DEEP)
        y = trained.apply(coarse_vectors(rng, 500, self.D_IN))
        if not index.is_trained:
            self.train(index, binarizer, y)
        del binarizer
        gc.collect()
        assert (get_widths(index), index.ncentroids) == (widths, ncentroids)
        assert index.d == 24
        assert (get_range(index) == 1).all() == is_prefix
        np.testing.assert_array_equal(
            faiss.vector_to_array(index.sdc.query_weight),
            faiss.vector_to_array(trained.query_weight),
        )
        is_full = widths == self.DEEP and not ncentroids
        assert index.sdc.scale_type == (
            faiss_bebr.Scale_cosine if is_full else faiss_bebr.Scale_unbiased
        )
        index.add(y)
        assert index.search(y[:3], 1)[1].shape == (3, 1)
        if is_prefix:
            codes = index.sa_encode(y)
            plain = make_index(self.DEEP).sa_encode(y)
            n = sum(widths) // 8
            np.testing.assert_array_equal(codes[:, :n], plain[:, :n])

    def test_index_that_follows(self, rng):
        """Shape and map are what the binarizer has after its training."""
        trained = make_binarizer(self.D_IN, self.DEEP)
        y = trained.apply(coarse_vectors(rng, 500, self.D_IN))
        for widths, ncentroids in (([24, 8], 12), ([16, 16], 0), ([24], 0), ([], 0)):
            binarizer = faiss_bebr.BinarizerTransform(self.D_IN, self.DEEP)
            index = faiss_bebr.IndexSDC(binarizer, 0, IP)
            assert (get_widths(index), index.code_size) == (self.DEEP, 11)
            assert index.sdc.scale_type == faiss_bebr.Scale_cosine
            binarizer.set_document_code(widths, ncentroids)
            self.train(index, binarizer, y)
            assert get_widths(index) == (widths or self.DEEP)
            assert index.ncentroids == ncentroids
            expected = faiss_bebr.IndexSDC(trained, widths or self.DEEP, IP, ncentroids)
            expected.train(y)
            assert index.code_size == expected.code_size
            assert index.sdc.scale_type == expected.sdc.scale_type
            np.testing.assert_array_equal(index.sa_encode(y), expected.sa_encode(y))
            index.add(y)
            index.check_compatible_for_merge(expected)

    def test_following_index_in_a_file(self, rng):
        binarizer = faiss_bebr.BinarizerTransform(self.D_IN, self.DEEP)
        chain = faiss.IndexPreTransform(
            binarizer, faiss_bebr.IndexSDC(binarizer, 0, IP)
        )
        x = coarse_vectors(rng, 500, self.D_IN)
        for other in (
            faiss_bebr.deserialize_index(faiss_bebr.serialize_index(chain)),
            faiss_bebr.clone_index(chain),
        ):
            storage = faiss_bebr.downcast_index(other.index)
            transform = faiss_bebr.downcast_VectorTransform(other.chain.at(0))
            transform.set_document_code([24, 8], 5)
            set_weights(transform)
            storage.train(transform.apply(x))
            assert (get_widths(storage), storage.ncentroids) == ([24, 8], 5)

    @pytest.mark.parametrize("metric", [L2, IP])
    @pytest.mark.parametrize("widths", [[24, 8], [24, 24], []])
    def test_inverted_file(self, widths, metric, rng):
        binarizer = faiss_bebr.BinarizerTransform(self.D_IN, self.DEEP)
        index = faiss_bebr.IndexIVFSDC(faiss.IndexFlatL2(24), binarizer, 0, 5, metric)
        # it has centroids of its own
        binarizer.set_document_code(widths, 7)
        set_weights(binarizer)
        y = binarizer.apply(coarse_vectors(rng, 500, self.D_IN))
        index.train(y)
        expected = faiss_bebr.IndexIVFSDC(
            faiss.IndexFlatL2(24), binarizer, widths or self.DEEP, 5, metric
        )
        expected.train(y)
        assert index.code_size == index.invlists.code_size == expected.code_size
        is_prefix = widths != [24, 8]
        assert (get_range(index) == 1).all() == is_prefix
        for each in (index, expected):
            each.add(y)
            each.nprobe = 5
        assert_same(index.search(y[:9], 4), expected.search(y[:9], 4))

    def test_codes_that_do_not_fit(self):
        binarizer = faiss_bebr.BinarizerTransform(32, [24, 16])
        for widths in ([32], [24, 24], [24, 16, 8]):
            with pytest.raises(RuntimeError, match="not within those|d must be"):
                faiss_bebr.IndexSDC(binarizer, widths)
            with pytest.raises(RuntimeError, match="not within those|d must be"):
                binarizer.set_document_code(widths)
        with pytest.raises(RuntimeError, match=r"ncentroids must be in 0\.\.65536"):
            binarizer.set_document_code([24], 65537)
        other = faiss_bebr.IndexSDC([24], L2, 32)
        other.is_trained = False
        with pytest.raises(RuntimeError, match="not within those"):
            other.link_binarizer(binarizer)
        assert binarizer.document_plane_widths.size() == 0


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("by_residual", [False, True])
def test_inverted_file_of_dimensions_without_bits(by_residual, metric, rng):
    x, queries = coarse_vectors(rng, 900, D)[100:], coarse_vectors(rng, 40, D)[5:]
    index = faiss_bebr.IndexIVFSDC(faiss.IndexFlatL2(D), WIDTHS, 9, metric, True, D)
    index.by_residual = by_residual
    index.learn_range = True
    index.train(x)
    index.add(x)
    assert index.code_size == 9 + 2
    index.nprobe = 9
    decoded = index.reconstruct_n()
    assert decoded.shape == (800, D)
    if not by_residual:
        assert (decoded[:, WIDTHS[0] :] == 0).all()
    D_found, I_found = index.search(queries, 800)
    for list_no in range(9):
        ids = faiss.rev_swig_ptr(
            index.invlists.get_ids(list_no), index.invlists.list_size(list_no)
        )
        list_nos = np.full(len(queries), list_no)
        q = index.quantize_queries(queries, list_nos).astype(np.float64)
        v = decoded[ids].astype(np.float64)
        if metric == IP:
            expected = q @ v.T
        else:
            expected = ((q[:, None] - v[None]) ** 2).sum(axis=2)
        for i in range(len(queries)):
            distances = dict(zip(I_found[i], D_found[i], strict=True))
            found = [distances[label] for label in ids]
            np.testing.assert_allclose(
                found, expected[i], rtol=0, atol=1e-5 * np.abs(D_found).max()
            )
    exact = faiss.IndexFlat(D, metric)
    exact.add(x)
    assert recall(I_found[:, :10], exact.search(queries, 10)[1]) > 0.3


class TestBadInput:
    def test_constructor(self):
        with pytest.raises(RuntimeError, match=r"ncentroids must be in 0\.\.65536"):
            faiss_bebr.IndexSDC([8], IP, 8, 65537)
        for d in (7, -1, 32769):
            with pytest.raises(RuntimeError, match=r"d must be in 8\.\.32768"):
                faiss_bebr.IndexSDC([8], IP, d)
        with pytest.raises(RuntimeError, match="the quantizer has d = 9"):
            faiss_bebr.IndexIVFSDC(faiss.IndexFlatL2(9), [8], 4, L2, True, 10)

    def test_untrained(self, x):
        index = faiss_bebr.IndexSDC(WIDTHS, IP, D, NCENTROIDS)
        for call in (index.add, index.sa_encode, lambda x: index.search(x, 2)):
            with pytest.raises(RuntimeError, match="not trained"):
                call(x)
        codes = np.zeros((3, index.code_size), np.uint8)
        with pytest.raises(RuntimeError, match="not trained"):
            index.sa_decode(codes)
        # whoever sets it by hand
        index.is_trained = True
        for call in (
            index.add,
            index.sa_encode,
            index.quantize_queries,
            lambda x: index.search(x, 2),
            lambda x: index.range_search(x, 0.0),
            lambda x: index.sa_decode(codes),
        ):
            with pytest.raises(RuntimeError, match="16 centroids are not trained"):
                call(x)
        computer = index.get_distance_computer()
        computer.set_query(faiss.swig_ptr(x[:1]))

    @pytest.mark.parametrize("n", [1, 15, 16])
    def test_too_few_vectors(self, n, x):
        index = faiss_bebr.IndexSDC(WIDTHS, IP, D, NCENTROIDS)
        with pytest.raises(RuntimeError, match=f"{n} training vectors are too few"):
            index.train(x[:n])
        assert not index.is_trained
        index.train(x)
        assert index.is_trained

    def test_no_vectors(self, x):
        index = faiss_bebr.IndexSDC(WIDTHS, IP, D, NCENTROIDS)
        with pytest.raises(RuntimeError, match="no training vectors"):
            index.train(x[:0])

    def test_equal_vectors(self, x):
        index = faiss_bebr.IndexSDC(WIDTHS, IP, D, 1)
        with pytest.raises(RuntimeError, match="equal to their centroids"):
            index.train(np.full((20, D), 2, np.float32))
        assert not index.is_trained
        assert index.centroids.shape == (0, D)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_values_that_are_not_finite(self, value, x):
        bad = x.copy()
        bad[17, D - 1] = value
        index = faiss_bebr.IndexSDC(WIDTHS, IP, D, NCENTROIDS)
        with pytest.raises(RuntimeError, match=r"x\[17, 52\] is NaN or infinite"):
            index.train(bad)
        index = make()
        for call in (index.add, index.sa_encode, lambda x: index.search(x, 2)):
            with pytest.raises(RuntimeError, match=r"x\[17, 52\] is NaN or infinite"):
                call(bad)
        assert index.ntotal == 0

    def test_values_that_are_too_large(self, x):
        index = make()
        x[9] = 3e38
        with pytest.raises(RuntimeError, match="too far|too large"):
            index.add(x)
        assert index.ntotal == 0

    def test_codes_of_no_centroid(self, x):
        for ncentroids in (NCENTROIDS, 300):
            index = make(ncentroids=ncentroids)
            codes = index.sa_encode(x)
            codes[4, -1] = 255
            for call in (index.add_sa_codes, index.sa_decode):
                with pytest.raises(
                    RuntimeError, match=f"code 4 has centroid .* of {ncentroids}"
                ):
                    call(codes)
        index = make_coarse(WIDTHS, D, 256)
        codes = index.sa_encode(x)
        codes[4, -1] = 255
        index.add_sa_codes(codes)
        assert split_codes(index, codes)[1][4] == 255

    def test_changes_of_a_filled_index(self, x):
        index = make()
        index.add(x)
        with pytest.raises(RuntimeError, match="query map"):
            index.set_query_map([1] * D, [0] * D)
        with pytest.raises(RuntimeError, match="residuals differ in length"):
            make().set_scale_type(faiss_bebr.Scale_cosine)
        for name in ("ncentroids", "centroids"):
            with pytest.raises(AttributeError):
                setattr(index, name, 3)


def test_recall_of_equal_bytes(rng):
    """A centroid of one byte is worth more than eight more bits."""
    x, queries = coarse_vectors(rng, 4000, 64)[100:], coarse_vectors(rng, 300, 64)[10:]
    truth = exact_neighbors(queries, x, 10)
    recalls = []
    for widths, ncentroids in (([40], 0), ([32], 256)):
        index = faiss_bebr.IndexSDC(widths, IP, 64, ncentroids)
        index.is_trained = False
        index.train(x)
        index.add(x)
        assert index.code_size == 7
        recalls.append(recall(index.search(queries, 10)[1], truth))
    assert recalls[1] > recalls[0] + 0.05
