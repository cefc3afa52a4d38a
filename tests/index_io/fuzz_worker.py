"""Reads damaged files and uses what comes out, in a process of its own.

    fuzz_worker.py FOLDER NAME FIRST LAST

FOLDER has the files of all kinds; that called NAME is damaged, by the seeds FIRST
to LAST - 1. FOLDER/NAME.progress has the seed that is being tried, for the case
that it is the last one.
"""

from __future__ import annotations

import collections
import contextlib
import io
import json
import signal
import sys
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from mutations import (
    exchange_path,
    exchange_tag,
    make_size_mutation,
    make_splice,
    mutate,
    set_number,
    unseal,
)

from faiss_bebr import index_io

TIMEOUT_S = 20
MAX_RATIO, MAX_BYTES = 4, 200 << 20
PIPE, MEMORY, MAPPED, FILE = WAYS = range(4)


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


def read(data: bytes, is_binary: bool, path: Path, way: int) -> Any:
    """From one of several kinds of sources."""
    function = index_io.read_index_binary if is_binary else index_io.read_index
    if way == PIPE:
        return function(Pipe(data))
    if way == MEMORY:
        return function(io.BytesIO(data))
    path.write_bytes(data)
    flags = faiss.IO_FLAG_MMAP | faiss.IO_FLAG_MMAP_IFC if way == MAPPED else 0
    return function(path, flags)


def get_actions(index: Any, is_binary: bool, is_mapped: bool) -> list[Any]:
    """What may fail but not crash.

    Of an undamaged file, FAISS's own classes end the process in reconstruct_n
    where reconstruct throws, and where mapped vectors are changed.
    """
    d = index.d // 8 if is_binary else index.d
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, d)).astype(np.float32)
    if is_binary:
        x = rng.integers(0, 256, (3, d), dtype=np.uint8)
    suffix = "_binary" if is_binary else ""
    clone = index_io.clone_binary_index if is_binary else index_io.clone_index
    actions = [
        lambda: index.search(x, 3),
        lambda: index.range_search(x, 3 if is_binary else 1.0),
        lambda: index.reconstruct(0),
        lambda: index.reconstruct(index.ntotal - 1),
        lambda: getattr(index_io, f"serialize_index{suffix}")(index),
        lambda: clone(index),
    ]
    is_own = type(index).__module__.startswith("faiss_bebr")
    if is_own:
        actions.append(lambda: index.reconstruct_n(0, min(index.ntotal, 3)))
    if is_own or not is_binary:
        actions.append(lambda: index.search_and_reconstruct(x, 2))
    if is_own or not is_mapped:
        actions += [
            lambda: index.add(x),
            lambda: index.add_with_ids(x, np.array([5, 1 << 40, 7])),
            lambda: index.search(x, 3),
            lambda: index.remove_ids(np.array([0, 1, 7])),
            lambda: index.search(x, 3),
            lambda: index.reset(),
        ]
    return actions


def main() -> None:
    folder, name = Path(sys.argv[1]), sys.argv[2]
    first, last = int(sys.argv[3]), int(sys.argv[4])
    about = json.loads((folder / "about.json").read_text())
    files = {key: (folder / f"{key}.bebr").read_bytes() for key in about}
    data, is_binary = files[name], about[name]["is_binary"]
    of_payload = [
        set_number,
        exchange_tag,
        exchange_path,
        make_splice([unseal(other) for other in files.values()]),
    ]
    set_size = make_size_mutation(about[name]["sizes"])
    of_payload += [set_size] * 4
    counts: collections.Counter[str] = collections.Counter()
    peak = 0
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    with open(folder / f"{name}.progress", "w") as progress:
        for seed in range(first, last):
            rng = np.random.default_rng([seed, *name.encode()])
            damaged = mutate(data, rng, of_payload, 0.1)
            progress.seek(0)
            progress.write(f"{seed:20d}")
            progress.flush()
            signal.alarm(TIMEOUT_S)
            before = reset_peak()
            way = int(rng.choice(WAYS))
            try:
                index = read(damaged, is_binary, folder / f"{name}.damaged", way)
            except (RuntimeError, ValueError, OSError) as error:
                counts[type(error).__name__] += 1
            else:
                for action in get_actions(index, is_binary, way == MAPPED):
                    with contextlib.suppress(RuntimeError, ValueError, AssertionError):
                        action()
                del index, action
                counts["read"] += 1
            used = read_status("VmHWM") - before
            peak = max(peak, used)
            if used > MAX_RATIO * len(damaged) + MAX_BYTES:
                raise MemoryError(f"seed {seed}: {used} bytes for {len(damaged)}")
            signal.alarm(0)
    print(json.dumps({"counts": counts, "peak": peak}))


if __name__ == "__main__":
    main()
