"""IndexIVFSDC on all kinds of inverted lists, and faiss.contrib.ivf_tools."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import faiss
import numpy as np
import pytest
from comparisons import assert_same
from faiss.contrib import ivf_tools
from ivf_sdc_data import (
    IP,
    L2,
    NLIST,
    get_entries,
    make_filled,
    nearest_lists,
)

import faiss_bebr

BOTH = pytest.mark.parametrize("by_residual", [False, True])


def make_ondisk(index, path: Path) -> faiss.OnDiskInvertedLists:
    lists = faiss.OnDiskInvertedLists(NLIST, index.code_size, str(path))
    index.replace_invlists(lists, True)
    lists.this.disown()
    return lists


@BOTH
def test_ondisk_lists(by_residual, tmp_path, rng):
    expected, x, queries = make_filled(L2, by_residual=by_residual)
    index, _, _ = make_filled(L2, by_residual=by_residual, n=0)
    make_ondisk(index, tmp_path / "lists")
    index.add(x)
    assert (tmp_path / "lists").stat().st_size >= 700 * index.code_size
    for each in (index, expected):
        each.nprobe = 4
        each.set_direct_map_type(faiss.DirectMap.Hashtable)
        each.update_vectors(np.arange(9), x[9:18])
        each.remove_ids(np.arange(500, 600))
    assert get_entries(index) == get_entries(expected)
    assert_same(index.search(queries, 9), expected.search(queries, 9))
    np.testing.assert_array_equal(index.reconstruct(77), expected.reconstruct(77))


def test_read_only_lists_throw_and_nothing_changes(tmp_path):
    """FAISS's own indexes end the process there."""
    index, x, queries = make_filled()
    lists = make_ondisk(index, tmp_path / "lists")
    index.ntotal = 0
    index.add(x)
    index.nprobe = NLIST
    found = index.search(queries, 5)
    before = get_entries(index)
    decoded = index.reconstruct_n()
    lists.read_only = True
    source, _, _ = make_filled(n=20)
    for change in (
        lambda: index.add(x),
        lambda: index.add_sa_codes(index.sa_encode(x)),
        lambda: index.remove_ids(np.arange(10)),
        lambda: index.merge_from(source),
        lambda: source.merge_from(index),
    ):
        with pytest.raises(RuntimeError, match="read-only"):
            change()
        assert (index.ntotal, source.ntotal) == (700, 20)
        assert get_entries(index) == before
        assert len(get_entries(source)) == 20
    assert_same(index.search(queries, 5), found)

    index.set_direct_map_type(faiss.DirectMap.Hashtable)
    for change in (
        lambda: index.remove_ids(np.arange(700)),
        lambda: index.update_vectors(np.arange(700), x[::-1].copy()),
    ):
        with pytest.raises(RuntimeError, match="read-only"):
            change()
        assert index.ntotal == 700
        for i in range(700):
            np.testing.assert_array_equal(index.reconstruct(i), decoded[i])


CANNOT_GROW = """
import os, resource, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import faiss, numpy as np
from ivf_sdc_data import make_filled
from test_index_ivf_sdc_lists import make_ondisk

index = make_filled(n=0)[0]
x = make_filled()[1]
lists = make_ondisk(index, Path(sys.argv[2]))
index.add(x)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (lists.totsize, lists.totsize))
faiss.omp_set_num_threads(4)
try:
    index.add(np.concatenate([x] * 9))
except RuntimeError as e:
    print(index.ntotal, "truncate" in str(e), flush=True)
# FAISS's destructor would unmap what is not its own any more
os._exit(0)
"""


def test_a_file_that_cannot_grow(tmp_path):
    """FAISS's own indexes end the process there, and more threads than one
    would wait for each other."""
    output = subprocess.run(
        [sys.executable, "-c", CANNOT_GROW, Path(__file__).parent, tmp_path / "lists"],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    ).stdout
    assert output.splitlines()[-1] == "700 True"


def test_merging_shards_on_disk(tmp_path):
    """From lists in memory; tests/index_io has merge_ondisk with files."""
    expected, x, queries = make_filled()
    shards = []
    for begin in range(0, 700, 100):
        shard = make_filled(n=0)[0]
        shard.add_with_ids(x[begin : begin + 100], np.arange(begin, begin + 100))
        shards.append(shard)
    vector = faiss.InvertedListsPtrVector()
    for shard in shards:
        vector.push_back(shard.invlists)
    index = make_filled(n=0)[0]
    lists = faiss.OnDiskInvertedLists(NLIST, index.code_size, str(tmp_path / "merged"))
    index.ntotal = lists.merge_from_multiple(vector.data(), vector.size(), False)
    index.replace_invlists(lists, True)
    lists.this.disown()
    assert get_entries(index) == get_entries(expected)
    assert_same(index.search(queries, 9), expected.search(queries, 9))


def test_lists_that_are_views_of_others(rng):
    """Read-only lists of FAISS, made of those of two indexes."""
    expected, x, queries = make_filled()
    parts = [make_filled(n=0)[0] for _ in range(2)]
    for part, ids in zip(parts, np.split(np.arange(700), [300]), strict=True):
        part.add_with_ids(x[ids], ids)
    vector = faiss.InvertedListsPtrVector()
    for part in parts:
        vector.push_back(part.invlists)
    for lists in (
        faiss.HStackInvertedLists(vector.size(), vector.data()),
        faiss.MaskedInvertedLists(expected.invlists, parts[0].invlists),
        faiss.StopWordsInvertedLists(expected.invlists, 1000),
    ):
        index = faiss_bebr.IndexIVFSDC(
            expected.quantizer, [72, 72, 24], NLIST, IP, False
        )
        index.set_query_map(
            faiss.vector_to_array(expected.sdc.query_weight),
            faiss.vector_to_array(expected.sdc.query_offset),
        )
        index.replace_invlists(lists)
        index.ntotal = 700
        expected.nprobe = index.nprobe = 6
        assert_same(index.search(queries, 9), expected.search(queries, 9))
        np.testing.assert_array_equal(index.reconstruct_n(), expected.reconstruct_n())
        with pytest.raises(RuntimeError):
            index.add(x[:3])
        assert index.ntotal == 700


def test_lists_of_another_size_or_none(rng):
    index, x, queries = make_filled(mapped=False)
    without = faiss_bebr.IndexIVFSDC(index.quantizer, [72, 72, 24], NLIST, IP, False)
    codes = index.sa_encode(x)
    for call in (
        lambda: without.add(x),
        lambda: without.add_sa_codes(codes),
        lambda: without.search(queries, 3),
        lambda: without.range_search(queries, 3.0),
        lambda: without.reconstruct_n(0, 0),
        lambda: without.remove_ids(np.arange(3)),
        lambda: without.merge_from(index),
        lambda: index.merge_from(without),
        lambda: without.reset(),
    ):
        with pytest.raises(RuntimeError, match="no inverted lists"):
            call()
    for wrong in (
        faiss.ArrayInvertedLists(NLIST, index.code_size + 1),
        faiss.ArrayInvertedLists(NLIST + 1, index.code_size),
    ):
        with pytest.raises(RuntimeError):
            without.replace_invlists(wrong)
    packed = faiss.BlockInvertedLists(NLIST, 32, 32 * index.code_size)
    without.replace_invlists(packed)
    with pytest.raises(RuntimeError, match="packed codes are not supported"):
        without.search(queries, 3)


@BOTH
def test_ivf_tools(by_residual, rng):
    expected, x, queries = make_filled(L2, by_residual=by_residual)
    expected.nprobe = 4
    D, I = expected.search(queries, 7)
    radius = float(np.median(D))
    index, _, _ = make_filled(L2, by_residual=by_residual, n=0)
    index.nprobe = 4
    lists = expected.quantizer.assign(x, 1)[:, 0]
    ivf_tools.add_preassigned(index, x[:300], lists[:300])
    ids = np.arange(300, 700)  # FAISS keeps only its address
    ivf_tools.add_preassigned(index, x[300:], lists[300:], ids)
    assert get_entries(index) == get_entries(expected)
    probed = nearest_lists(index, queries, 4)
    assert_same(ivf_tools.search_preassigned(index, queries, 7, probed), (D, I))
    lims, _, _ = ivf_tools.range_search_preassigned(index, queries, radius, probed)
    np.testing.assert_array_equal(lims, expected.range_search(queries, radius)[0])
    ours = index.range_search_preassigned(queries, radius, probed, None)
    np.testing.assert_array_equal(ours[0], lims)

    ivf_tools.permute_invlists(index, rng.permutation(NLIST))
    assert_same(index.search(queries, 7), (D, I))
    ivf_tools.sort_invlists_by_size(index)
    assert_same(index.search(queries, 7), (D, I))
    old = ivf_tools.replace_ivf_quantizer(index, faiss.IndexHNSWFlat(72, 32))
    assert old.ntotal == NLIST
    assert_same(index.search(queries, 7), (D, I))
    np.testing.assert_array_equal(index.reconstruct_n(), expected.reconstruct_n())


def test_preassigned_lists_are_checked(rng):
    index, x, queries = make_filled()
    before = get_entries(index)
    for bad in (-2, NLIST, 2**40):
        lists = np.zeros(3, dtype=np.int64)
        lists[1] = bad
        with pytest.raises(RuntimeError, match="list number .* of vector 1 is not"):
            ivf_tools.add_preassigned(index, x[:3], lists)
    index.nprobe = 2
    for bad in (NLIST, 2**40):
        with pytest.raises(RuntimeError, match="Invalid key"):
            index.search_preassigned(queries, 3, np.full((25, 2), bad), None)
    nowhere = np.full((25, 2), -1)
    assert (index.search_preassigned(queries, 3, nowhere, None)[1] == -1).all()
    for bad in (np.zeros((25, 3)), np.zeros(25)):
        for method in ("search_preassigned", "range_search_preassigned"):
            with pytest.raises(ValueError, match="Iq must have shape"):
                getattr(index, method)(queries, 3, bad, None)
    assert get_entries(index) == before
    # vectors without a list have ids but are nowhere
    ivf_tools.add_preassigned(index, x[:3], np.array([4, -1, 5]))
    assert index.ntotal == 703
    assert set(get_entries(index)) - set(before) == {700, 702}
