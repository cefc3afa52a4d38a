"""FAISS's number of threads rules the compiled module too.

There has to be one OpenMP runtime for both, also beside PyTorch, which brings
its own, whichever is imported first.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import faiss_bebr

MODULES = ("faiss", "faiss_bebr", "torch")
REPORT = """
import faiss
from faiss_bebr.swigfaiss_bebr import omp_get_max_threads_of_module
for nthreads in (3, 1, 5):
    faiss.omp_set_num_threads(nthreads)
    print(omp_get_max_threads_of_module())
"""


@pytest.mark.parametrize(
    "order",
    [*itertools.permutations(MODULES[:2]), *itertools.permutations(MODULES)],
    ids=", ".join,
)
def test_faiss_sets_the_threads(order: tuple[str, ...]) -> None:
    if "torch" in order and find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
    imports = "\n".join(f"import {module}" for module in order)
    folder = str(Path(faiss_bebr.__file__).parents[1])
    result = subprocess.run(
        [sys.executable, "-c", imports + REPORT],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": folder},
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["3", "1", "5"]
