"""Exercises around inverted lists, for exercise_calls.py."""

from __future__ import annotations

import ctypes
from ctypes import c_bool, c_float, c_int64, c_size_t
from typing import Any

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
    make_vectors,
    pointer,
)

NLIST = 7
QUERIES = make_vectors(20, seed=5)
ALL_DISTANCES = ((QUERIES[:, None] - X) ** 2).sum(axis=2)
# half of the vectors of a query are inside
RADIUS = float(np.median(ALL_DISTANCES))
# in the order of calls_lists.cpp
ITERATOR_FUNCTIONS = (
    "is_available",
    "next",
    "get_id_and_codes",
    "on_distance_computed",
    "on_heap_changed",
    "destructor",
)


def make_ivf(nprobe: int = NLIST) -> faiss.IndexIVFFlat:
    """Of all X, with the first vectors as centroids."""
    quantizer = faiss.IndexFlatL2(D)
    quantizer.add(X[:NLIST])
    index = faiss.IndexIVFFlat(quantizer, D, NLIST)
    index.train(X)
    index.add(X)
    index.nprobe = nprobe
    return index


def make_ivf_of_ours(probe: ctypes.CDLL, nprobe: int = NLIST) -> faiss.IndexIVFFlat:
    stock = make_ivf()
    index = faiss.IndexIVFFlat(stock.quantizer, D, NLIST)
    index.referenced_objects = [stock]
    probe.become_float_ivf(
        address(index), address(stock.quantizer), c_size_t(D), c_size_t(NLIST)
    )
    index.train(X)
    index.nprobe = nprobe
    return index


def check_same_search(found: Any, expected: Any) -> None:
    """Distances; the labels too, where there is one vector of a distance."""
    (distances, labels), (expected_distances, _) = found, expected
    check_equal(distances, expected_distances)
    rows = np.arange(len(labels))[:, None]
    check_equal(ALL_DISTANCES[rows, labels], distances)


def ivf_of_ours(probe: ctypes.CDLL) -> None:
    """FAISS's own code for inverted files, over our scanner and codes."""
    ours = make_ivf_of_ours(probe, nprobe=3)
    ours.add(X)
    stock = make_ivf(nprobe=3)
    check_same_search(ours.search(QUERIES, 5), stock.search(QUERIES, 5))
    for found, expected in zip(
        ours.range_search(QUERIES, RADIUS),
        stock.range_search(QUERIES, RADIUS),
        strict=True,
    ):
        check_equal(found, expected)
    selector = faiss.IDSelectorRange(50, 100)
    params = faiss.SearchParametersIVF(sel=selector, nprobe=NLIST)
    distances, labels = ours.search(QUERIES, 5, params=params)
    check_equal(distances, np.sort(ALL_DISTANCES[:, 50:100], axis=1)[:, :5])
    assert ((labels >= 50) & (labels < 100)).all()


def data_of_ours(probe: ctypes.CDLL) -> None:
    """What FAISS does to the data of an inverted file of ours."""
    ours = make_ivf_of_ours(probe)
    ours.set_direct_map_type(faiss.DirectMap.Hashtable)
    ids = np.arange(N) * 3 + 1
    ours.add_with_ids(X, ids)
    check_equal(ours.reconstruct(int(ids[9])), X[9])
    check_equal(ours.remove_ids(ids[::2]), N // 2)
    ours.update_vectors(ids[[1, 3]], X[[0, 2]])
    check_equal(ours.reconstruct(int(ids[1])), X[0])
    other = make_ivf_of_ours(probe)
    ours.copy_subset_to(other, faiss.InvertedLists.SUBSET_TYPE_ID_RANGE, 0, 301)
    check_equal(other.ntotal, (ids[1::2] < 301).sum())
    other.merge_from(make_ivf_with(probe, X[:30]), 1000)
    check_equal(other.ntotal, (ids[1::2] < 301).sum() + 30)
    codes = ours.sa_encode(X)
    check_equal(codes[:, 1:].copy().view("float32"), X)
    check_equal(codes[:, 0], ours.quantizer.assign(X, 1)[:, 0])


def make_ivf_with(probe: ctypes.CDLL, x: np.ndarray) -> faiss.IndexIVF:
    index = make_ivf_of_ours(probe)
    index.add(x)
    return index


def second_base_of_ours(probe: ctypes.CDLL) -> None:
    """FAISS's shards call an inverted file by its second base."""
    stock = make_ivf()
    shards = faiss.IndexShardsIVF(stock.quantizer, NLIST, False, False)
    parts = [make_ivf_of_ours(probe) for _ in range(2)]
    parts[0].add_with_ids(X[::2], np.arange(0, N, 2))
    parts[1].add_with_ids(X[1::2], np.arange(1, N, 2))
    for part in parts:
        shards.add_shard(part)
    distances, labels = shards.search(QUERIES, 5)
    check_equal(distances, np.sort(ALL_DISTANCES, axis=1)[:, :5])


def second_base_of_faiss(probe: ctypes.CDLL) -> None:
    index = make_ivf(nprobe=3)
    centroid_distances, assign = index.quantizer.search(QUERIES, 3)
    distances = np.empty((len(QUERIES), 5), "float32")
    labels = np.empty((len(QUERIES), 5), "int64")
    found = faiss.RangeSearchResult(len(QUERIES))
    stats = faiss.IndexIVFStats()
    probe.search_by_interface(
        address(index),
        c_int64(len(QUERIES)),
        pointer(QUERIES),
        c_int64(5),
        pointer(assign),
        pointer(centroid_distances),
        c_size_t(3),
        pointer(distances),
        pointer(labels),
        c_float(RADIUS),
        address(found),
        address(stats),
    )
    expected, expected_labels = index.search(QUERIES, 5)
    check_equal(distances, expected)
    check_equal(labels, expected_labels)
    check_equal(stats.nq, len(QUERIES))
    check_equal(stats.nlist, 3 * len(QUERIES))
    limits, expected_in_range, _ = index.range_search(QUERIES, RADIUS)
    check_equal(faiss.rev_swig_ptr(found.lims, len(QUERIES) + 1), limits)
    in_range = faiss.rev_swig_ptr(found.distances, int(limits[-1]))
    check_equal(in_range, expected_in_range)


def scanner_of_faiss(probe: ctypes.CDLL) -> None:
    index = make_ivf()
    probe.scan_list.restype = c_int64
    probe.iterate_list.restype = c_int64
    radius = float(np.median(DISTANCES))
    for list_no in range(NLIST):
        n = index.invlists.list_size(list_no)
        ids = faiss.rev_swig_ptr(index.invlists.get_ids(list_no), n)
        distances = np.empty(n, "float32")
        handled = np.empty(n, "float32")
        labels = np.empty(n, "int64")
        result = faiss.RangeSearchResult(1)
        nres = probe.scan_list(
            address(index),
            pointer(QUERY),
            c_size_t(list_no),
            c_float(radius),
            pointer(distances),
            pointer(handled),
            pointer(labels),
            address(result),
        )
        check_equal(distances, DISTANCES[ids])
        check_equal(handled, DISTANCES[ids])
        check_equal(labels, ids)
        inside = DISTANCES[ids][DISTANCES[ids] < radius]
        check_equal(nres, len(inside))
        found = faiss.rev_swig_ptr(result.distances, len(inside))
        check_equal(found, inside)
        heap = np.full(2, np.inf, "float32")
        heap_labels = np.full(2, -1)
        nvisited = probe.iterate_list(
            address(index),
            pointer(QUERY),
            c_size_t(list_no),
            pointer(heap),
            pointer(heap_labels),
            c_size_t(2),
        )
        check_equal(nvisited, n)
        check_equal(np.sort(heap), np.sort(DISTANCES[ids])[:2])
        check_equal(DISTANCES[heap_labels], heap)


def iterator_of_faiss(probe: ctypes.CDLL) -> None:
    index = make_ivf()
    for list_no in range(NLIST):
        n = index.invlists.list_size(list_no)
        ids = np.empty(n, "int64")
        codes = np.empty((n, D), "float32")
        probe.walk_list(
            address(index.invlists), c_size_t(list_no), pointer(ids), pointer(codes)
        )
        check_equal(ids, faiss.rev_swig_ptr(index.invlists.get_ids(list_no), n))
        check_equal(codes, X[ids])


def lists_of_ours(probe: ctypes.CDLL) -> None:
    """FAISS scans our lists by our iterator, and adds to them."""
    index = make_ivf()
    stored = index.invlists
    lists = faiss.ArrayInvertedLists(NLIST, D * 4)
    probe.become_forwarding_lists(address(lists), address(stored))
    index.own_invlists = False
    index.replace_invlists(lists)
    distances, labels = index.search(QUERIES, 5)
    check_equal(distances, np.sort(ALL_DISTANCES, axis=1)[:, :5])
    probe.get_iterator_counts.restype = ctypes.POINTER(c_int64)
    counts = probe.get_iterator_counts()
    for number, name in enumerate(ITERATOR_FUNCTIONS):
        assert counts[number] > 0, f"FAISS never called {name}"
    index.add(X)
    check_equal(lists.compute_ntotal(), 2 * N)
    check_equal(stored.compute_ntotal(), 2 * N)


def direct_map_of_faiss(probe: ctypes.CDLL) -> None:
    ids = np.arange(10) * 5 + 2
    empty = faiss.ArrayInvertedLists(3, 4)
    table = faiss.DirectMap()
    table.set_type(faiss.DirectMap.Hashtable, empty, 0)
    fields = np.empty(5, "int64")
    probe.add_to_direct_map(address(table), c_size_t(10), pointer(ids), pointer(fields))
    # the second one is only set for arrays
    check_equal(fields[[0, 2, 3, 4]], [faiss.DirectMap.Hashtable, 10, 1, 10])
    for i, number in enumerate(ids):
        check_equal(table.get(int(number)), (i % 3) << 32 | i // 3)
    found = np.empty(3, "int64")
    probe.find_in_hashtable(address(table), c_int64(ids[7]), pointer(found))
    check_equal(found, [1, 2, 10])
    array = faiss.DirectMap()
    array.set_type(faiss.DirectMap.Array, empty, 0)
    for ntotal in (0, 10):
        probe.add_to_direct_map(address(array), c_size_t(10), None, pointer(fields))
        check_equal(fields, [faiss.DirectMap.Array, ntotal, 10, 1, 0])
    check_equal(array.get(17), 1 << 32 | 2)


def id_maps_of_faiss(probe: ctypes.CDLL) -> None:
    ids = np.arange(N) * 2 + 9
    index = faiss.IndexIDMap2(faiss.IndexFlatL2(D))
    index.add_with_ids(X, ids)
    binary_index = faiss.IndexBinaryIDMap2(faiss.IndexBinaryFlat(8))
    binary_index.add_with_ids(np.arange(N, dtype="uint8")[:, None], ids)
    for found in (
        probe.find_in_id_map(address(index), c_int64(ids[33])),
        probe.find_in_binary_id_map(address(binary_index), c_int64(ids[33])),
    ):
        check_equal(found, 33)


def parts_of_faiss(probe: ctypes.CDLL) -> None:
    for add_part, make_group, make_part in (
        (probe.add_part_to_index, faiss.IndexShards, faiss.IndexFlatL2),
        (probe.add_part_to_index, faiss.IndexReplicas, faiss.IndexFlatL2),
        (
            probe.add_part_to_binary_index,
            faiss.IndexBinaryShards,
            faiss.IndexBinaryFlat,
        ),
    ):
        for threaded in (False, True):
            group = make_group(D, threaded)
            parts = [make_part(D) for _ in range(3)]
            found = np.empty(3, "uint64")
            is_threaded = c_bool()
            for i, part in enumerate(parts):
                n = add_part(
                    address(group),
                    address(part),
                    pointer(found),
                    ctypes.byref(is_threaded),
                )
                check_equal(n, i + 1)
                check_equal(is_threaded.value, threaded)
            check_equal(found, [address(part).value for part in parts])
            check_equal(group.count(), 3)


def locks_of_faiss(probe: ctypes.CDLL) -> None:
    sizes = np.empty(4, "uint64")
    probe.make_locks(c_size_t(10), pointer(sizes))
    check_equal(sizes, [0, 10, 0, 0])


def variables_of_faiss(probe: ctypes.CDLL) -> None:
    probe.get_queries_of_all_searches.restype = c_size_t
    before = probe.get_queries_of_all_searches()
    make_ivf().search(QUERIES, 1)
    check_equal(probe.get_queries_of_all_searches() - before, len(QUERIES))
    probe.get_expensive_check.restype = c_bool
    for value in (False, True):
        faiss.cvar.check_compatible_for_merge_expensive_check = value
        check_equal(probe.get_expensive_check(), value)


EXERCISES = (
    ivf_of_ours,
    data_of_ours,
    second_base_of_ours,
    second_base_of_faiss,
    scanner_of_faiss,
    iterator_of_faiss,
    lists_of_ours,
    direct_map_of_faiss,
    id_maps_of_faiss,
    locks_of_faiss,
    parts_of_faiss,
    variables_of_faiss,
)
CALLED_FUNCTIONS = frozenset(
    {
        "ThreadedIndex<faiss::IndexBinary>.addIndex",
        "InvertedListScanner.set_query",
        "InvertedListsIterator.get_id_and_codes",
        "InvertedListsIterator.is_available",
        "InvertedListsIterator.next",
        "InvertedListsIterator.on_distance_computed",
        "InvertedListsIterator.on_heap_changed",
    }
)
