"""Thousands of damaged files of each kind, which must not do harm.

What a damaged file is read as is searched, changed and copied too. All that happens
in processes of its own, whose end without an exception is the failure, with limits
to their time and memory; see fuzz_worker.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz_files import MAKERS, READ, load, write_file

import faiss_bebr

NAMES = list(MAKERS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files and what the worker has to know of them."""
    path = tmp_path_factory.mktemp("files")
    for name in NAMES:
        write_file(name, path)
    return path


def run(
    folder: Path, names: list[str], first: str, last: str
) -> dict[str, dict[str, int]]:
    """How many damaged files of each name were refused and read."""
    environment = dict(
        os.environ,
        OMP_NUM_THREADS="1",
        PYTHONPATH=f"{Path(faiss_bebr.__file__).parents[1]}:{Path(__file__).parents[1]}",
    )
    worker = Path(__file__).parent / "fuzz_worker.py"
    process = subprocess.run(
        [sys.executable, worker, folder, first, last, *names],
        env=environment,
        capture_output=True,
        text=True,
    )
    progress = (folder / f"{names[0]}.progress").read_text().strip()
    assert process.returncode == 0, f"{progress}: {process.stderr}"
    counts: dict[str, dict[str, int]] = json.loads(
        (folder / f"{names[0]}.counts").read_text()
    )
    assert list(counts) == names
    return counts


def test_files_are_whole(folder: Path):
    for name in NAMES:
        READ[load(name, folder).family](folder / f"{name}.bebr", 0)


def check_counts(counts: dict[str, int], n: int) -> None:
    """Neither is all refused nor is all read."""
    assert sum(counts.values()) == n
    assert 0.01 < counts["read"] / n < 0.7


def test_damaged_files(folder: Path):
    for counts in run(folder, NAMES, "0", "200").values():
        check_counts(counts, 200)


@pytest.mark.fuzz
@pytest.mark.parametrize("name", NAMES)
def test_many_damaged_files(folder: Path, name: str):
    check_counts(run(folder, [name], "0", "10000")[name], 10_000)


@pytest.mark.fuzz
@pytest.mark.parametrize("name", NAMES)
def test_every_field(folder: Path, name: str):
    """Files that end there, which are all refused, or have a huge number there, which
    an id may be."""
    counts = run(folder, [name], "0", "sweep")[name]
    assert counts["refused"] > len(load(name, folder).fields)
