"""register and unregister: what they change, and that nothing of it stays."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import faiss
import faiss.contrib.factory_tools
import faiss.contrib.inspect_tools
import pytest
from faiss import swigfaiss

import faiss_bebr
from faiss_bebr import registration

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
        after = snapshot()
        assert any(before[key] is not after[key] for key in before)
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
