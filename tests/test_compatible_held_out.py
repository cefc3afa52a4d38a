"""train_compatible: what recall is measured with, and what it is."""

from __future__ import annotations

import warnings

import faiss
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from reference import exact_neighbors, recall  # noqa: E402
from two_models import TwoModels, two_models  # noqa: E402

import faiss_bebr  # noqa: E402
from faiss_bebr.training import (  # noqa: E402
    RecurrentBinarizer,
    train_binarizer,
    train_compatible,
)
from faiss_bebr.training.compatible_data import (  # noqa: E402
    OldGeneration,
    count_by_chance,
)
from faiss_bebr.training.compatible_held_out import StagedHeldOut  # noqa: E402
from faiss_bebr.training.compatible_scores import CompatibleScoreLearner  # noqa: E402
from faiss_bebr.training.held_out import count_hits  # noqa: E402

K = 10
QUICK = {"epochs": 0, "rotation_rounds": 2}
KINDS = {
    "planes": {"m": 24, "nbits": 5, "document_nbits": 2},
    "budget": {"code_size": 11, "ncentroids": 16},
}


@pytest.fixture(scope="module")
def models() -> TwoModels:
    return two_models()


@pytest.fixture(scope="module")
def old_binarizers(models) -> dict[str, RecurrentBinarizer]:
    return {
        kind: train_binarizer(models.old.documents, **QUICK, **arguments)
        for kind, arguments in KINDS.items()
    }


@pytest.fixture(autouse=True)
def short_epochs(monkeypatch):
    monkeypatch.setattr(CompatibleScoreLearner, "steps_per_epoch", 20)


def recall_among(
    models: TwoModels, codes: np.ndarray, query_codes: np.ndarray, old
) -> float:
    """Of exact search in the new space, in an index of the old generation."""
    index = faiss_bebr.IndexSDC(old.to_transform(), 0, faiss.METRIC_INNER_PRODUCT)
    index.add(codes)
    truth = exact_neighbors(models.new.queries, models.new.documents, K)
    return recall(index.search(query_codes, K)[1], truth)


@pytest.mark.parametrize("kind", KINDS)
def test_queries_are_what_is_measured_with(kind, models, old_binarizers):
    arguments = (models.new.documents, old_binarizers[kind], models.old.documents)
    without = train_compatible(*arguments, epochs=0)
    new = train_compatible(*arguments, queries=models.new.queries, epochs=1)
    assert new.report.data["queries"]["n"] == len(models.new.queries)
    assert new.report.start_recall != without.report.start_recall
    assert "recall_before" in without.report.history[0]
    assert "recall_before" not in new.report.history[0]


def test_recall_is_that_of_an_index(models, old_binarizers):
    """With planes all queries are measured with, here among all documents."""
    old = old_binarizers["planes"]
    new = train_compatible(
        models.new.documents,
        old,
        models.old.documents,
        queries=models.new.queries,
        epochs=0,
    )
    transform = new.to_transform()
    queries = transform.apply(models.new.queries)
    old_codes = old.to_transform().apply(models.old.documents)
    new_codes = transform.apply(models.new.documents)
    parts = new.report.history[0]
    for name, codes in (("recall_old", old_codes), ("recall_new", new_codes)):
        expected = recall_among(models, codes, queries, old)
        assert parts[name] == pytest.approx(expected), name


def test_what_lacks_to_old_queries_is_taken_off(models, old_binarizers):
    """Of a network that knows nothing of the old one."""
    old = OldGeneration(old_binarizers["planes"].to_transform())
    codes = old.transform.apply(models.old.documents)
    query_codes = old.transform.apply(models.old.queries)
    arguments = models.new.queries, models.new.documents, old, codes
    net = RecurrentBinarizer(48, old.plane_widths).eval()
    net.set_document_code(list(old.document_plane_widths), 0)
    without = StagedHeldOut(*arguments, k=K, nested=False)
    held_out = StagedHeldOut(*arguments, query_codes, k=K, nested=False)
    lacking = without.recall(net) - held_out.recall(net)
    parts = held_out.parts
    assert lacking > 0.1
    assert lacking == pytest.approx(parts["recall_before"] - parts["recall_old"])
    expected = recall_among(models, codes, query_codes, old_binarizers["planes"])
    assert parts["recall_before"] == pytest.approx(expected)


def test_warns_of_a_budget(models, old_binarizers):
    arguments = {"x_new": models.new.documents, "x_old": models.old.documents}
    budget, planes = old_binarizers["budget"], old_binarizers["planes"]
    with pytest.warns(UserWarning, match="old_binarizer: the index of a budget"):
        train_compatible(old_binarizer=budget, epochs=0, **arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train_compatible(old_binarizer=planes, epochs=0, **arguments)


@pytest.mark.parametrize("kind", KINDS)
def test_warns_of_rows_that_do_not_belong_together(kind, models, old_binarizers, rng):
    """Whether documents or others are the queries; half of the rows that do
    are enough."""
    old = old_binarizers[kind]
    shuffled = rng.permutation(models.old.documents)
    half = models.old.documents.copy()
    half[::2] = rng.permutation(half[::2])
    message = "x_new, x_old: the rows seem not to belong together"
    for queries in (None, models.new.queries):
        arguments = {"queries": queries, "epochs": 0}
        with pytest.warns(UserWarning, match=message) as caught:
            train_compatible(models.new.documents, old, shuffled, **arguments)
        assert {warning.filename for warning in caught} == {__file__}
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=message)
            train_compatible(models.new.documents, old, half, **arguments)


def test_hits_by_chance(rng):
    found = rng.integers(0, 9, (20, 3))
    truth = rng.integers(0, 12, (20, 3))
    pairs = [
        count_hits(found[[i]], truth[[j]])
        for i in range(20)
        for j in range(20)
        if i != j
    ]
    assert count_by_chance(found, truth) == pytest.approx(np.mean(pairs) * 20)
