"""What each index type can do: README's table, where a tick is a test here.

A combination without a tick raises an error, as FAISS's own type does, but for codes
that are read into memory and not mapped.
"""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import faiss
import numpy as np
import pytest
from reference import binary_distances

import faiss_bebr

# a graph that is built twice is to be the same
pytestmark = pytest.mark.usefixtures("one_thread")

N, D, K = 400, 64, 5
NLIST = 8


class Type(NamedTuple):
    """An index type, and how its features are reached."""

    make: Callable[[], Any]
    """untrained and empty"""
    is_binary: bool
    knob: str
    """a parameter of searches, or "" """


def make_ivf() -> Any:
    index = faiss_bebr.IndexIVFSDC(faiss.IndexFlatL2(D), D, NLIST, 4)
    index.referenced_objects[0].this.disown()
    index.own_fields = True
    index.nprobe = 3
    return index


def make_hnsw() -> Any:
    storage = faiss_bebr.IndexSDC(D, 4)
    index = faiss.IndexHNSW(storage, 16)
    index.own_fields = True
    storage.this.disown()
    index.hnsw.efSearch = 64
    return index


def make_binary_ivf() -> Any:
    quantizer = faiss_bebr.IndexBinarySDC(2 * D, 2)
    index = faiss_bebr.IndexBinaryIVFSDC(quantizer, 2 * D, NLIST, 2)
    index.own_fields = True
    quantizer.this.disown()
    index.nprobe = 3
    return index


TYPES = {
    "IndexSDC": Type(lambda: faiss_bebr.IndexSDC(D, 4), False, "k_factor"),
    "IndexSDCFastScan": Type(
        lambda: faiss_bebr.IndexSDCFastScan(D, 4), False, "k_factor"
    ),
    "IndexIVFSDC": Type(make_ivf, False, "nprobe"),
    "IndexHNSW": Type(make_hnsw, False, "efSearch"),
    "IndexBinarySDC": Type(lambda: faiss_bebr.IndexBinarySDC(2 * D, 2), True, ""),
    "IndexBinaryIVFSDC": Type(make_binary_ivf, True, "nprobe"),
}


def draw(kind: Type, n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if kind.is_binary:
        return rng.integers(0, 256, (n, 2 * D // 8), dtype=np.uint8)
    return rng.standard_normal((n, D), dtype=np.float32)


def filled(kind: Type, x: np.ndarray) -> Any:
    index = kind.make()
    index.train(x)
    index.add(x)
    return index


def assert_same_results(one: Any, other: Any, queries: np.ndarray) -> None:
    for a, b in zip(one.search(queries, K), other.search(queries, K), strict=True):
        np.testing.assert_array_equal(a, b)


def all_distances(kind: Type, index: Any, queries: np.ndarray) -> np.ndarray:
    """Distances (nq, ntotal) from what the index stores, by numpy."""
    stored = np.stack([index.reconstruct(i) for i in range(index.ntotal)])
    if kind.is_binary:
        return binary_distances(queries, stored, 2, inner_product=False)
    storage = faiss_bebr.downcast_index(getattr(index, "storage", index))
    quantized = storage.quantize_queries(queries)
    return ((quantized[:, None] - stored) ** 2).sum(axis=2)


def check_search(kind: Type) -> None:
    x, queries = draw(kind, N), draw(kind, 7, seed=1)
    index = filled(kind, x)
    assert index.ntotal == N
    distances, labels = index.search(queries, K)
    assert distances.shape == labels.shape == (7, K)
    assert (np.diff(distances, axis=1) >= 0).all()
    if hasattr(index, "make_direct_map"):
        index.make_direct_map()
    expected = np.take_along_axis(all_distances(kind, index, queries), labels, axis=1)
    np.testing.assert_allclose(distances, expected, rtol=1e-4)


def check_range_search(kind: Type) -> None:
    x, queries = draw(kind, N), draw(kind, 7, seed=1)
    index = filled(kind, x)
    distances, labels = index.search(queries, K)
    radius = distances[0, K - 1].item()
    lims, found_distances, found = index.range_search(queries, radius)
    assert (found_distances < radius).all()
    closer = labels[0][distances[0] < radius]
    assert set(closer) <= set(found[: lims[1]])


def check_ids_filter(kind: Type) -> None:
    x, queries = draw(kind, N), draw(kind, 7, seed=1)
    index = filled(kind, x)
    odd = np.arange(1, N, 2)
    selector = faiss.IDSelectorBatch(odd)
    params = {
        "IndexIVFSDC": lambda: faiss.SearchParametersIVF(sel=selector, nprobe=NLIST),
        "IndexBinaryIVFSDC": lambda: faiss.SearchParametersIVF(
            sel=selector, nprobe=NLIST
        ),
        "IndexHNSW": lambda: faiss.SearchParametersHNSW(sel=selector, efSearch=N),
    }.get(type(index).__name__, lambda: faiss.SearchParameters(sel=selector))()
    _, labels = index.search(queries, K, params=params)
    assert (labels % 2 == 1).all()
    _, unfiltered = index.search(queries, N)
    best = [row[row % 2 == 1][:K] for row in unfiltered]
    if type(index).__name__ in ("IndexSDC", "IndexSDCFastScan", "IndexBinarySDC"):
        np.testing.assert_array_equal(labels, best)


def check_reconstruct(kind: Type) -> None:
    x = draw(kind, N)
    index = filled(kind, x)
    if hasattr(index, "make_direct_map"):
        index.make_direct_map()
    again = index.reconstruct(3)
    if kind.is_binary:
        np.testing.assert_array_equal(again, x[3])
    else:
        # a code of 4 bits loses little
        assert ((again - x[3]) ** 2).mean() < 0.25 * (x[3] ** 2).mean()


def check_remove_ids(kind: Type) -> None:
    x, queries = draw(kind, N), draw(kind, 7, seed=1)
    index = filled(kind, x)
    _, before = index.search(queries, 1)
    gone = np.unique(before)
    assert index.remove_ids(gone) == len(gone)
    assert index.ntotal == N - len(gone)


def check_merge_from(kind: Type) -> None:
    x, queries = draw(kind, N), draw(kind, 7, seed=1)
    whole, part = filled(kind, x), kind.make()
    part.train(x)
    part.add(x[: N // 2])
    rest = kind.make()
    rest.train(x)
    rest.add(x[N // 2 :])
    part.merge_from(rest)
    assert (part.ntotal, rest.ntotal) == (N, 0)
    assert_same_results(part, whole, queries)


def check_lists_on_disk(kind: Type, folder: Path) -> None:
    x, queries = draw(kind, N), draw(kind, 7, seed=1)
    index = filled(kind, x)
    expected = index.search(queries, K)
    lists = faiss.OnDiskInvertedLists(
        NLIST, index.code_size, str(folder / "lists.ivfdata")
    )
    lists.merge_from_1(index.invlists)
    index.replace_invlists(lists, False)
    for a, b in zip(index.search(queries, K), expected, strict=True):
        np.testing.assert_array_equal(a, b)


def write(kind: Type, index: Any, path: Path) -> None:
    (faiss_bebr.write_index_binary if kind.is_binary else faiss_bebr.write_index)(
        index, path
    )


def read(kind: Type, path: Path, io_flags: int = 0) -> Any:
    read_file = (
        faiss_bebr.read_index_binary if kind.is_binary else faiss_bebr.read_index
    )
    return read_file(path, io_flags)


def check_files(kind: Type, folder: Path) -> None:
    x, queries = draw(kind, N), draw(kind, 7, seed=1)
    index = filled(kind, x)
    write(kind, index, folder / "index")
    again = read(kind, folder / "index")
    assert type(again) is type(index)
    assert_same_results(again, index, queries)


def check_mmap(kind: Type, folder: Path) -> None:
    x, queries = draw(kind, N), draw(kind, 7, seed=1)
    index = filled(kind, x)
    write(kind, index, folder / "index")
    mapped = read(kind, folder / "index", faiss.IO_FLAG_MMAP)
    assert_same_results(mapped, index, queries)
    with pytest.raises(RuntimeError):
        mapped.add(x)


def _shards(kind: Type) -> Any:
    width = 2 * D if kind.is_binary else D
    return (faiss.IndexBinaryShards if kind.is_binary else faiss.IndexShards)(
        width, False, True
    )


def check_shards(kind: Type) -> None:
    x, queries = draw(kind, N), draw(kind, 7, seed=1)
    whole = filled(kind, x)
    halves = []
    for part in (x[: N // 2], x[N // 2 :]):
        index = kind.make()
        index.train(x)
        index.add(part)
        halves.append(index)
    shards = _shards(kind)
    for index in halves:
        shards.add_shard(index)
    found, expected = shards.search(queries, K), whole.search(queries, K)
    if isinstance(whole, faiss.IndexHNSW):
        labels = found[1], expected[1]
        common = [len(set(a) & set(b)) for a, b in zip(*labels, strict=True)]
        assert np.mean(common) >= 0.9 * K
    else:
        np.testing.assert_array_equal(found[0], expected[0])


def check_replicas(kind: Type) -> None:
    x, queries = draw(kind, N), draw(kind, 7, seed=1)
    index = filled(kind, x)
    width = 2 * D if kind.is_binary else D
    replicas = (faiss.IndexBinaryReplicas if kind.is_binary else faiss.IndexReplicas)(
        width
    )
    replicas.addIndex(index)
    assert_same_results(replicas, index, queries)


def check_id_map(kind: Type) -> None:
    x, queries = draw(kind, N), draw(kind, 7, seed=1)
    index = filled(kind, x)
    empty = kind.make()
    empty.train(x)
    mapped = (faiss.IndexBinaryIDMap2 if kind.is_binary else faiss.IndexIDMap2)(empty)
    mapped.add_with_ids(x, np.arange(N) + 1000)
    found, expected = mapped.search(queries, K), index.search(queries, K)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1] + 1000)


def check_refine(kind: Type) -> None:
    x, queries = draw(kind, N), draw(kind, 7, seed=1)
    refine = faiss.IndexRefineFlat(kind.make())
    refine.train(x)
    refine.add(x)
    refine.k_factor = 10
    _, labels = refine.search(queries, K)
    _, unrefined = filled(kind, x).search(queries, 10 * K)
    exact = ((queries[:, None] - x[unrefined]) ** 2).sum(axis=2)
    best = np.take_along_axis(unrefined, np.argsort(exact, axis=1)[:, :K], axis=1)
    np.testing.assert_array_equal(labels, best)


def check_clone(kind: Type) -> None:
    x, queries = draw(kind, N), draw(kind, 7, seed=1)
    index = filled(kind, x)
    clone = (
        faiss_bebr.clone_binary_index if kind.is_binary else faiss_bebr.clone_index
    )(index)
    expected = index.search(queries, K)
    index.reset()
    for a, b in zip(clone.search(queries, K), expected, strict=True):
        np.testing.assert_array_equal(a, b)


def check_pickle(kind: Type) -> None:
    x, queries = draw(kind, N), draw(kind, 7, seed=1)
    index = filled(kind, x)
    if isinstance(index, faiss.IndexHNSW):
        # a class of FAISS's, whose pickling knows our types when registered
        faiss_bebr.register()
    try:
        for again in (pickle.loads(pickle.dumps(index)), copy.deepcopy(index)):
            assert_same_results(again, index, queries)
    finally:
        faiss_bebr.unregister()


def check_parameter_space(kind: Type) -> None:
    index = filled(kind, draw(kind, N))
    holder = index.hnsw if isinstance(index, faiss.IndexHNSW) else index
    faiss_bebr.ParameterSpace().set_index_parameter(index, kind.knob, 7)
    assert getattr(holder, kind.knob) == 7


FEATURES: dict[str, Callable[..., None]] = {
    "search": check_search,
    "range search": check_range_search,
    "ids filter": check_ids_filter,
    "reconstruct": check_reconstruct,
    "remove": check_remove_ids,
    "merge": check_merge_from,
    "lists on disk": check_lists_on_disk,
    "files": check_files,
    "mmap": check_mmap,
    "shards": check_shards,
    "replicas": check_replicas,
    "IDMap2": check_id_map,
    "refine": check_refine,
    "clone": check_clone,
    "pickle": check_pickle,
    "ParameterSpace": check_parameter_space,
}
# what FAISS's nearest types do not have either
MISSING = {
    ("lists on disk", "IndexSDC"),
    ("lists on disk", "IndexSDCFastScan"),
    ("lists on disk", "IndexHNSW"),
    ("lists on disk", "IndexBinarySDC"),
    ("remove", "IndexHNSW"),
    ("merge", "IndexHNSW"),
    ("refine", "IndexBinarySDC"),
    ("refine", "IndexBinaryIVFSDC"),
    ("mmap", "IndexSDCFastScan"),
    ("ParameterSpace", "IndexBinarySDC"),
}


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("feature", FEATURES)
def test_feature(feature: str, name: str, tmp_path: Path) -> None:
    check = FEATURES[feature]
    arguments = (tmp_path,) if check.__code__.co_argcount == 2 else ()
    if (feature, name) in MISSING:
        errors = (RuntimeError, AttributeError, TypeError)
        if feature == "mmap":  # what is not mapped can be changed
            errors = (pytest.fail.Exception,)
        with pytest.raises(errors):
            check(TYPES[name], *arguments)
    else:
        check(TYPES[name], *arguments)


def test_readme_has_this_table() -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    rows = {
        feature: re.search(rf"^\| {feature} \|(.*)\|$", readme, re.MULTILINE)
        for feature in FEATURES
    }
    header = re.search(r"^\| feature \|(.*)\|$", readme, re.MULTILINE)
    assert header
    names = [name.strip(" `") for name in header[1].split("|")]
    assert names == list(TYPES)
    for feature, row in rows.items():
        assert row, feature
        for name, cell in zip(names, row[1].split("|"), strict=True):
            expected = "no" if (feature, name) in MISSING else "tests/test_features.py"
            assert expected in cell, (feature, name)
