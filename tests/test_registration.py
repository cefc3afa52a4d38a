"""register and unregister: FAISS's own names with this package's types."""

from __future__ import annotations

import ast
import copy
import importlib.util
import inspect
import pickle
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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
MODULES = [
    faiss,
    swigfaiss,
    swigfaiss._swigfaiss,
    faiss.loader,
    faiss.class_wrappers,
    faiss.gpu_wrappers,
    faiss.array_conversions,
    faiss.extra_wrappers,
    faiss.contrib.factory_tools,
    faiss.contrib.inspect_tools,
]


def snapshot() -> dict[tuple[str, str], Any]:
    """All attributes of FAISS's modules and of all classes in them."""
    found = {}
    for module in MODULES:
        for name, value in vars(module).items():
            found[module.__name__, name] = value
            if inspect.isclass(value):
                for attribute, part in vars(value).items():
                    found[f"{module.__name__}.{name}", attribute] = part
    for the_class in registration._own_classes():
        for attribute, part in vars(the_class).items():
            found[the_class.__name__, attribute] = part
    return found


def changes(before: dict[Any, Any], after: dict[Any, Any]) -> set[Any]:
    """What is not the very same object."""
    absent = object()
    return {
        key
        for key in before.keys() | after.keys()
        if before.get(key, absent) is not after.get(key, absent)
    }


@pytest.fixture
def registered() -> Iterator[None]:
    faiss_bebr.register()
    yield
    faiss_bebr.unregister()


@pytest.fixture
def x(rng) -> np.ndarray:
    return rng.standard_normal((300, D)).astype(np.float32)


def test_unregister_undoes_everything():
    before = snapshot()
    for _ in range(2):
        faiss_bebr.register()
        during = snapshot()
        assert len(changes(before, during)) > 50
        faiss_bebr.register()
        assert not changes(during, snapshot())
        faiss_bebr.unregister()
        assert not changes(before, snapshot())
        faiss_bebr.unregister()
        assert not changes(before, snapshot())


def test_importing_changes_nothing():
    program = """if True:
        import inspect
        import faiss

        def snapshot():
            found = {}
            modules = (faiss, faiss.swigfaiss, faiss.swigfaiss._swigfaiss)
            for module in modules:
                for name, value in vars(module).items():
                    found[module.__name__, name] = value
                    if inspect.isclass(value):
                        found.update(
                            {(name, part): vars(value)[part] for part in vars(value)}
                        )
            return found

        before = snapshot()
        import faiss_bebr
        after = snapshot()
        assert before.keys() == after.keys(), before.keys() ^ after.keys()
        assert all(before[key] is after[key] for key in before)
        faiss_bebr.register()
        assert any(before[key] is not snapshot()[key] for key in before)
    """
    subprocess.run([sys.executable, "-c", program], check=True)


def test_what_others_replaced_since_stays_theirs(monkeypatch):
    before = snapshot()
    faiss_bebr.register()
    ours = swigfaiss._swigfaiss.write_index

    def theirs(*args: Any) -> None:
        ours(*args)

    monkeypatch.setattr(swigfaiss._swigfaiss, "write_index", theirs)
    faiss_bebr.unregister()
    assert changes(before, snapshot()) == {("faiss._swigfaiss", "write_index")}
    assert swigfaiss._swigfaiss.write_index is theirs
    monkeypatch.undo()
    # that put ours back, which nobody else knows now
    swigfaiss._swigfaiss.write_index = before["faiss._swigfaiss", "write_index"]


def test_failing_half_way_changes_nothing(monkeypatch):
    def fail() -> None:
        raise KeyboardInterrupt

    before = snapshot()
    monkeypatch.setattr(registration, "_handle_torch", fail)
    with pytest.raises(KeyboardInterrupt):
        faiss_bebr.register()
    assert not changes(before, snapshot())


def test_many_threads():
    before = snapshot()
    faiss_bebr.register()
    during = snapshot()
    faiss_bebr.unregister()

    def flip(i: int) -> None:
        (faiss_bebr.register if i % 3 else faiss_bebr.unregister)()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(flip, range(100)))
    faiss_bebr.register()
    assert changes(before, snapshot()) == changes(before, during)
    faiss_bebr.unregister()
    assert not changes(before, snapshot())


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


def annotated(tree: ast.Module) -> tuple[set[tuple[str, str]], set[str]]:
    """From FAISS's stubs: attributes that are indexes or transforms, and
    functions and methods that return one."""

    def is_part(annotation: ast.expr | None) -> bool:
        text = ast.unparse(annotation) if annotation else ""
        names = {"Index", "IndexBinary", "IndexIVF", "VectorTransform"}
        return bool(names & set(text.replace("|", " ").split()))

    attributes, functions = set(), set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and is_part(node.returns):
            functions.add(node.name)
        if not isinstance(node, ast.ClassDef):
            continue
        for part in node.body:
            if isinstance(part, ast.AnnAssign) and is_part(part.annotation):
                attributes.add((node.name, ast.unparse(part.target)))
            if isinstance(part, ast.FunctionDef) and is_part(part.returns):
                functions.add(f"{node.name}.{part.name}")
    return attributes, functions


def test_all_that_faiss_annotates_is_replaced():
    text = Path(faiss.__file__).with_name("__init__.pyi").read_text()
    attributes, functions = annotated(ast.parse(text))
    found = {(c.__name__, name) for c, name, _ in registration._find_part_attributes()}
    missing = set()
    for class_name, name in attributes:
        the_class = getattr(faiss, class_name, None)
        if not isinstance(getattr(the_class, name, None), property):
            continue  # the stubs are of more than the wheel has
        if not any((base.__name__, name) in found for base in the_class.__mro__):
            missing.add((class_name, name))
    assert len(attributes) > 10
    assert not missing
    before = snapshot()
    faiss_bebr.register()
    changed = {name for _, name in changes(before, snapshot())}
    faiss_bebr.unregister()
    # those call the ones that are replaced
    in_python = {"deserialize_index", "deserialize_index_binary"}
    native = {
        name
        for name in functions
        if hasattr(swigfaiss._swigfaiss, name.replace(".", "_")) or name in in_python
    }
    assert len(native) > 10
    # they make indexes of FAISS's own only
    stock = {name for name in native if name.startswith("Cloner.")}
    stock.add("ProgressiveDimIndexFactory.__call__")
    assert native - changed - stock == in_python


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


needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed"
)


@needs_torch
def test_torch_utils_before_this_package():
    """Arrays work without registration, tensors with it, and no trace stays."""
    program = """if True:
        import faiss.contrib.torch_utils
        import numpy as np
        import torch
        import faiss_bebr

        classes = [faiss_bebr.IndexSDC, faiss_bebr.IndexIVFSDC]
        before = [dict(vars(the_class)) for the_class in classes]
        x = np.random.default_rng(1).random((50, 16)).astype("float32")
        t = torch.from_numpy(x)
        flat = faiss_bebr.IndexSDC(16, 4)
        ivf = faiss_bebr.index_factory(16, "IVF2,SDC4")
        for index in (flat, ivf):
            index.train(x)
            index.add(x)
            labels = index.assign(x, 2)
            codes = index.sa_encode(x)
            assert labels.shape == (50, 2) and codes.shape == (50, index.sa_code_size())
        for _ in range(2):
            faiss_bebr.register()
            for index in (flat, ivf):
                found = index.search(t, 3)
                assert all(type(each) is torch.Tensor for each in found)
                for ours, theirs in zip(found, index.search(x, 3)):
                    assert (ours.numpy() == theirs).all()
                assert (index.assign(t, 2).numpy() == index.assign(x, 2)).all()
                assert (index.sa_encode(t).numpy() == index.sa_encode(x)).all()
            faiss_bebr.unregister()
            for the_class, attributes in zip(classes, before):
                after = dict(vars(the_class))
                assert after.keys() == attributes.keys()
                assert all(after[name] is attributes[name] for name in after)
    """
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True)
