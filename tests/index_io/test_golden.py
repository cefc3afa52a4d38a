"""Files of earlier versions, which are read for ever; see make_golden.py."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from fuzz_files import READ
from make_golden import GOLDEN, MAKERS, get_results, make, serialize
from mutations import unseal

NAMES = sorted(path.stem for path in GOLDEN.glob("*.bebr"))
# their bytes have a path, which is another one when they are read
REFER = {"ivf_sdc_on_disk", "mapped_vectors"}
# versions of FAISS build other graphs
BUILD_OTHERWISE = {"hnsw"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy, as lists on disk are opened for writing."""
    return shutil.copytree(GOLDEN, tmp_path / "golden")


def read(path: Path, io_flags: int = 0) -> Any:
    family = unseal(path.read_bytes())[:1].decode()
    return READ[family](path, io_flags | faiss.IO_FLAG_ONDISK_SAME_DIR)


def assert_recorded(obj: Any, path: Path) -> None:
    with np.load(path.with_suffix(".npz")) as recorded:
        results = get_results(obj)
        assert results.keys() == set(recorded.keys())
        for name, result in results.items():
            np.testing.assert_array_equal(result, recorded[name])


def test_there_is_one_of_each():
    assert NAMES == sorted(MAKERS)


@pytest.mark.parametrize("name", NAMES)
def test_results(name: str, folder: Path, simd_level: str):
    path = folder / f"{name}.bebr"
    assert_recorded(read(path), path)
    assert_recorded(read(path, faiss.IO_FLAG_MMAP), path)


@pytest.mark.parametrize("name", NAMES)
def test_bytes(name: str, folder: Path, tmp_path: Path):
    """Of what is read, and of what is made anew."""
    path = folder / f"{name}.bebr"
    if name not in REFER:
        assert serialize(read(path)) == path.read_bytes()
    if name not in BUILD_OTHERWISE:
        assert serialize(make(tmp_path, name)) == path.read_bytes()
