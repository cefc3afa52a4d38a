"""Random factory strings: results, owners, leaks, and clear errors."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from typing import Any

import faiss
import numpy as np
import pytest
from factory_strings import (
    D,
    clustered,
    factory_strings,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import faiss_bebr
from faiss_bebr.index_io.containers import children


def clustered_vectors(n: int) -> np.ndarray:
    return clustered(np.random.default_rng(n), n, D)


@pytest.mark.usefixtures("named_binarizers", "one_thread")
@pytest.mark.parametrize("metric", [faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT])
@settings(deadline=None, max_examples=60, derandomize=True)
@given(data=st.data())
def test_any_string_equals_an_index_made_by_hand(metric, data):
    example = data.draw(factory_strings(metric))
    x, queries = clustered_vectors(200), clustered_vectors(9)
    results = []
    for index in (
        faiss_bebr.index_factory(D, example.text, metric),
        example.make(None),
    ):
        assert index.thisown
        index.train(x)
        if isinstance(index, faiss.IndexIDMap):
            index.add_with_ids(x, 1000 - np.arange(len(x)))
        else:
            index.add(x)
        faiss_bebr.ParameterSpace().set_index_parameter(index, "verbose", 0)
        results.append((type(index), index.metric_type, *index.search(queries, 5)))
    (ours, our_metric, D_ours, I_ours), (hand, _, D_hand, I_hand) = results
    assert ours is hand
    assert our_metric == metric
    np.testing.assert_array_equal(I_ours, I_hand)
    np.testing.assert_array_equal(D_ours, D_hand)


def check_owners(index: Any) -> None:
    """That every container in an index deletes its parts."""
    for path, part in children(index):
        flag = "own_refine_index" if path == "refine_index" else "own_fields"
        assert getattr(index, flag), (type(index), path)
        check_owners(part)


@pytest.mark.usefixtures("named_binarizers")
@pytest.mark.parametrize("metric", [faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT])
@settings(deadline=None, max_examples=100, derandomize=True)
@given(data=st.data())
def test_any_index_owns_its_parts(metric, data):
    index = faiss_bebr.index_factory(D, data.draw(factory_strings(metric)).text, metric)
    assert index.thisown
    check_owners(index)


FRAGMENTS = "BEBR16x2 BEBR16-8 BEBR[16:16-8:1] BEBR BEBR[ BEBR9B SDC2 SDC SDC1 BSDC1"
FRAGMENTS += " SDC2fs SDCfs"
FRAGMENTS += " IVF4 IVF4( IVF ( ) [ ] HNSW8 HNSW8_ HNSW RFlat Refine( Refine IDMap"
FRAGMENTS += " IDMap2 PCA8 OPQ4 L2norm RR Flat PQ4 PQ4x4fs SQ8 x 9 - k , , , , ,"


@pytest.mark.usefixtures("named_binarizers")
@settings(deadline=None, max_examples=400, derandomize=True)
@given(st.lists(st.sampled_from(FRAGMENTS.split()), max_size=8), st.booleans())
def test_garbage_of_tokens_gives_a_clear_error(fragments, with_commas):
    text = ("," if with_commas else "").join(fragments)
    if "SDC" not in text and "BEBR" not in text:
        return  # FAISS's own
    try:
        index = faiss_bebr.index_factory(D, text)
    except ValueError as error:
        assert "could not parse" in str(error) or "'" in str(error)
    else:
        check_owners(index)


@pytest.mark.usefixtures("named_binarizers")
@settings(deadline=None, max_examples=200, derandomize=True)
@given(data=st.data())
def test_damaged_strings_give_a_clear_error(data):
    text = data.draw(factory_strings(faiss.METRIC_L2)).text
    position = data.draw(st.integers(0, len(text) - 1))
    character = data.draw(st.sampled_from(["", *"(),[]xSDC_-2"]))
    text = text[:position] + character + text[position + 1 :]
    if "SDC" not in text and "BEBR" not in text:
        return
    try:
        index = faiss_bebr.index_factory(D, text)
    except ValueError as error:
        assert "'" in str(error)
    else:
        check_owners(index)


class MallInfo(ctypes.Structure):
    """glibc's mallinfo2."""

    _fields_ = [(f"unused_{i}", ctypes.c_size_t) for i in range(7)] + [
        ("uordblks", ctypes.c_size_t),
        ("fordblks", ctypes.c_size_t),
        ("keepcost", ctypes.c_size_t),
    ]


def allocated_bytes() -> int:
    """What C++ has allocated and not freed; Python's own objects lie elsewhere."""
    gc.collect()
    mallinfo = ctypes.CDLL(None).mallinfo2
    mallinfo.restype = MallInfo
    return mallinfo().uordblks


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="needs glibc")
@pytest.mark.parametrize(
    "description",
    [
        "SDC4",
        "HNSW8,SDC4",
        "BEBR16x2,SDC2",
        "PCA16,BEBR16x4,IVF2_HNSW8,SDC2,RFlat",
        "IDMap2,OPQ8,BEBR16-8,IVF2(SDC1),SDC2,Refine(SDC8)",
        "IVF2(BEBR16x2,HNSW8,SDC),PQ8x4fs",
        "IMI2x1,SDC4",
        # these fail, when much is built already
        "PCA16,OPQ8,BEBR16x4,IVF2_HNSW8(SDC1),SDC2",
        "PCA16,BEBR16x2,IVF2(BEBR16x2,SDC),SDC3",
        "SDC4,Refine(IVF2(SDC2),Foo)",
    ],
)
def test_nothing_leaks(description):
    def build(times: int) -> None:
        for _ in range(times):
            with contextlib.suppress(ValueError):
                faiss_bebr.index_factory(24, description)

    build(50)
    before = allocated_bytes()
    build(200)
    # an empty IndexFlat has 200 bytes
    assert allocated_bytes() - before < 100 * 200
