"""Vectors mapped from .npy files: results against FAISS's indexes in memory,
what files and changes are refused, and how long the mapping lives."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import faiss
import numpy as np
import pytest
from comparisons import assert_same
from sdc_data import IP, L2, clustered_vectors

import faiss_bebr

D_IN = 24


@pytest.fixture
def vectors() -> tuple[np.ndarray, np.ndarray]:
    return clustered_vectors(500, 30, D_IN)


def save(path: Path, x: np.ndarray) -> Path:
    np.save(path, x)
    return path


def in_memory(x: np.ndarray, metric: int) -> faiss.Index:
    """FAISS's index of the same vectors."""
    if x.dtype == np.float16:
        index = faiss.IndexScalarQuantizer(
            x.shape[1], faiss.ScalarQuantizer.QT_fp16, metric
        )
    else:
        index = faiss.IndexFlat(x.shape[1], metric)
    index.add(x.astype(np.float32))
    return index


def is_mapped(path: Path) -> bool:
    """Whether this process has the file mapped, deleted or not."""
    return str(path) in Path("/proc/self/maps").read_text()


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_results_equal_those_in_memory(dtype, metric, vectors, tmp_path):
    x, queries = vectors
    x = x.astype(dtype)
    mapped = faiss_bebr.map_vectors(save(tmp_path / "x.npy", x), metric)
    flat = in_memory(x, metric)
    assert (mapped.d, mapped.ntotal, mapped.metric_type) == (D_IN, 500, metric)
    assert mapped.is_trained
    assert_same(mapped.search(queries, 20), flat.search(queries, 20))
    radius = float(np.median(flat.search(queries, 20)[0]))
    assert_same(
        mapped.range_search(queries, radius), flat.range_search(queries, radius)
    )
    params = faiss.SearchParameters(sel=faiss.IDSelectorRange(100, 150))
    assert_same(
        mapped.search(queries, 20, params=params),
        flat.search(queries, 20, params=params),
    )
    np.testing.assert_array_equal(mapped.reconstruct_n(), x.astype(np.float32))
    np.testing.assert_array_equal(mapped.reconstruct(7), x[7].astype(np.float32))
    assert mapped.sa_code_size() == D_IN * x.itemsize
    codes = mapped.sa_encode(queries)
    np.testing.assert_array_equal(codes, flat.sa_encode(queries))
    np.testing.assert_array_equal(mapped.sa_decode(codes), flat.sa_decode(codes))
    ours, theirs = mapped.get_distance_computer(), flat.get_distance_computer()
    for computer in (ours, theirs):
        computer.set_query(faiss.swig_ptr(queries))
    assert [ours(i) for i in range(500)] == [theirs(i) for i in range(500)]
    assert ours.symmetric_dis(3, 499) == theirs.symmetric_dis(3, 499)


@pytest.mark.parametrize("metric", [L2, IP])
def test_ids_beyond_the_file(metric, vectors, tmp_path):
    x, queries = vectors
    mapped = faiss_bebr.map_vectors(save(tmp_path / "x.npy", x), metric)
    computer = mapped.get_distance_computer()
    computer.set_query(faiss.swig_ptr(queries))
    limits = np.finfo(np.float32)
    worst = float(limits.max if metric == L2 else limits.min)
    for i in (-1, 500, 2**40):
        assert computer(i) == worst
        assert computer.symmetric_dis(0, i) == worst
        with pytest.raises(ValueError, match="key"):
            mapped.reconstruct(i)
        with pytest.raises(RuntimeError, match="not in 0..499"):
            mapped.reconstruct_n(i, 1)
    with pytest.raises(RuntimeError, match="not in 0..499"):
        mapped.reconstruct_n(499, 2)


def test_the_file_may_go(vectors, tmp_path):
    x, queries = vectors
    path = save(tmp_path / "x.npy", x)
    mapped = faiss_bebr.map_vectors(str(path))
    path.unlink()
    index = faiss.IndexPreTransform(mapped)
    del mapped
    gc.collect()
    assert is_mapped(path)
    np.testing.assert_array_equal(index.reconstruct_n(0, 500), x)
    del index
    gc.collect()
    assert not is_mapped(path)


def test_copies_and_parts_keep_the_mapping(vectors, tmp_path):
    x, queries = vectors
    path = save(tmp_path / "x.npy", x)
    mapped = faiss_bebr.map_vectors(path)
    expected = mapped.search(queries, 5)
    copy = faiss_bebr.IndexMappedVectors(mapped)
    del mapped
    gc.collect()
    assert_same(copy.search(queries, 5), expected)
    stock = copy.get_stock_index()
    assert type(stock) is faiss.IndexFlat
    # FAISS's own copy of FAISS's own index
    clone = faiss.clone_index(stock)
    del copy
    gc.collect()
    assert_same(stock.search(queries, 5), expected)
    del stock
    gc.collect()
    assert is_mapped(path)
    assert_same(clone.search(queries, 5), expected)
    del clone
    gc.collect()
    assert not is_mapped(path)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_files_and_copies(dtype, vectors, tmp_path):
    x, queries = vectors
    x = x.astype(dtype)
    path = save(tmp_path / "x.npy", x)
    mapped = faiss_bebr.map_vectors(path)
    base = faiss_bebr.IndexSDC(D_IN, 2)
    base.add(x.astype(np.float32))
    refined = faiss.IndexRefine(base, mapped)
    refined.k_factor = 4
    expected = refined.search(queries, 5)

    assert type(faiss_bebr.downcast_index(refined.refine_index)) is type(mapped)
    clone = faiss_bebr.clone_index(refined)
    for copy in (
        faiss_bebr.clone_index(mapped),
        deepcopy(mapped),
        faiss_bebr.downcast_index(clone.refine_index),
    ):
        assert type(copy) is faiss_bebr.IndexMappedVectors
        np.testing.assert_array_equal(copy.reconstruct_n(), x)
    assert_same(clone.search(queries, 5), expected)

    # files say where the vectors are
    data = faiss_bebr.serialize_index(refined)
    assert len(data) < x.nbytes
    pickled = pickle.dumps(mapped)
    read = faiss_bebr.deserialize_index(data)
    assert_same(read.search(queries, 5), expected)
    for restored in (
        faiss_bebr.downcast_index(read.refine_index),
        pickle.loads(pickled),
    ):
        assert type(restored) is faiss_bebr.IndexMappedVectors
        np.testing.assert_array_equal(restored.reconstruct_n(), x)
    path.unlink()
    with pytest.raises(RuntimeError, match="could not open"):
        faiss_bebr.deserialize_index(data)
    # FAISS alone says that it cannot
    with pytest.raises(RuntimeError, match="don't know how to serialize"):
        faiss.serialize_index(mapped)


def test_stock_index_of_float16(vectors, tmp_path):
    x = vectors[0].astype(np.float16)
    mapped = faiss_bebr.map_vectors(save(tmp_path / "x.npy", x), IP)
    stock = mapped.get_stock_index()
    assert type(stock) is faiss.IndexScalarQuantizer
    restored = faiss.deserialize_index(faiss.serialize_index(stock))
    np.testing.assert_array_equal(restored.reconstruct_n(0, 500), x)


def test_changes_are_refused(vectors, tmp_path):
    x, queries = vectors
    path = save(tmp_path / "x.npy", x)
    before = path.read_bytes()
    mapped = faiss_bebr.map_vectors(path)
    other = in_memory(x, L2)
    for call in (
        lambda: mapped.add(x[:1]),
        lambda: mapped.reset(),
        lambda: mapped.remove_ids(np.array([3])),
    ):
        with pytest.raises(RuntimeError, match="mapped from a file"):
            call()
    for call in (
        lambda: mapped.add_with_ids(x[:1], np.array([3])),
        lambda: mapped.merge_from(other),
        lambda: mapped.add_sa_codes(mapped.sa_encode(x[:1])),
    ):
        with pytest.raises(RuntimeError):
            call()
    mapped.train(x)  # nothing to learn, as for IndexFlat
    refined = faiss.IndexRefine(in_memory(x, L2), mapped)
    with pytest.raises(RuntimeError, match="mapped from a file"):
        refined.add(x[:1])
    # FAISS has added to the base by now, but nothing is read past the file
    assert refined.base_index.ntotal == 501
    assert refined.ntotal == mapped.ntotal == other.ntotal == 500
    lims, D, I = refined.range_search(x[:1], 1e-6)
    assert 500 not in I
    assert path.read_bytes() == before


def npy_bytes(header: dict | str, version: tuple[int, int] = (1, 0)) -> bytes:
    text = str(header).encode() + b"\n"
    length = len(text).to_bytes(2 if version == (1, 0) else 4, "little")
    return b"\x93NUMPY" + bytes(version) + length + text


def good_header(**changes) -> dict:
    return {"descr": "<f4", "fortran_order": False, "shape": (3, 4), **changes}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "is no .npy file"),
        (b"\x93NUM", "is no .npy file"),
        (b"version https://git-lfs.github.com/spec/v1\n" * 3, "is no .npy file"),
        (npy_bytes(good_header(), (9, 0)) + bytes(48), r"version \(9, 0\)"),
        (npy_bytes("{'shape':")[:-3], "is no .npy file"),
        (npy_bytes("not a header") + bytes(48), "is no .npy file"),
        (npy_bytes({"descr": "<f4", "shape": (3, 4)}) + bytes(48), "is no .npy file"),
        (npy_bytes(good_header(shape=3)) + bytes(48), "is no .npy file"),
        (npy_bytes(good_header(descr="<f8")) + bytes(96), "float32 or float16"),
        (npy_bytes(good_header(descr=">f4")) + bytes(48), "float32 or float16"),
        (npy_bytes(good_header(descr="<i4")) + bytes(48), "float32 or float16"),
        (npy_bytes(good_header(descr="|O")) + bytes(96), "float32 or float16"),
        (npy_bytes(good_header(fortran_order=True)) + bytes(48), "Fortran order"),
        (npy_bytes(good_header(shape=(12,))) + bytes(48), r"array \(n, d\)"),
        (npy_bytes(good_header(shape=(1, 3, 4))) + bytes(48), r"array \(n, d\)"),
        (npy_bytes(good_header(shape=(3, 0))), r"array \(n, d\)"),
        (npy_bytes(good_header(shape=(-3, 4))) + bytes(48), r"array \(n, d\)"),
        (npy_bytes(good_header()) + bytes(47), "has 47 bytes.*announces 48"),
        (npy_bytes(good_header()) + bytes(49), "has 49 bytes.*announces 48"),
        (npy_bytes(good_header()), "has 0 bytes.*announces 48"),
        (npy_bytes(good_header(shape=(2**62, 4))) + bytes(48), "announces"),
        (npy_bytes(good_header(shape=(2**62, 2**62))) + bytes(48), "announces"),
    ],
)
def test_bad_files(content, text, tmp_path):
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=text) as raised:
        faiss_bebr.map_vectors(path)
    assert str(path) in str(raised.value)
    assert not is_mapped(path)


def test_good_files_of_other_kinds(tmp_path):
    values = np.arange(12, dtype=np.float32)
    # a header that leaves the vectors unaligned for vector registers
    for version in ((1, 0), (2, 0)):
        header = npy_bytes(good_header(), version)
        padded = npy_bytes(str(good_header()) + " " * (-len(header) % 4), version)
        path = tmp_path / f"{version[0]}.npy"
        path.write_bytes(padded + values.tobytes())
        mapped = faiss_bebr.map_vectors(path)
        np.testing.assert_array_equal(mapped.reconstruct_n(), values.reshape(3, 4))
    empty = faiss_bebr.map_vectors(
        save(tmp_path / "empty.npy", np.zeros((0, 4), np.float32))
    )
    assert empty.ntotal == 0
    assert (empty.search(np.zeros((2, 4), np.float32), 3)[1] == -1).all()


def test_bad_places_of_vectors(tmp_path, vectors):
    path = save(tmp_path / "x.npy", vectors[0])
    with pytest.raises(RuntimeError, match="multiple of 4"):
        faiss_bebr.IndexMappedVectors(str(path), 126, 500, D_IN, faiss.Float32)
    size = path.stat().st_size
    for offset, n, d in (
        (128, 501, D_IN),
        (128, 499, D_IN),
        (128, -1, D_IN),
        (124, 500, D_IN),
        (size + 4, 0, D_IN),
        (128, 2**62, D_IN),
        (128, 500, 2**31 - 1),
    ):
        with pytest.raises(RuntimeError, match="bytes, not"):
            faiss_bebr.IndexMappedVectors(str(path), offset, n, d, faiss.Float32)
    for d, numeric_type, metric in (
        (0, faiss.Float32, L2),
        (-4, faiss.Float32, L2),
        (D_IN, faiss.Int8, L2),
        (D_IN, faiss.Float32, faiss.METRIC_L1),
    ):
        with pytest.raises(RuntimeError, match="must be"):
            faiss_bebr.IndexMappedVectors(str(path), 128, 500, d, numeric_type, metric)


def test_bad_arguments(tmp_path, vectors):
    path = save(tmp_path / "x.npy", vectors[0])
    with pytest.raises(FileNotFoundError):
        faiss_bebr.map_vectors(tmp_path / "missing.npy")
    with pytest.raises(IsADirectoryError):
        faiss_bebr.map_vectors(tmp_path)
    with pytest.raises(TypeError):
        faiss_bebr.map_vectors(None)
    with pytest.raises(ValueError, match="metric"):
        faiss_bebr.map_vectors(path, faiss.METRIC_L1)
    mapped = faiss_bebr.map_vectors(path)
    with pytest.raises(ValueError, match="x must have shape"):
        mapped.search(vectors[1][:, :-1], 3)


MEMORY_PROGRAM = """
import resource
import sys

import faiss
import numpy as np

import faiss_bebr

path, n, d = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def resident_bytes():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * resource.getpagesize()


base = faiss_bebr.IndexSDC(d, 1)
rng = np.random.default_rng(0)
chosen = np.sort(rng.permutation(n)[:200])
x = np.zeros((n // 50, d), dtype=np.float32)
for i in range(0, n, len(x)):
    base.add(x)
queries = rng.standard_normal((10, d)).astype(np.float32)
base.search(queries, 5)
before = resident_bytes()
index = faiss.IndexRefine(base, faiss_bebr.map_vectors(path))
index.k_factor = 4
params = faiss.IndexRefineSearchParameters(
    k_factor=4,
    base_index_params=faiss.SearchParameters(sel=faiss.IDSelectorBatch(chosen)),
)
D, I = index.search(queries, 50, params=params)
assert (np.sort(I[0]) == np.unique(I[0])).all() and np.isin(I, chosen).all()
assert np.allclose(D, (queries**2).sum(axis=1, keepdims=True), rtol=1e-5)
print(resident_bytes() - before)
"""


def test_vectors_stay_on_disk(tmp_path):
    # a sparse file, larger than what may become resident
    n, d = 200_000, 512
    path = tmp_path / "x.npy"
    header = npy_bytes(good_header(shape=(n, d)))
    header = npy_bytes(str(good_header(shape=(n, d))) + " " * (-len(header) % 64))
    path.write_bytes(header)
    nbytes = n * d * 4
    os.truncate(path, len(header) + nbytes)
    output = subprocess.run(
        [sys.executable, "-c", MEMORY_PROGRAM, str(path), str(n), str(d)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert output.returncode == 0, output.stderr
    assert nbytes > 400e6
    assert int(output.stdout) < 40e6
