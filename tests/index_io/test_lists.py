"""Direct maps, and lists in memory, mapped, and in files of their own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from builders import D_BINARY, L2, NBITS, NLIST, D, N, sdc
from cases import (
    assert_same_results,
    clone,
    deserialize,
    get_case,
    read,
    search,
    serialize,
    write,
)
from kinds import KINDS, build, make_data
from mutations import seal, unseal

import faiss_bebr
from faiss_bebr import index_io

IVFS = ["IVFSDC", "IVFSDC residual", "BIVFSDC", "IVF of SDC,Flat"]
TYPES = [faiss.DirectMap.NoMap, faiss.DirectMap.Array, faiss.DirectMap.Hashtable]


def with_direct_map(name: str, map_type: int) -> Any:
    """Ids in order, as arrays need."""
    kind = KINDS[name]
    index = kind.make(L2)
    index.train(make_data(kind))
    index.add(make_data(kind))
    index.set_direct_map_type(map_type)
    return index


@pytest.mark.parametrize("map_type", TYPES)
@pytest.mark.parametrize("name", IVFS)
def test_direct_maps(name: str, map_type: int, tmp_path: Path):
    index = with_direct_map(name, map_type)
    is_binary = KINDS[name].is_binary
    write(index, tmp_path / "index")
    flags = [0, faiss.IO_FLAG_MMAP]
    copies = [read(tmp_path / "index", is_binary, flag) for flag in flags]
    for copied in [*copies, clone(index)]:
        assert copied.direct_map.type == map_type
        if map_type == faiss.DirectMap.NoMap:
            with pytest.raises(RuntimeError, match="direct map"):
                copied.reconstruct(3)
            continue
        expected = index.reconstruct_n(0, N)
        np.testing.assert_array_equal(copied.reconstruct_n(0, N), expected)
        np.testing.assert_array_equal(copied.reconstruct(17), expected[17])


@pytest.mark.parametrize("name", ["IVFSDC residual", "BIVFSDC"])
def test_bytes_do_not_depend_on_the_order_of_a_hash_table(name: str):
    index = with_direct_map(name, faiss.DirectMap.Hashtable)
    data = serialize(index)
    assert serialize(deserialize(data, KINDS[name].is_binary)) == data


MAPPED = {
    "SDC": faiss.IO_FLAG_MMAP_IFC,
    "BSDC": faiss.IO_FLAG_MMAP_IFC,
    "IVFSDC": faiss.IO_FLAG_MMAP,
    "IVFSDC residual": faiss.IO_FLAG_MMAP,
    "BIVFSDC": faiss.IO_FLAG_MMAP,
    "BEBR,IVFSDC": faiss.IO_FLAG_MMAP,
    "IDMap of SDC": faiss.IO_FLAG_MMAP,
    "IDMap2 of BIVFSDC": faiss.IO_FLAG_MMAP,
    "HNSW of SDC": faiss.IO_FLAG_MMAP,
    "SDC,RFlat": faiss.IO_FLAG_MMAP_IFC,
    "Flat,Refine(SDC8)": faiss.IO_FLAG_MMAP_IFC,
    "IVFSDC,Refine(SQfp16)": faiss.IO_FLAG_MMAP,
    "Shards of IDMap of BEBR,IVFSDC": faiss.IO_FLAG_MMAP,
    "BEBR,IVF,Flat": faiss.IO_FLAG_MMAP,
    "BinaryIVF over BSDC": faiss.IO_FLAG_MMAP,
}


@pytest.mark.parametrize("name", MAPPED)
def test_mapped(name: str, tmp_path: Path):
    case = get_case(name)
    path = tmp_path / "index"
    path.write_bytes(case.data)
    index = read(path, case.kind.is_binary, MAPPED[name])
    path.unlink()
    assert_same_results(case, index)


@pytest.mark.parametrize("name", ["IVFSDC", "BIVFSDC", "SDC", "BSDC", "SDC,RFlat"])
def test_mapped_cannot_be_changed(name: str, tmp_path: Path):
    case = get_case(name)
    path = tmp_path / "index"
    path.write_bytes(case.data)
    index = read(path, case.kind.is_binary, faiss.IO_FLAG_MMAP)
    with pytest.raises(RuntimeError):
        index.add(make_data(case.kind, 5))
    assert path.read_bytes() == case.data
    assert_same_results(case, index)
    # all is in the file that is written, and it can even be that one
    assert serialize(index) == case.data
    write(index, path)
    assert path.read_bytes() == case.data
    assert_same_results(case, index)


def test_mapped_needs_a_path():
    data = get_case("SDC").data
    with pytest.raises(ValueError, match="path"):
        index_io.deserialize_index(np.frombuffer(data, np.uint8), faiss.IO_FLAG_MMAP)


@pytest.mark.parametrize("name", ["SDC", "BSDC"])
def test_copies_of_mapped_codes(name: str, tmp_path: Path):
    case = get_case(name)
    path = tmp_path / "index"
    path.write_bytes(case.data)
    index = clone(read(path, case.kind.is_binary, faiss.IO_FLAG_MMAP_IFC))
    assert_same_results(case, index)
    with pytest.raises(RuntimeError, match="mapped"):
        index.add(make_data(case.kind, 5))


def test_mapped_stock_lists_inside_are_not_written(tmp_path: Path):
    """FAISS would write a name of their file, which they have not."""
    case = get_case("BEBR,IVF,Flat")
    path = tmp_path / "index"
    path.write_bytes(case.data)
    index = read(path, False, faiss.IO_FLAG_MMAP)
    with pytest.raises(RuntimeError, match="IndexIVFFlat whose lists are mapped"):
        serialize(index)


def to_disk(index: Any, path: Path) -> None:
    """Moves the lists into a file."""
    lists = faiss.OnDiskInvertedLists(index.nlist, index.code_size, str(path))
    lists.merge_from_1(index.invlists)
    index.replace_invlists(lists, True)
    lists.this.disown()


@pytest.fixture(params=IVFS)
def on_disk(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Any, Any, Path]:
    """Case, an index with its lists on disk, and its file; the lists are beside."""
    case = get_case(request.param)
    index = build(request.param)
    to_disk(index, tmp_path / "lists")
    assert_same_results(case, index)
    write(index, tmp_path / "index")
    return case, index, tmp_path / "index"


def test_lists_on_disk(on_disk):
    case, index, path = on_disk
    assert path.stat().st_size < len(case.data)
    for flags in (0, faiss.IO_FLAG_READ_ONLY, faiss.IO_FLAG_MMAP):
        copied = read(path, case.kind.is_binary, flags)
        assert_same_results(case, copied)
        assert serialize(copied) == path.read_bytes() == serialize(index)
        # FAISS's own inverted files end the process then
        if flags and case.kind.name.endswith("SDC"):
            with pytest.raises(RuntimeError, match="read-only"):
                copied.add(make_data(case.kind, 3))


def test_lists_on_disk_that_moved(on_disk, tmp_path: Path):
    case, index, path = on_disk
    (tmp_path / "new").mkdir()
    for name in ("index", "lists"):
        shutil.move(tmp_path / name, tmp_path / "new")
    moved = tmp_path / "new" / "index"
    with pytest.raises(RuntimeError, match="could not open"):
        read(moved, case.kind.is_binary)
    index = read(moved, case.kind.is_binary, faiss.IO_FLAG_ONDISK_SAME_DIR)
    assert_same_results(case, index)


def test_lists_on_disk_that_were_cut_off(on_disk, tmp_path: Path):
    """Which would crash when they are searched."""
    case, _, path = on_disk
    # another file, as threads of FAISS may still read the one that is mapped
    lists = tmp_path / "lists"
    shutil.copyfile(lists, tmp_path / "copy")
    os.truncate(tmp_path / "copy", 1000)
    os.replace(tmp_path / "copy", lists)
    with pytest.raises(RuntimeError, match="1000 bytes, its lists go beyond"):
        read(path, case.kind.is_binary)


def test_errors_quote_any_bytes(tmp_path: Path):
    """Here the name of a file, which is no UTF-8."""
    index = build("IVFSDC")
    to_disk(index, tmp_path / "lists")
    payload = unseal(serialize(index))
    assert payload.count(b"/lists") == 1
    forged = seal(payload.replace(b"/lists", b"/\xffists"))
    with pytest.raises(RuntimeError, match=r"could not open .*/\\xffists"):
        deserialize(forged)


def test_lists_on_disk_are_not_cloned(on_disk):
    """As FAISS's."""
    case, index, _ = on_disk
    with pytest.raises(RuntimeError, match="clone not supported"):
        clone(index)
    assert_same_results(case, index)


def test_index_without_lists():
    quantizer = faiss_bebr.IndexSDC(D, 2)
    binary_quantizer = faiss_bebr.IndexBinarySDC(D_BINARY, NBITS)
    for index in (
        faiss_bebr.IndexIVFSDC(quantizer, D, NLIST, NBITS, L2, False),
        faiss_bebr.IndexBinaryIVFSDC(
            binary_quantizer, D_BINARY, NLIST, NBITS, L2, False
        ),
    ):
        kind = KINDS["BIVFSDC" if isinstance(index, faiss.IndexBinary) else "IVFSDC"]
        index.train(make_data(kind))
        copied = deserialize(serialize(index), kind.is_binary)
        assert copied.is_trained and copied.invlists is None
        lists = faiss.ArrayInvertedLists(NLIST, copied.code_size)
        copied.replace_invlists(lists, True)
        lists.this.disown()
        copied.add(make_data(kind))
        assert search(kind, copied)[1].min() >= 0


@pytest.mark.parametrize("name", ["IVFSDC", "BIVFSDC"])
def test_skip_ivf_data_is_as_in_faiss(name: str, tmp_path: Path):
    case = get_case(name)
    (tmp_path / "index").write_bytes(case.data)
    with pytest.raises(RuntimeError, match="could not load ArrayInvertedLists"):
        read(tmp_path / "index", case.kind.is_binary, faiss.IO_FLAG_SKIP_IVF_DATA)


def test_skip_storage(tmp_path: Path):
    """As in FAISS it is for the outermost index."""
    case = get_case("HNSW of SDC")
    path = tmp_path / "index"
    index_io.write_index(case.index, path, faiss.IO_FLAG_SKIP_STORAGE)
    index = read(path)
    assert index.storage is None
    storage = index_io.downcast_index(case.index.storage)
    index.storage = storage
    assert_same_results(case, index)
    case = get_case("BEBR,HNSW of SDC")
    index_io.write_index(case.index, path, faiss.IO_FLAG_SKIP_STORAGE)
    assert path.read_bytes() == case.data


def test_skip_precompute_table(tmp_path: Path):
    case = get_case("IVF of SDC,PQ")
    path = tmp_path / "index"
    path.write_bytes(case.data)
    index = read(path)
    assert index.precomputed_table.size() == case.index.precomputed_table.size() > 0
    index = read(path, io_flags=faiss.IO_FLAG_SKIP_PRECOMPUTE_TABLE)
    assert index.precomputed_table.size() == 0
    np.testing.assert_array_equal(search(case.kind, index)[1], case.results[1])


def test_very_many_lists_without_centroids():
    """A small file must not ask for any amount of memory."""
    quantizer = faiss.IndexFlatL2(D)
    index = faiss_bebr.IndexIVFSDC(quantizer, D, (1 << 18) + 1, 2, L2, False)
    with pytest.raises(RuntimeError, match="no 262145 lists for 0 centroids"):
        serialize(index)
    quantizer = sdc(L2)
    index = faiss.IndexIVFFlat(quantizer, D, (1 << 18) + 1, L2, False)
    with pytest.raises(RuntimeError, match="no 262145 lists for 0 centroids"):
        serialize(index)
