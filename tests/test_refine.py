"""faiss.IndexRefine over the index types, and with IndexSDC or mapped vectors
as its second stage, against numpy."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
from reference import nearest, recall
from sdc_data import IP, L2, clustered_vectors, exact_distances, make_index

import faiss_bebr

N, D_IN, K = 2000, 64, 10


@pytest.fixture(scope="module")
def vectors() -> tuple[np.ndarray, np.ndarray]:
    return clustered_vectors(N, 60, D_IN)


def make_base(kind: str, metric: int) -> faiss.Index:
    """An index of 1-bit codes, whose own order is far from the exact one."""
    storage = make_index([64], metric)
    if kind == "SDC":
        return storage
    if kind == "PreTransform":
        rotation = faiss.RandomRotationMatrix(D_IN, D_IN)
        rotation.init(3)
        return faiss.IndexPreTransform(rotation, storage)
    if kind == "HNSW":
        graph = faiss.IndexHNSW(storage, 16)
        graph.hnsw.efSearch = 300
        return graph
    quantizer = faiss.IndexFlat(D_IN, metric)
    index = faiss_bebr.IndexIVFSDC(quantizer, D_IN, 8, 1, metric)
    index.nprobe = 4
    return index


def float_distances(x: np.ndarray, queries: np.ndarray, metric: int) -> np.ndarray:
    x, q = x.astype(np.float64), queries.astype(np.float64)
    return q @ x.T if metric == IP else ((q[:, None] - x[None]) ** 2).sum(axis=2)


def assert_refined(index, base_labels, distances, queries, k) -> None:
    """The k best of the candidates, by the distances of the second stage.

    Labels may differ from the float64 order where distances agree to float32
    rounding.
    """
    D, I = index.search(queries, k)
    largest = index.metric_type == IP
    worst = -np.inf if largest else np.inf
    candidates = np.full(distances.shape, worst)
    rows = np.arange(len(queries))[:, None]
    candidates[rows, base_labels] = distances[rows, base_labels]
    best = nearest(candidates, k, largest=largest)[0]
    tolerance = 1e-5 * np.abs(distances).max()
    np.testing.assert_allclose(D, best, rtol=0, atol=tolerance)
    np.testing.assert_allclose(candidates[rows, I], D, rtol=0, atol=tolerance)
    assert all(len(set(row)) == k for row in I)


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("kind", ["SDC", "PreTransform", "HNSW", "IVF"])
@pytest.mark.parametrize("second", ["Flat", "SQfp16"])
def test_refine(second, kind, metric, vectors):
    x, queries = vectors
    base = make_base(kind, metric)
    if second == "Flat":
        index = faiss.IndexRefineFlat(base)
        distances = float_distances(x, queries, metric)
    else:
        refine = faiss.index_factory(D_IN, second, metric)
        index = faiss.IndexRefine(base, refine)
        distances = float_distances(x.astype(np.float16), queries, metric)
    index.train(x)
    index.add(x)
    index.k_factor = 8
    labels = base.search(queries, 8 * K)[1]
    assert_refined(index, labels, distances, queries, K)
    exact = nearest(float_distances(x, queries, metric), K, largest=metric == IP)[1]
    assert recall(index.search(queries, K)[1], exact) > 0.25 + recall(
        base.search(queries, K)[1], exact
    )


@pytest.mark.parametrize("kind", ["SDC", "PreTransform", "HNSW", "IVF"])
def test_parameters(kind, vectors):
    x, queries = vectors
    base = make_base(kind, L2)
    index = faiss.IndexRefineFlat(base)
    index.train(x)
    index.add(x)
    sel = faiss.IDSelectorRange(100, 900)
    chain = None
    if kind == "HNSW":
        params = faiss.SearchParametersHNSW(sel=sel, efSearch=500)
    elif kind == "IVF":
        params = faiss.SearchParametersIVF(sel=sel, nprobe=8)
    else:
        params = faiss.SearchParameters(sel=sel)
    if kind == "PreTransform":
        chain = params
        params = faiss.SearchParametersPreTransform(index_params=chain)
    outer = faiss.IndexRefineSearchParameters(k_factor=20, base_index_params=params)
    D, I = index.search(queries, K, params=outer)
    assert ((I >= 100) & (I < 900)).all()
    inside = float_distances(x[100:900], queries, L2)
    exact = 100 + nearest(inside, K, largest=False)[1]
    assert recall(I, exact) > 0.9
    for k_factor in (1.0, 5.0):
        outer = faiss.IndexRefineSearchParameters(k_factor=k_factor)
        found = index.search(queries, K, params=outer)
        index.k_factor = k_factor
        for ours, theirs in zip(found, index.search(queries, K), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(RuntimeError, match="k_base >= k"):
        index.search(queries, K, params=faiss.IndexRefineSearchParameters(k_factor=0.5))


@pytest.mark.parametrize("metric", [L2, IP])
def test_range_search(metric, vectors):
    x, queries = vectors
    index = faiss.IndexRefineFlat(make_base("SDC", metric))
    index.train(x)
    index.add(x)
    index.k_factor = 2.0 if metric == L2 else 0.5
    exact = float_distances(x, queries, metric)
    radius = float(np.quantile(exact, 0.02 if metric == L2 else 0.98))
    base = index.base_index.range_search(queries, radius * index.k_factor)
    lims, D, I = index.range_search(queries, radius)
    assert 0 < lims[-1] < base[0][-1]
    for q in range(len(queries)):
        labels = base[2][base[0][q] : base[0][q + 1]]
        near = exact[q, labels] < radius if metric == L2 else exact[q, labels] > radius
        part = slice(lims[q], lims[q + 1])
        np.testing.assert_array_equal(I[part], labels[near])
        np.testing.assert_allclose(D[part], exact[q, I[part]], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("metric", [L2, IP])
def test_deeper_codes_refine_shallow_ones(metric, vectors):
    x, queries = vectors
    shallow = make_index([64], metric)
    deep = make_index([64] * 6, metric)
    index = faiss.IndexRefine(shallow, deep)
    index.add(x)
    index.k_factor = 8
    labels = shallow.search(queries, 8 * K)[1]
    distances = exact_distances(deep, queries, deep.reconstruct_n())
    assert_refined(index, labels, distances, queries, K)
    # refined distances are those of deep.search(), bit for bit
    D, I = index.search(queries, K)
    D_deep, I_deep = deep.search(queries, N)
    by_id = np.empty_like(D_deep)
    np.put_along_axis(by_id, I_deep, D_deep, axis=1)
    np.testing.assert_array_equal(np.take_along_axis(by_id, I, axis=1), D)
    exact = nearest(float_distances(x, queries, metric), K, largest=metric == IP)[1]
    alone = recall(shallow.search(queries, K)[1], exact)
    assert recall(I, exact) > alone + 0.25
    np.testing.assert_array_equal(index.reconstruct(5), deep.reconstruct(5))
    codes = index.sa_encode(x[:9])
    np.testing.assert_array_equal(
        codes, np.hstack([shallow.sa_encode(x[:9]), deep.sa_encode(x[:9])])
    )
    np.testing.assert_array_equal(index.sa_decode(codes), deep.reconstruct_n(0, 9))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_queries(bad, vectors):
    x, queries = vectors
    deep = make_index([64] * 4, L2)
    index = faiss.IndexRefine(make_index([64], L2), deep)
    index.add(x)
    wrong = queries.copy()
    wrong[3, 4] = bad
    with pytest.raises(RuntimeError, match=r"x\[3, 4\] is NaN or infinite"):
        index.search(wrong, K)
    # the base may take such queries: all is infinitely far from them
    flat = faiss.IndexFlatL2(D_IN)
    flat.add(x)
    index = faiss.IndexRefine(flat, deep)
    D, I = index.search(wrong, K)
    worst = np.finfo(np.float32).max
    assert (D[3] == worst).all()
    good = np.arange(len(queries)) != 3
    assert (D[good] < worst).all()


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("kind", ["SDC", "HNSW", "IVF"])
def test_mapped_vectors_refine_as_those_in_memory(
    kind, dtype, metric, vectors, tmp_path
):
    x, queries = vectors
    base = make_base(kind, metric)
    base.train(x)
    base.add(x)
    np.save(tmp_path / "x.npy", x.astype(dtype))
    if dtype == np.float32:
        refine = faiss.IndexFlat(D_IN, metric)
    else:
        refine = faiss.index_factory(D_IN, "SQfp16", metric)
    # FAISS rounds to float16 in another way than numpy
    refine.add(x.astype(dtype).astype(np.float32))
    ours = faiss.IndexRefine(base, faiss_bebr.map_vectors(tmp_path / "x.npy", metric))
    theirs = faiss.IndexRefine(base, refine)
    ours.k_factor = theirs.k_factor = 6
    for a, b in zip(ours.search(queries, K), theirs.search(queries, K), strict=True):
        np.testing.assert_array_equal(a, b)
    radius = float(np.median(theirs.search(queries, K)[0]))
    ours.k_factor = theirs.k_factor = 1.3
    for a, b in zip(
        ours.range_search(queries, radius),
        theirs.range_search(queries, radius),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(ours.reconstruct(9), theirs.reconstruct(9))
    assert recall(ours.search(queries, K)[1], theirs.search(queries, K)[1]) == 1
