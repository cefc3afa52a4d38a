"""IndexBinaryIVFSDC on all kinds of inverted lists, and inside FAISS's types."""

from __future__ import annotations

import gc

import faiss
import numpy as np
import pytest
from binary_ivf_sdc_data import IP, L2, make_index
from comparisons import assert_same
from inputs import random_codes
from reference import binary_distances

import faiss_bebr


def test_lists_on_disk(rng, tmp_path):
    codes = random_codes(rng, 400, 128)
    queries = random_codes(rng, 80, 128)
    index = make_index(64, 2, L2, codes)
    index.nprobe = 4
    expected = index.search(queries, 12)
    lists = faiss.OnDiskInvertedLists(13, 16, str(tmp_path / "lists"))
    lists.merge_from(index.invlists, 0)
    index.replace_invlists(lists, True)
    del lists
    gc.collect()
    assert_same(index.search(queries, 12), expected)
    index.add(codes[:100])
    assert index.ntotal == 500
    index.remove_ids(faiss.IDSelectorRange(400, 500))
    assert_same(index.search(queries, 12), expected)
    D, I, R = index.search_and_reconstruct(queries, 12)
    np.testing.assert_array_equal(R[I >= 0], codes[I[I >= 0]])

    on_disk = faiss.downcast_InvertedLists(index.invlists)
    on_disk.read_only = True
    other = make_index(64, 2, L2, codes)
    for change in (
        lambda: index.add(codes),
        lambda: index.remove_ids(np.arange(5)),
        lambda: index.reset(),
        lambda: index.merge_from(other),
        lambda: other.merge_from(index),
    ):
        with pytest.raises(RuntimeError, match="read-only"):
            change()
    assert (index.ntotal, other.ntotal) == (400, 400)
    assert_same(index.search(queries, 12), expected)
    np.testing.assert_array_equal(other.reconstruct_n(), codes)


def test_several_lists_as_one(rng):
    """Lists that hand out copies of their codes."""
    codes = random_codes(rng, 400, 128)
    parts = [make_index(64, 2, L2, codes) for _ in range(2)]
    parts[0].remove_ids(faiss.IDSelectorRange(200, 400))
    parts[1].remove_ids(faiss.IDSelectorRange(0, 200))
    vector = faiss.InvertedListsPtrVector()
    for part in parts:
        vector.push_back(part.invlists)
    stack = faiss.HStackInvertedLists(2, vector.data())
    index = faiss_bebr.IndexBinaryIVFSDC(parts[0].quantizer, 128, 13, 2, L2, False)
    for use in (
        lambda: index.add(codes),
        lambda: index.search(codes, 3),
        lambda: index.reset(),
        lambda: index.make_direct_map(),
        lambda: index.get_list_size(0),
    ):
        with pytest.raises(RuntimeError, match="no inverted lists"):
            use()
    assert index.invlists is None
    index.replace_invlists(stack)
    del stack
    gc.collect()
    index.nprobe = 4
    index.ntotal = 400
    whole = make_index(64, 2, L2, codes)
    whole.nprobe = 4
    for nq in (3, 90):
        assert_same(index.search(codes[:nq], 9), whole.search(codes[:nq], 9))
    np.testing.assert_array_equal(index.reconstruct_n(), codes)


def test_replace_invlists_refuses_others(rng):
    codes = random_codes(rng, 100, 128)
    index = make_index(64, 2, L2, codes)
    for lists in (
        faiss.ArrayInvertedLists(12, 16),
        faiss.ArrayInvertedLists(13, 15),
    ):
        with pytest.raises(RuntimeError, match="13 lists of 16 bytes"):
            index.replace_invlists(lists, True)
        assert lists.thisown  # it still belongs to Python
    with pytest.raises(RuntimeError, match="must not be null"):
        index.replace_invlists(None)
    index.replace_invlists(index.invlists, True)  # nothing happens
    np.testing.assert_array_equal(index.reconstruct_n(), codes)


@pytest.mark.parametrize("metric", [L2, IP])
@pytest.mark.parametrize("map_type", ["IndexBinaryIDMap", "IndexBinaryIDMap2"])
def test_inside_id_map(map_type, metric, rng):
    codes = random_codes(rng, 200, 128)
    ids = rng.permutation(10_000)[:200]
    inner = make_index(64, 2, metric, codes)
    inner.reset()
    inner.nprobe = 5
    index = getattr(faiss, map_type)(inner)
    index.add_with_ids(codes, ids)
    plain = make_index(64, 2, metric, codes)
    plain.nprobe = 5
    D, I = index.search(codes[:20], 7)
    D_plain, I_plain = plain.search(codes[:20], 7)
    np.testing.assert_array_equal(D, D_plain)
    np.testing.assert_array_equal(I, ids[I_plain])
    sel = faiss.IDSelectorBatch(ids[50:90])
    inside = faiss.IDSelectorRange(50, 90)
    for make in (
        faiss.SearchParameters,
        lambda sel: faiss.SearchParametersIVF(sel=sel, nprobe=5),
    ):
        D, I = index.search(codes[:20], 7, params=make(sel=sel))
        D_plain, I_plain = plain.search(codes[:20], 7, params=make(sel=inside))
        np.testing.assert_array_equal(D, D_plain)
        np.testing.assert_array_equal(I, np.where(I_plain < 0, -1, ids[I_plain]))
    # a range search hands over bare SearchParameters
    params = faiss.SearchParameters(sel=sel)
    lims, D, I = index.range_search(codes[:20], 100, params=params)
    params = faiss.SearchParameters(sel=inside)
    expected = plain.range_search(codes[:20], 100, params=params)
    assert_same((lims, D, I), (*expected[:2], ids[expected[2]]))
    if map_type == "IndexBinaryIDMap2":
        inner.make_direct_map()
        np.testing.assert_array_equal(index.reconstruct(int(ids[99])), codes[99])


@pytest.mark.parametrize("metric", [L2, IP])
def test_inside_shards_and_replicas(metric, rng):
    codes = random_codes(rng, 400, 128)
    queries = random_codes(rng, 10, 128)
    whole = make_index(64, 2, metric, codes)
    whole.nprobe = 13
    expected = whole.search(queries, 9)
    quantizer = whole.quantizer

    def make_part():
        part = faiss_bebr.IndexBinaryIVFSDC(quantizer, 128, 13, 2, metric)
        part.nprobe = 13
        return part

    for threaded in (False, True):
        shards = faiss.IndexBinaryShards(128, threaded, False)
        shards.metric_type = metric
        parts = [make_part() for _ in range(2)]
        for part in parts:
            shards.add_shard(part)
        assert shards.is_trained
        shards.add_with_ids(codes, np.arange(400))
        assert [part.ntotal for part in parts] == [200, 200]
        D, I = shards.search(queries, 9)
        np.testing.assert_array_equal(D, expected[0])
        distances = binary_distances(queries, codes, 2, inner_product=metric == IP)
        np.testing.assert_array_equal(np.take_along_axis(distances, I, 1), D)

        replicas = faiss.IndexBinaryReplicas(128, threaded)
        copies = [make_part() for _ in range(2)]
        for copy in copies:
            replicas.addIndex(copy)
        replicas.add(codes)
        assert_same(replicas.search(queries, 9), expected)


def test_faiss_never_takes_it_for_a_hamming_index(rng):
    index = make_index(64, 2, L2, random_codes(rng, 100, 128))
    assert not isinstance(index, faiss.IndexBinaryIVF)
    assert not isinstance(faiss.downcast_IndexBinary(index), faiss.IndexBinaryIVF)
    with pytest.raises(RuntimeError):
        faiss.serialize_index_binary(index)
    with pytest.raises(RuntimeError):
        faiss.clone_binary_index(index)
