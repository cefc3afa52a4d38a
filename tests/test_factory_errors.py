"""Factory strings that make no sense."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

import faiss_bebr


@pytest.mark.parametrize(
    ("description", "named"),
    [
        # the tokens alone
        ("BEBR256x2", "'BEBR256x2'.*must follow"),
        ("BEBR250x2,SDC2", "'BEBR250x2'.*multiple of 8"),
        ("BEBR0x2,SDC2", "'BEBR0x2'"),
        ("BEBR65536x2,SDC2", "'BEBR65536x2'.*32768"),
        ("BEBR392x2,SDC2", "'BEBR392x2'.*d = 384"),
        ("BEBR256x9,SDC2", r"'BEBR256x9'.*1\.\.8"),
        ("BEBR256x0,SDC2", "'BEBR256x0'"),
        ("BEBR8" + "-8" * 8 + ",SDC2", r"1\.\.8, got 9"),
        ("BEBR64-128,SDC2", "'BEBR64-128'.*widen"),
        ("BEBR128-60,SDC2", "'BEBR128-60'.*60"),
        ("BEBR256,SDC2", "'BEBR256'"),
        ("BEBR[nobody],SDC", r"'BEBR\[nobody\]'.*neither a registered"),
        ("BEBR[],SDC", "neither a registered"),
        ("BEBR256x2,SDC3", "'SDC3'.*1..2"),
        ("BEBR256x2,SDC0", "'SDC0'"),
        ("SDC2_0", r"'SDC2_0'.*1\.\.65536, got 0"),
        ("SDC2_65537", r"'SDC2_65537'.*1\.\.65536"),
        ("SDC2_", "'SDC2_'.*expected SDC, SDC<nbits>"),
        ("SDC2_Sfp32", "'SDC2_Sfp32'.*_Sfp16 or _Sqint8"),
        ("SDC2_Sqint8_16", "'SDC2_Sqint8_16'.*_<ncentroids>, fs, and _Sfp16"),
        ("SDC_16", "'SDC_16'.*without a number"),
        ("BEBR68B,SDC_Sqint8", "'SDC_Sqint8'.*its centroids and scales.*SDC2_Sqint8"),
        ("BEBR256x2,IVF4,SDC_Sqint8", "'SDC_Sqint8'.*without a number"),
        ("BEBR256x2,HNSW32,SDC_16", "'SDC_16'.*without a number"),
        ("SDC264-", "'SDC264-'"),
        ("SDC392-8", "'SDC392-8'.*d = 384"),
        ("SDC64-128", "'SDC64-128'.*widen"),
        ("SDC128-60_9", "'SDC128-60_9'.*60"),
        ("SDC8" + "-8" * 8, r"1\.\.8, got 9"),
        ("BEBR256-64,SDC256-72", "'SDC256-72'.*wider than.*256-64"),
        ("BEBR256x2,SDC64-64-64", "'SDC64-64-64'.*wider than.*256-256"),
        ("BEBR256x2,SDC264", "'SDC264'.*d = 256"),
        ("IVF4,SDC2_16", "'SDC2_16'.*centroids already"),
        ("BEBR256x2,IVF4,SDC256-8_16", "'SDC256-8_16'.*centroids already"),
        ("BEBR256x2,Float", "'Float'"),
        ("bebr256x2,SDC2", "'bebr256x2'"),
        ("BEBR99999999999x2,SDC2", "'BEBR99999999999x2'"),
        ("BEBR\u0662\u0665\u0666x2,SDC2", "could not parse"),
        ("SDC9", r"'SDC9'.*1\.\.8"),
        ("SDC", "'SDC' without a number"),
        ("BSDC2", "'BSDC2'"),
        (" BEBR256x2, SDC2", "' BEBR256x2'"),
        ("BEBR256x2,", "token is empty in 'BEBR256x2,'"),
        (",SDC2", "token is empty"),
        ("BEBR256x2,,SDC2", "token is empty"),
        ("IMI2x2,SDC2,", "token is empty"),
        ("SDC2,Refine()", "token is empty"),
        # and beside others
        ("SDC2,SDC2", "'SDC2'.*alone"),
        ("BEBR256x2,SDC2,SDC2", "'SDC2'.*alone"),
        ("BEBR256x2,PCA64,SDC2", "'PCA64'.*between 'BEBR256x2' and 'SDC2'"),
        ("BEBR256x2,L2norm,IVF4,SDC2", "'L2norm'.*between"),
        ("BEBR256x2,RR64,IVF4(SDC2),Flat", "'RR64'.*between"),
        ("BEBR256x2,IVF16,SDC3", "'SDC3'"),
        ("BEBR256x2,IVF16(SDC3),SDC2", "'SDC3'"),
        ("BEBR256x2,HNSW16,SDC3", "'SDC3'"),
        ("PCA12,SDC4", "'SDC4'.*multiple of 8.*12"),
        ("IVF4,SDC", "'SDC' without a number"),
        ("IVF4,BEBR32x2,SDC2", "'BEBR32x2,SDC2'"),
        ("IVF4,BEBR32x2", "'BEBR32x2'"),
        ("IVF0,SDC2", "'IVF0'.*at least one list"),
        ("IVF0(SDC2),Flat", "'IVF0.*at least one list"),
        ("HNSW32,Flat,SDC2", "'Flat,SDC2'"),
        ("HNSW1,SDC2", "'HNSW1'.*at least 2"),
        ("NSG32,SDC2", "'NSG32'"),
        ("MinMax,SDC2", "'MinMax'"),
        ("Residual4x8,SDC2", "'Residual4x8'"),
        ("Flat,SDC2", "'Flat'"),
        ("RFlat,SDC2", "'RFlat'"),
        ("SDC2,RFlat,Flat", "'SDC2'"),
        ("SDC2,Refine(SDC)", "'SDC' without"),
        ("SDC2,Refine(Foo)", "refused 'Foo'"),
        ("IDMap,IVF4,PQx(SDC2)", "'PQx"),
        ("IVF4(SDC2),Foo", "refused 'Foo'"),
        ("IVF4(BEBR64x2),Flat", "'BEBR64x2'.*must follow"),
        ("Foo,BEBR256x2,SDC2", "'Foo'"),
        ("BEBR256x2,Foo", "refused 'Foo'"),
        ("IVF4(SDC2", "'\\)' is missing"),
        ("IVF4SDC2),Flat", "unmatched '\\)'"),
        ("BEBR[a,SDC2", "'\\]' is missing"),
        ("BEBR]a[,SDC2", "unmatched '\\]'"),
    ],
)
def test_strings_that_make_no_sense(description, named):
    with pytest.raises(ValueError, match=named):
        faiss_bebr.index_factory(384, description)


def test_what_faiss_said_is_the_cause():
    with pytest.raises(ValueError, match="refused 'PQ7x'") as raised:
        faiss_bebr.index_factory(48, "BEBR32x2,PQ7x")
    assert isinstance(raised.value.__cause__, RuntimeError)
    for text, refused in (
        ("IVF,SDC2", "'IVF'"),
        ("IVF99999999999,SDC2", "'IVF99999999999'"),
        ("IVF4(SDC2),PQ7x", "'PQ7x'"),
    ):
        with pytest.raises(ValueError, match=f"refused {refused}"):
            faiss_bebr.index_factory(48, text)
    with pytest.raises(ValueError, match="inner prod") as raised:
        faiss_bebr.index_factory(48, "IMI2x4,SDC2", faiss.METRIC_INNER_PRODUCT)
    assert isinstance(raised.value.__cause__, RuntimeError)


@pytest.mark.parametrize("d", [0, -8])
def test_impossible_dimensions(d):
    with pytest.raises(ValueError, match="d must be"):
        faiss_bebr.index_factory(d, "SDC2")
    with pytest.raises(ValueError, match="d must be"):
        faiss_bebr.index_binary_factory(d, "BSDC2")


def test_arguments_of_other_types():
    for factory in (faiss_bebr.index_factory, faiss_bebr.index_binary_factory):
        with pytest.raises(TypeError, match="description must be a string"):
            factory(64, b"BSDC2")
        with pytest.raises(TypeError):
            factory("64", "BSDC2")
    assert faiss_bebr.index_factory(np.int64(64), "SDC2").d == 64


@pytest.mark.parametrize("metric", [faiss.METRIC_L1, faiss.METRIC_Jaccard])
def test_metrics_that_do_not_exist_for_codes(metric):
    with pytest.raises(ValueError, match="metric must be"):
        faiss_bebr.index_factory(48, "BEBR32x2,SDC2", metric)


@pytest.mark.parametrize(
    ("description", "named"),
    [
        ("BSDC0", "BSDC0"),
        ("BSDC9", "BSDC9"),
        ("BSDC3", "BSDC3.*multiple of 8"),
        ("BSDC", "'BSDC'"),
        ("BSDC2,SDC2", "'SDC2'"),
        ("SDC2", "'SDC2'"),
        ("BEBR64x2,SDC2", "'SDC2'"),
        ("BIVF0,BSDC2", "'BIVF0'"),
        ("BIVF4,BFlat,BSDC2", "'BIVF4'"),
        ("BIVF4_HNSW8,BSDC2", "'BIVF4_HNSW8'.*Hamming"),
        ("BIVF4_HNSW1,BSDC1", "'BIVF4_HNSW1'.*at least 2"),
        ("BHNSW8,BSDC2", "'BHNSW8'"),
        ("IVF4,BSDC2", "'IVF4'"),
        ("IDMap,IDMap3,BSDC2", "'IDMap3'"),
        ("BSDC2,", "''"),
    ],
)
def test_binary_strings_that_make_no_sense(description, named):
    with pytest.raises(ValueError, match=named):
        faiss_bebr.index_binary_factory(512, description)


def test_binary_dimensions_beyond_the_limit():
    assert faiss_bebr.index_binary_factory(32768 * 2, "BSDC2").d == 65536
    with pytest.raises(ValueError, match="65536"):
        faiss_bebr.index_binary_factory(32768 * 2 + 16, "BSDC2")
