"""Functions of FAISS and faiss.contrib that look into indexes, with ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import faiss
import numpy as np
import pytest
from factory_strings import BINARIZERS, D, factory_strings, make_binarizer
from faiss.contrib import factory_tools, inspect_tools
from hypothesis import given, settings
from hypothesis import strategies as st

import faiss_bebr
from faiss_bebr.index_io.containers import children


@pytest.fixture(scope="module", autouse=True)
def registered(named_binarizers) -> Iterator[None]:
    faiss_bebr.register()
    yield
    faiss_bebr.unregister()


STRINGS = [
    ("SDC4", 24 * 4 // 8 + 1),
    ("BEBR16x4,SDC2", 4 + 2),
    ("BEBR16x4,SDC4", 8 + 2),
    ("BEBR16-8-8,SDC2", 3 + 2),
    ("BEBR16-8-8,SDC2_Sqint8", 3 + 1),
    ("SDC4_Sfp16", 24 * 4 // 8 + 2),
    ("SDC16-8_300_Sfp16", 3 + 2 + 2),
    ("BEBR24x8,SDC24-16-8_1024_Sfp16", 6 + 2 + 2),
    ("IVF16,SDC16-8_Sfp16", 3 + 2),
    ("BEBR16x2,IVF8,SDC2_Sqint8", 5),
    ("SDC2_16", 24 * 2 // 8 + 1 + 1),
    ("SDC16-8", 3 + 1),
    ("SDC16-8_300", 3 + 1 + 2),
    ("SDC16", 2 + 1),
    ("SDC16_256", 2 + 1 + 1),
    ("SDC4fs", 24 * 4 // 8 + 1),
    ("SDC16-8_300fs_Sfp16", 3 + 2 + 2),
    ("BEBR16-8-8,SDC2fs", 3 + 2),
    ("SDC2,Refine(SDC8fs)", 7 + 25),
    ("BEBR24x8,SDC24-16-8_1024", 6 + 1 + 2),
    ("BEBR16-8-8,HNSW8,SDC2_9", 3 + 1 + 1 + 8 * 2 * 4),
    ("IVF16,SDC16-8", 3 + 1),
    ("BEBR24x8,IVF16,SDC24-16-8", 6 + 1),
    ("IVF4(SDC16-8_9),SDC4", 13),
    ("IDMap,SDC16-8_300", 3 + 1 + 2),
    ("IVF16,SDC4", 13),
    ("IVF16_HNSW8,SDC4", 13),
    ("IMI2x4,SDC4", 13),
    ("BEBR16x2,IVF8,SDC2", 6),
    ("HNSW8,SDC4", 13 + 8 * 2 * 4),
    ("IVF4(SDC2),SDC4", 13),
    ("IVF4(HNSW8,SDC2),SDC4", 13),
    ("IVF4(BEBR16x2,SDC1),PQ4x4", 2),
    ("IVF4(HNSW8,SDC2),SQ8", 24),
    ("IVF4(SDC2),PQ4x4fs", 2),
    ("PCA16,SDC2", 4 + 1),
    ("PCAW16,SDC2", 4 + 1),
    ("PCAR16,SDC2", 4 + 1),
    ("OPQ4_16,BEBR8x2,SDC2", 2 + 2),
    ("ITQ16,SDC1", 2 + 1),
    ("RR16,SDC1", 2 + 1),
    ("HR12,SDC1", 4 + 1),
    ("Pad32,SDC1", 4 + 1),
    ("L2norm,PCA16,BEBR8x2,HNSW4,SDC1", 1 + 2 + 4 * 2 * 4),
    ("IDMap,BEBR16x2,SDC2", 6),
    ("IDMap2,SDC4,Refine(SQfp16)", 13 + 48),
    ("SDC4,Refine(SDC8)", 13 + 25),
    ("SDC4,Refine(Flat)", 13 + 96),
    ("BEBR16x2,PCA8,IVF4,SQ8", 8),
    ("BEBR16x2,Flat", 64),
]


@pytest.mark.parametrize(("text", "code_size"), STRINGS)
def test_strings_and_back(text, code_size):
    index = faiss.index_factory(D, text)
    assert factory_tools.reverse_index_factory(index) == text
    assert factory_tools.get_code_size(D, text) == code_size


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("BEBR16x4,SDC", "BEBR16x4,SDC4"),
        ("BEBR16-16-16,SDC2", "BEBR16x3,SDC2"),
        ("BEBR24-16-8,SDC24-16", "BEBR24-16-8,SDC2"),
        ("BEBR24-16-8,SDC24-16_7", "BEBR24-16-8,SDC2_7"),
        ("SDC24-24_7", "SDC2_7"),
        ("SDC24-24_7_Sqint8", "SDC2_7"),
        ("BEBR24-16-8,SDC24-16_Sfp16", "BEBR24-16-8,SDC2"),
        ("BEBR24-16-8,SDC24-8_Sqint8", "BEBR24-16-8,SDC24-8"),
        ("SDC24", "SDC1"),
        ("HNSW_SDC2", "HNSW32,SDC2"),
        ("SDC2,IDMap", "IDMap,SDC2"),
        ("SDC2,RFlat", "SDC2,Refine(Flat)"),
        ("IVF1k,SDC2", "IVF1024,SDC2"),
        ("IVF4(Flat),SDC2", "IVF4,SDC2"),
    ],
)
def test_other_ways_to_write_it(text, canonical):
    index = faiss.index_factory(D, text)
    assert factory_tools.reverse_index_factory(index) == canonical
    assert factory_tools.get_code_size(D, text) == factory_tools.get_code_size(
        D, canonical
    )


@pytest.mark.parametrize("metric", [faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT])
@settings(deadline=None, max_examples=40, derandomize=True)
@given(data=st.data())
def test_any_string_comes_back_as_an_equal_one(metric, data):
    text = data.draw(factory_strings(metric)).text
    index = faiss.index_factory(D, text, metric)
    back = factory_tools.reverse_index_factory(index)
    again = faiss.index_factory(D, back, metric)
    assert factory_tools.reverse_index_factory(again) == back
    assert shape_of(again) == shape_of(index)


def shape_of(index: Any) -> list[tuple[str, str, int]]:
    """Types and sizes of an index and all that is inside."""
    found = [("", type(index).__name__, getattr(index, "code_size", 0))]
    for path, part in children(faiss_bebr.downcast_index(index)):
        name = type(part).__name__
        if isinstance(part, faiss.VectorTransform):
            found.append((path, name, part.d_out))
        else:
            found += [(f"{path}.{p}", t, size) for p, t, size in shape_of(part)]
    # the refining flat index of RFlat has a name of its own
    return [(p, t.replace("IndexRefineFlat", "IndexRefine"), s) for p, t, s in found]


def test_stock_strings_are_those_of_faiss():
    for text in ("IVF16,PQ4x4", "PCA16,HNSW8", "IVF16_HNSW8,SQ8", "Flat"):
        index = faiss.index_factory(D, text)
        assert factory_tools.reverse_index_factory(index) == text
    assert factory_tools.get_code_size(D, "OPQ4_16,PQ4x4") == 2


def test_what_has_no_string():
    with pytest.raises(RuntimeError, match="cannot parse SDC9"):
        factory_tools.get_code_size(D, "SDC9")
    with pytest.raises(RuntimeError, match="cannot parse"):
        factory_tools.get_code_size(D, "Foo")
    centering = faiss.IndexPreTransform(
        faiss.CenteringTransform(D), faiss_bebr.IndexSDC(D, 4)
    )
    with pytest.raises(NotImplementedError, match="single plane of 8"):
        factory_tools.reverse_index_factory(faiss_bebr.IndexSDC([8], 0, D))
    with pytest.raises(NotImplementedError, match="CenteringTransform"):
        factory_tools.reverse_index_factory(centering)
    with pytest.raises(NotImplementedError):
        factory_tools.reverse_index_factory(faiss.IndexShards(D))


def filled(text: str, x: np.ndarray, metric: int = faiss.METRIC_L2) -> Any:
    index = faiss.index_factory(x.shape[1], text, metric)
    index.train(x)
    index.add(x)
    return index


IVF_STRINGS = [
    "IVF8,SDC4",
    "IVF8(SDC8),SDC4",
    "RR24,IVF8,SDC4",
    "BEBR[24:16-16-16:0],IVF8_HNSW8,SDC",
    "IVF8(SDC8),Flat",
]


@pytest.mark.parametrize("text", IVF_STRINGS)
@pytest.mark.parametrize("metric", [faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT])
def test_search_with_parameters(text, metric, rng):
    x = rng.standard_normal((400, D)).astype(np.float32)
    index = filled(text, x, metric)
    ivf = faiss.extract_index_ivf(index)
    assert isinstance(ivf, faiss.IndexIVF)
    assert type(ivf) is (
        faiss.IndexIVF if text.endswith("Flat") else faiss_bebr.IndexIVFSDC
    )
    for nprobe, max_codes in ((1, 0), (3, 0), (8, 100)):
        ivf.nprobe, ivf.max_codes = nprobe, max_codes
        expected = index.search(x[:20], 5)
        found = faiss.search_with_parameters(index, x[:20], 5)
        ivf.nprobe, ivf.max_codes = 2, 0
        params = faiss.IVFSearchParameters()
        params.nprobe, params.max_codes = nprobe, max_codes
        given_params = faiss.search_with_parameters(index, x[:20], 5, params)
        *with_stats, stats = faiss.search_with_parameters(
            index, x[:20], 5, params, output_stats=True
        )
        for results in (found, given_params, with_stats):
            for ours, theirs in zip(results, expected, strict=True):
                np.testing.assert_array_equal(ours, theirs)
        # nprobe lists of 400 vectors in 8
        assert 0 < stats["ndis"] <= 20 * 400
        assert stats["pre_transform_ms"] >= 0
        assert stats["coarse_quantizer_ms"] + stats["invlist_scan_ms"] > 0
    radius = float(np.median(expected[0][:, -1]))
    params.nprobe, params.max_codes = 8, 0
    ivf.nprobe = 8
    for ours, theirs in zip(
        faiss.range_search_with_parameters(index, x[:20], radius, params),
        index.range_search(x[:20], radius),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("text", ["SDC4", "HNSW8,SDC4", "BEBR16x2,SDC2"])
def test_flat_indexes_have_no_inverted_file(text):
    index = faiss.index_factory(D, text)
    with pytest.raises(RuntimeError, match="'ivf' failed"):
        faiss.extract_index_ivf(index)


def test_inspect_inverted_lists(rng):
    x = rng.standard_normal((400, D)).astype(np.float32)
    index = filled("IVF8,SDC4", x)
    sizes = inspect_tools.get_invlist_sizes(index.invlists)
    assert sizes.sum() == 400
    listed = []
    for i in range(8):
        ids, codes = inspect_tools.get_invlist(index.invlists, i)
        assert codes.shape == (sizes[i], index.code_size)
        expected = np.array([index.sa_encode(x[j : j + 1])[0] for j in ids])
        # before the code comes the list number
        np.testing.assert_array_equal(codes, expected[:, -index.code_size :])
        listed += ids.tolist()
    assert sorted(listed) == list(range(400))


def test_inspect_flat_codes(rng):
    x = rng.standard_normal((50, D)).astype(np.float32)
    index = filled("SDC4", x)
    np.testing.assert_array_equal(
        inspect_tools.get_flat_codes(index), index.sa_encode(x)
    )
    mapped = filled("BEBR[24:16-8:1],SDC", x)
    np.testing.assert_array_equal(
        inspect_tools.get_flat_codes(mapped.index), mapped.sa_encode(x)
    )


def test_inspect_what_is_around(rng):
    x = rng.standard_normal((300, D)).astype(np.float32)
    index = filled("PCA16,BEBR[16:16-8:1],IVF4,SDC2", x)
    pca = faiss.downcast_VectorTransform(index.chain.at(0))
    A, b = inspect_tools.get_LinearTransform_matrix(pca)
    linear = inspect_tools.make_LinearTransform_matrix(A, b)
    np.testing.assert_allclose(linear.apply(x), pca.apply(x), atol=1e-5)


def test_code_size_of_a_named_binarizer():
    for name, (d, widths, kept) in BINARIZERS.items():
        stored = sum(widths[: kept or len(widths)]) // 8 + 2
        assert factory_tools.get_code_size(d, f"BEBR[{name}],SDC") == stored
        binarizer = make_binarizer(d, widths)
        assert binarizer.layout.code_size() == sum(widths) // 8
