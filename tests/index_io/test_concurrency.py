"""Writing, copying and reading while other threads search."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from cases import (
    assert_same_results,
    clone,
    deserialize,
    get_case,
    read,
    serialize,
    write,
)

from faiss_bebr import index_io
from faiss_bebr.index_io import limits

NAMES = [
    "BEBR,IVFSDC",
    "BEBR,HNSW of SDC",
    "IVF of HNSW of SDC,SQ8",
    "IDMap2 of BEBR,SDC,RFlat",
    "IDMap of Shards of SDC and stock",
    "IDMap2 of BIVFSDC",
    "BinaryIVF over BSDC",
]


def run_together(*tasks: Callable[[], None], times: int = 15) -> None:
    """Each task so many times, all at once; an exception of one comes out."""
    barrier = threading.Barrier(len(tasks))

    def repeat(task: Callable[[], None]) -> None:
        barrier.wait()
        for _ in range(times):
            task()

    with ThreadPoolExecutor(len(tasks)) as pool:
        for future in [pool.submit(repeat, task) for task in tasks]:
            future.result()


@pytest.mark.parametrize("name", NAMES)
def test_searching_while_others_write_and_copy(name: str, tmp_path: Path):
    """Two of each: both writers look at what is inside the same index."""
    case = get_case(name)

    def search() -> None:
        assert_same_results(case, case.index)

    def write_it() -> None:
        assert serialize(case.index) == case.data

    def copy() -> None:
        assert_same_results(case, clone(case.index))

    def write_file() -> None:
        write(case.index, tmp_path / "index")
        assert_same_results(case, read(tmp_path / "index", case.kind.is_binary))

    run_together(search, search, write_it, write_it, copy, write_file, write_file)
    assert (tmp_path / "index").read_bytes() == case.data
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


def test_parts_are_what_they_are_while_others_write():
    case = get_case("IDMap2 of BEBR,IVFSDC")

    def look() -> None:
        inside = faiss.downcast_index(case.index.index)
        assert type(inside) is faiss.IndexPreTransform
        part = index_io.downcast_index(inside.index)
        assert type(part) is index_io.OWN_TYPES[b"IVFS"].the_class

    run_together(look, look, lambda: serialize(case.index), times=100)


def get_limits() -> tuple[int, int]:
    return (
        faiss.get_deserialization_vector_byte_limit(),
        faiss.get_deserialization_loop_limit(),
    )


def test_reading_in_threads_leaves_limits_as_they_were():
    before = get_limits()
    cases = [get_case(name) for name in NAMES]

    def make_reader(case: Any) -> Callable[[], None]:
        def read_it() -> None:
            index = deserialize(case.data, case.kind.is_binary)
            assert_same_results(case, index)

        return read_it

    run_together(*map(make_reader, cases))
    assert get_limits() == before


def test_limits_of_the_user_hold(tmp_path: Path):
    case = get_case("BEBR,HNSW of SDC")
    before = get_limits()
    faiss.set_deserialization_vector_byte_limit(1000)
    try:
        with pytest.raises(RuntimeError, match="byte_limit|byte limit"):
            deserialize(case.data)
        assert get_limits() == (1000, before[1])
    finally:
        faiss.set_deserialization_vector_byte_limit(before[0])
    with pytest.raises(RuntimeError):
        deserialize(case.data[:-1])
    assert get_limits() == before


def test_large_stock_files_are_read_while_ours_are(monkeypatch: pytest.MonkeyPatch):
    """Bounds for our files are global in FAISS, and not for files of its own."""
    monkeypatch.setattr(limits, "_LEAST_ARRAY_BYTES", 10_000)
    large = faiss.IndexFlatL2(64)
    large.add(np.zeros((20_000, 64), np.float32))
    data = faiss.serialize_index(large)
    with limits.reading_payload(0):
        with pytest.raises(RuntimeError, match="byte limit|byte_limit"):
            faiss.deserialize_index(data)
        assert index_io.deserialize_index(data).ntotal == 20_000
        assert index_io.clone_index(large).ntotal == 20_000


def test_callbacks_may_wait_for_another_thread_that_writes():
    """No lock is held while a writer waits."""
    case = get_case("BEBR,IVFSDC")
    other = get_case("IDMap2 of BEBR,IVFSDC")
    with ThreadPoolExecutor(1) as pool:

        class Target:
            def write(self, data: bytes) -> None:
                future = pool.submit(serialize, other.index)
                assert future.result(30) == other.data

        write(case.index, Target())
