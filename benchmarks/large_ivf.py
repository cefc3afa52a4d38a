"""An inverted file of synthetic vectors: time and memory to build, save, map and
search it.

The vectors are drawn around random centres in batches, so that they are never in
memory together. A query is a document with noise; printed is how often the 10
results hold that document.

    python benchmarks/large_ivf.py --folder <on a disk with 1 GB>
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import faiss
import numpy as np

import faiss_bebr

D = 384
BATCH = 100_000
NCENTRES = 20_000
NQUERIES = 1000
# documents that queries are made of: every so many of the first batch
QUERY_STEP = 97


def peak_gib() -> float:
    """Of this process alone; getrusage counts the one that started it too."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) / 2**20


@contextmanager
def stage(name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds = time.perf_counter() - start
    print(f"{name:30} {seconds:7.1f} s   peak {peak_gib():.2f} GiB", flush=True)


def draw_centres() -> np.ndarray:
    rng = np.random.default_rng(0)
    # variances that fall, as those of real embeddings do
    spread = (1 + np.arange(D, dtype=np.float32)) ** -0.5
    return rng.standard_normal((NCENTRES, D), dtype=np.float32) * spread


def draw_batch(centres: np.ndarray, number: int, size: int) -> np.ndarray:
    """(size, D) float32 of unit length, always the same for a number."""
    rng = np.random.default_rng(number + 1)
    x = centres[rng.integers(0, NCENTRES, size)]
    spread = (1 + np.arange(D, dtype=np.float32)) ** -0.5
    x += 0.5 * rng.standard_normal(x.shape, dtype=np.float32) * spread
    faiss.normalize_L2(x)
    return x


def draw_queries(centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Queries, and the ids of the documents that they are made of."""
    ids = np.arange(NQUERIES) * QUERY_STEP
    queries = draw_batch(centres, 0, BATCH)[ids]
    rng = np.random.default_rng(1 << 20)
    noise = rng.standard_normal(queries.shape, dtype=np.float32)
    queries += 0.5 * noise / np.sqrt(np.float32(D))
    faiss.normalize_L2(queries)
    return queries, ids


def build(n: int, description: str, path: Path) -> None:
    centres = draw_centres()
    index = faiss_bebr.index_factory(D, description, faiss.METRIC_INNER_PRODUCT)
    with stage("train"):
        index.train(draw_batch(centres, 1 << 21, 2 * BATCH))
    with stage(f"add {n} vectors"):
        for start in range(0, n, BATCH):
            index.add(draw_batch(centres, start // BATCH, min(BATCH, n - start)))
    with stage("save"):
        faiss_bebr.write_index(index, path)
    print(f"{path.stat().st_size / n:.1f} bytes a vector in the file")


def search(path: Path) -> None:
    queries, ids = draw_queries(draw_centres())
    before = peak_gib()
    with stage("map"):
        index = faiss_bebr.read_index(path, faiss.IO_FLAG_MMAP)
    space = faiss_bebr.ParameterSpace()
    for nprobe in (1, 4, 16, 64):
        space.set_index_parameter(index, "nprobe", nprobe)
        start = time.perf_counter()
        _, found = index.search(queries, 10)
        seconds = time.perf_counter() - start
        hits = (found == ids[:, None]).any(axis=1).mean()
        print(
            f"nprobe {nprobe:3}: {NQUERIES / seconds:8.0f} queries/s, "
            f"own document found {hits:.3f}"
        )
    print(f"memory of the mapped index {peak_gib() - before:.2f} GiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--n", type=int, default=10_000_000)
    parser.add_argument("--description", default="BEBR256x6,IVF4096,SDC2")
    parser.add_argument("--folder", type=Path, default=Path("."))
    # the part of a process of its own, so that its memory is measured alone
    parser.add_argument("--search", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.n < BATCH:
        parser.error(f"--n must be at least {BATCH}, as queries are made of the first")
    path = arguments.folder / "large_ivf.bebr"
    if arguments.search:
        search(path)
        return
    build(arguments.n, arguments.description, path)
    subprocess.run([sys.executable, *sys.argv, "--search"], check=True)
    path.unlink()


if __name__ == "__main__":
    main()
