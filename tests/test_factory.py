"""Factory strings: what they build, and which ones are refused."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import faiss
import numpy as np
import pytest

import faiss_bebr

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed"
)


def clustered(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Unit vectors around a few centres, with a mean that is not zero."""
    centres = rng.standard_normal((30, d)) + 0.5
    x = centres[rng.integers(0, 30, n)] + 0.5 * rng.standard_normal((n, d))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


@needs_torch
@pytest.mark.parametrize("metric", [faiss.METRIC_INNER_PRODUCT, faiss.METRIC_L2])
@pytest.mark.parametrize(
    ("description", "code_size"), [("BEBR32x6,SDC2", 10), ("BEBR32x2,SDC2", 10)]
)
def test_train_add_search(description, code_size, metric, rng):
    x = clustered(rng, 3000, 48)
    queries = clustered(rng, 50, 48)
    index = faiss_bebr.index_factory(48, description, metric)
    assert type(index) is faiss.IndexPreTransform
    assert not index.is_trained
    assert index.metric_type == metric
    with pytest.raises(RuntimeError):
        index.add(x)
    index.train(x)
    assert index.is_trained
    index.add(x)
    assert index.sa_code_size() == code_size
    D, I = index.search(queries, 10)
    exact = faiss.IndexFlat(48, metric)
    exact.add(x)
    I_exact = exact.search(queries, 10)[1]
    random_recall = 10 / 3000
    recall = np.mean([len(set(a) & set(b)) for a, b in zip(I, I_exact, strict=True)])
    assert recall / 10 > 50 * random_recall


@needs_torch
def test_query_map_reaches_the_index(rng):
    x = clustered(rng, 2000, 48)
    index = faiss_bebr.index_factory(48, "BEBR32x4,SDC2", faiss.METRIC_INNER_PRODUCT)
    index.train(x)
    # the proxies that FAISS makes are of the base class: compare by a search
    index.add(x[:100])
    codes = index.sa_encode(x[:100])
    untrained_map = faiss_bebr.IndexSDC(32, 2, faiss.METRIC_INNER_PRODUCT)
    untrained_map.add_sa_codes(codes)
    y = index.chain.at(0).apply(x[:5])
    assert not np.allclose(index.search(x[:5], 3)[0], untrained_map.search(y, 3)[0])


def test_without_pytorch(rng):
    """Searching needs no PyTorch, and training says what to install."""
    program = """if True:
        import sys
        sys.modules["torch"] = None
        import numpy as np
        import faiss_bebr
        index = faiss_bebr.index_factory(16, "BEBR8x2,SDC2")
        try:
            index.train(np.zeros((10, 16), dtype="float32"))
        except ImportError as error:
            print(error)
        assert not index.is_trained
        for name in ("train_binarizer", "RecurrentBinarizer"):
            try:
                getattr(faiss_bebr, name)
            except ImportError as error:
                print(error)
    """
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.count('pip install "faiss_bebr[train]"') == 3


@needs_torch
def test_exceptions_of_the_trainer_come_out(rng):
    index = faiss_bebr.index_factory(48, "BEBR32x2,SDC2")
    x = clustered(rng, 2000, 48)
    x[17, 3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        index.train(x)
    assert not index.is_trained


@pytest.mark.parametrize(
    ("description", "named"),
    [
        ("BEBR256x2", "two tokens"),
        ("SDC2", "'SDC2'"),
        ("BEBR256x2,SDC2,SDC2", "two tokens"),
        ("BEBR250x2,SDC2", "'BEBR250x2'"),
        ("BEBR0x2,SDC2", "'BEBR0x2'"),
        ("BEBR65536x2,SDC2", "'BEBR65536x2'"),
        ("BEBR392x2,SDC2", "'BEBR392x2'"),
        ("BEBR256x9,SDC2", "'BEBR256x9'"),
        ("BEBR256x0,SDC2", "'BEBR256x0'"),
        ("BEBR256,SDC2", "'BEBR256'"),
        ("BEBR256x2,SDC3", "'SDC3'"),
        ("BEBR256x2,SDC0", "'SDC0'"),
        ("BEBR256x2,SDCfs", "'SDCfs'"),
        ("BEBR256x2,Float", "'Float'"),
        ("bebr256x2,SDC2", "'bebr256x2'"),
    ],
)
def test_strings_that_make_no_sense(description, named):
    with pytest.raises(ValueError, match=named):
        faiss_bebr.index_factory(384, description)


@pytest.mark.parametrize("metric", [faiss.METRIC_L1, faiss.METRIC_Jaccard])
def test_metrics_that_do_not_exist_for_codes(metric):
    with pytest.raises(RuntimeError, match="metric must be"):
        faiss_bebr.index_factory(48, "BEBR32x2,SDC2", metric)


def test_other_strings_go_to_faiss():
    index = faiss_bebr.index_factory(32, "IVF4,PQ4x4", faiss.METRIC_INNER_PRODUCT)
    assert type(index) is faiss.IndexIVFPQ
    assert index.metric_type == faiss.METRIC_INNER_PRODUCT
    assert type(faiss_bebr.index_binary_factory(32, "BFlat")) is faiss.IndexBinaryFlat
    with pytest.raises(RuntimeError, match="could not parse"):
        faiss_bebr.index_factory(32, "Nonsense")


def test_binary_factory():
    index = faiss_bebr.index_binary_factory(512, "BSDC2")
    assert type(index) is faiss_bebr.IndexBinarySDC
    assert (index.d, index.nbits, index.code_size) == (512, 2, 64)
    for description in ("BSDC0", "BSDC9", "BSDC3", "BSDC", "BSDC2,SDC2"):
        with pytest.raises(ValueError, match=description):
            faiss_bebr.index_binary_factory(512, description)
