"""Adding, removing, updating, merging and codes of IndexIVFSDC."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
from comparisons import assert_same
from ivf_sdc_data import (
    IP,
    L2,
    NLIST,
    decode_all,
    get_entries,
    make_filled,
)
from sdc_data import random_vectors

import faiss_bebr

MAPS = {
    "none": faiss.DirectMap.NoMap,
    "array": faiss.DirectMap.Array,
    "hashtable": faiss.DirectMap.Hashtable,
}
BOTH = pytest.mark.parametrize("by_residual", [False, True])


def check_map(index) -> None:
    """Every id of the direct map is where it says."""
    for i in get_entries(index):
        place = index.direct_map.get(i)
        assert index.invlists.get_single_id(place >> 32, place & 0xFFFFFFFF) == i


@BOTH
@pytest.mark.parametrize("kind", MAPS)
def test_add_and_reconstruct(kind, by_residual, nthreads, rng):
    index, x, _ = make_filled(L2, by_residual=by_residual, n=300)
    index.set_direct_map_type(MAPS[kind])
    more = random_vectors(rng, 400, 72)
    index.add(more)
    index.add(more[:0])
    both = np.concatenate([x, more])
    expected = index.sa_decode(index.sa_encode(both))
    np.testing.assert_array_equal(index.reconstruct_n(), expected)
    np.testing.assert_array_equal(index.reconstruct_n(5, 90), expected[5:95])
    assert sorted(get_entries(index)) == list(range(700))
    if kind == "none":
        with pytest.raises(RuntimeError, match="direct map not initialized"):
            index.reconstruct(3)
        return
    check_map(index)
    np.testing.assert_array_equal(index.reconstruct(301), expected[301])
    np.testing.assert_array_equal(index.reconstruct_batch([9, 650]), expected[[9, 650]])
    for key in (-1, 700):
        with pytest.raises(RuntimeError, match="invalid key|key not found"):
            index.reconstruct(key)


@BOTH
@pytest.mark.parametrize("kind", ["none", "hashtable"])
def test_own_ids(kind, by_residual, rng):
    index, _, queries = make_filled(IP, by_residual=by_residual, n=0)
    index.set_direct_map_type(MAPS[kind])
    plain, x, _ = make_filled(IP, by_residual=by_residual)
    ids = rng.permutation(10**12 + np.arange(700)) - 10**12
    ids[:5] = [10**15, -7, 2**62, 5000, 6000]
    index.add_with_ids(x[:400], ids[:400])
    index.add_with_ids(x[400:], ids[400:])
    D, I = plain.search(queries, 9)
    assert_same(index.search(queries, 9), (D, ids[I]))
    if kind == "hashtable":
        check_map(index)
        decoded = plain.reconstruct_n()
        np.testing.assert_array_equal(index.reconstruct(2**62), decoded[2])
        np.testing.assert_array_equal(index.reconstruct(-7), decoded[1])
    with pytest.raises(RuntimeError, match="is not in the index"):
        index.reconstruct_n(0, 700)
    with pytest.raises(RuntimeError, match="700 vectors from id 1 on"):
        index.reconstruct_n(1, 700)


@BOTH
def test_positions(by_residual):
    index, _, queries = make_filled(L2, by_residual=by_residual)
    decoded, list_nos = decode_all(index)
    for list_no in (0, 5, NLIST - 1):
        for offset in range(index.invlists.list_size(list_no)):
            i = index.invlists.get_single_id(list_no, offset)
            recons = np.empty(72, dtype=np.float32)
            index.reconstruct_from_offset(list_no, offset, faiss.swig_ptr(recons))
            np.testing.assert_array_equal(recons, decoded[i])
    recons = np.empty(72, dtype=np.float32)
    for place in ((-1, 0), (NLIST, 0), (0, -1), (0, index.invlists.list_size(0))):
        with pytest.raises(RuntimeError, match="list"):
            index.reconstruct_from_offset(*place, faiss.swig_ptr(recons))
    index.nprobe = 3
    expected = index.search(queries, 6)
    D, I, R = index.search_and_reconstruct(queries, 6)
    assert_same((D, I), expected)
    np.testing.assert_array_equal(R, decoded[I])
    D, I, codes = index.search_and_return_codes(queries, 6, include_listnos=True)
    assert_same((D, I), expected)
    flat = index.sa_decode(codes.reshape(-1, codes.shape[2]))
    np.testing.assert_array_equal(flat.reshape(R.shape), R)
    np.testing.assert_array_equal(codes[..., 0], list_nos[I])


@BOTH
def test_standalone_codec(by_residual, rng):
    index, x, queries = make_filled(IP, by_residual=by_residual, mapped=False)
    codes = index.sa_encode(x)
    assert codes.shape == (700, index.sa_code_size())
    assert index.sa_code_size() == 72 // 8 * 2 + 24 // 8 + 2 + 1
    entries = get_entries(index)
    for i, code in enumerate(codes):
        assert (int(code[0]), code[1:].tobytes()) == entries[i]
    other, _, _ = make_filled(IP, by_residual=by_residual, n=0, mapped=False)
    other.set_direct_map_type(faiss.DirectMap.Hashtable)
    other.add_sa_codes(codes[:300])
    other.add_sa_codes(codes[300:], np.arange(300, 700))
    assert get_entries(other) == entries
    check_map(other)
    assert_same(other.search(queries, 5), index.search(queries, 5))

    plain = codes[:, 1:].copy()
    list_nos = codes[:, 0].astype(np.int64)
    out = np.empty_like(plain)
    index.encode_vectors(
        700,
        faiss.swig_ptr(np.ascontiguousarray(x)),
        faiss.swig_ptr(list_nos),
        faiss.swig_ptr(out),
    )
    np.testing.assert_array_equal(out, plain)
    decoded = np.empty((700, 72), dtype=np.float32)
    index.decode_vectors(
        700, faiss.swig_ptr(plain), faiss.swig_ptr(list_nos), faiss.swig_ptr(decoded)
    )
    np.testing.assert_array_equal(decoded, index.reconstruct_n())
    if by_residual:
        with pytest.raises(RuntimeError, match="no list numbers"):
            index.decode_vectors(
                700, faiss.swig_ptr(plain), None, faiss.swig_ptr(decoded)
            )
    codes[450, 0] = NLIST
    for call in (other.add_sa_codes, other.sa_decode):
        with pytest.raises(RuntimeError, match="list_no"):
            call(codes)
    assert other.ntotal == 700
    assert get_entries(other) == entries


def test_one_list_needs_no_list_number(rng):
    quantizer = faiss.IndexFlatL2(16)
    quantizer.add(np.zeros((1, 16), dtype=np.float32))
    index = faiss_bebr.IndexIVFSDC(quantizer, 16, 1, 3)
    x = random_vectors(rng, 50, 16)
    index.add(x)
    assert index.sa_code_size() == index.code_size == 8
    np.testing.assert_array_equal(
        index.sa_decode(index.sa_encode(x)), index.reconstruct_n()
    )


@BOTH
@pytest.mark.parametrize("kind", ["none", "hashtable"])
def test_remove(kind, by_residual, rng):
    index, x, queries = make_filled(L2, by_residual=by_residual)
    index.set_direct_map_type(MAPS[kind])
    entries = get_entries(index)
    gone = rng.permutation(700)[:200]
    assert index.remove_ids(np.concatenate([gone, gone[:3], [7000]])) == 200
    assert index.ntotal == 500
    left = {i: entry for i, entry in entries.items() if i not in set(gone)}
    assert get_entries(index) == left
    if kind == "none":
        assert index.check_ids_sorted()
        assert index.remove_ids(faiss.IDSelectorRange(0, 1000)) == 500
        assert index.ntotal == 0
        assert get_entries(index) == {}
    else:
        check_map(index)
        with pytest.raises(RuntimeError, match="only with IDSelectorArray"):
            index.remove_ids(faiss.IDSelectorRange(0, 1000))
    index.reset()
    index.add(x)
    assert get_entries(index) == entries


def test_remove_with_array_is_refused():
    index, _, _ = make_filled()
    index.make_direct_map()
    with pytest.raises(RuntimeError, match="remove not supported"):
        index.remove_ids(np.arange(3))
    assert index.ntotal == 700


@BOTH
@pytest.mark.parametrize("kind", ["array", "hashtable"])
def test_update(kind, by_residual, rng):
    index, x, _ = make_filled(L2, by_residual=by_residual)
    index.set_direct_map_type(MAPS[kind])
    keys = rng.permutation(700)[:250]
    fresh = random_vectors(rng, 250, 72)
    fresh[:20] = x[keys[:20]] * 1.01  # these stay in their lists
    index.update_vectors(keys, fresh)
    index.update_vectors(keys[:0], fresh[:0])
    x[keys] = fresh
    expected, _, _ = make_filled(L2, by_residual=by_residual, n=0)
    expected.add(x)
    assert get_entries(index) == get_entries(expected)
    assert index.ntotal == 700
    check_map(index)
    # the last one counts
    index.update_vectors(np.array([4, 4]), fresh[:2])
    np.testing.assert_array_equal(
        index.reconstruct(4), index.sa_decode(index.sa_encode(fresh[1:2]))[0]
    )
    check_map(index)


@pytest.mark.parametrize("kind", ["array", "hashtable"])
def test_update_refuses_before_it_changes(kind, rng):
    index, x, _ = make_filled()
    index.set_direct_map_type(MAPS[kind])
    before = get_entries(index)
    fresh = random_vectors(rng, 3, 72)
    for bad in (-1, 700, 2**40):
        with pytest.raises(RuntimeError, match="invalid key|key not found"):
            index.update_vectors(np.array([1, 2, bad]), fresh)
    keys = np.array([1, 2, 3])
    for value, message in ((np.nan, "NaN"), (1e6, "too large")):
        fresh[2] = value
        with pytest.raises(RuntimeError, match=message):
            index.update_vectors(keys, fresh)
    with pytest.raises(ValueError, match="x must have shape"):
        index.update_vectors(keys, fresh[:, :-1])
    with pytest.raises(ValueError, match="keys must have shape"):
        index.update_vectors(keys[:2], fresh)
    assert get_entries(index) == before
    index.set_direct_map_type(faiss.DirectMap.NoMap)
    with pytest.raises(RuntimeError, match="needs a direct map"):
        index.update_vectors(keys, x[:3])


@pytest.mark.parametrize("kind", ["array", "hashtable"])
def test_a_direct_map_of_other_lists(kind, rng):
    """What FAISS takes for a place in the lists would be one beyond them."""
    index, x, _ = make_filled(L2)
    index.set_direct_map_type(MAPS[kind])
    code = np.zeros(index.code_size, dtype=np.uint8)
    lists = faiss.ArrayInvertedLists(NLIST, index.code_size)
    index.replace_invlists(lists)
    message = "direct map is not that of the lists"
    with pytest.raises(RuntimeError, match=message):
        index.update_vectors(np.arange(5), x[:5])
    if kind == "hashtable":
        # one is in these lists, too
        lists.add_entry(index.direct_map.get(0) >> 32, 0, faiss.swig_ptr(code))
        with pytest.raises(RuntimeError, match=message):
            index.remove_ids(np.arange(5))
        assert lists.compute_ntotal() == 1
        return
    index, x, _ = make_filled(L2)
    index.make_direct_map()
    for list_no in range(NLIST):
        index.invlists.add_entry(list_no, 2**40, faiss.swig_ptr(code))
    with pytest.raises(RuntimeError, match=message):
        index.update_vectors(np.arange(700), x[::-1].copy())


@BOTH
def test_an_id_that_is_there_twice(by_residual, nthreads):
    index, x, _ = make_filled(L2, by_residual=by_residual)
    decoded = index.reconstruct_n()
    index.reset()
    index.set_direct_map_type(faiss.DirectMap.Hashtable)
    index.add_with_ids(x, np.arange(700) % 350)
    lists = index.quantizer.assign(x, 1)
    later = lists[350:, 0] >= lists[:350, 0]
    expected = np.where(later[:, None], decoded[350:], decoded[:350])
    np.testing.assert_array_equal(index.reconstruct_n(0, 350), expected)
    assert index.remove_ids(np.arange(350)) == 350
    assert index.ntotal == index.invlists.compute_ntotal() == 350


@BOTH
def test_merge(by_residual, rng):
    index, x, queries = make_filled(IP, by_residual=by_residual, n=400)
    other, _, _ = make_filled(IP, by_residual=by_residual, n=0)
    more = random_vectors(rng, 300, 72)
    other.add(more)
    expected, _, _ = make_filled(IP, by_residual=by_residual, n=400)
    expected.add(more)
    index.merge_from(other)  # as LangChain does
    assert (index.ntotal, other.ntotal) == (700, 0)
    assert get_entries(other) == {}
    assert get_entries(index) == get_entries(expected)
    assert_same(index.search(queries, 5), expected.search(queries, 5))
    other.add(more[:3])
    index.merge_from(other, 10**9)
    assert sorted(get_entries(index))[-3:] == [10**9, 10**9 + 1, 10**9 + 2]
    other.add(more[:3])
    faiss.merge_into(index, other, True)
    assert (index.ntotal, other.ntotal) == (706, 0)


def test_merge_refuses():
    index, _, _ = make_filled()
    before = get_entries(index)
    others = [
        make_filled(mapped=False)[0],
        make_filled(L2)[0],
        make_filled(by_residual=True)[0],
        faiss.IndexIVFFlat(index.quantizer, 72, NLIST, IP),
        faiss_bebr.IndexSDC([72, 72, 24], IP),
        index,
    ]
    smaller = faiss.IndexFlatIP(72)
    smaller.add(index.quantizer.reconstruct_n(0, 7))
    moved = faiss.IndexFlatIP(72)
    moved.add(index.quantizer.reconstruct_n() + 1)
    for quantizer in (smaller, moved):
        other = faiss_bebr.IndexIVFSDC(quantizer, [72, 72, 24], quantizer.ntotal, IP)
        weight, offset = index.sdc.query_weight, index.sdc.query_offset
        other.set_query_map(
            faiss.vector_to_array(weight), faiss.vector_to_array(offset)
        )
        others.append(other)
    for direct_map in ("array", "hashtable"):
        other = make_filled()[0]
        other.set_direct_map_type(MAPS[direct_map])
        others.append(other)
    sharing = make_filled(n=0)[0]
    sharing.replace_invlists(index.invlists)
    with pytest.raises(RuntimeError, match="share inverted lists"):
        index.merge_from(sharing)
    for other in others:
        ntotal = other.ntotal
        with pytest.raises(RuntimeError):
            index.merge_from(other)
        assert other.ntotal == ntotal
        with pytest.raises(RuntimeError):
            index.check_compatible_for_merge(other)
    assert index.ntotal == 700
    assert get_entries(index) == before
    index.check_compatible_for_merge(make_filled()[0])


def test_copy_subset():
    index, _, _ = make_filled(L2, by_residual=True)
    entries = get_entries(index)
    types = faiss.InvertedLists
    for subset_type, a1, a2, members in (
        (types.SUBSET_TYPE_ID_RANGE, 100, 300, set(range(100, 300))),
        (types.SUBSET_TYPE_ID_MOD, 3, 1, set(range(1, 700, 3))),
        (
            types.SUBSET_TYPE_INVLIST,
            2,
            5,
            {i for i, (list_no, _) in entries.items() if 2 <= list_no < 5},
        ),
    ):
        other, _, _ = make_filled(L2, by_residual=True, n=0)
        index.copy_subset_to(other, subset_type, a1, a2)
        assert get_entries(other) == {i: entries[i] for i in members}
        assert other.ntotal == len(members)
    assert get_entries(index) == entries
    empty = make_filled(L2, by_residual=True, n=0)[0]
    halves = [empty, make_filled(L2, by_residual=True, n=0)[0]]
    for part, other in enumerate(halves):
        index.copy_subset_to(other, types.SUBSET_TYPE_INVLIST_FRACTION, 2, part)
    assert get_entries(halves[0]) | get_entries(halves[1]) == entries
    assert halves[0].ntotal + halves[1].ntotal == 700

    # parts of the lists that hold as many entries
    parts = [make_filled(L2, by_residual=True, n=0)[0] for _ in range(2)]
    for part, (a1, a2) in zip(parts, ((0, 250), (250, 700)), strict=True):
        index.copy_subset_to(part, types.SUBSET_TYPE_ELEMENT_RANGE, a1, a2)
        assert part.ntotal == a2 - a1
    assert get_entries(parts[0]) | get_entries(parts[1]) == entries
    nothing = make_filled(L2, by_residual=True, n=0)[0]
    empty.reset()
    nothing.copy_subset_to(empty, types.SUBSET_TYPE_ELEMENT_RANGE, 0, 0)
    assert empty.ntotal == 0

    with_map = make_filled(L2, by_residual=True, n=0)[0]
    sharing = make_filled(L2, by_residual=True, n=0)[0]
    sharing.replace_invlists(index.invlists)
    with_map.set_direct_map_type(faiss.DirectMap.Hashtable)
    for other, arguments in (
        (make_filled(L2)[0], (types.SUBSET_TYPE_ID_RANGE, 0, 9)),
        (with_map, (types.SUBSET_TYPE_ID_RANGE, 0, 9)),
        (index, (types.SUBSET_TYPE_ID_RANGE, 0, 9)),
        (halves[0], (types.SUBSET_TYPE_ID_MOD, 0, 0)),
        (halves[0], (types.SUBSET_TYPE_INVLIST_FRACTION, 2, 2)),
        (halves[0], (types.SUBSET_TYPE_INVLIST_FRACTION, 2, -1)),
        (halves[0], (types.SUBSET_TYPE_INVLIST_FRACTION, 0, 0)),
        (halves[0], (types.SUBSET_TYPE_ELEMENT_RANGE, 0, 701)),
        (halves[0], (types.SUBSET_TYPE_ELEMENT_RANGE, -1, 5)),
        (halves[0], (types.SUBSET_TYPE_ELEMENT_RANGE, 6, 5)),
        (sharing, (types.SUBSET_TYPE_ID_RANGE, 0, 9)),
        (
            faiss.IndexIVFFlat(index.quantizer, 72, NLIST, L2),
            (types.SUBSET_TYPE_ID_RANGE, 0, 9),
        ),
    ):
        ntotal = other.ntotal
        with pytest.raises(RuntimeError):
            index.copy_subset_to(other, *arguments)
        assert other.ntotal == ntotal
    assert get_entries(index) == entries
