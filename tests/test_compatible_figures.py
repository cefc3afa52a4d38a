"""A real change of the model, on WordNet: what benchmarks/compatible.py measures.

Needs the embeddings of both models or the packages to make them with, and some minutes:

    pytest tests/test_compatible_figures.py -m figures
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.figures


def test_change_of_the_model():
    if "FAISS_BEBR_WORDNET" not in os.environ:
        pytest.skip("FAISS_BEBR_WORDNET is not set")
    sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
    import compatible

    code = compatible.CODES["BEBR256x6,SDC2"]
    before, *steps, free = compatible.measure(compatible.load(4), code)
    for step in (before, *steps, free):
        print(step)
    assert steps[0].hit_rate >= before.hit_rate
    assert steps[0].recall >= before.recall
    assert (np.diff([step.hit_rate for step in steps]) > 0).all()
    assert (np.diff([step.recall for step in steps]) > 0).all()
    assert steps[-1].hit_rate >= free.hit_rate - 0.01
    assert steps[-1].recall >= free.recall - 0.01
