"""First ABI check, second part: interfaces that no table of the wheel names.

Objects of the wheel are called through the declared classes and the wheel
calls ours. Wrong slots crash or answer wrongly, so this happens in a program
of its own, exercise_calls.py.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import faiss
import numpy as np
import pytest
from exercise_calls import CALLED_FUNCTIONS, EXERCISES
from probes import (
    DECLARED_HEADERS,
    HERE,
    Declared,
    build_calls_probe,
    version_flags,
)

import faiss_bebr

NAMES = [exercise.__name__ for exercise in EXERCISES]


def run_exercises(library: Path, names: Sequence[str] = ()) -> dict[str, str | None]:
    """Exercise -> its error; those after a crash are missing."""
    result = subprocess.run(
        [sys.executable, str(HERE / "exercise_calls.py"), str(library), *names],
        capture_output=True,
        text=True,
        timeout=60,
    )
    return dict(json.loads(line) for line in result.stdout.splitlines())


@pytest.fixture(scope="module")
def results(
    wheel_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str | None]:
    library = build_calls_probe(
        DECLARED_HEADERS,
        version_flags(faiss.__version__),
        wheel_dir / "libfaiss.so",
        tmp_path_factory.mktemp("calls"),
    )
    return run_exercises(library)


@pytest.mark.parametrize("name", NAMES)
def test_call(name: str, results: dict[str, str | None]) -> None:
    assert name in results, f"crashed in or before {name}"
    assert results[name] is None


@pytest.fixture(scope="module")
def wrong_library(
    wrong_headers: Callable[[str], Path], wheel_dir: Path
) -> Callable[[str], Path]:
    """Compiles the probe with wrong headers, each once."""

    @functools.cache
    def build(name: str) -> Path:
        include_dir = wrong_headers(name)
        return build_calls_probe(
            include_dir,
            version_flags(faiss.__version__),
            wheel_dir / "libfaiss.so",
            include_dir.parent,
        )

    return build


@pytest.mark.parametrize(
    ("headers", "exercise"),
    [
        ("calls: functions moved", "selector_of_ours"),
        ("calls: functions moved", "computer_of_ours"),
        ("calls: functions moved", "handler_of_ours"),
        ("calls: functions moved", "scanner_of_faiss"),
        ("calls: functions moved", "iterator_of_faiss"),
        ("calls: functions moved", "lists_of_ours"),
        ("calls: a function inserted, fields swapped", "flat_computer_of_faiss"),
        ("calls: a function inserted, fields swapped", "handler_fields"),
        ("calls: a function inserted, fields swapped", "direct_map_of_faiss"),
        ("calls: a function inserted, fields swapped", "id_maps_of_faiss"),
        ("calls: a function inserted, fields swapped", "locks_of_faiss"),
        ("calls: a function inserted, fields swapped", "parts_of_faiss"),
    ],
)
def test_wrong_call_is_found(
    headers: str, exercise: str, wrong_library: Callable[[str], Path]
) -> None:
    results = run_exercises(wrong_library(headers), [exercise])
    assert results.get(exercise, "crashed") is not None


def test_called_functions_are_declared(declared: Declared) -> None:
    """The list that test_virtual_tables relies on has no outdated names."""
    assert {
        name.partition(".")[0] for name in CALLED_FUNCTIONS
    } <= declared.mangled.keys()


def test_graph_over_an_index_of_the_built_module() -> None:
    """The compiled module's distance computer in FAISS's graph, not a probe's."""
    rng = np.random.default_rng(4)
    x = rng.uniform(-2, 2, size=(300, 16)).astype("float32")
    queries = x[:20]
    storage = faiss_bebr.IndexSDC(16, 4)
    graph = faiss.IndexHNSW(storage, 16)
    graph.hnsw.efSearch = 300
    graph.add(x)
    exhaustive = faiss_bebr.IndexSDC(16, 4)
    exhaustive.add(x)
    expected, expected_labels = exhaustive.search(queries, 5)
    found, labels = graph.search(queries, 5)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert np.mean(labels == expected_labels) > 0.95
