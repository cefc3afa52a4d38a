"""Files of earlier versions, which are read for ever; see make_golden.py."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from fuzz_files import READ
from make_golden import GOLDEN, MAKERS, NEWEST, get_results, make, serialize, vectors
from mutations import seal, unseal

import faiss_bebr

VERSION = 6
FOLDERS = {
    1: GOLDEN,
    **{version: GOLDEN / str(version) for version in range(2, VERSION)},
    VERSION: NEWEST,
}
NAMES = {
    version: sorted(path.stem for path in folder.glob("*.bebr"))
    for version, folder in FOLDERS.items()
}
FILES = [(version, name) for version, names in NAMES.items() for name in names]
# their bytes have a path, which is another one when they are read
REFER = {"ivf_sdc_on_disk", "mapped_vectors"}
# version 1 learned one range for all dimensions, and its products of queries and
# centroids were rounded otherwise
LEARN_RANGE = {"ivf_sdc_residual_with_array"}
# vectors were less their nearest centroid, which is not always the best one
CHOOSE_NEAREST = {"sdc_with_centroids"}
# versions of FAISS build other graphs
BUILD_OTHERWISE = {"hnsw"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of all, as lists on disk are opened for writing."""
    return shutil.copytree(GOLDEN, tmp_path / "golden")


def get_path(folder: Path, version: int, name: str) -> Path:
    return folder / ("" if version == 1 else str(version)) / f"{name}.bebr"


def read(path: Path, io_flags: int = 0) -> Any:
    family = unseal(path.read_bytes())[:1].decode()
    return READ[family](path, io_flags | faiss.IO_FLAG_ONDISK_SAME_DIR)


def assert_recorded(obj: Any, path: Path, rtol: float = 0) -> None:
    with np.load(path.with_suffix(".npz")) as recorded:
        results = get_results(obj)
        assert results.keys() == set(recorded.keys())
        for name, result in results.items():
            np.testing.assert_allclose(result, recorded[name], rtol=rtol, atol=0)


def test_there_is_one_of_each():
    assert NAMES[VERSION] == sorted(MAKERS)
    assert set(NAMES[2]) - set(NAMES[1]) == {"bebr_untrained", "sdc_with_centroids"}
    assert set(NAMES[3]) - set(NAMES[2]) == {
        "sdc_with_scales_of_one_byte",
        "sdc_with_scales_of_centroids",
        "sdc_fast_scan",
        "ivf_sdc_residual_with_scales_of_one_byte",
    }
    assert set(NAMES[4]) - set(NAMES[3]) == {
        "bebr_with_weights_of_errors",
        "sdc_with_weights_of_errors",
    }
    assert set(NAMES[5]) - set(NAMES[4]) == {"bebr_continuous"}
    assert set(NAMES[6]) - set(NAMES[5]) == {"sdc_fast_scan_in_two_passes"}


@pytest.mark.parametrize(("version", "name"), FILES)
def test_results(version: int, name: str, folder: Path, simd_level: str):
    path = get_path(folder, version, name)
    assert path.read_bytes()[4] == version
    rtol = 1e-6 if version == 1 and name in LEARN_RANGE else 0
    assert_recorded(read(path), path, rtol)
    assert_recorded(read(path, faiss.IO_FLAG_MMAP), path, rtol)


@pytest.mark.parametrize("name", NAMES[VERSION])
def test_bytes(name: str, folder: Path, tmp_path: Path):
    """Of what is read, and of what is made anew."""
    path = get_path(folder, VERSION, name)
    if name not in REFER:
        assert serialize(read(path)) == path.read_bytes()
    if name not in BUILD_OTHERWISE:
        assert serialize(make(tmp_path, name)) == path.read_bytes()


@pytest.mark.parametrize(
    ("version", "name"),
    [
        (version, name)
        for version, name in FILES
        if version < VERSION and name not in REFER | CHOOSE_NEAREST
        if version > 1 or name not in LEARN_RANGE
    ],
)
def test_old_files_are_written_as_new_ones(version: int, name: str, folder: Path):
    written = serialize(read(get_path(folder, version, name)))
    assert written == get_path(folder, VERSION, name).read_bytes()


def test_vectors_are_added_to_an_old_file(folder: Path):
    """Whose range decoded vectors are not multiplied by."""
    (name,) = LEARN_RANGE
    index = read(get_path(folder, 1, name))
    x = vectors(index.ntotal, index.d, 1)
    index.add(x)
    errors = np.linalg.norm(index.reconstruct_n() - np.tile(x, (2, 1)), axis=1)
    before, after = errors.reshape(2, -1)
    assert after.mean() < 1.05 * before.mean()
    again = faiss_bebr.deserialize_index(np.frombuffer(serialize(index), np.uint8))
    np.testing.assert_array_equal(again.sa_encode(x), index.sa_encode(x))
    np.testing.assert_array_equal(again.reconstruct_n(), index.reconstruct_n())


# normalize, is_trained and document_nbits of the transform, the range of the index
DOCUMENT_NBITS = struct.pack("<BBi", 0, 1, 0)
ONE = struct.pack("<f", 1)


def change_old(name: str, field: bytes, new: bytes) -> bytes:
    """Of the first field with those bytes."""
    payload = unseal(get_path(GOLDEN, 1, name).read_bytes())
    assert field in payload
    return seal(payload.replace(field, new, 1), version=1)


@pytest.mark.parametrize("nbits", [0, 1, 2])
def test_old_depth_of_documents(nbits: int, tmp_path: Path):
    data = change_old("bebr", DOCUMENT_NBITS, struct.pack("<BBi", 0, 1, nbits))
    path = tmp_path / "old.bebr"
    path.write_bytes(data)
    transform = read(path)
    assert (transform.ncentroids, transform.document_code_size) == (0, 0)
    widths = faiss.vector_to_array(transform.document_plane_widths)
    np.testing.assert_array_equal(widths, [8] * nbits)


@pytest.mark.parametrize(
    ("name", "field", "new", "message"),
    [
        ("sdc", ONE, struct.pack("<f", np.nan), "grid_step must be"),
        ("sdc", ONE, struct.pack("<f", -1), "grid_step must be"),
        ("bebr", DOCUMENT_NBITS, struct.pack("<BBi", 0, 1, 3), "planes is 3"),
        ("bebr", DOCUMENT_NBITS, struct.pack("<BBi", 0, 1, -1), "planes is 42949"),
    ],
)
def test_damaged_old_files(
    name: str, field: bytes, new: bytes, message: str, tmp_path: Path
):
    path = tmp_path / "old.bebr"
    path.write_bytes(change_old(name, field, new))
    with pytest.raises(RuntimeError, match=message):
        read(path)


def set_nan(values: np.ndarray) -> None:
    values[7] = np.nan


def set_infinity(values: np.ndarray) -> None:
    values[7] = np.inf


def set_negative(values: np.ndarray) -> None:
    values[7] = -1


def set_first(values: np.ndarray) -> None:
    values[0] += 0.5


def exchange(values: np.ndarray) -> None:
    values[[7, 8]] = values[[8, 7]]


@pytest.mark.parametrize(
    ("name", "attribute", "damage"),
    [
        ("sdc_with_scales_of_one_byte", "scale_values", damage)
        for damage in (set_nan, set_infinity, set_negative, set_first, exchange)
    ]
    + [
        ("sdc_with_scales_of_centroids", attribute, damage)
        for attribute in ("scale_values", "centroid_scales")
        for damage in (set_nan, set_infinity, set_negative, set_first)
    ],
)
def test_damaged_scales(
    name: str, attribute: str, damage: Callable, folder: Path, tmp_path: Path
):
    path = get_path(folder, VERSION, name)
    index = read(path)
    values = faiss.vector_to_array(getattr(index.sdc, attribute))
    payload = unseal(path.read_bytes())
    assert payload.count(values.tobytes()) == 1
    damaged = values.copy()
    damage(damaged)
    data = payload.replace(values.tobytes(), damaged.tobytes())
    (tmp_path / "damaged.bebr").write_bytes(seal(data))
    with pytest.raises(RuntimeError, match="values of scales must"):
        read(tmp_path / "damaged.bebr")
