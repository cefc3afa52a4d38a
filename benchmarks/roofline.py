"""What the machine can do, and the part of it that a search and encoding reach.

A search of one query reads every code once, so it takes at least their bytes at
the speed of memory. Integer products of 8 bits are four to a 32-bit lane, so a
core makes at most four times as many of them as of float multiply-adds, which
the BLAS of numpy is taken to reach.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
from timing import seconds_of_search

import faiss_bebr

INTEGERS_PER_FLOAT = 4


def _least_seconds(work: Callable[[], object], rounds: int) -> float:
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def read_bandwidth(threads: int, *, nbytes: int = 2**30, rounds: int = 5) -> float:
    """Bytes a second that so many threads read of an array beyond all caches."""
    parts = np.array_split(np.ones(nbytes // 8, dtype=np.uint64), threads)
    with ThreadPoolExecutor(threads) as pool:
        return nbytes / _least_seconds(lambda: list(pool.map(np.max, parts)), rounds)


def float_multiply_adds(*, size: int = 1536, rounds: int = 5) -> float:
    """Float multiply-adds a second of numpy's matrix product."""
    x = np.ones((size, size), dtype=np.float32)
    return size**3 / _least_seconds(lambda: x @ x, rounds)


def random_index(n: int, m: int, nbits: int) -> faiss_bebr.IndexSDC:
    """An index of random codes whose scales are all the same."""
    index = faiss_bebr.IndexSDC(m, nbits, faiss.METRIC_INNER_PRODUCT)
    rng = np.random.default_rng(0)
    index.add(rng.standard_normal((1, m), dtype=np.float32))
    scale = index.sa_encode(rng.standard_normal((1, m), dtype=np.float32))[0]
    step = 1 << 20
    for start in range(1, n, step):
        codes = rng.integers(
            0, 256, (min(step, n - start), index.code_size), dtype=np.uint8
        )
        codes[:, m * nbits // 8 :] = scale[m * nbits // 8 :]
        index.add_sa_codes(codes)
    return index


def random_network(
    d_in: int, widths: Sequence[int]
) -> tuple[faiss_bebr.BinarizerTransform, list[np.ndarray]]:
    """A network of linear blocks, and the matrices that it multiplies with."""
    transform = faiss_bebr.BinarizerTransform(d_in, widths)
    rng = np.random.default_rng(0)
    matrices = []
    for set_block, d_out in (
        (transform.set_binarization_block, widths),
        (transform.set_reconstruction_block, [d_in] * len(widths)),
    ):
        inputs = d_in if d_out is widths else widths[0]
        for t, outputs in enumerate(d_out):
            weight = rng.standard_normal((outputs, inputs), dtype=np.float32)
            hidden = (np.empty((0, inputs)), np.empty(0), np.empty((outputs, 0)))
            set_block(t, weight, np.zeros(outputs), *hidden)
            matrices.append(weight)
    transform.is_trained = True
    # the last reconstruction is for decoding
    return transform, matrices[:-1]


def report_encoding(*, d_in: int = 384, rounds: int) -> list[str]:
    """Lines of text: networks, and numpy's bare products with their matrices."""
    recurrent = random_network(d_in, [256] * 6)
    # as those for a budget of bytes
    continuous = random_network(d_in, [d_in])
    continuous[0].continuous = True
    lines = [
        line
        for name, network in (("BEBR256x6", recurrent), ("continuous", continuous))
        for line in _report_network(name, *network, rounds=rounds)
    ]
    x = np.random.default_rng(2).standard_normal((1000, d_in), dtype=np.float32)
    few, all_planes = (
        _least_seconds(lambda nbits=nbits: recurrent[0].encode(x, nbits), rounds)
        for nbits in (2, 6)
    )
    lines.append(
        f"BEBR256x6, packed codes of 1000 vectors: {few * 1e3:.1f} us each for 2 "
        f"planes, {all_planes * 1e3:.1f} us for 6"
    )
    return lines


def _report_network(
    name: str,
    transform: faiss_bebr.BinarizerTransform,
    matrices: list[np.ndarray],
    *,
    rounds: int,
) -> list[str]:
    d_in = transform.d_in
    rng = np.random.default_rng(1)
    lines = []
    for n in (1, 2, 4, 16, 100, 1000):
        inputs = {
            d: rng.standard_normal((n, d), dtype=np.float32)
            for d in (d_in, transform.d_out)
        }
        repeats = max(1, 100 // n)

        def encode(inputs=inputs, repeats=repeats) -> None:
            for _ in range(repeats):
                transform.apply(inputs[d_in])

        def multiply(inputs=inputs, repeats=repeats) -> None:
            for _ in range(repeats):
                for matrix in matrices:
                    inputs[matrix.shape[1]] @ matrix.T

        # in turn, as the machine may have other work for a while
        seconds = [
            (_least_seconds(encode, 1), _least_seconds(multiply, 1))
            for _ in range(rounds)
        ]
        ours, theirs = np.min(seconds, axis=0) / repeats / n * 1e6
        lines.append(
            f"{name} of {n} vectors of {d_in}: {ours:.1f} us each; "
            f"numpy's products with its matrices {theirs:.1f} us"
        )
    return lines


def report(threads: int, *, n: int, rounds: int) -> list[str]:
    """Lines of text: the machine, one query over n codes, and a batch."""
    faiss.omp_set_num_threads(threads)
    bandwidth = read_bandwidth(threads)
    products = INTEGERS_PER_FLOAT * float_multiply_adds()
    lines = [
        f"{threads} thread(s): read {bandwidth / 1e9:.1f} GB/s; "
        f"{products / 1e9:.0f} G integer multiply-adds/s by numpy's threads"
    ]
    lines += report_encoding(rounds=rounds)
    rows = random_index(n, 256, 2)
    queries = np.random.default_rng(1).standard_normal((256, 256), dtype=np.float32)
    for index in (rows, faiss_bebr.IndexSDCFastScan(rows)):
        single = _least_seconds(
            lambda index=index: index.search(queries[:1], 10), rounds
        )
        speed = index.ntotal * index.code_size / single
        lines.append(
            f"{type(index).__name__}, one query, {n} codes of {index.code_size} bytes: "
            f"{single * 1e3:.1f} ms, {speed / 1e9:.1f} GB/s, "
            f"{speed / bandwidth:.2f} of the read bandwidth"
        )
    for nbits in (1, 2, 4):
        small = random_index(100_000, 256, nbits)
        seconds_of_search(small, [queries], 10)
        batch = _least_seconds(lambda small=small: small.search(queries, 10), rounds)
        rate = len(queries) * small.ntotal * 256 / batch
        lines.append(
            f"256 queries, 100000 codes of 256 x {nbits} bits: "
            f"{batch / len(queries) / small.ntotal * 1e9:.3f} ns a pair, "
            f"{rate / 1e9:.0f} G products/s, {rate / products:.2f} of the peak"
        )
    return lines
