"""What IndexBinaryIVFSDC refuses."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
from binary_ivf_sdc_data import L2, make_index
from inputs import random_codes

import faiss_bebr


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (faiss.SearchParametersHNSW(efSearch=3), "SearchParametersIVF"),
        (faiss.SearchParametersIVF(nprobe=0), "nprobe"),
        (faiss.SearchParametersIVF(max_lists_num=3), "takes nprobe"),
        (faiss.SearchParametersIVF(ensure_topk_full=True), "takes nprobe"),
        (faiss.SearchParametersIVF(max_empty_result_buckets=3), "takes nprobe"),
    ],
)
def test_refused_parameters(params, message, rng):
    codes = random_codes(rng, 100, 128)
    index = make_index(64, 2, L2, codes)
    for search in (
        lambda: index.search(codes, 3, params=params),
        lambda: index.range_search(codes, 3, params=params),
        lambda: index.search_and_reconstruct(codes, 3, params=params),
    ):
        with pytest.raises(RuntimeError, match=message):
            search()
    index.nprobe = 0
    with pytest.raises(RuntimeError, match="nprobe"):
        index.search(codes, 3)


@pytest.mark.parametrize(
    "method", ["add", "train", "search", "range_search", "assign", "add_with_ids"]
)
def test_bad_vectors(method, rng):
    codes = random_codes(rng, 20, 128)
    index = make_index(64, 2, L2, codes)
    more = {
        "search": (3,),
        "range_search": (10,),
        "assign": (3,),
        "add_with_ids": (np.arange(20),),
    }
    for x, error in (
        (codes.astype(np.float32), TypeError),
        (codes.astype(np.int8), TypeError),
        (codes[:, :-1], ValueError),
        (codes[0], ValueError),
        (codes[None], ValueError),
        (codes.tolist(), TypeError),
        (None, TypeError),
    ):
        with pytest.raises(error):
            getattr(index, method)(x, *more.get(method, ()))
    assert index.ntotal == 20
    np.testing.assert_array_equal(index.reconstruct_n(), codes)


@pytest.mark.parametrize("k", [0, -1, 2.5, None, "3", True])
def test_bad_k(k, rng):
    index = make_index(64, 2, L2, random_codes(rng, 20, 128))
    for method in ("search", "assign", "search_and_reconstruct"):
        with pytest.raises((ValueError, TypeError), match="k must be"):
            getattr(index, method)(random_codes(rng, 2, 128), k)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((128, 0, 2), "nlist must be in"),
        ((128, 2**31, 2), "nlist must be in"),
        ((128, 10, 0), "nbits must be in 1..8, got 0"),
        ((128, 10, 9), "nbits must be in 1..8, got 9"),
        ((128, 10, -1), "nbits must be in 1..8, got -1"),
        ((128, 10, 3), "d must be nbits times a multiple of 8"),
        ((0, 10, 1), "d must be nbits times a multiple of 8"),
        ((2**40, 10, 1), "d must be nbits times a multiple of 8"),
        ((127, 10, 1), "d_ % 8"),
        ((256, 10, 2), "the quantizer has d = 128, but codes have 256 bits"),
        ((128, 10, 1), "the quantizer has nbits = 2, but codes have 1"),
        ((128, 10, 2, faiss.METRIC_L1), "metric must be"),
    ],
)
def test_bad_constructor_arguments(arguments, message):
    quantizer = faiss_bebr.IndexBinarySDC(128, 2)
    inverted_file = faiss_bebr.IndexBinaryIVFSDC(quantizer, 128, 10, 2)
    for one in (quantizer, inverted_file):
        with pytest.raises(RuntimeError, match=message):
            faiss_bebr.IndexBinaryIVFSDC(one, *arguments)


def test_missing_quantizer(rng):
    with pytest.raises(RuntimeError, match="quantizer must not be null"):
        faiss_bebr.IndexBinaryIVFSDC(None, 128, 10, 2)
    for quantizer in (faiss.IndexFlatL2(128), 3, "flat"):
        with pytest.raises(TypeError):
            faiss_bebr.IndexBinaryIVFSDC(quantizer, 128, 10, 2)
    codes = random_codes(rng, 20, 128)
    index = make_index(64, 2, L2, codes)
    index.quantizer = None
    for use in (
        lambda: index.add(codes),
        lambda: index.train(codes),
        lambda: index.search(codes, 3),
    ):
        with pytest.raises(RuntimeError, match="quantizer must not be null"):
            use()


def test_unknown_attributes_are_refused():
    quantizer = faiss_bebr.IndexBinarySDC(128, 2)
    index = faiss_bebr.IndexBinaryIVFSDC(quantizer, 128, 10, 2)
    for name in ("nbits", "layout", "use_heap", "per_invlist_search"):
        with pytest.raises(AttributeError):
            setattr(index, name, 4)
    assert index.nbits == 2
    assert (index.nprobe, index.max_codes, index.nlist) == (1, 0, 10)
