"""FAISS's own names and attributes while this package is registered."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faiss
import faiss.contrib.factory_tools
import faiss.contrib.inspect_tools
import numpy as np
import pytest
from faiss import (
    ParameterSpace,
    clone_index,
    deserialize_index,
    downcast_index,
    downcast_VectorTransform,
    extract_index_ivf,
    index_binary_factory,
    index_factory,
    read_index,
    serialize_index,
    swigfaiss,
    write_index,
)

import faiss_bebr
from faiss_bebr import registration

D = 24


@pytest.fixture
def registered() -> Iterator[None]:
    faiss_bebr.register()
    yield
    faiss_bebr.unregister()


@pytest.fixture
def x(rng) -> np.ndarray:
    return rng.standard_normal((300, D)).astype(np.float32)


@pytest.mark.usefixtures("registered")
def test_names_that_were_imported_before(x, tmp_path):
    index = index_factory(D, "IDMap2,RR24,HNSW8,SDC4,RFlat")
    index.train(x)
    index.add_with_ids(x, np.arange(300) + 5)
    expected = index.search(x[:9], 4)
    path = str(tmp_path / "index")
    write_index(index, path)
    swigfaiss.write_index(index, path + "2")
    assert Path(path).read_bytes() == Path(path + "2").read_bytes()
    copies = [
        read_index(path),
        swigfaiss.read_index(path + "2"),
        faiss.read_index(path, faiss.IO_FLAG_READ_ONLY),
        deserialize_index(serialize_index(index)),
        clone_index(index),
        pickle.loads(pickle.dumps(index)),
        copy.deepcopy(index),
    ]
    for each in copies:
        assert type(each) is faiss.IndexIDMap2
        for ours, theirs in zip(each.search(x[:9], 4), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    refine = downcast_index(copies[0].index)
    chained = downcast_index(refine.base_index)
    assert type(downcast_VectorTransform(chained.chain.at(0))) is (
        faiss.RandomRotationMatrix
    )
    assert type(downcast_index(chained.index).storage) is faiss_bebr.IndexSDC


@pytest.mark.usefixtures("registered")
def test_streams(x, tmp_path):
    """As Hugging Face datasets reads and writes."""
    index = index_factory(D, "IVF4,SDC4")
    index.train(x)
    index.add(x)
    with open(tmp_path / "index", "wb") as f:
        writer = faiss.BufferedIOWriter(faiss.PyCallbackIOWriter(f.write))
        write_index(index, writer)
        del writer
    with open(tmp_path / "index", "rb") as f:
        reader = faiss.BufferedIOReader(faiss.PyCallbackIOReader(f.read))
        back = read_index(reader)
        del reader
    assert type(back) is faiss_bebr.IndexIVFSDC
    np.testing.assert_array_equal(back.search(x[:5], 3)[1], index.search(x[:5], 3)[1])


@pytest.mark.usefixtures("registered")
def test_binary_names(rng, tmp_path):
    codes = rng.integers(0, 256, (200, 16), dtype=np.uint8)
    index = index_binary_factory(128, "IDMap2,BIVF4,BSDC2")
    index.train(codes)
    index.add_with_ids(codes, np.arange(200))
    assert type(index.index) is faiss_bebr.IndexBinaryIVFSDC
    assert type(index.index.quantizer) is faiss_bebr.IndexBinarySDC
    faiss.write_index_binary(index, str(tmp_path / "index"))
    for each in (
        faiss.read_index_binary(str(tmp_path / "index")),
        faiss.clone_binary_index(index),
        faiss.deserialize_index_binary(faiss.serialize_index_binary(index)),
    ):
        assert type(each) is faiss.IndexBinaryIDMap2
        np.testing.assert_array_equal(
            each.search(codes[:5], 3)[0], index.search(codes[:5], 3)[0]
        )
    shards = faiss.IndexBinaryShards(128)
    shards.add_shard(faiss_bebr.IndexBinarySDC(128, 2))
    assert type(shards.at(0)) is faiss_bebr.IndexBinarySDC
    part = faiss.IndexBinary.__new__(faiss.IndexBinary)
    part.this = shards.at(0).this
    assert type(faiss.downcast_IndexBinary(part)) is faiss_bebr.IndexBinarySDC


@pytest.mark.usefixtures("registered")
def test_transforms(tmp_path):
    transform = faiss_bebr.BinarizerTransform(D, [16, 8])
    path = str(tmp_path / "transform")
    faiss.write_VectorTransform(transform, path)
    assert type(faiss.read_VectorTransform(path)) is faiss_bebr.BinarizerTransform
    index = index_factory(D, "L2norm,BEBR16-8,SDC")
    assert type(index.chain.at(1)) is faiss_bebr.BinarizerTransform
    # FAISS's own come as they always have
    assert type(index.chain.at(0)) is faiss.VectorTransform


def make_ivf() -> Any:
    return index_factory(D, "IVF4(SDC2),SDC4")


def make_independent_quantizer() -> Any:
    ivf = make_ivf()
    transform = faiss_bebr.BinarizerTransform(D, [D])
    index = faiss.IndexIVFIndependentQuantizer(faiss.IndexFlatL2(D), ivf, transform)
    return index


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("make", "attributes"),
    [
        (lambda: index_factory(D, "IDMap,SDC4"), {"index": "IndexSDC"}),
        (lambda: index_factory(D, "IDMap2,SDC4"), {"index": "IndexSDC"}),
        (lambda: index_factory(D, "BEBR16x2,SDC2"), {"index": "IndexSDC"}),
        (lambda: index_factory(D, "HNSW8,SDC2"), {"storage": "IndexSDC"}),
        (
            lambda: index_factory(D, "SDC4,Refine(SDC8)"),
            {"base_index": "IndexSDC", "refine_index": "IndexSDC"},
        ),
        (make_ivf, {"quantizer": "IndexSDC"}),
        (lambda: index_factory(D, "IVF4(SDC2),Flat"), {"quantizer": "IndexSDC"}),
        (
            lambda: index_binary_factory(64, "BIVF4,BSDC2"),
            {"quantizer": "IndexBinarySDC"},
        ),
        (
            lambda: index_binary_factory(64, "IDMap2,BIVF4,BSDC2"),
            {"index": "IndexBinaryIVFSDC"},
        ),
        (
            make_independent_quantizer,
            {"index_ivf": "IndexIVFSDC", "vt": "BinarizerTransform"},
        ),
        (
            lambda: faiss.IndexBinaryFromFloat(faiss_bebr.IndexSDC(64, 1)),
            {"index": "IndexSDC"},
        ),
        (
            lambda: faiss.IndexRowwiseMinMax(faiss_bebr.IndexSDC(64, 1)),
            {"index": "IndexSDC"},
        ),
        # FAISS's own as FAISS gives them
        (lambda: index_factory(D, "IDMap,IVF4,Flat"), {"index": "Index"}),
        (lambda: index_factory(D, "IVF4,SDC4"), {"quantizer": "Index"}),
        (lambda: index_factory(D, "PCA8,Flat"), {"index": "Index"}),
    ],
)
def test_attributes_that_are_indexes(make, attributes):
    index = make()
    for name, class_name in attributes.items():
        assert type(getattr(index, name)).__name__ == class_name
    assert make_ivf().clustering_index is None


@pytest.mark.usefixtures("registered")
def test_attributes_can_still_be_set(x):
    index = make_ivf()
    clustering = faiss_bebr.IndexSDC(D, 4)
    index.clustering_index = clustering
    assert type(index.clustering_index) is faiss_bebr.IndexSDC
    index.clustering_index = None
    assert index.clustering_index is None
    with pytest.raises(TypeError):
        index.clustering_index = 3


@pytest.mark.usefixtures("registered")
def test_functions_that_give_parts(x):
    index = index_factory(D, "IDMap,BEBR16x2,IVF4,SDC2")
    ivf = extract_index_ivf(index.index)
    assert type(ivf) is faiss_bebr.IndexIVFSDC
    assert type(faiss.try_extract_index_ivf(index.index)) is faiss_bebr.IndexIVFSDC
    assert faiss.try_extract_index_ivf(index_factory(D, "SDC4")) is None
    for group in (faiss.IndexShards(D), faiss.IndexReplicas(D)):
        part = faiss_bebr.IndexSDC(D, 2)
        group.addIndex(part)
        assert type(group.at(0)) is faiss_bebr.IndexSDC


@pytest.mark.usefixtures("registered")
def test_classes_are_attributes_of_faiss():
    for the_class in registration._own_classes():
        assert getattr(faiss, the_class.__name__) is the_class
        assert getattr(swigfaiss, the_class.__name__) is the_class
    assert faiss.IndexSDC is faiss_bebr.IndexSDC
    assert faiss.SearchParametersSDC is faiss_bebr.SearchParametersSDC
    assert faiss.ParameterSpace is faiss_bebr.ParameterSpace
    # objects of the class that was imported before know our types too
    for space in (ParameterSpace(), faiss.ParameterSpace()):
        assert isinstance(space, ParameterSpace)
        index = index_binary_factory(64, "IDMap2,BIVF4,BSDC2")
        space.set_index_parameter(index, "nprobe", 3)
        assert index.index.nprobe == 3


@pytest.mark.usefixtures("registered")
def test_stock_indexes_go_to_faiss(x, tmp_path):
    index = index_factory(D, "PCA8,IVF4,PQ4x4")
    index.train(x)
    index.add(x)
    write_index(index, str(tmp_path / "ours"))
    written = (tmp_path / "ours").read_bytes()
    faiss_bebr.unregister()
    write_index(index, str(tmp_path / "theirs"))
    assert (tmp_path / "theirs").read_bytes() == written
    with pytest.raises(RuntimeError, match="could not parse"):
        index_factory(D, "SDC4")
    with pytest.raises(RuntimeError, match="don't know how to serialize"):
        write_index(faiss_bebr.IndexSDC(D, 4), str(tmp_path / "none"))


@pytest.mark.usefixtures("registered")
def test_cloner_makes_no_stock_index_of_ours():
    for text in ("SDC4", "IVF4,SDC4", "BEBR16x2,SDC2"):
        with pytest.raises(RuntimeError, match="not supported"):
            faiss.Cloner().clone_Index(index_factory(D, text))


@pytest.mark.usefixtures("registered")
def test_gpu_copies_are_refused_in_words():
    sentence = "cannot be copied to a GPU"
    for text in ("SDC4", "IDMap,BEBR16x2,IVF4,SDC2", "IVF4(SDC2),Flat"):
        index = index_factory(D, text)
        for copy_to_gpu in (
            lambda index=index: faiss.index_cpu_to_all_gpus(index),
            lambda index=index: faiss.index_cpu_to_gpus_list(index, gpus=[0]),
            lambda index=index: faiss.index_cpu_to_gpu_multiple_py([], index),
        ):
            with pytest.raises(RuntimeError, match=sentence):
                copy_to_gpu()
    with pytest.raises(RuntimeError, match=sentence):
        faiss.index_cpu_to_all_gpus(index_binary_factory(64, "BSDC2"))
    # what FAISS itself says of its own, where it was built without
    with pytest.raises(NameError):
        faiss.index_cpu_to_all_gpus(faiss.IndexFlatL2(D))
