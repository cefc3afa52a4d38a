"""Tensors in and out of this package's indexes, by faiss.contrib.torch_utils.

Importing it changes all index classes for good: here only new processes do.
"""

from __future__ import annotations

import importlib
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
import torch

import faiss_bebr
from faiss_bebr import index_io

# BEBR stands for a saved binarizer here
FLAT, IVF = "BEBR,SDC2", "BEBR,IVF8,SDC2"
MAPPED = f"IDMap2,{FLAT}"
NAMES = ["IndexSDC", "IndexIVFSDC", FLAT, IVF, MAPPED]
# FAISS removes nothing from these, and has not all other methods for them
SEARCH_ONLY = ["BEBR,HNSW16,SDC2", f"{FLAT},RFlat"]


def make_index(name: str, binarizer: Path) -> Any:
    if name == "IndexSDC":
        return faiss_bebr.IndexSDC(32, 4, faiss.METRIC_INNER_PRODUCT)
    if name == "IndexIVFSDC":
        return faiss_bebr.IndexIVFSDC(faiss.IndexFlatL2(32), 32, 8, 4)
    return faiss_bebr.index_factory(32, name.replace("BEBR", f"BEBR[{binarizer}]"))


def results(name: str, index: Any, documents: Any, queries: Any) -> dict[str, Any]:
    """What an index's methods return; all arguments are arrays, or all tensors.

    Removed ids are always an array, as FAISS has it.
    """
    index.train(documents)
    if name == MAPPED:
        numbers = np if type(documents) is np.ndarray else torch
        index.add_with_ids(documents, numbers.arange(5000, 5000 + len(documents)))
    else:
        index.add(documents)
    if "IVF" in name:
        ivf = faiss.extract_index_ivf(index)
        ivf.nprobe = 8
        ivf.make_direct_map()
    first = 5000 if name == MAPPED else 0
    D, I = index.search(queries, 10)
    found = {
        "search": (D, I),
        "assign": (index.assign(queries, 3),),
        "reconstruct": (index.reconstruct(first + 3),),
        "search_and_reconstruct": index.search_and_reconstruct(queries, 4),
    }
    if name in SEARCH_ONLY:
        return found
    found["range_search"] = index.range_search(queries, float(D[:, -1].mean()))
    if name != MAPPED:  # FAISS's maps have neither
        found["reconstruct_n"] = (index.reconstruct_n(7, 20),)
        codes = index.sa_encode(queries)
        found["codes"] = (codes, index.sa_decode(codes))
    if "IVF" in name:
        faiss.extract_index_ivf(index).set_direct_map_type(faiss.DirectMap.NoMap)
    assert index.remove_ids(np.arange(first, first + 600)) == 600
    found["search after remove_ids"] = index.search(queries, 10)
    return found


def results_of_tensors(
    order: str, names: list[str], binarizer: Path, documents: Any, queries: Any
) -> dict[str, dict[str, list[np.ndarray]]]:
    """In a new process: `results` of indexes of these names, as arrays."""
    faiss.omp_set_num_threads(1)
    if order == "register first":
        faiss_bebr.register()
    importlib.import_module("faiss.contrib.torch_utils")
    if order == "torch_utils first":
        faiss_bebr.register()
    tensors = torch.from_numpy(documents), torch.from_numpy(queries)
    found = {}
    for name in names:
        index = make_index(name, binarizer)
        found[name] = {}
        for method, values in results(name, index, *tensors).items():
            for value in values:
                assert type(value) is torch.Tensor, (name, method, type(value))
            found[name][method] = [value.numpy() for value in values]
        # arrays still give arrays
        D, I = index.search(queries, 5)
        assert type(D) is np.ndarray and type(I) is np.ndarray
    return found


@pytest.fixture
def new_process() -> Iterator[ProcessPoolExecutor]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as executor:
        yield executor


@pytest.fixture(scope="module")
def binarizer(documents, tmp_path_factory) -> Path:
    net = faiss_bebr.train_binarizer(
        documents, 32, 6, document_nbits=2, epochs=0, progress=False
    )
    path = tmp_path_factory.mktemp("binarizer") / "net"
    index_io.write_VectorTransform(net.to_transform(), path)
    return path


@pytest.mark.parametrize("order", ["register first", "torch_utils first"])
def test_tensors(order, binarizer, documents, queries, new_process, one_thread):
    names = NAMES + SEARCH_ONLY
    arguments = (binarizer, documents, queries)
    found = new_process.submit(results_of_tensors, order, names, *arguments).result()
    for name in names:
        wanted = results(name, make_index(name, binarizer), documents, queries)
        assert found[name].keys() == wanted.keys()
        for method, values in wanted.items():
            for tensor, array in zip(found[name][method], values, strict=True):
                np.testing.assert_array_equal(tensor, array, f"{name}: {method}")


def refusals(queries: np.ndarray) -> list[str]:
    """In a new process: what is said of tensors that are no float32 matrix."""
    faiss_bebr.register()
    importlib.import_module("faiss.contrib.torch_utils")
    index = faiss_bebr.IndexSDC(32, 4)
    codes = faiss_bebr.IndexBinarySDC(32, 2)
    said = []
    for call, x in (
        (index.add, torch.from_numpy(queries).double()),
        (index.add, torch.from_numpy(queries[:, ::2])),
        (codes.add, torch.zeros(3, 4, dtype=torch.uint8)),
    ):
        try:
            call(x)
        except Exception as error:
            said.append(type(error).__name__)
    assert index.ntotal == codes.ntotal == 0
    return said


def test_refusals(queries, new_process):
    """As FAISS's own classes say it; torch_utils knows no binary index."""
    said = new_process.submit(refusals, queries).result()
    assert said == ["AssertionError", "AssertionError", "TypeError"]
