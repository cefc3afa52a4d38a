"""The quickstart's reading of docstrings and its cache; no PyTorch needed."""

from __future__ import annotations

import importlib
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip("tqdm")

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

SOURCE = '''"""Shelves and what stands on them. Nothing else."""

class Shelf:
    """A place where books
    stand upright. It holds many.

    Not this paragraph.
    """

    def put(self, book):
        """Put a book on this shelf."""

        def helper():
            """Not seen, being inside a function."""

    def _fall(self):
        """Not seen, being a private method."""

async def read(shelf):
    """Read all of a shelf's books."""

def count():
    """Too short."""
'''


class RecordingModel:
    """Stands in for SentenceTransformer: embeds a text as its length, twice."""

    def __init__(self) -> None:
        self.encoded: set[str] = set()

    def tokenizer(self, texts: list[str]) -> dict[str, list[list[str]]]:
        return {"input_ids": [list(text) for text in texts]}

    def encode(self, texts: list[str], batch_size: int) -> np.ndarray:
        self.encoded.update(texts)
        return np.array([[len(text)] * 2 for text in texts], dtype=np.float32)


@pytest.fixture
def corpus(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.delitem(sys.modules, "corpus", raising=False)
    module = importlib.import_module("corpus")
    monkeypatch.setattr(module, "version", lambda package: "1")
    monkeypatch.setattr(module, "_one_core_workers", lambda: ThreadPoolExecutor(2))
    return module


def test_file_docs_are_the_first_sentences_of_public_names(
    corpus: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "shelf.py").write_text(SOURCE)
    assert list(corpus.file_docs(tmp_path / "shelf.py", "lib.shelf")) == [
        ("lib.shelf", "Shelves and what stands on them."),
        ("lib.shelf.Shelf", "A place where books stand upright."),
        ("lib.shelf.Shelf.put", "Put a book on this shelf."),
        ("lib.shelf.read", "Read all of a shelf's books."),
    ]


@pytest.mark.parametrize("source", [b"print 'hello'", b"a\0b", b'"""\xff"""'])
def test_files_that_do_not_parse_are_passed_over(
    corpus: ModuleType, tmp_path: Path, source: bytes
) -> None:
    (tmp_path / "odd.py").write_bytes(source)
    assert list(corpus.file_docs(tmp_path / "odd.py", "odd")) == []


def test_source_files_leave_out_tests_and_put_private_folders_last(
    corpus: ModuleType, tmp_path: Path
) -> None:
    kept = ["a/_one.py", "z.py", "_b/two.py"]
    for name in [*kept, "tests/t.py", "a/test_a.py", "site-packages/p.py"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [str(path.relative_to(tmp_path)) for path in corpus.source_files(tmp_path)]
    assert found == kept


@pytest.mark.parametrize(
    ("path", "prefix", "name"),
    [
        ("linalg/__init__.py", "numpy", "numpy.linalg"),
        ("__init__.py", "numpy", "numpy"),
        ("email/header.py", "", "email.header"),
        ("zipfile.py", "", "zipfile"),
    ],
)
def test_module_name(corpus: ModuleType, path: str, prefix: str, name: str) -> None:
    assert corpus.module_name(Path(path), prefix) == name


@pytest.fixture
def small_library(
    corpus: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> ModuleType:
    """`corpus` with one folder, of two files that say the same, to read."""
    library = tmp_path / "library"
    library.mkdir()
    for name in ("one.py", "two.py"):
        (library / name).write_text(SOURCE)
    monkeypatch.setattr(corpus, "_source_roots", lambda: iter([(library, "")]))
    return corpus


def test_collect_has_each_text_once_and_stops_at_the_maximum(
    small_library: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small_library, "MIN_TEXTS", 3)
    assert len(small_library.collect()) == 4
    monkeypatch.setattr(small_library, "MAX_TEXTS", 3)
    assert len(small_library.collect()) == 3


def test_collect_says_how_many_texts_it_found_when_too_few(
    small_library: ModuleType,
) -> None:
    with pytest.raises(RuntimeError, match="found 4 docstrings, 20000 are needed"):
        small_library.collect()


def test_embed_returns_rows_in_the_order_of_the_texts(corpus: ModuleType) -> None:
    texts = ["x" * (i * 37 % 101) for i in range(150)]  # three batches, unsorted
    x = corpus.embed(RecordingModel(), texts)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x[:, 0], [len(text) for text in texts])


def test_embeddings_are_made_once_and_anew_for_a_changed_corpus(
    corpus: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "new"
    first = corpus.cached_embeddings(RecordingModel(), ["a", "bc"], folder)
    idle = RecordingModel()
    again = corpus.cached_embeddings(idle, ["a", "bc"], folder)
    np.testing.assert_array_equal(first, again)
    assert not idle.encoded
    # the same characters, split in other places
    other = corpus.cached_embeddings(RecordingModel(), ["ab", "c"], folder)
    np.testing.assert_array_equal(other, [[2, 2], [1, 1]])
    monkeypatch.setattr(corpus, "version", lambda package: "2")
    newer = RecordingModel()
    corpus.cached_embeddings(newer, ["ab", "c"], folder)
    assert newer.encoded == {"ab", "c"}


def test_a_damaged_cache_is_made_anew(corpus: ModuleType, tmp_path: Path) -> None:
    model = RecordingModel()
    x = corpus.cached_embeddings(model, ["a", "bc"], tmp_path)
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    for damaged in (b"", b"no archive", content[: len(content) // 2]):
        file.write_bytes(damaged)
        np.testing.assert_array_equal(
            corpus.cached_embeddings(model, ["a", "bc"], tmp_path), x
        )


def test_an_interrupted_write_leaves_the_old_cache_and_nothing_else(
    corpus: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    x = corpus.cached_embeddings(RecordingModel(), ["a", "bc"], tmp_path)

    def interrupt(file_number: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(corpus.os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            corpus.cached_embeddings(RecordingModel(), ["something else"], tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    idle = RecordingModel()
    np.testing.assert_array_equal(
        corpus.cached_embeddings(idle, ["a", "bc"], tmp_path), x
    )
    assert not idle.encoded
