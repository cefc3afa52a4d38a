"""Factory strings: what they build, and which ones are refused."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import faiss
import numpy as np
import pytest
from factory_strings import (
    BINARIZERS,
    D,
    factory_strings,
    make_binarizer,
    register_binarizers,
    unregister_binarizers,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import faiss_bebr
from faiss_bebr.index_io.containers import children

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
        ("BEBR68B,SDC", "'BEBR68B'.*not available"),
        ("BEBR[nobody],SDC", r"'BEBR\[nobody\]'.*neither a registered"),
        ("BEBR[],SDC", "neither a registered"),
        ("BEBR256x2,SDC3", "'SDC3'.*1..2"),
        ("BEBR256x2,SDC0", "'SDC0'"),
        ("BEBR256x2,SDCfs", "'SDCfs'"),
        ("BEBR256x2,Float", "'Float'"),
        ("bebr256x2,SDC2", "'bebr256x2'"),
        ("BEBR99999999999x2,SDC2", "'BEBR99999999999x2'"),
        ("BEBR\u0662\u0665\u0666x2,SDC2", "could not parse"),
        ("SDC9", r"'SDC9'.*1\.\.8"),
        ("SDC", "'SDC' without a number"),
        ("BSDC2", "'BSDC2'"),
        (" BEBR256x2, SDC2", "' BEBR256x2'"),
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
        ("SDC2,Refine()", "refused ''"),
        ("SDC2,Refine(SDC)", "'SDC' without"),
        ("SDC2,Refine(Foo)", "refused 'Foo'"),
        ("IDMap,IVF4,PQx(SDC2)", "'PQx"),
        ("IVF4(SDC2),Foo", "refused 'IVF4,Foo'"),
        ("IVF4(BEBR64x2),Flat", "'BEBR64x2'.*must follow"),
        ("Foo,BEBR256x2,SDC2", "'Foo'"),
        ("BEBR256x2,Foo", "refused 'Foo'"),
        ("IVF4(SDC2", "'\\)' is missing"),
        ("IVF4SDC2),Flat", "unmatched '\\)'"),
        ("BEBR[a,SDC2", "'\\]' is missing"),
        ("BEBR]a[,SDC2", "unmatched '\\]'"),
        ("IMI2x2,SDC2,", "'SDC2,'"),
        (",SDC2", "''"),
        ("SDC2,", "'SDC2'"),
    ],
)
def test_strings_that_make_no_sense(description, named):
    with pytest.raises(ValueError, match=named):
        faiss_bebr.index_factory(384, description)


def test_what_faiss_said_is_the_cause():
    with pytest.raises(ValueError, match="refused 'PQ7x'") as raised:
        faiss_bebr.index_factory(48, "BEBR32x2,PQ7x")
    assert isinstance(raised.value.__cause__, RuntimeError)
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
    ],
)
def test_planes_of_binarizer_and_encoding(description, planes, stored):
    index = faiss_bebr.index_factory(64, description)
    binarizer = faiss_bebr.downcast_VectorTransform(index.chain.at(0))
    storage = faiss_bebr.downcast_index(index.index)
    for layout, widths in ((binarizer.layout, planes), (storage.sdc.layout, stored)):
        assert faiss.vector_to_array(layout.plane_widths).tolist() == widths
    assert binarizer.document_nbits == len(stored)


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
    assert binarizer.document_nbits == document_nbits


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


def test_own_invlists():
    for text in ("IVF4,SDC2", "IDMap,IVF4(SDC2),PQ4x4", "IVF4(SDC2),SDC2,RFlat"):
        for own_invlists in (True, False):
            index = faiss_bebr.index_factory(16, text, faiss.METRIC_L2, own_invlists)
            ivf = faiss.extract_index_ivf(
                index if isinstance(index, faiss.IndexIVF) else first_part(index)
            )
            assert (ivf.invlists is not None) == own_invlists


def first_part(index: Any) -> Any:
    return children(index)[0].obj


@pytest.fixture(scope="module")
def named_binarizers() -> Iterator[None]:
    register_binarizers()
    yield
    unregister_binarizers()


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Graphs depend on the order in which vectors are added."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(before)


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


def test_binarizer_by_name(rng, tmp_path):
    transform = make_binarizer(D, [16, 8])
    x = clustered(rng, 50, D)
    expected = transform.encode(x)
    faiss_bebr.register_binarizer("a, (b) \u00e9", transform)
    try:
        # the index has a copy, and so has the register
        transform.reverse_transform(np.zeros((1, 16), np.float32))
        del transform
        index = faiss_bebr.index_factory(D, "IDMap,BEBR[a, (b) \u00e9],SDC")
    finally:
        faiss_bebr.unregister_binarizer("a, (b) \u00e9")
    gc.collect()
    assert index.is_trained
    index.add_with_ids(x, np.arange(50))
    binarizer = faiss_bebr.downcast_VectorTransform(first_part(index).chain.at(0))
    np.testing.assert_array_equal(binarizer.encode(x), expected)
    with pytest.raises(ValueError, match="neither a registered"):
        faiss_bebr.index_factory(D, "BEBR[a, (b) \u00e9],SDC")

    path = tmp_path / "a,b (1).bebr"
    faiss_bebr.write_VectorTransform(binarizer, str(path))
    from_file = faiss_bebr.index_factory(D, f"BEBR[{path}],SDC2")
    from_file.add(x)
    np.testing.assert_array_equal(from_file.search(x, 3)[1], index.search(x, 3)[1])
    with pytest.raises(ValueError, match=r"takes vectors of 24 dim.* 32"):
        faiss_bebr.index_factory(32, f"BEBR[{path}],SDC2")


def test_files_that_are_no_binarizers(tmp_path):
    path = tmp_path / "file"
    for write in (
        lambda: path.write_bytes(b"BEBR is not what this file has inside"),
        lambda: faiss.write_VectorTransform(faiss.PCAMatrix(D, 8), str(path)),
        lambda: faiss_bebr.write_index(faiss_bebr.IndexSDC(8, 1), str(path)),
    ):
        write()
        with pytest.raises(ValueError, match=r"'BEBR\[.*file"):
            faiss_bebr.index_factory(D, f"BEBR[{path}],SDC2")
    with pytest.raises(ValueError, match="neither a registered"):
        faiss_bebr.index_factory(D, f"BEBR[{tmp_path}],SDC2")


def test_bad_binarizers_to_register():
    trained = make_binarizer(D, [16])
    untrained = faiss_bebr.BinarizerTransform(D, [16])
    for name, transform, error, named in (
        (3, trained, TypeError, "name"),
        ("", trained, ValueError, "name"),
        ("a]", trained, ValueError, "name"),
        ("a", faiss.PCAMatrix(D, 8), TypeError, "transform"),
        ("a", None, TypeError, "transform"),
        ("a", untrained, ValueError, "'a' is not trained"),
    ):
        with pytest.raises(error, match=named):
            faiss_bebr.register_binarizer(name, transform)
    with pytest.raises(KeyError):
        faiss_bebr.unregister_binarizer("a")


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
