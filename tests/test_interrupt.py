"""Ctrl-C stops a long search, and leaves the index as it was."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

import pytest

PROGRAM = """
    import signal
    import sys
    import time
    import faiss
    import numpy as np
    import faiss_bebr

    # processes in the background may have it ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    kind, nq = sys.argv[1], int(sys.argv[2])
    rng = np.random.default_rng(0)
    if kind.startswith("binary"):
        codes = rng.integers(0, 256, (30_000, 256), dtype=np.uint8)
        index = faiss_bebr.IndexBinarySDC(2048, 2)
        if kind == "binary lists":
            index.add(codes[:4])
            index = faiss_bebr.IndexBinaryIVFSDC(index, 2048, 4, 2)
            index.nprobe = 4
        index.add(codes)
        queries = rng.integers(0, 256, (nq, 256), dtype=np.uint8)
    else:
        x = rng.standard_normal((30_000, 1024), dtype=np.float32)
        if kind == "float":
            index = faiss_bebr.IndexSDC(1024, 2)
        elif kind == "graph":
            x = x[:2000]
            index = faiss_bebr.index_factory(1024, "HNSW8,SDC2")
            index.train(x)
        else:
            quantizer = faiss.IndexFlatL2(1024)
            quantizer.add(x[:10])
            index = faiss_bebr.IndexIVFSDC(quantizer, 1024, 10, 2)
            index.nprobe = 10
            # FAISS stops the thread that Python delivers signals to
            faiss.omp_set_num_threads(1)
        index.add(x)
        queries = rng.standard_normal((nq, 1024), dtype=np.float32)
    before = index.search(queries[:3], 5)
    print("ready", flush=True)
    start = time.perf_counter()
    try:
        while True:
            index.search(queries, 5)
    except KeyboardInterrupt:
        seconds = time.perf_counter() - start
        after = index.search(queries[:3], 5)
        same = all((a == b).all() for a, b in zip(before, after))
        print("interrupted", same, index.ntotal, flush=True)
"""


@pytest.mark.parametrize("kind", ["binary", "binary lists", "float", "ivf", "graph"])
@pytest.mark.parametrize("nq", [4, 20_000])
def test_interrupt(kind, nq):
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), kind, str(nq)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.5)
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=30)
        finally:
            process.kill()
    ntotal = 2000 if kind == "graph" else 30000
    assert output == f"interrupted True {ntotal}\n"
