"""Inverted lists, in the file of an index and in files of their own."""

from __future__ import annotations

import os
from typing import Any

import faiss
import numpy as np

from faiss_bebr import swigfaiss_bebr as own
from faiss_bebr.index_io.containers import INVERTED_FILES, walk

_OWN_INVERTED_FILES = (own.IndexIVFSDC, own.IndexBinaryIVFSDC)
# FAISS computes tables of distances to their centroids when it reads them
PQ_INVERTED_FILES = (faiss.IndexIVFPQ, faiss.IndexIVFPQFastScan)


def _get_lists(index: Any) -> Any:
    """The lists as the class that they are, or None."""
    lists = index.invlists
    return lists if lists is None else faiss.downcast_InvertedLists(lists)


def are_in_index_file(index: Any) -> bool:
    """Whether the lists of an inverted file were mapped in the file of an index.

    These have no file name, by which another index file could refer to them.
    """
    lists = _get_lists(index)
    return isinstance(lists, faiss.OnDiskInvertedLists) and not lists.filename


def check_writable(index: Any) -> None:
    """Whether what FAISS writes of an inverted file of its own can be read.

    Raises
    ------
    RuntimeError
        If it cannot.
    """
    name = type(index).__name__
    if are_in_index_file(index):
        raise RuntimeError(
            f"cannot write an {name} whose lists are mapped in the file that it was "
            "read from"
        )
    ncentroids = index.quantizer.ntotal
    if not own.is_plausible_nlist(index.nlist, ncentroids):
        raise RuntimeError(
            f"files have no {index.nlist} lists for {ncentroids} centroids: train "
            "before"
        )


def map_lists(obj: Any) -> None:
    """Map the lists inside an object that are in files of their own.

    FAISS's `IO_FLAG_MMAP` is for lists in index files, and leaves these out.
    """
    for index in walk(obj):
        if isinstance(index, INVERTED_FILES):
            lists = _get_lists(index)
            if isinstance(lists, faiss.OnDiskInvertedLists) and lists.ptr is None:
                lists.read_only = True
                lists.do_mmap()


def check_lists(index: Any) -> None:
    """Check the lists of an inverted file and its direct map.

    Raises
    ------
    RuntimeError
        If they do not fit together.
    """
    lists = _get_lists(index)
    if lists is None:
        if index.ntotal:
            raise RuntimeError("the index file is corrupted: vectors without lists")
        return
    if isinstance(lists, faiss.BlockInvertedLists):
        _check_blocks(lists, index)
    elif lists.code_size != index.code_size:  # FAISS takes SIZE_MAX for any size
        raise RuntimeError(
            "the index file is corrupted: lists of codes of "
            f"{lists.code_size} bytes in an index of {index.code_size}"
        )
    is_own = isinstance(index, _OWN_INVERTED_FILES)
    if isinstance(lists, faiss.OnDiskInvertedLists):
        _check_on_disk(lists, is_own)
    if is_own:
        own.check_lists(lists, index.ntotal)
    own.check_direct_map(index.direct_map, lists, index.ntotal)


def _check_blocks(lists: faiss.BlockInvertedLists, index: Any) -> None:
    found = lists.n_per_block, lists.block_size
    expected = None
    if isinstance(index, faiss.IndexIVF):
        packer = index.get_CodePacker()
        expected = packer.nvec, packer.block_size
    if found != expected:
        raise RuntimeError(
            f"the index file is corrupted: lists of blocks of {found} vectors and "
            f"bytes in an index of {expected}"
        )


def _check_on_disk(lists: faiss.OnDiskInvertedLists, is_own: bool) -> None:
    """Whether lists, and the gaps for more, are where their file is. FAISS checks
    those that it maps in an index file."""
    if lists.lists.size() != lists.nlist:
        raise RuntimeError("the index file is corrupted: too few or many lists")
    if not lists.filename or lists.ptr is None:
        return
    file_size = os.stat(lists.filename).st_size
    (size, capacity, offset), gaps = _get_places(lists)
    item_size = lists.code_size + 8
    if (
        lists.totsize > file_size
        or np.any(size > capacity)
        or _leads_out(offset, capacity, item_size, lists.totsize)
        or _leads_out(gaps[0], gaps[1], 1, lists.totsize)
    ):
        raise RuntimeError(
            f"{lists.filename} has {file_size} bytes, its lists go beyond that"
        )
    places = np.stack([offset, capacity * np.uint64(item_size)])
    if _overlap(places):
        raise RuntimeError(f"lists in {lists.filename} overlap")
    if is_own and _overlap(np.concatenate([places, gaps], axis=1)):
        # FAISS takes all for a gap when it has merged lists, and would write
        # new vectors over others; its own inverted files, though, end the
        # process where lists are read-only
        lists.read_only = True


def _get_places(lists: faiss.OnDiskInvertedLists) -> tuple[np.ndarray, np.ndarray]:
    """Size, capacity and offset of lists, offset and capacity of gaps.

    From the bytes that FAISS writes, as its Python module cannot look at gaps.
    """
    writer = faiss.VectorIOWriter()
    faiss.write_InvertedLists(lists, writer)
    data = faiss.vector_to_array(writer.data)
    start = len(b"ilod") + 8 + 8 + 8
    end = start + 24 * lists.nlist
    places = data[start:end].view(np.uint64).reshape(-1, 3).T
    (ngaps,) = data[end : end + 8].view(np.uint64)
    gaps = data[end + 8 : end + 8 + 16 * int(ngaps)].view(np.uint64)
    return places, gaps.reshape(-1, 2).T


def _leads_out(
    offset: np.ndarray, capacity: np.ndarray, item_size: int, end: int
) -> bool:
    """Whether places with any capacity go beyond the end."""
    too_large = capacity > end // item_size
    # does not overflow for others
    too_far = offset > end - np.where(too_large, 0, capacity) * np.uint64(item_size)
    return bool(np.any((too_large | too_far) & (capacity > 0)))


def _overlap(places: np.ndarray) -> bool:
    """Whether any of some places, as offsets and sizes, do."""
    offset, size = places[:, places[1] > 0]
    order = np.argsort(offset)
    offset, size = offset[order], size[order]
    return bool(np.any(offset[:-1] + size[:-1] > offset[1:]))
