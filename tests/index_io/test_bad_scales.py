"""Files whose scales of one byte are not what can be trained."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import pytest
from builders import IP, L2, NLIST, D, vectors
from cases import deserialize, serialize
from mutations import seal, unseal

import faiss_bebr


def with_byte_scales(kind: str, metric: int) -> Any:
    """Trained on vectors that are not the output of a binarizer."""
    if kind == "flat":
        index = faiss_bebr.IndexSDC([D], metric)
    elif kind == "centroids":
        index = faiss_bebr.IndexSDC([D], metric, D, 4)
    else:
        index = faiss_bebr.IndexIVFSDC(faiss.IndexFlatL2(D), D, NLIST, 1, metric)
    index.set_scale_bytes(1)
    index.train(vectors())
    index.add(vectors())
    return index


@pytest.mark.parametrize(
    ("kind", "metric"), [("flat", IP), ("centroids", L2), ("lists", IP)]
)
def test_scales_of_centroids_where_there_are_none(kind: str, metric: int):
    index = with_byte_scales(kind, metric)
    values = faiss.vector_to_array(index.sdc.scale_values).tobytes()
    payload = unseal(serialize(index))
    assert payload.count(values + b"\0") == 1
    scales = np.ones(256, np.float32).tobytes()
    data = seal(payload.replace(values + b"\0", values + b"\1" + scales))
    with pytest.raises(RuntimeError, match="corrupted: scales of centroids"):
        deserialize(data)


@pytest.mark.parametrize("kind", ["flat", "centroids", "lists"])
def test_trained_without_values_of_scales(kind: str):
    index = with_byte_scales(kind, L2)
    values = faiss.vector_to_array(index.sdc.scale_values).tobytes()
    payload = unseal(serialize(index))
    assert payload.count(values) == 1
    data = seal(payload.replace(values, bytes(len(values))))
    with pytest.raises(RuntimeError, match="scales of one byte are not trained"):
        deserialize(data)
