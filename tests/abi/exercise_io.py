"""Exercises around files, parameters and k-means, for exercise_calls.py."""

from __future__ import annotations

import ctypes
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import c_bool, c_int, c_int64, c_size_t, c_uint32
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from exercise_arguments import (
    D,
    N,
    X,
    address,
    check_equal,
    make_flat,
    pointer,
)

TEXT_SIZE = 500  # bytes


def make_ivf() -> faiss.IndexIVFFlat:
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(D), D, 4)
    index.train(X)
    index.add(X)
    return index


@contextmanager
def file_name() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        yield str(Path(folder) / "index")


def copies(probe: ctypes.CDLL) -> None:
    """FAISS writes by our writer and reads by our reader."""
    binary_index = faiss.IndexBinaryFlat(64)
    binary_index.add(np.arange(80, dtype="uint8").reshape(10, 8))
    transform = faiss.LinearTransform(D, 4)
    faiss.copy_array_to_vector(X[:4].ravel(), transform.A)
    transform.is_trained = True
    ivf = make_ivf()
    for copy, original, expected in (
        (probe.copy_index, ivf, faiss.serialize_index(ivf)),
        (probe.copy_index, make_flat(), faiss.serialize_index(make_flat())),
        (
            probe.copy_index_binary,
            binary_index,
            faiss.serialize_index_binary(binary_index),
        ),
        (probe.copy_transform, transform, serialize(transform)),
        (probe.copy_lists, ivf.invlists, serialize(ivf.invlists)),
    ):
        check_equal(run_copy(copy, original, len(expected)), [expected, expected])


def serialize(original: Any) -> np.ndarray:
    writer = faiss.VectorIOWriter()
    if isinstance(original, faiss.VectorTransform):
        faiss.write_VectorTransform(original, writer)
    else:
        faiss.write_InvertedLists(original, writer)
    return faiss.vector_to_array(writer.data)


def run_copy(copy: Any, original: Any, size: int) -> np.ndarray:
    copy.restype = c_size_t
    both = np.zeros((2, size), "uint8")
    check_equal(copy(address(original), pointer(both[0]), pointer(both[1])), size)
    return both


def writer_that_fails(probe: ctypes.CDLL) -> None:
    index = make_flat()
    text = ctypes.create_string_buffer(TEXT_SIZE)
    probe.fail_to_write(address(index), text, c_size_t(TEXT_SIZE))
    assert b"write error in a writer of ours" in text.value, text.value


def files(probe: ctypes.CDLL) -> None:
    index = make_ivf()
    probe.copy_by_file.restype = c_int64
    nwritten, nread = c_size_t(), c_size_t()
    with file_name() as name:
        ntotal = probe.copy_by_file(
            address(index),
            name.encode(),
            ctypes.byref(nwritten),
            ctypes.byref(nread),
        )
        check_equal(np.fromfile(name, "uint8"), faiss.serialize_index(index))
    check_equal(ntotal, N)
    check_equal(nwritten.value, len(faiss.serialize_index(index)))
    check_equal(nread.value, nwritten.value)


def mapped_lists(probe: ctypes.CDLL) -> None:
    index = make_ivf()
    probe.read_mapped_id.restype = c_int64
    with file_name() as name:
        faiss.write_index(index, name)
        found = probe.read_mapped_id(name.encode(), c_size_t(2), c_size_t(1))
    check_equal(found, index.invlists.get_single_id(2, 1))


def readers(probe: ctypes.CDLL) -> None:
    descriptor, nitems = c_int(), c_size_t()
    text = ctypes.create_string_buffer(TEXT_SIZE)
    probe.use_readers(
        __file__.encode(),
        ctypes.byref(descriptor),
        text,
        c_size_t(TEXT_SIZE),
        ctypes.byref(nitems),
    )
    assert descriptor.value > 2
    assert b"does not support memory mapping" in text.value, text.value
    check_equal(nitems.value, 3)


def four_characters(probe: ctypes.CDLL) -> None:
    probe.get_fourcc.restype = c_uint32
    head = faiss.serialize_index(make_flat())[:4].tobytes()
    check_equal(probe.get_fourcc(head), struct.unpack("<I", head)[0])


def space_of_ours(probe: ctypes.CDLL) -> None:
    index = make_ivf()
    binary_index = faiss.IndexBinaryIVF(faiss.IndexBinaryFlat(64), 64, 4)
    text = ctypes.create_string_buffer(TEXT_SIZE)
    probe.set_parameters(
        address(index),
        address(binary_index),
        b"nprobe=3,max_codes=50",
        text,
        c_size_t(TEXT_SIZE),
    )
    assert text.value == (
        b"nprobe=3;max_codes=50;binary nprobe=3;binary max_codes=50;"
    ), text.value
    for changed in (index, binary_index):
        check_equal((changed.nprobe, changed.max_codes), (3, 50))


def space_of_faiss(probe: ctypes.CDLL) -> None:
    index = make_ivf()
    space = faiss.ParameterSpace()
    space.initialize(index)
    ranges = [
        space.parameter_ranges.at(i) for i in range(space.parameter_ranges.size())
    ]
    names = "".join(f"{r.name}:{r.values.size()};" for r in ranges)
    assert names
    text = ctypes.create_string_buffer(TEXT_SIZE)
    for of_ours, expected in (
        (False, f"{names}{space.n_combinations()}"),
        (True, f"{names}one more:2;{2 * space.n_combinations()}"),
    ):
        probe.describe_parameters(
            address(index), c_bool(of_ours), text, c_size_t(TEXT_SIZE)
        )
        check_equal(text.value.decode(), expected)


def kmeans(probe: ctypes.CDLL) -> None:
    faiss.omp_set_num_threads(1)
    expected = faiss.Clustering(D, 5)
    expected.niter = 4
    expected.seed = 5
    expected.train(X, faiss.IndexFlatL2(D))
    centroids = np.empty((5, D), "float32")
    objective = np.empty(1, "float32")
    probe.run_kmeans(
        c_size_t(D),
        c_size_t(5),
        c_size_t(N),
        pointer(X),
        c_int(4),
        pointer(centroids),
        pointer(objective),
    )
    check_equal(centroids.ravel(), faiss.vector_to_array(expected.centroids))
    check_equal(objective[0], expected.iteration_stats.at(3).obj)


EXERCISES = (
    copies,
    writer_that_fails,
    files,
    mapped_lists,
    readers,
    four_characters,
    space_of_ours,
    space_of_faiss,
    kmeans,
)
