"""Reads damaged files and uses what comes out, in a process of its own.

    fuzz_worker.py FOLDER FIRST LAST NAME...

FOLDER has what fuzz_files.py wrote for each NAME. Each is damaged by the seeds
FIRST to LAST - 1, or, if LAST is "sweep", wherever its fields are. The first NAME's
.progress has the file and the seed that are being tried, for the case that they are
the last ones, and its .counts, at the end, how many files of each NAME were refused
and how many were read.
"""

from __future__ import annotations

import collections
import contextlib
import io
import json
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from fuzz_files import READ, Damaged, load
from mutations import (
    cut_payloads,
    exchange_path,
    exchange_tag,
    huge_numbers,
    make_field_mutations,
    make_splice,
    mutate,
    set_number,
    unseal,
)

from faiss_bebr import index_io

TIMEOUT_S = 20
# resident, and asked for
MAX_RATIO, MAX_BYTES, MAX_ADDRESSES = 4, 200 << 20, 1 << 30
PIPE, MEMORY, MAPPED, FILE = WAYS = range(4)
# what uses of a strange index may raise
REFUSALS = (RuntimeError, ValueError, AssertionError)


class Pipe(io.RawIOBase):
    """A stream that tells nothing about its length."""

    def __init__(self, data: bytes) -> None:
        self.inner = io.BytesIO(data)

    def read(self, n: int = -1) -> bytes:
        return self.inner.read(n)


def reset_peak() -> int:
    """Resident bytes now, from which on the peak counts."""
    Path("/proc/self/clear_refs").write_text("5")
    return read_status("VmRSS")


def read_status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) << 10
    raise KeyError(name)


def read(data: bytes, family: str, path: Path, way: int) -> Any:
    """From one of several kinds of sources."""
    flags = 0
    source: Any = path
    if way == PIPE:
        source = Pipe(data)
    elif way == MEMORY:
        source = io.BytesIO(data)
    else:
        path.write_bytes(data)
        if way == MAPPED:
            flags = faiss.IO_FLAG_MMAP | faiss.IO_FLAG_MMAP_IFC
    return READ[family](source, flags)


def get_actions(index: Any, is_mapped: bool) -> list[Any]:
    """What may fail but not crash.

    FAISS's own classes end the process, also of an undamaged file, in reconstruct_n
    where reconstruct throws, in reconstruct of an empty index, where mapped vectors
    are changed, and where a vector that is near no centroid is removed by a hash
    table.
    """
    rng = np.random.default_rng(0)
    if isinstance(index, faiss.VectorTransform):
        x = rng.standard_normal((3, index.d_in)).astype(np.float32)
        y = rng.standard_normal((3, index.d_out)).astype(np.float32)
        writer = faiss.VectorIOWriter()
        return [
            lambda: index.apply(x),
            lambda: index.reverse_transform(y),
            lambda: index_io.write_VectorTransform(index, writer),
        ]
    is_binary = isinstance(index, faiss.IndexBinary)
    x = rng.standard_normal((3, index.d)).astype(np.float32)
    if is_binary:
        x = rng.integers(0, 256, (3, index.d // 8), dtype=np.uint8)
    suffix = "_binary" if is_binary else ""
    clone = index_io.clone_binary_index if is_binary else index_io.clone_index
    actions = [
        lambda: index.search(x, 3),
        lambda: index.range_search(x, 3 if is_binary else 1.0),
        lambda: getattr(index_io, f"serialize_index{suffix}")(index),
        lambda: clone(index),
    ]
    is_own = type(index).__module__.startswith("faiss_bebr")
    if is_own or index.ntotal:
        actions.append(lambda: index.reconstruct(0))
        actions.append(lambda: index.reconstruct(index.ntotal - 1))
    if is_own:
        actions.append(lambda: index.reconstruct_n(0, min(index.ntotal, 3)))
    if is_own or not is_binary:
        actions.append(lambda: index.search_and_reconstruct(x, 2))
    if is_own or not is_mapped:
        actions += [
            lambda: index.add(x),
            lambda: index.add_with_ids(x, np.array([5, 1 << 40, 7])),
            lambda: index.search(x, 3),
        ]
        if is_own or not has_hash_table(index):
            actions.append(lambda: index.remove_ids(np.array([0, 1, 7])))
        actions += [lambda: index.search(x, 3), lambda: index.reset()]
    return actions


def has_hash_table(index: Any) -> bool:
    direct_map = getattr(index, "direct_map", None)
    return direct_map is not None and direct_map.type == faiss.DirectMap.Hashtable


def make_random_files(
    file: Damaged, name: str, first: int, last: int, others: list[bytes]
) -> Iterator[tuple[str, bytes, int]]:
    """Seeds with damaged files and ways to read them."""
    of_payload = [set_number, exchange_tag, exchange_path, make_splice(others)]
    of_payload += make_field_mutations(unseal(file.data), file.fields)
    for seed in range(first, last):
        rng = np.random.default_rng([seed, *name.encode()])
        data = mutate(file.data, rng, of_payload, 0.1)
        yield str(seed), data, int(rng.choice(WAYS))


def make_all_files(file: Damaged) -> Iterator[tuple[str, bytes, int]]:
    """Damaged at every field."""
    payload = unseal(file.data)
    for make in (cut_payloads, huge_numbers):
        for i, data in enumerate(make(payload, file.fields)):
            yield f"{make.__name__} {i}", data, i % len(WAYS)


def try_file(data: bytes, file: Damaged, path: Path, way: int) -> str:
    """What became of it."""
    if file.beside:
        Path(file.beside).write_bytes(path.with_suffix(".beside").read_bytes())
    try:
        index = read(data, file.family, path.with_suffix(".damaged"), way)
    except RuntimeError:
        return "refused"
    for action in get_actions(index, way == MAPPED):
        with contextlib.suppress(*REFUSALS):
            action()
    return "read"


def run(folder: Path, name: str, tries: Any, progress: Any) -> dict[str, int]:
    file = load(name, folder)
    counts: collections.Counter[str] = collections.Counter()
    for seed, data, way in tries:
        progress.seek(0)
        progress.write(f"{name} {seed:100s}")
        progress.flush()
        signal.alarm(TIMEOUT_S)
        before = reset_peak()
        counts[try_file(data, file, folder / f"{name}.bebr", way)] += 1
        used = read_status("VmHWM") - before
        if used > MAX_RATIO * len(data) + MAX_BYTES:
            raise MemoryError(f"{used} bytes for a file of {len(data)}")
        signal.alarm(0)
    return counts


def limit_addresses() -> None:
    limit = read_status("VmSize") + MAX_ADDRESSES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main() -> None:
    folder, first, last, *names = sys.argv[1:]
    path = Path(folder)
    others = [unseal(file.read_bytes()) for file in sorted(path.glob("*.bebr"))]
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    faiss.omp_set_num_threads(1)
    limit_addresses()
    counts = {}
    with open(path / f"{names[0]}.progress", "w") as progress:
        for name in names:
            file = load(name, path)
            if last == "sweep":
                tries = make_all_files(file)
            else:
                tries = make_random_files(file, name, int(first), int(last), others)
            counts[name] = run(path, name, tries, progress)
    (path / f"{names[0]}.counts").write_text(json.dumps(counts))


if __name__ == "__main__":
    main()
