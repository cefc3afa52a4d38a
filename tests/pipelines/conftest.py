"""Programs that use FAISS, with this package's types put in by `register`.

A plain `pytest` does not come here (norecursedirs): these tests need the packages
of the extra `pipelines`, and fail where one is missing. Those of autofaiss, which
has an extra of its own, are skipped.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

# no library here may look for a server
os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np  # noqa: E402
import pytest  # noqa: E402

import faiss_bebr  # noqa: E402


@pytest.fixture(scope="session")
def documents(embeddings: np.ndarray) -> np.ndarray:
    """(1201, 32) float32 unit rows."""
    return embeddings[:1201]


@pytest.fixture(scope="session")
def queries(embeddings: np.ndarray) -> np.ndarray:
    """(33, 32) float32 unit rows, none of them a document."""
    return embeddings[1201:1234]


@pytest.fixture(scope="session")
def pretrained(documents: np.ndarray) -> Iterator[None]:
    """What `plain.BINARIZER` stands for: 32 dimensions of 6 bits."""
    binarizer = faiss_bebr.train_binarizer(
        documents, 32, 6, document_nbits=2, epochs=0, progress=False
    )
    faiss_bebr.register_binarizer("pretrained", binarizer.to_transform())
    yield
    faiss_bebr.unregister_binarizer("pretrained")


@pytest.fixture(autouse=True)
def registered(pretrained: None) -> Iterator[None]:
    faiss_bebr.register()
    yield
    faiss_bebr.unregister()
