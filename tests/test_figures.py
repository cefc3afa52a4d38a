"""The recall that README reports, on the real embeddings.

Needs the folder of ready embeddings, see benchmarks/wordnet.py, and some minutes:

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


# the bars that were set for these bytes; some minutes each
@pytest.mark.parametrize(
    ("code_size", "least"),
    [(36, 0.665), (52, 0.77), (68, 0.83), (100, 0.90), (132, 0.935), (196, 0.965)],
)
def test_recall_of_budget(code_size, least, wordnet, truth):
    index = faiss_bebr.index_factory(
        384, f"BEBR{code_size}B,SDC", faiss.METRIC_INNER_PRODUCT
    )
    index.train(wordnet.documents)
    index.add(wordnet.documents)
    assert index.sa_code_size() <= code_size
    measured = recall(index.search(wordnet.reported_queries, 10)[1], truth)
    print(code_size, measured)
    assert measured >= least


@pytest.fixture(scope="module")
def binarizer(wordnet):
    network = faiss_bebr.train_binarizer(
        wordnet.documents, [256] * 6, 6, document_nbits=2
    )
    return network.to_transform()


@pytest.mark.parametrize("metric", [faiss.METRIC_INNER_PRODUCT, faiss.METRIC_L2])
@pytest.mark.parametrize("nbits", [2, 4])
def test_graphs_find_what_exhaustive_search_finds(nbits, metric, wordnet, binarizer):
    storage = faiss_bebr.IndexSDC(binarizer, nbits, metric)
    graph = faiss.IndexHNSW(storage, 32)
    graph.hnsw.efSearch = 128
    graph.add(binarizer.apply(wordnet.documents))
    queries = binarizer.apply(wordnet.reported_queries)
    measured = recall(graph.search(queries, 10)[1], storage.search(queries, 10)[1])
    print(nbits, metric, measured)
    assert measured >= 0.98


@pytest.mark.parametrize("metric", [faiss.METRIC_INNER_PRODUCT, faiss.METRIC_L2])
@pytest.mark.parametrize("nbits", [2, 4])
def test_two_passes_find_what_one_finds(nbits, metric, wordnet, binarizer):
    index = faiss_bebr.IndexSDC(binarizer, nbits, metric)
    index.add(binarizer.apply(wordnet.documents))
    queries = binarizer.apply(wordnet.reported_queries)
    expected = index.search(queries, 10)[1]
    index.k_factor = 16
    measured = recall(index.search(queries, 10)[1], expected)
    print(nbits, metric, measured)
    assert measured >= 0.99
