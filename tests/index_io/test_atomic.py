"""Writing that fails or is killed leaves the old file whole."""

from __future__ import annotations

import io
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import faiss
import pytest
from builders import L2, NBITS, NLIST, D, ivf_sdc, own, sdc, vectors
from cases import assert_same_results, get_case, read, serialize, write

import faiss_bebr
from faiss_bebr import index_io

# a program that is given the path of an existing file, to write over it
PREAMBLE = """if True:
    import ctypes, os, resource, sys, time
    import numpy as np
    import faiss_bebr
    from faiss_bebr import index_io

    path = sys.argv[1]
    index = faiss_bebr.IndexSDC(64, 2)
    index.add(np.ones((60_000, 64), dtype="float32"))
"""


def start(program: str, path: Path) -> subprocess.Popen[str]:
    """An index of about one megabyte is written over the file."""
    return subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + program, path],
        stdout=subprocess.PIPE,
        text=True,
    )


def run(program: str, path: Path) -> str:
    """What the program prints."""
    process = start(program, path)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return output


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file that has an index."""
    path = tmp_path / "folder" / "index"
    path.parent.mkdir()
    path.write_bytes(get_case("SDC").data)
    return path


def assert_whole(path: Path) -> None:
    """The old file is there, and nothing beside it."""
    assert path.read_bytes() == get_case("SDC").data
    assert list(path.parent.iterdir()) == [path]
    assert_same_results(get_case("SDC"), read(path))


@pytest.mark.parametrize("nbytes", [0, 10, 100_000, 1_000_000])
def test_file_that_must_not_grow(old: Path, nbytes: int):
    """As on a disk that is full after so many bytes."""
    program = f"""
    resource.setrlimit(resource.RLIMIT_FSIZE, ({nbytes}, {nbytes}))
    try:
        index_io.write_index(index, path)
    except RuntimeError as error:
        print(str(error).removeprefix(path))
    """
    assert run(program, old) == ": File too large\n"
    assert_whole(old)


@pytest.fixture
def small_disk(tmp_path: Path) -> Any:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", folder],
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_full_disk(small_disk: Path):
    path = small_disk / "index"
    path.write_bytes(get_case("SDC").data)
    index = faiss_bebr.IndexSDC(64, 8)
    index.add(vectors(5000)[:, :1].repeat(64, axis=1))
    with pytest.raises(RuntimeError, match="disk/index: No space left"):
        index_io.write_index(index, path)
    assert_whole(path)


def test_full_device():
    index = get_case("SDC").index
    with pytest.raises(RuntimeError, match="/dev/full: No space left"):
        write(index, "/dev/full")
    with open("/dev/full", "wb", buffering=0) as stream:
        with pytest.raises(OSError, match="No space left"):
            write(index, stream)
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


def test_killed_process(old: Path):
    """What it had written so far is left, under another name."""
    program = """
    def wait(fd):
        print("written", flush=True)
        time.sleep(60)

    os.fsync = wait
    index_io.write_index(index, path)
    """
    process = start(program, old)
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    process.stdout.close()
    left = [path for path in old.parent.iterdir() if path != old]
    assert [path.suffix for path in left] == [".tmp"]
    assert left[0].name.startswith("index.")
    left[0].unlink()
    assert_whole(old)
    # and one that is killed in the middle
    process = start("\n    while True: index_io.write_index(index, path)", old)
    for _ in range(100):
        if len(list(old.parent.iterdir())) > 1:
            break
        threading.Event().wait(0.05)
    process.kill()
    process.communicate()
    assert read(old).ntotal in (60_000, get_case("SDC").index.ntotal)


def test_interrupted_process(old: Path):
    program = """
    def interrupt(fd):
        raise KeyboardInterrupt

    os.fsync = interrupt
    try:
        index_io.write_index(index, path)
    except KeyboardInterrupt:
        print("interrupted")
    """
    assert run(program, old) == "interrupted\n"
    assert_whole(old)


def test_read_only_folder(old: Path):
    """The file is not written over in place, which could leave half of it."""
    program = """
    # even root may not write then
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    ctypes.CDLL(None).capset(header, (ctypes.c_uint32 * 6)())
    try:
        index_io.write_index(index, path)
    except RuntimeError as error:
        print(str(error).removeprefix(path))
    """
    old.parent.chmod(0o555)
    assert run(program, old) == ": Permission denied\n"
    old.parent.chmod(0o755)
    assert_whole(old)


class Broken:
    """A stream that fails after some bytes."""

    def __init__(self, nbytes: int, data: bytes = b"") -> None:
        self.left = nbytes
        self.stream = io.BytesIO(data)

    def take(self, n: int) -> None:
        self.left -= n
        if self.left < 0:
            raise ZeroDivisionError("of the stream")

    def write(self, data: bytes) -> int:
        self.take(len(data))
        return len(data)

    def read(self, n: int) -> bytes:
        self.take(min(n, 50))
        return self.stream.read(min(n, 50))


@pytest.mark.parametrize("name", ["SDC", "BEBR,HNSW of SDC", "IDMap2 of BIVFSDC"])
def test_exceptions_of_streams_come_out(name: str):
    case = get_case(name)
    for nbytes in (0, 3, 20, 200, len(case.data) - 1):
        with pytest.raises(ZeroDivisionError, match="of the stream"):
            write(case.index, Broken(nbytes))
        with pytest.raises(ZeroDivisionError, match="of the stream"):
            read(Broken(nbytes, case.data), case.kind.is_binary)
    assert_same_results(case, case.index)
    assert serialize(case.index) == case.data


def test_stream_that_takes_nothing():
    class Stuck:
        def write(self, data: bytes) -> int:
            return 0

    with pytest.raises(OSError, match="takes no more bytes"):
        write(get_case("SDC").index, Stuck())


def test_types_that_cannot_be_written(old: Path):
    base = ivf_sdc(L2)
    base.train(vectors())
    quantizer = faiss.IndexFlatL2(D)
    index = faiss.IndexIVFIndependentQuantizer(quantizer, base)
    with pytest.raises(RuntimeError, match="cannot write an IndexIVFIndependent"):
        write(index, old)
    storage = sdc(L2)
    graph = own(faiss.IndexNNDescent(storage, 8), storage)
    with pytest.raises(RuntimeError, match="IndexNNDescent"):
        write(graph, old)
    refine = faiss.IndexRefineFlat(sdc(L2))
    refine.k_factor = 1e6
    with pytest.raises(RuntimeError, match="k_factor=1000000.0"):
        write(refine, old)
    shards = faiss.IndexShardsIVF(faiss.IndexFlatL2(D), NLIST)
    shards.addIndex(base)
    with pytest.raises(RuntimeError, match="IndexShardsIVF"):
        write(shards, old)
    assert_whole(old)


@pytest.mark.parametrize("target", [3, None, b"name", [], 2.5])
def test_targets_that_are_none(target: Any):
    with pytest.raises(TypeError, match="expected a path"):
        write(get_case("SDC").index, target)
    with pytest.raises(TypeError, match="expected a path"):
        read(target)


def test_other_objects(old: Path):
    binary = get_case("BSDC").index
    with pytest.raises(TypeError, match="expected an index, got IndexBinarySDC"):
        index_io.write_index(binary, old)
    with pytest.raises(TypeError, match="expected a binary index, got IndexSDC"):
        index_io.write_index_binary(get_case("SDC").index, old)
    with pytest.raises(TypeError, match="expected a vector transform, got str"):
        index_io.write_VectorTransform("index", old)
    with pytest.raises(TypeError, match="expected an index, got NoneType"):
        index_io.clone_index(None)
    assert_whole(old)


def test_mode_and_owner_are_kept(old: Path):
    old.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(old, 1234, 1235)
    before = os.stat(old)
    write(get_case("IVFSDC").index, old)
    after = os.stat(old)
    assert stat.S_IMODE(after.st_mode) == 0o640
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    assert old.read_bytes() == get_case("IVFSDC").data


def test_mode_of_a_new_file(tmp_path: Path):
    umask = os.umask(0o027)
    try:
        write(get_case("SDC").index, tmp_path / "index")
    finally:
        os.umask(umask)
    assert stat.S_IMODE(os.stat(tmp_path / "index").st_mode) == 0o640


def test_links(old: Path, tmp_path: Path):
    """What a symbolic link leads to is replaced; of hard links one name is."""
    link, dangling, hard = (tmp_path / name for name in ("link", "dangling", "hard"))
    link.symlink_to(old)
    dangling.symlink_to(old.parent / "new")
    hard.hardlink_to(old)
    for path in (link, dangling):
        write(get_case("IVFSDC").index, path)
        assert path.is_symlink()
        assert path.read_bytes() == get_case("IVFSDC").data
    assert {path.name for path in old.parent.iterdir()} == {"index", "new"}
    assert hard.read_bytes() == get_case("SDC").data


def test_pipes(tmp_path: Path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    for name in ("BEBR,IVFSDC", "HNSW of SDC"):
        case = get_case(name)
        thread = threading.Thread(target=write, args=(case.index, path))
        thread.start()
        assert_same_results(case, read(path))
        thread.join()
    assert stat.S_ISFIFO(os.stat(path).st_mode)
    stock = faiss.serialize_index(faiss.IndexFlatL2(D)).tobytes()
    thread = threading.Thread(target=path.write_bytes, args=(stock,))
    thread.start()
    assert type(read(path)) is faiss.IndexFlatL2
    thread.join()


def test_descriptors(tmp_path: Path):
    """Such as /dev/stdout."""
    with open(tmp_path / "index", "w+b") as stream:
        write(get_case("SDC").index, f"/dev/fd/{stream.fileno()}")
    assert_same_results(get_case("SDC"), read(tmp_path / "index"))
    receiver, sender = os.pipe()
    thread = threading.Thread(
        target=write, args=(get_case("SDC").index, f"/dev/fd/{sender}")
    )
    thread.start()
    assert_same_results(get_case("SDC"), read(f"/dev/fd/{receiver}"))
    thread.join()
    os.close(receiver)
    os.close(sender)


def test_names(tmp_path: Path):
    case = get_case("SDC")
    folder = tmp_path / "größe Ω"
    folder.mkdir()
    for name in ("index", "x" * 255, "ä" * 127, os.fsdecode(b"not \xff utf-8")):
        write(case.index, folder / name)
        assert_same_results(case, read(folder / name))
        (folder / name).unlink()
    with pytest.raises(RuntimeError, match="größe Ω: Is a directory"):
        write(case.index, folder)
    with pytest.raises(RuntimeError, match="größe Ω: Is a directory"):
        read(folder)
    with pytest.raises(RuntimeError, match="missing/index: No such file"):
        write(case.index, folder / "missing" / "index")
    with pytest.raises(RuntimeError, match="missing: No such file"):
        read(folder / "missing")
    assert list(folder.iterdir()) == []


def test_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    write(get_case("SDC").index, "index")
    assert_same_results(get_case("SDC"), read("index"))
    assert os.listdir() == ["index"] and NBITS == 3
