"""Factory strings: what they build, and what training makes of it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import Any

import faiss
import numpy as np
import pytest
from factory_strings import (
    BINARIZERS,
    clustered,
)

import faiss_bebr
from faiss_bebr.index_io.containers import children

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed"
)


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


def test_other_strings_go_to_faiss():
    index = faiss_bebr.index_factory(32, "IVF4,PQ4x4", faiss.METRIC_INNER_PRODUCT)
    assert type(index) is faiss.IndexIVFPQ
    assert index.metric_type == faiss.METRIC_INNER_PRODUCT
    assert type(faiss_bebr.index_binary_factory(32, "BFlat")) is faiss.IndexBinaryFlat
    with pytest.raises(RuntimeError, match="could not parse"):
        faiss_bebr.index_factory(32, "Nonsense")


@pytest.mark.parametrize(
    ("description", "planes", "stored"),
    [
        ("BEBR48x3,SDC", [48, 48, 48], [48, 48, 48]),
        ("BEBR48x3,SDC2", [48, 48, 48], [48, 48]),
        ("BEBR48-24-8,SDC", [48, 24, 8], [48, 24, 8]),
        ("BEBR48-24-8,SDC2", [48, 24, 8], [48, 24]),
        ("BEBR48-24-8,SDC16-16", [48, 24, 8], [16, 16]),
        ("BEBR48x3,SDC40", [48, 48, 48], [40]),
        ("BEBR48x3,HNSW8,SDC40-16", [48, 48, 48], [40, 16]),
        ("BEBR48x3,IVF4,SDC40-16", [48, 48, 48], [40, 16]),
    ],
)
def test_planes_of_binarizer_and_encoding(description, planes, stored):
    index = faiss_bebr.index_factory(64, description)
    binarizer = faiss_bebr.downcast_VectorTransform(index.chain.at(0))
    storage = faiss_bebr.downcast_index(index.index)
    if isinstance(storage, faiss.IndexHNSW):
        storage = faiss_bebr.downcast_index(storage.storage)
    for layout, widths in ((binarizer.layout, planes), (storage.sdc.layout, stored)):
        assert faiss.vector_to_array(layout.plane_widths).tolist() == widths
    aim = get_document_widths(binarizer)
    assert aim == ([] if description.endswith("SDC") else stored)
    assert binarizer.ncentroids == 0


@pytest.mark.parametrize("metric", [faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT])
def test_coarse_stage(metric, rng):
    x = clustered(rng, 900, 48)
    index = faiss_bebr.index_factory(48, "PCA32,SDC24-16_20", metric)
    index.train(x)
    index.add(x)
    storage = faiss_bebr.downcast_index(index.index)
    assert (storage.d, storage.ncentroids, storage.code_size) == (32, 20, 5 + 1 + 1)
    expected = faiss_bebr.IndexSDC([24, 16], metric, 32, 20)
    expected.set_scale_bytes(1)
    y = index.chain.at(0).apply(x)
    expected.train(y)
    expected.add(y)
    np.testing.assert_array_equal(
        index.search(x[:9], 5)[1], expected.search(y[:9], 5)[1]
    )


def test_binarizer_knows_the_coarse_stage():
    index = faiss_bebr.index_factory(48, "BEBR48x4,SDC40-16_20")
    binarizer = faiss_bebr.downcast_VectorTransform(index.chain.at(0))
    assert get_document_widths(binarizer) == [40, 16]
    assert binarizer.ncentroids == 20
    index = faiss_bebr.index_factory(48, "BEBR48x4,IVF4(SDC8-8_9),SDC40-16")
    binarizer = faiss_bebr.downcast_VectorTransform(index.chain.at(0))
    assert get_document_widths(binarizer) == [40, 16]
    assert binarizer.ncentroids == 0


def get_document_widths(binarizer) -> list[int]:
    return faiss.vector_to_array(binarizer.document_plane_widths).tolist()


@pytest.mark.parametrize(
    ("description", "document_nbits"),
    [
        ("BEBR48x4,IVF4(SDC1),SDC2", 2),
        ("BEBR48x4,IVF4(SDC1),Flat", 0),
        ("BEBR48x4,HNSW8_SDC3", 3),
        ("BEBR48x4,IVF4,Flat", 0),
        ("BEBR48x4,IDMap,SDC1", 1),
    ],
)
def test_what_training_aims_at(description, document_nbits):
    index = faiss_bebr.index_factory(64, description)
    binarizer = faiss_bebr.downcast_VectorTransform(index.chain.at(0))
    assert get_document_widths(binarizer) == [48] * document_nbits


def test_encoding_without_number_takes_what_the_binarizer_keeps(named_binarizers):
    for name, (d, widths, kept) in BINARIZERS.items():
        index = faiss_bebr.index_factory(d, f"BEBR[{name}],SDC")
        assert index.is_trained
        storage = faiss_bebr.downcast_index(index.index)
        nplanes = storage.sdc.layout.plane_widths.size()
        assert nplanes == (kept or len(widths))


def test_suffixes_of_list_numbers():
    for text, nlist in (("IVF3(SDC2),SDC2", 3), ("IVF1k(SDC2),SDC2", 1024)):
        assert faiss_bebr.index_factory(16, text).nlist == nlist
    index = faiss_bebr.index_factory(16, "IVF1M(SDC2),SDC2", faiss.METRIC_L2, False)
    assert (index.nlist, index.invlists) == (2**20, None)


def first_part(index: Any) -> Any:
    return children(index)[0].obj


def test_own_invlists():
    for text in ("IVF4,SDC2", "IDMap,IVF4(SDC2),PQ4x4", "IVF4(SDC2),SDC2,RFlat"):
        for own_invlists in (True, False):
            index = faiss_bebr.index_factory(16, text, faiss.METRIC_L2, own_invlists)
            ivf = faiss.extract_index_ivf(
                index if isinstance(index, faiss.IndexIVF) else first_part(index)
            )
            assert (ivf.invlists is not None) == own_invlists


def test_binary_factory(rng):
    index = faiss_bebr.index_binary_factory(512, "BSDC2")
    assert type(index) is faiss_bebr.IndexBinarySDC
    assert (index.d, index.nbits, index.code_size) == (512, 2, 64)
    x = rng.integers(0, 256, (300, 64), dtype=np.uint8)
    plain = faiss_bebr.IndexBinarySDC(512, 2)
    plain.add(x)
    expected = plain.search(x[:9], 5)
    for text, the_class in (
        ("BIVF5,BSDC2", faiss_bebr.IndexBinaryIVFSDC),
        ("IDMap,BIVF5,BSDC2", faiss.IndexBinaryIDMap),
        ("BIVF5,BSDC2,IDMap2", faiss.IndexBinaryIDMap2),
        ("IDMap2,BSDC2", faiss.IndexBinaryIDMap2),
    ):
        index = faiss_bebr.index_binary_factory(512, text)
        assert type(index) is the_class
        assert index.thisown
        index.train(x)
        index.add_with_ids(x, np.arange(300) + 7)
        if "BIVF" in text:
            faiss_bebr.ParameterSpace().set_index_parameter(index, "nprobe", 5)
        D_found, I_found = index.search(x[:9], 5)
        np.testing.assert_array_equal(D_found, expected[0])
        np.testing.assert_array_equal(I_found, expected[1] + 7)
    index = faiss_bebr.index_binary_factory(512, "BIVF5,BSDC4")
    quantizer = faiss_bebr.downcast_IndexBinary(index.quantizer)
    assert (type(quantizer), quantizer.nbits) == (faiss_bebr.IndexBinarySDC, 4)
    graph = faiss_bebr.index_binary_factory(512, "BIVF5_HNSW8,BSDC1")
    graph.train(x)
    graph.add(x)
    assert graph.quantizer.ntotal == 5
    assert graph.own_fields
    no_lists = faiss_bebr.index_binary_factory(512, "BIVF5,BSDC1", False)
    assert no_lists.invlists is None


@needs_torch
def test_training_reaches_every_part(rng):
    x = clustered(rng, 3000, 48)
    index = faiss_bebr.index_factory(
        48, "IDMap2,L2norm,BEBR32x4,IVF16_HNSW8,SDC2,Refine(SQfp16)"
    )
    index.train(x)
    index.add_with_ids(x, np.arange(3000)[::-1].copy())
    refine = faiss_bebr.downcast_index(index.index)
    refine.k_factor = 8
    ivf = faiss.extract_index_ivf(refine.base_index)
    ivf.nprobe = 16
    binarizer = faiss_bebr.downcast_VectorTransform(
        faiss_bebr.downcast_index(refine.base_index).chain.at(1)
    )
    weight = faiss.vector_to_array(binarizer.query_weight)
    assert not (weight == 1).all()
    np.testing.assert_array_equal(
        faiss.vector_to_array(faiss_bebr.downcast_index(ivf).sdc.query_weight), weight
    )
    found = index.search(x[:100], 1)[1][:, 0]
    assert (found == 2999 - np.arange(100)).mean() > 0.9
