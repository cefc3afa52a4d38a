"""Filled indexes of every kind, built once, and what the tests do with them."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import faiss
import numpy as np
from binary_kinds import KINDS
from builders import L2
from kinds import Kind, build, make_data

from faiss_bebr import index_io


class Case(NamedTuple):
    """A filled index, which tests leave as it is."""

    kind: Kind
    metric: int
    index: Any
    results: tuple[np.ndarray, np.ndarray]
    data: bytes
    """of its file"""


@functools.cache
def get_case(name: str, metric: int = L2) -> Case:
    kind = KINDS[name]
    index = build(name, metric)
    return Case(kind, metric, index, search(kind, index), serialize(index))


def search(kind: Kind, index: Any) -> tuple[np.ndarray, np.ndarray]:
    return index.search(make_data(kind, 20, seed=1), 5)


def assert_same_results(case: Case, index: Any) -> None:
    """Distances and labels, to the last bit."""
    for a, b in zip(case.results, search(case.kind, index), strict=True):
        np.testing.assert_array_equal(a, b)


def serialize(index: Any) -> bytes:
    if isinstance(index, faiss.IndexBinary):
        return index_io.serialize_index_binary(index).tobytes()
    return index_io.serialize_index(index).tobytes()


def deserialize(data: bytes, is_binary: bool = False) -> Any:
    array = np.frombuffer(data, np.uint8)
    if is_binary:
        return index_io.deserialize_index_binary(array)
    return index_io.deserialize_index(array)


def write(index: Any, target: Any) -> None:
    if isinstance(index, faiss.IndexBinary):
        index_io.write_index_binary(index, target)
    else:
        index_io.write_index(index, target)


def read(source: Any, is_binary: bool = False, io_flags: int = 0) -> Any:
    if is_binary:
        return index_io.read_index_binary(source, io_flags)
    return index_io.read_index(source, io_flags)


def clone(index: Any) -> Any:
    if isinstance(index, faiss.IndexBinary):
        return index_io.clone_binary_index(index)
    return index_io.clone_index(index)
