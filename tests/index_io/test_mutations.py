"""Thousands of damaged files of each kind, which must not do harm.

What a kind's file is read as is searched, changed and copied too. All that happens
in processes of its own, whose end without an exception is the failure, with limits
to their time and memory; see fuzz_worker.py.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from binary_kinds import KINDS
from builders import D_BINARY, NBITS, NLIST, D
from cases import serialize
from kinds import build

import faiss_bebr

N_FEW = 40  # vectors: sizes and structure are what is damaged
NAMES = [re.sub(r"\W+", "_", name) for name in KINDS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of each kind, and what the worker has to know of it."""
    path = tmp_path_factory.mktemp("files")
    about = {}
    for name, kind in zip(NAMES, KINDS.values(), strict=True):
        index = build(kind.name, kind.metrics[0], N_FEW)
        (path / f"{name}.bebr").write_bytes(serialize(index))
        d = D_BINARY if kind.is_binary else D
        sizes = {1, 2, 3, NBITS, NLIST, d, d // 8, d * 4, 2 + d // 8 * NBITS, N_FEW}
        about[name] = {"is_binary": kind.is_binary, "sizes": sorted(sizes)}
    (path / "about.json").write_text(json.dumps(about))
    return path


def run(folder: Path, name: str, first: int, last: int) -> None:
    environment = dict(
        os.environ,
        OMP_NUM_THREADS="1",
        PYTHONPATH=str(Path(faiss_bebr.__file__).parents[1]),
    )
    worker = Path(__file__).parent / "fuzz_worker.py"
    process = subprocess.run(
        [sys.executable, worker, folder, name, str(first), str(last)],
        env=environment,
        capture_output=True,
        text=True,
    )
    seed = (folder / f"{name}.progress").read_text().strip()
    assert process.returncode == 0, f"seed {seed}: {process.stderr}"
    counts = json.loads(process.stdout.splitlines()[-1])["counts"]
    assert sum(counts.values()) == last - first
    # neither is all refused nor is all read
    assert 0.02 < counts["read"] / (last - first) < 0.5


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files(folder: Path, name: str):
    run(folder, name, 0, 150)


@pytest.mark.fuzz
@pytest.mark.parametrize("name", NAMES)
def test_many_damaged_files(folder: Path, name: str):
    run(folder, name, 0, 10_000)
