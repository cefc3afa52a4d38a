"""Hugging Face datasets' FAISS index with this package's factory strings."""

from __future__ import annotations

from typing import Any

import datasets
import faiss
import numpy as np
import pytest
from plain import BINARIZER, plain_index

STRINGS = [
    f"{BINARIZER},SDC2",
    f"{BINARIZER},HNSW16,SDC4",
    "BEBR32x2,IVF4,SDC2",
    "PCA24,BEBR24-16,IVF4,SDC,RFlat",
]


@pytest.fixture
def dataset(documents) -> datasets.Dataset:
    return datasets.Dataset.from_dict(
        {"row": list(range(len(documents))), "embedding": documents.tolist()}
    )


def check_same_answers(
    dataset: datasets.Dataset, index: Any, queries: np.ndarray
) -> None:
    """Single and batched answers are those of the index."""
    D, I = index.search(queries, 10)
    scores, examples = dataset.get_nearest_examples("embedding", queries[0], k=10)
    assert scores.tolist() == D[0].tolist()
    assert examples["row"] == I[0].tolist()
    results = dataset.search_batch("embedding", queries, k=10)
    np.testing.assert_array_equal(results.total_scores, D)
    np.testing.assert_array_equal(results.total_indices, I)


@pytest.mark.parametrize("metric", [None, faiss.METRIC_INNER_PRODUCT])
@pytest.mark.parametrize("string_factory", STRINGS)
def test_add_save_load(
    string_factory, metric, dataset, documents, queries, tmp_path, one_thread
):
    """Trained by the dataset where it has something to train, saved through a
    stream, loaded by another dataset."""
    dataset.add_faiss_index(
        "embedding",
        string_factory=string_factory,
        metric_type=metric,
        train_size=len(documents),
        batch_size=len(documents),
        faiss_verbose=True,
    )
    metric = faiss.METRIC_L2 if metric is None else metric
    plain = plain_index(string_factory, documents, metric)
    check_same_answers(dataset, plain, queries)

    path = tmp_path / "index"
    dataset.save_faiss_index("embedding", path)
    other = datasets.Dataset.from_dict({"row": list(range(len(documents)))})
    other.load_faiss_index("embedding", path)
    check_same_answers(other, plain, queries)
    # the stream's bytes are those of a file
    check_same_answers(dataset, faiss.read_index(str(path)), queries)


def test_batches(dataset, documents, queries):
    """Added in pieces, as a dataset does by itself."""
    dataset.add_faiss_index("embedding", string_factory=STRINGS[0], batch_size=100)
    check_same_answers(
        dataset, plain_index(STRINGS[0], documents, faiss.METRIC_L2), queries
    )


def test_index_object(dataset, documents, queries):
    """An index of the caller's, and one over arrays that are not in the dataset."""
    index = faiss.index_factory(documents.shape[1], STRINGS[0])
    dataset.add_faiss_index("embedding", custom_index=index)
    assert dataset.get_index("embedding").faiss_index is index
    plain = plain_index(STRINGS[0], documents, faiss.METRIC_L2)
    check_same_answers(dataset, plain, queries)

    dataset.drop_index("embedding")
    dataset.add_faiss_index_from_external_arrays(
        documents, "embedding", string_factory=STRINGS[0]
    )
    check_same_answers(dataset, plain, queries)


def test_search_parameters(dataset, documents, queries):
    """Keyword arguments of a search reach the index."""
    description = f"{BINARIZER},IVF8,SDC2"
    dataset.add_faiss_index(
        "embedding", string_factory=description, train_size=len(documents)
    )
    params = faiss.SearchParametersPreTransform(
        index_params=faiss.SearchParametersIVF(
            nprobe=8, sel=faiss.IDSelectorRange(100, 900)
        )
    )
    plain = plain_index(description, documents, faiss.METRIC_L2)
    faiss.extract_index_ivf(plain).nprobe = 8
    _, I = plain.search(queries, len(documents))
    results = dataset.search_batch("embedding", queries, k=7, params=params)
    for found, labels in zip(results.total_indices, I, strict=True):
        wanted = labels[(labels >= 100) & (labels < 900)]
        assert found.tolist() == wanted[:7].tolist()


def test_training_is_left_out(dataset):
    """Without train_size a dataset does not train: FAISS says so."""
    with pytest.raises(RuntimeError, match="is_trained"):
        dataset.add_faiss_index("embedding", string_factory="BEBR32x2,SDC2")


def test_string_that_makes_no_sense(dataset):
    with pytest.raises(ValueError, match="'SDC9'"):
        dataset.add_faiss_index("embedding", string_factory=f"{BINARIZER},SDC9")


@pytest.mark.parametrize("device", [-1, [0]])
def test_device(device, dataset, tmp_path):
    """These types know no GPU, and say so."""
    refusal = "faiss_bebr inside cannot be copied to a GPU"
    with pytest.raises(RuntimeError, match=refusal):
        dataset.add_faiss_index("embedding", string_factory=STRINGS[0], device=device)
    dataset.add_faiss_index("embedding", string_factory=STRINGS[0])
    dataset.save_faiss_index("embedding", tmp_path / "index")
    with pytest.raises(RuntimeError, match=refusal):
        dataset.load_faiss_index("other", tmp_path / "index", device=device)


def test_first_device(dataset):
    """Here datasets asks for a name that faiss-cpu lacks, before any index."""
    with pytest.raises(AttributeError, match="StandardGpuResources"):
        dataset.add_faiss_index("embedding", string_factory=STRINGS[0], device=0)
