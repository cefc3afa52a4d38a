"""`BEBR<bytes>B`: training chooses what is stored of a document."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import faiss
import numpy as np
import pytest
from factory_strings import clustered, set_weights
from faiss.contrib import factory_tools

import faiss_bebr
from faiss_bebr import trainer_hook
from faiss_bebr.index_io import downcast_index, downcast_VectorTransform
from faiss_bebr.index_io.containers import children

D, N = 52, 1500
NCENTROIDS = 10


@pytest.fixture(autouse=True)
def calls(monkeypatch) -> list[tuple[int, bool]]:
    """The budgets that a trainer without PyTorch was given, which rotates at random,
    and spends the bytes on planes of 24 dimensions but for the last one."""
    calls = []

    def train_binarizer(x: np.ndarray, *, code_size: int, coarse: bool) -> Any:
        assert x.flags.c_contiguous
        calls.append((code_size, coarse))
        nbytes = code_size - 1 - coarse
        widths = [24] * (nbytes // 3) + [8 * (nbytes % 3)] * (nbytes % 3 > 0)

        def copy_to_transform(transform: Any) -> None:
            set_weights(transform)
            transform.set_document_code(widths, NCENTROIDS * coarse)

        return SimpleNamespace(copy_to_transform=copy_to_transform)

    training = SimpleNamespace(train_binarizer=train_binarizer)
    monkeypatch.setattr(trainer_hook, "import_training", lambda: training)
    return calls


@pytest.fixture(autouse=True)
def registered():
    faiss_bebr.register()
    yield
    faiss_bebr.unregister()


def find(obj: Any, the_class: type) -> list[Any]:
    """The parts of that class, an object itself included."""
    found = [obj] if isinstance(obj, the_class) else []
    return found + [f for part in children(obj) for f in find(part.obj, the_class)]


def get_widths(index: Any) -> list[int]:
    return faiss.vector_to_array(index.sdc.layout.plane_widths).tolist()


SDC = (faiss_bebr.IndexSDC, faiss_bebr.IndexIVFSDC)
GRAPH = 8 * 2 * 4
# text, whether the code has centroids, the bytes of a vector in all, and the string
# of the trained index
STRINGS = [
    ("BEBR11B,SDC", True, 11, "BEBR56x8,SDC24-24-24_10"),
    ("BEBR4B,SDC", True, 4, "BEBR56x8,SDC16_10"),
    ("BEBR12B,HNSW8,SDC", True, 12 + GRAPH, "BEBR56x8,HNSW8,SDC24-24-24-8_10"),
    ("BEBR11B,IVF6,SDC", False, 11, "BEBR56x8,IVF6,SDC24-24-24-8"),
    ("BEBR10B,IVF6_HNSW8,SDC", False, 10, "BEBR56x8,IVF6_HNSW8,SDC24-24-24"),
    (
        "BEBR10B,IVF6(HNSW8,SDC),SDC",
        False,
        10,
        "BEBR56x8,IVF6(HNSW8,SDC24-24-24),SDC24-24-24",
    ),
    ("IDMap2,BEBR11B,SDC", True, 11, "IDMap2,BEBR56x8,SDC24-24-24_10"),
    ("PCA32,BEBR11B,SDC", True, 11, "PCA32,BEBR32x8,SDC24-24-24_10"),
    (
        "BEBR11B,SDC,Refine(Flat)",
        True,
        11 + 4 * D,
        "BEBR56x8,SDC24-24-24_10,Refine(Flat)",
    ),
]


@pytest.mark.parametrize("metric", [faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT])
@pytest.mark.parametrize(("text", "has_centroids", "size", "trained"), STRINGS)
def test_strings(text, has_centroids, size, trained, metric, calls, rng):
    x = clustered(rng, N, D)
    index = faiss.index_factory(D, text, metric)
    assert not index.is_trained
    assert factory_tools.reverse_index_factory(index) == text
    assert factory_tools.get_code_size(D, text) == size
    index.train(x)
    budget = int(text.split("BEBR")[1].split("B")[0])
    assert calls == [(budget, has_centroids)]
    assert index.is_trained
    assert factory_tools.reverse_index_factory(index) == trained
    assert factory_tools.get_code_size(D, trained) == size
    (documents,) = [part for part in find(index, SDC) if part is not None][:1]
    assert documents.code_size == budget
    assert getattr(documents, "by_residual", False) != has_centroids
    if has_centroids:
        assert documents.centroids.shape == (NCENTROIDS, documents.d)
    index.add_with_ids(x, np.arange(N)) if "IDMap" in text else index.add(x)
    assert documents.ntotal == N
    assert index.search(x[:100], 10)[1].shape == (100, 10)
    again = faiss.deserialize_index(faiss.serialize_index(index))
    for found, expected in zip(
        again.search(x[:100], 10), index.search(x[:100], 10), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_each_budget_has_its_trainer_call(calls, rng):
    x = clustered(rng, N, D)
    text = "BEBR12B,IVF6,SDC,Refine(BEBR24B,SDC)"
    index = faiss.index_factory(D, text)
    assert factory_tools.get_code_size(D, text) == 12 + 24
    index.train(x)
    assert calls == [(12, False), (24, True)] or calls == [(24, True), (12, False)]
    index.add(x)
    assert sorted(part.code_size for part in find(downcast_index(index), SDC)) == [
        12,
        24,
    ]
    index.k_factor = 20
    I = index.search(x[:200], 1)[1]
    assert (I[:, 0] == np.arange(200)).mean() > 0.9


@pytest.mark.parametrize("text", [text for text, *_ in STRINGS])
def test_untrained_copies_keep_the_budget(text, calls, rng):
    x = clustered(rng, N, D)
    index = faiss.index_factory(D, text)
    copies = [
        faiss.deserialize_index(faiss.serialize_index(index)),
        faiss.clone_index(index),
    ]
    index.train(x)
    for other in copies:
        assert factory_tools.reverse_index_factory(other) == text
        other.train(x)
        sizes = [
            [part.code_size for part in find(downcast_index(i), SDC)]
            for i in (index, other)
        ]
        assert sizes[0] == sizes[1]
    assert len(set(calls)) == 1
    assert len(calls) == 3


def test_binarizer_says_what_it_was_trained_for(calls, rng):
    index = faiss.index_factory(D, "BEBR11B,SDC")
    binarizer = downcast_VectorTransform(index.chain.at(0))
    assert (binarizer.d_in, binarizer.d_out) == (D, 56)
    assert binarizer.document_code_size == 11
    assert binarizer.document_has_centroids
    assert binarizer.document_plane_widths.size() == 0
    with pytest.raises(AttributeError):
        binarizer.document_code_size = 12
    index.train(clustered(rng, N, D))
    assert binarizer.document_code_size == 11
    assert faiss.vector_to_array(binarizer.document_plane_widths).tolist() == [24] * 3
    assert binarizer.ncentroids == NCENTROIDS


@pytest.mark.parametrize("d", [8, 15, 16])
def test_dimensions_are_rounded_up_to_bytes(d):
    index = faiss.index_factory(d, "BEBR12B,SDC")
    binarizer = downcast_VectorTransform(index.chain.at(0))
    assert faiss.vector_to_array(binarizer.layout.plane_widths).tolist() == (
        [-(-d // 8) * 8] * 8
    )


def test_trainer_that_exceeds_the_budget(monkeypatch, rng):
    def copy_to_transform(transform: Any) -> None:
        set_weights(transform)
        transform.set_document_code([24, 24], 300)
        transform.is_trained = False

    result = SimpleNamespace(copy_to_transform=copy_to_transform)
    training = SimpleNamespace(train_binarizer=lambda *_, **__: result)
    monkeypatch.setattr(trainer_hook, "import_training", lambda: training)
    index = faiss.index_factory(D, "BEBR8B,SDC")
    with pytest.raises(RuntimeError, match="keeps 9 bytes of documents, more than 8"):
        index.train(clustered(rng, N, D))
    assert not index.is_trained


def test_budget_of_a_transform_is_checked():
    binarizer = faiss_bebr.BinarizerTransform(24, [24, 24])
    with pytest.raises(RuntimeError, match="at least 4 bytes, got 3"):
        binarizer.set_document_budget(3)
    assert binarizer.document_code_size == 0
    binarizer.set_document_budget(4, False)
    assert not binarizer.document_has_centroids
    binarizer.set_document_budget(0)
    assert (binarizer.document_code_size, binarizer.document_has_centroids) == (0, True)


@pytest.mark.parametrize("is_trained", [False, True])
@pytest.mark.parametrize(
    ("code", "by_residual"),
    [
        (lambda b: b.set_document_code([24, 24]), False),
        (lambda b: b.set_document_code([24, 8]), True),
        (lambda b: b.set_document_code([], 7), True),
        (lambda b: b.set_document_code([16, 8], 7), True),
        (lambda b: b.set_document_budget(9), True),
    ],
)
def test_lists_are_the_coarse_stage_of_a_saved_binarizer(
    code, by_residual, is_trained, tmp_path, rng, monkeypatch
):
    """Of which `SDC` takes the plane widths but not the centroids."""
    binarizer = faiss_bebr.BinarizerTransform(24, [24, 24])
    code(binarizer)
    if is_trained:
        set_weights(binarizer)
    path = tmp_path / "binarizer"
    faiss.write_VectorTransform(binarizer, str(path))
    index = faiss.index_factory(24, f"BEBR[{path}],IVF4,SDC")
    ivf = downcast_index(index.index)
    assert ivf.by_residual == by_residual
    budget = binarizer.document_code_size
    inside = downcast_VectorTransform(index.chain.at(0))
    assert inside.document_has_centroids == (is_trained or budget == 0)

    def train_binarizer(*_: Any, **__: Any) -> Any:
        return SimpleNamespace(copy_to_transform=choose)

    def choose(transform: Any) -> None:
        set_weights(transform)
        if budget:
            transform.set_document_code([24, 16])

    training = SimpleNamespace(train_binarizer=train_binarizer)
    monkeypatch.setattr(trainer_hook, "import_training", lambda: training)
    x = clustered(rng, N, 24)
    index.train(x)
    index.add(x)
    widths = faiss.vector_to_array(inside.document_plane_widths).tolist() or [24, 24]
    assert get_widths(ivf) == widths
    scale_bytes = 1 if budget or widths != [24, 24] else 2
    assert ivf.sdc.scale_bytes == scale_bytes
    assert ivf.code_size == sum(widths) // 8 + scale_bytes
    assert ivf.invlists.code_size == ivf.code_size
    ivf.nprobe = 4
    assert (index.search(x[:100], 1)[1][:, 0] == np.arange(100)).mean() > 0.3


@pytest.mark.parametrize("is_trained", [False, True])
def test_quantizer_has_no_centroids_of_documents(is_trained, tmp_path):
    """Its few vectors would be too few for them."""
    binarizer = faiss_bebr.BinarizerTransform(24, [24, 24])
    binarizer.set_document_code([24, 8], 100)
    if is_trained:
        set_weights(binarizer)
    faiss.write_VectorTransform(binarizer, str(tmp_path / "binarizer"))
    text = f"BEBR[{tmp_path / 'binarizer'}],IVF4(SDC),SDC"
    index = faiss.index_factory(24, text)
    ivf = downcast_index(index.index)
    quantizer = downcast_index(ivf.quantizer)
    assert get_widths(quantizer) == get_widths(ivf) == [24, 8]
    assert (quantizer.ncentroids, ivf.by_residual) == (0, True)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("BEBR3B,SDC", "'BEBR3B'.*4 bytes, more than 3"),
        ("BEBR0B,SDC", "'BEBR0B'.*4 bytes"),
        ("BEBRB,SDC", "'BEBRB'.*BEBR<bytes>B"),
        ("BEBR68B", "'BEBR68B'.*must follow"),
        ("BEBR68B,SDC2", "'SDC2'.*'BEBR68B' gives the bytes"),
        ("BEBR68B,SDC_Sfp16", "could not parse 'SDC_Sfp16'"),
        ("BEBR68B,SDC24-8_16", "'SDC24-8_16'.*'BEBR68B' gives"),
        ("BEBR68B,IVF4,SDC2", "'SDC2'.*'BEBR68B' gives"),
        ("BEBR68B,IVF4(SDC2),SDC", "'SDC2'.*'BEBR68B' gives"),
        ("BEBR68B,Flat", "'BEBR68B'.*encoding SDC must follow"),
        ("BEBR68B,IVF4,Flat", "'BEBR68B'.*encoding SDC must follow"),
        ("BEBR68B,IVF4(SDC),Flat", "'BEBR68B'.*encoding SDC must follow"),
        ("BEBR68B,PCA16,SDC", "'PCA16'.*between 'BEBR68B' and 'SDC'"),
        ("BEBR68B,BEBR16x2,SDC", "'BEBR68B'.*encoding SDC must follow"),
        ("PCA7,BEBR68B,SDC", "'BEBR68B'.*8 to 32768 dimensions, got 7"),
    ],
)
def test_budgets_that_make_no_sense(text, named):
    with pytest.raises(ValueError, match=named):
        faiss.index_factory(D, text)
