"""Adding, removing and merging of IndexBinaryIVFSDC, and its direct maps."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
from binary_ivf_sdc_data import IP, L2, Reference, make_flat, make_index
from comparisons import assert_same
from inputs import random_codes
from ivf_sdc_data import nearest_lists

import faiss_bebr


def test_add_in_pieces_and_with_ids(rng):
    codes = random_codes(rng, 300, 128)
    queries = random_codes(rng, 30, 128)
    ids = rng.permutation(10**6)[:300]
    index = make_index(64, 2, L2, codes, ids=ids)
    index.nprobe = 5
    expected = index.search(queries, 12)
    assign = nearest_lists(index, queries, 5)
    assert_same(expected, Reference(index, codes, ids).search(queries, 12, assign))
    pieces = faiss_bebr.IndexBinaryIVFSDC(index.quantizer, 128, 13, 2)
    for begin in range(0, 300, 70):
        part = slice(begin, begin + 70)
        pieces.add_with_ids(codes[part], ids[part])
    pieces.nprobe = 5
    assert pieces.ntotal == 300
    assert_same(pieces.search(queries, 12), expected)
    encoded = faiss_bebr.IndexBinaryIVFSDC(index.quantizer, 128, 13, 2)
    assert encoded.sa_code_size() == 16
    encoded.add_sa_codes(codes, ids)
    encoded.nprobe = 5
    assert_same(encoded.search(queries, 12), expected)
    plain = faiss_bebr.IndexBinaryIVFSDC(index.quantizer, 128, 13, 2)
    plain.add_sa_codes(codes)
    np.testing.assert_array_equal(plain.reconstruct_n(), codes)
    with pytest.raises(ValueError, match="ids must have shape"):
        index.add_with_ids(codes, ids[:-1])
    with pytest.raises(ValueError, match="ids must have shape"):
        index.add_sa_codes(codes, ids[:-1])
    assert index.ntotal == 300


def test_negative_ids_are_ids(rng):
    codes = random_codes(rng, 40, 128)
    for metric in (L2, IP):
        index = make_index(64, 2, metric, codes, 3, -1 - np.arange(40))
        index.nprobe = 3
        D, I = index.search(codes[:5], 50)
        flat_D, flat_I = make_flat(64, 2, metric, codes).search(codes[:5], 50)
        np.testing.assert_array_equal(D, flat_D)
        assert (np.sort(-1 - I[:, :40]) == np.arange(40)).all()
        assert (flat_I[:, 40:] == I[:, 40:]).all()


def test_add_core_takes_lists(rng):
    codes = random_codes(rng, 50, 128)
    index = make_index(64, 2, L2, codes[:13])
    index.reset()
    lists = rng.integers(-1, 13, 50)
    index.add_core(50, faiss.swig_ptr(codes), None, faiss.swig_ptr(lists))
    # those of list -1 count and are nowhere
    assert index.ntotal == 50
    for i in range(13):
        n = int((lists == i).sum())
        assert index.get_list_size(i) == n
        ids = faiss.rev_swig_ptr(index.invlists.get_ids(i), n)
        np.testing.assert_array_equal(ids, np.flatnonzero(lists == i))
    lists[40] = 13
    with pytest.raises(RuntimeError, match="code 40 is for list 13 of 13"):
        index.add_core(50, faiss.swig_ptr(codes), None, faiss.swig_ptr(lists))
    assert index.ntotal == 50
    with pytest.raises(RuntimeError, match="no list 13"):
        index.get_list_size(13)


@pytest.mark.parametrize("kind", ["Array", "Hashtable"])
def test_direct_maps(kind, rng):
    codes = random_codes(rng, 200, 192)
    has_ids = kind == "Hashtable"
    ids = rng.permutation(10**6)[:200] if has_ids else np.arange(200)
    index = make_index(64, 3, L2, codes[:120], ids=ids[:120] if has_ids else None)
    with pytest.raises(RuntimeError, match="make_direct_map"):
        index.reconstruct(int(ids[3]))
    index.set_direct_map_type(getattr(faiss.DirectMap, kind))
    if has_ids:  # also of what is added later
        index.add_with_ids(codes[120:], ids[120:])
    else:
        index.add(codes[120:])
        with pytest.raises(RuntimeError, match="array direct map"):
            index.add_with_ids(codes, ids)
    assert index.ntotal == 200
    for i in range(200):
        np.testing.assert_array_equal(index.reconstruct(int(ids[i])), codes[i])
    for key in (-1, 10**7, 2**62):
        with pytest.raises(RuntimeError, match="key"):
            index.reconstruct(key)
    index.make_direct_map(False)
    with pytest.raises(RuntimeError, match="make_direct_map"):
        index.reconstruct(int(ids[3]))


def test_direct_map_of_sequential_ids_only(rng):
    codes = random_codes(rng, 100, 128)
    index = make_index(64, 2, L2, codes, ids=np.arange(100) + 50)
    index.set_direct_map_type(faiss.DirectMap.Hashtable)
    with pytest.raises(RuntimeError, match="sequential ids"):
        index.make_direct_map()
    # the map before that is still there
    np.testing.assert_array_equal(index.reconstruct(140), codes[90])


def test_hashtable_follows_ids_given_by_the_index(rng):
    codes = random_codes(rng, 100, 128)
    index = make_index(64, 2, L2, codes[:60])
    index.set_direct_map_type(faiss.DirectMap.Hashtable)
    index.add(codes[60:])
    for i in (0, 59, 60, 99):
        np.testing.assert_array_equal(index.reconstruct(i), codes[i])


def test_reconstruct_n(rng):
    codes = random_codes(rng, 60, 192)
    index = make_index(64, 3, L2, codes)
    np.testing.assert_array_equal(index.reconstruct_n(), codes)
    np.testing.assert_array_equal(index.reconstruct_n(10, 20), codes[10:30])
    assert index.reconstruct_n(60, 0).shape == (0, 24)
    for bounds in ((45, 16), (-1, 2), (61, 1), (2**63 - 1, 1)):
        with pytest.raises(RuntimeError, match=r"not in 0\.\.59"):
            index.reconstruct_n(*bounds)
    ids = np.array([2**63 - 1, -(2**63)])
    index.add_with_ids(codes[:2], ids)
    np.testing.assert_array_equal(index.reconstruct_n(10, 20), codes[10:30])
    index.remove_ids(np.array([7, *ids]))
    with pytest.raises(RuntimeError, match="id 7 is not in the index"):
        index.reconstruct_n()
    code = np.empty(24, dtype=np.uint8)
    for place in ((13, 0), (-1, 0), (0, 60), (0, -1)):
        with pytest.raises(RuntimeError, match="has no entry"):
            index.reconstruct_from_offset(*place, faiss.swig_ptr(code))


@pytest.mark.parametrize("kind", ["NoMap", "Hashtable"])
def test_remove_ids(kind, rng):
    codes = random_codes(rng, 300, 128)
    queries = random_codes(rng, 30, 128)
    ids = rng.permutation(1000)[:300]
    index = make_index(64, 2, L2, codes, ids=ids)
    index.nprobe = 4
    index.set_direct_map_type(getattr(faiss.DirectMap, kind))
    gone = np.concatenate([ids[::7], [2000, ids[0]]])
    assert index.remove_ids(gone) == len(ids[::7])
    left = np.delete(np.arange(300), np.s_[::7])
    assert index.ntotal == len(left)
    reference = Reference(index, codes[left], ids[left])
    assign = nearest_lists(index, queries, 4)
    assert_same(index.search(queries, 25), reference.search(queries, 25, assign))
    if kind == "Hashtable":
        for i in left:
            np.testing.assert_array_equal(index.reconstruct(int(ids[i])), codes[i])
        with pytest.raises(RuntimeError, match="key not found"):
            index.reconstruct(int(ids[7]))
        with pytest.raises(RuntimeError, match="IDSelectorArray"):
            index.remove_ids(faiss.IDSelectorRange(0, 5))
        index.make_direct_map(False)
    assert index.remove_ids(faiss.IDSelectorRange(0, 10**6)) == len(left)
    assert index.ntotal == 0
    assert (index.search(queries, 3)[1] == -1).all()
    with pytest.raises(ValueError, match="ids must have shape"):
        index.remove_ids(np.zeros((2, 2), dtype=np.int64))


def test_remove_ids_needs_another_map_than_an_array(rng):
    codes = random_codes(rng, 100, 128)
    index = make_index(64, 2, L2, codes)
    index.make_direct_map()
    with pytest.raises(RuntimeError, match="remove not supported"):
        index.remove_ids(np.array([3]))
    assert index.ntotal == 100
    np.testing.assert_array_equal(index.reconstruct(3), codes[3])


def test_reset(rng):
    codes = random_codes(rng, 100, 128)
    index = make_index(64, 2, L2, codes)
    index.set_direct_map_type(faiss.DirectMap.Hashtable)
    index.reset()
    assert index.ntotal == 0
    assert index.is_trained
    assert (index.search(codes, 3)[1] == -1).all()
    index.add(codes[50:])
    np.testing.assert_array_equal(index.reconstruct(49), codes[99])
    np.testing.assert_array_equal(index.reconstruct_n(), codes[50:])


def test_merge(rng):
    codes = random_codes(rng, 300, 128)
    whole = make_index(64, 2, L2, codes)
    first = make_index(64, 2, L2, codes)
    first.remove_ids(faiss.IDSelectorRange(100, 300))
    second = faiss_bebr.IndexBinaryIVFSDC(whole.quantizer, 128, 13, 2)
    second.add(codes[100:250])
    third = faiss_bebr.IndexBinaryIVFSDC(whole.quantizer, 128, 13, 2)
    third.add_with_ids(codes[250:], np.arange(250, 300) - 7)
    first.check_compatible_for_merge(second)
    first.merge_from(second)  # ids follow
    assert (first.ntotal, second.ntotal) == (250, 0)
    assert (second.search(codes[:5], 1)[1] == -1).all()
    first.merge_from(third, 7)
    assert first.ntotal == 300
    for nprobe in (2, 13):
        first.nprobe = whole.nprobe = nprobe
        assert_same(first.search(codes[:50], 20), whole.search(codes[:50], 20))
    second.add(codes[:5])
    assert second.ntotal == 5


def test_merge_of_what_does_not_fit(rng):
    codes = random_codes(rng, 300, 128)
    index = make_index(64, 2, L2, codes)
    with_map = make_index(64, 2, L2, codes)
    with_map.make_direct_map()
    no_lists = faiss_bebr.IndexBinaryIVFSDC(index.quantizer, 128, 13, 2, L2, False)
    others = [
        (make_index(32, 4, L2, codes), "m and nbits are 64 and 2 here, 32 and 4"),
        (make_index(64, 2, IP, codes), "metrics differ"),
        (make_index(64, 2, L2, codes, nlist=12), "nlist differs: 13 here, 12"),
        (make_index(64, 2, L2, codes[::-1]), "differ in centroid 0"),
        (with_map, "direct map"),
        (no_lists, "no inverted lists"),
        (index.quantizer, "same type"),
        (faiss.IndexBinaryIVF(index.quantizer, 128, 13), "same type"),
        (index, "into itself"),
    ]
    for other, message in others:
        n = other.ntotal
        with pytest.raises(RuntimeError, match=message):
            index.check_compatible_for_merge(other)
        with pytest.raises(RuntimeError, match=message):
            index.merge_from(other)
        assert (index.ntotal, other.ntotal) == (300, n)
    # the user may know better than the comparison of centroids
    faiss.cvar.check_compatible_for_merge_expensive_check = False
    try:
        index.check_compatible_for_merge(make_index(64, 2, L2, codes[::-1]))
    finally:
        faiss.cvar.check_compatible_for_merge_expensive_check = True
