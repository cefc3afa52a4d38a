"""Calls the wheel through the declared interface, and lets it call ours.

For functions that no virtual table of the wheel names. Run as a program, since
a wrong declaration may crash: `exercise_calls.py PROBE_LIBRARY [NAME...]`
prints a line of JSON for each exercise, the name and the error or null.
"""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Callable
from ctypes import c_bool, c_float, c_int, c_int64, c_size_t, c_uint32

import exercise_io
import exercise_lists
import faiss
import numpy as np
from exercise_arguments import (
    DISTANCES,
    QUERY,
    D,
    N,
    X,
    address,
    check_equal,
    make_flat,
    make_vectors,
    pointer,
)

# in the order of calls_search.cpp
COMPUTER_FUNCTIONS = (
    "set_query",
    "operator",
    "distances_batch_4",
    "symmetric_dis",
)
# by class, what the exercises call
CALLED_FUNCTIONS = frozenset(
    {
        "DistanceComputer.distances_batch_4",
        "FlatCodesDistanceComputer.distances_batch_4",
        "FlatCodesDistanceComputer.distance_to_code",
        "FlatCodesDistanceComputer.distance_to_code_batch_4",
        "FlatCodesDistanceComputer.partial_dot_product",
        "FlatCodesDistanceComputer.partial_dot_product_batch_4",
        "ResultHandlerUnordered<float, long>.add_result",
    }
    | exercise_lists.CALLED_FUNCTIONS
)


def selector_of_faiss(probe: ctypes.CDLL) -> None:
    probe.is_member.restype = c_bool
    selector = faiss.IDSelectorRange(3, 6)
    members = [i for i in range(9) if probe.is_member(address(selector), c_int64(i))]
    check_equal(members, [3, 4, 5])


def selector_of_ours(probe: ctypes.CDLL) -> None:
    index = make_flat()
    selector = faiss.IDSelectorRange(0, 1)
    probe.become_even_selector(address(selector))
    params = faiss.SearchParameters(sel=selector)
    _, labels = index.search(QUERY, 10, params=params)
    even = np.arange(0, N, 2)
    check_equal(DISTANCES[labels[0]], np.sort(DISTANCES[even])[:10])
    check_equal(labels % 2, 0)


def destructors(probe: ctypes.CDLL) -> None:
    """FAISS destroys ours, and we destroy FAISS's, through the base class."""
    probe.get_destroyed_count.restype = c_int64
    before = probe.get_destroyed_count()
    selector = faiss.IDSelectorRange(0, 1)
    probe.become_even_selector(address(selector))
    del selector
    storage = faiss.IndexFlatCodes(D * 4, D)
    probe.become_counting_storage(address(storage), c_int64(D))
    del storage
    probe.install_interrupt(c_bool(False))
    probe.clear_interrupt()
    check_equal(probe.get_destroyed_count() - before, 3)
    for theirs, destroy in (
        (faiss.IDSelectorBatch([1, 2, 3]), probe.destroy_selector),
        (faiss.SearchParametersIVF(nprobe=3), probe.destroy_parameters),
        (faiss.MaybeOwnedVectorOwner(), probe.destroy_owner),
    ):
        theirs.this.disown()
        destroy(address(theirs))


def parameters_of_ours(probe: ctypes.CDLL) -> None:
    index = make_flat()
    distances = np.empty(10, "float32")
    labels = np.empty(10, "int64")
    probe.search_selected(
        address(index), pointer(QUERY), c_int64(10), pointer(distances), pointer(labels)
    )
    even = np.arange(0, N, 2)
    check_equal(distances, np.sort(DISTANCES[even])[:10])
    check_equal(labels % 2, 0)


def computer_of_faiss(probe: ctypes.CDLL) -> None:
    """A computer with its own functions, and one with the inherited ones."""
    ids = np.array([5, 17, 101, 199], "int64")
    flat_l1 = faiss.IndexFlat(D, faiss.METRIC_L1)
    flat_l1.add(X)
    l1_distances = np.abs(X - QUERY).sum(axis=1)
    for index, expected, symmetric_expected in (
        (make_flat(), DISTANCES, ((X[5] - X[17]) ** 2).sum()),
        (flat_l1, l1_distances, np.abs(X[5] - X[17]).sum()),
    ):
        distances = np.empty(4, "float32")
        batched = np.empty(4, "float32")
        symmetric = np.empty(1, "float32")
        probe.compute_distances(
            address(index),
            pointer(QUERY),
            pointer(ids),
            pointer(distances),
            pointer(batched),
            pointer(symmetric),
        )
        check_equal(distances, expected[ids])
        check_equal(batched, expected[ids])
        check_equal(symmetric, symmetric_expected)


def flat_computer_of_faiss(probe: ctypes.CDLL) -> None:
    ids = np.array([5, 17, 101, 199], "int64")
    out = np.empty((4, 4), "float32")
    index = make_flat()
    probe.compute_flat_distances(
        address(index),
        pointer(QUERY),
        pointer(ids),
        c_uint32(3),
        c_uint32(4),
        pointer(out),
    )
    products = (X[ids, 3:7] * QUERY[:, 3:7]).sum(axis=1)
    check_equal(out, [DISTANCES[ids], DISTANCES[ids], products, products])


def computer_of_ours(probe: ctypes.CDLL) -> None:
    """FAISS's graph over our storage is the one over its own flat storage."""
    faiss.omp_set_num_threads(1)
    stock = faiss.IndexHNSWFlat(D, 8)
    stock.add(X)
    storage = faiss.IndexFlatCodes(D * 4, D)
    probe.become_counting_storage(address(storage), c_int64(D))
    ours = faiss.IndexHNSW(storage, 8)
    ours.add(X)
    queries = make_vectors(20, seed=3)
    for found, expected in zip(
        ours.search(queries, 5), stock.search(queries, 5), strict=True
    ):
        check_equal(found, expected)
    probe.get_call_counts.restype = ctypes.POINTER(c_int64)
    counts = probe.get_call_counts()
    for number, name in enumerate(COMPUTER_FUNCTIONS):
        assert counts[number] > 0, f"FAISS never called {name}"


def handler_of_ours(probe: ctypes.CDLL) -> None:
    distances, labels, _, _ = search_one(probe, make_flat(), np.inf)
    check_equal(np.sort(labels), np.arange(N))
    check_equal(distances, DISTANCES[labels])


def handler_fields(probe: ctypes.CDLL) -> None:
    """A scan of inverted lists reads the threshold and counts what it does."""
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(D), D, 2)
    index.train(X)
    index.add(X)
    index.nprobe = 2
    threshold = float(np.median(DISTANCES))
    distances, _, scanned, updates = search_one(probe, index, threshold)
    check_equal(scanned, N)
    check_equal(updates, len(distances))
    assert 0 < len(distances) < N
    # each is better than all before it, as it became the threshold
    check_equal(np.minimum.accumulate(distances), distances)
    assert distances[0] < threshold
    check_equal(distances[-1], DISTANCES.min())


def search_one(
    probe: ctypes.CDLL, index: faiss.Index, threshold: float
) -> tuple[np.ndarray, np.ndarray, int, int]:
    probe.search_one.restype = c_int64
    distances = np.empty(N, "float32")
    labels = np.empty(N, "int64")
    scanned, updates = c_size_t(), c_size_t()
    n = probe.search_one(
        address(index),
        pointer(QUERY),
        c_float(threshold),
        c_int64(N),
        pointer(distances),
        pointer(labels),
        ctypes.byref(scanned),
        ctypes.byref(updates),
    )
    return distances[:n], labels[:n], scanned.value, updates.value


def interrupt_of_faiss(probe: ctypes.CDLL) -> None:
    probe.want_interrupt.restype = c_bool
    callback = faiss.TimeoutCallback()
    for timeout, expected in ((0.0, False), (1e-9, True), (1000.0, False)):
        callback.set_timeout(timeout)
        check_equal(probe.want_interrupt(address(callback)), expected)


def interrupt_of_ours(probe: ctypes.CDLL) -> None:
    probe.is_interrupted.restype = c_bool
    for answer in (False, True):
        probe.install_interrupt(c_bool(answer))
        check_equal(probe.is_interrupted(), answer)
        text = ""
        try:
            faiss.InterruptCallback.check()
        except RuntimeError as error:
            text = str(error)
        check_equal("computation interrupted" in text, answer)
    probe.clear_interrupt()
    check_equal(probe.is_interrupted(), False)


def exception_of_faiss(probe: ctypes.CDLL) -> None:
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(D), D, 2)
    index.train(X)
    what = ctypes.create_string_buffer(500)
    msg = ctypes.create_string_buffer(500)
    probe.catch_exception(address(index), pointer(QUERY), what, msg, c_size_t(500))
    assert b"IndexIVF params have incorrect type" in what.value, what.value
    check_equal(msg.value, what.value)


def simd_level(probe: ctypes.CDLL) -> None:
    probe.get_simd_level.restype = c_int
    check_equal(probe.get_simd_level(), int(faiss.SIMDConfig.get_level()))


EXERCISES: tuple[Callable[[ctypes.CDLL], None], ...] = (
    selector_of_faiss,
    selector_of_ours,
    destructors,
    parameters_of_ours,
    computer_of_faiss,
    flat_computer_of_faiss,
    computer_of_ours,
    handler_of_ours,
    handler_fields,
    interrupt_of_faiss,
    interrupt_of_ours,
    exception_of_faiss,
    simd_level,
    *exercise_lists.EXERCISES,
    *exercise_io.EXERCISES,
)


def main(path: str, names: list[str]) -> None:
    probe = ctypes.CDLL(path)
    for exercise in EXERCISES:
        if names and exercise.__name__ not in names:
            continue
        error = None
        try:
            exercise(probe)
        except Exception as caught:  # noqa: BLE001
            error = f"{type(caught).__name__}: {caught}"
        print(json.dumps([exercise.__name__, error]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
