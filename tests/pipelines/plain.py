"""What programs' results are compared with: indexes made by this package alone."""

from __future__ import annotations

from typing import Any

import numpy as np

import faiss_bebr

# most programs never train; see the fixture `pretrained`
BINARIZER = "BEBR[pretrained]"


def plain_index(description: str, documents: np.ndarray, metric: int) -> Any:
    """An index from a factory string, trained on documents (n, d) and filled."""
    index = faiss_bebr.index_factory(documents.shape[1], description, metric)
    index.train(documents)
    index.add(documents)
    return index
