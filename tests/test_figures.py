"""The recall that README reports, on the real embeddings.

Needs the folder of ready embeddings, see benchmarks/wordnet.py, and a minute:

    FAISS_BEBR_WORDNET=<folder> pytest tests/test_figures.py -m figures
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import faiss
import pytest
from reference import recall

import faiss_bebr

pytestmark = pytest.mark.figures


@pytest.fixture(scope="module")
def wordnet():
    if "FAISS_BEBR_WORDNET" not in os.environ:
        pytest.skip("FAISS_BEBR_WORDNET is not set")
    sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
    import wordnet

    return wordnet.load()


@pytest.fixture(scope="module")
def truth(wordnet):
    exact = faiss.IndexFlatIP(384)
    exact.add(wordnet.documents)
    return exact.search(wordnet.reported_queries, 10)[1]


@pytest.mark.parametrize(
    ("description", "metric", "least"),
    [
        ("BEBR256x6,SDC2", faiss.METRIC_INNER_PRODUCT, 0.79),
        ("BEBR256x6,SDC2", faiss.METRIC_L2, 0.79),
        ("BEBR256x2,SDC2", faiss.METRIC_INNER_PRODUCT, 0.73),
        ("BEBR256x2,SDC2", faiss.METRIC_L2, 0.71),
    ],
)
def test_recall(description, metric, least, wordnet, truth):
    index = faiss_bebr.index_factory(384, description, metric)
    index.train(wordnet.documents)
    index.add(wordnet.documents)
    assert index.sa_code_size() <= 68
    found = index.search(wordnet.reported_queries, 10)[1]
    measured = recall(found, truth)
    print(description, metric, measured)
    assert measured >= least
