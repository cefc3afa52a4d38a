"""faiss.contrib.ondisk.merge_ondisk: shards from files to lists in one file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from builders import L2
from cases import search
from faiss.contrib.ondisk import merge_ondisk
from kinds import KINDS, build, make_data, make_ids

import faiss_bebr

NAMES = [
    "IVFSDC",
    "IVFSDC residual",
    "IVFSDC over HNSW of SDC",
    "BEBR,IVFSDC",
    "OPQ,L2norm,BEBR,IVFSDC residual",
]


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    """The function reads the shards through FAISS's own names."""
    faiss_bebr.register()
    yield
    faiss_bebr.unregister()


def write_shards(trained: Path, x: np.ndarray, ids: np.ndarray) -> list[str]:
    """The trained index three times, with some of the vectors each."""
    paths = []
    for i, rows in enumerate(np.array_split(np.arange(len(x)), 3)):
        shard = faiss.read_index(str(trained))
        shard.add_with_ids(x[rows], ids[rows])
        paths.append(str(trained.with_name(f"shard{i}")))
        faiss.write_index(shard, paths[-1])
    return paths


def assert_same(name: str, index: Any, expected: Any) -> None:
    assert index.ntotal == expected.ntotal
    kind = KINDS[name]
    for a, b in zip(search(kind, index), search(kind, expected), strict=True):
        np.testing.assert_array_equal(a, b)
    x = make_data(kind, 3, seed=2)
    found = [each.range_search(x, 0.8) for each in (index, expected)]
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


# few vectors leave most lists empty
@pytest.mark.parametrize("n", [300, 4])
@pytest.mark.parametrize("name", NAMES)
def test_merge_ondisk(name: str, n: int, tmp_path: Path):
    kind, folder = KINDS[name], tmp_path / "folder"
    folder.mkdir()
    faiss.write_index(build(name, L2, 0), str(folder / "trained"))
    x, ids = make_data(kind, n), make_ids(n)
    paths = write_shards(folder / "trained", x, ids)
    merged = faiss.read_index(str(folder / "trained"))
    merge_ondisk(merged, paths, str(folder / "lists"))
    for path in paths:
        Path(path).unlink()
    expected = faiss.read_index(str(folder / "trained"))
    expected.add_with_ids(x, ids)
    assert_same(name, merged, expected)
    faiss.write_index(merged, str(folder / "merged"))
    del merged
    moved = str(folder.rename(tmp_path / "moved") / "merged")
    same_dir = faiss.IO_FLAG_ONDISK_SAME_DIR
    for flags in (same_dir, faiss.IO_FLAG_MMAP | same_dir):
        index = faiss.read_index(moved, flags)
        assert_same(name, index, expected)
        ivf = faiss.extract_index_ivf(index)
        lists = faiss.downcast_InvertedLists(ivf.invlists)
        assert type(lists) is faiss.OnDiskInvertedLists
        ivf.set_direct_map_type(faiss.DirectMap.Hashtable)
        expected_ivf = faiss.extract_index_ivf(expected)
        expected_ivf.set_direct_map_type(faiss.DirectMap.Hashtable)
        np.testing.assert_array_equal(
            index.reconstruct(int(ids[-1])), expected.reconstruct(int(ids[-1]))
        )


def test_more_vectors_after_merging(tmp_path: Path):
    """FAISS would write them over others."""
    faiss.write_index(build("IVFSDC", L2, 0), str(tmp_path / "trained"))
    x = make_data(KINDS["IVFSDC"], 300)
    paths = write_shards(tmp_path / "trained", x, np.arange(300))
    merged = faiss.read_index(str(tmp_path / "trained"))
    merge_ondisk(merged, paths, str(tmp_path / "lists"))
    faiss.write_index(merged, str(tmp_path / "merged"))
    index = faiss.read_index(str(tmp_path / "merged"))
    with pytest.raises(RuntimeError, match="read-only"):
        index.add(x)
    assert_same("IVFSDC", index, merged)


def test_shift_ids(tmp_path: Path):
    """Shards whose ids all begin at 0."""
    faiss.write_index(build("BEBR,IVFSDC", L2, 0), str(tmp_path / "trained"))
    x = make_data(KINDS["BEBR,IVFSDC"], 300)
    paths = write_shards(tmp_path / "trained", x, np.tile(np.arange(100), 3))
    merged = faiss.read_index(str(tmp_path / "trained"))
    merge_ondisk(merged, paths, str(tmp_path / "lists"), shift_ids=True)
    expected = faiss.read_index(str(tmp_path / "trained"))
    expected.add(x)
    assert_same("BEBR,IVFSDC", merged, expected)
