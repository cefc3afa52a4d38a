"""The example of a new model, without the models; see test_quickstart.py."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("tqdm")

from reference import exact_neighbors  # noqa: E402
from two_models import two_models  # noqa: E402

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(EXAMPLES)
    for name in ("corpus", "upgrade_model"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("upgrade_model")


def test_every_step_finds_more(
    example: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = {"m": 24, "nbits": 6, "document_nbits": 2}
    monkeypatch.setattr(example, "CODE", code)
    models = two_models()
    old, new = (example.Embedded(*model) for model in models)
    relevant = exact_neighbors(new.queries, new.documents, 1)[:, 0]
    results = list(example.upgrade(old, new, relevant))
    before, *steps, free = results
    assert [result.what for result in steps] == [
        "new queries, old documents",
        "new queries, 25% of the documents new",
        "new queries, 50% of the documents new",
        "new queries, 75% of the documents new",
        "new queries, 100% of the documents new",
    ]
    for name in ("recall", "hit_rate"):
        values = [getattr(result, name) for result in steps]
        assert values[0] >= getattr(before, name)
        assert values[-1] > values[0]
        assert values[-1] > getattr(free, name) - 0.04
    assert (np.diff([result.recall for result in steps]) > 0).all()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("zipfile.ZipFile.extractall", "zipfile zip file extractall"),
        ("torch.nn.Conv2d", "torch nn conv 2 d"),
        ("email.mime.MIMEText.as_string", "email mime mime text as string"),
        ("lib.HTTPServer", "lib http server"),
    ],
)
def test_words_of(example: ModuleType, name: str, words: str) -> None:
    assert example.words_of(name) == words


def test_reduced_documents_are_centred_and_of_unit_length(example: ModuleType) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 12)) * np.arange(12, 0, -1) + 5
    reduced = example.reduce(example.Embedded(x.astype(np.float32), x[:9]), 4)
    assert [part.shape for part in reduced] == [(200, 4), (9, 4)]
    np.testing.assert_allclose(np.linalg.norm(reduced.documents, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(reduced.queries, reduced.documents[:9], atol=1e-5)
    assert np.abs(reduced.documents.mean(axis=0)).max() < 0.1


def test_first_layers(example: ModuleType) -> None:
    class Part:
        def __init__(self, **parts: object) -> None:
            self.__dict__.update(parts)

    encoder = Part(layer=list("123456"))
    model = [Part(auto_model=Part(encoder=encoder))]
    assert example.first_layers(model) is model
    assert encoder.layer == list("1234")
