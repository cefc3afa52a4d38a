"""Parts of FAISS's own that its reader takes, but that end the process in use."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from binary_kinds import bsdc
from builders import D_BINARY, L2, NLIST, D, codes, own, sdc, vectors
from cases import deserialize, serialize
from kinds import build
from mutations import find_fields, seal, unseal

Change = Callable[[Any], None]

CASES: dict[str, tuple[str, Change, str]] = {}


def add_case(text: str, message: str) -> Callable[[Change], Change]:
    """What happens to an index of a factory string, and what its reader says."""

    def register(change: Change) -> Change:
        CASES[change.__name__] = (text, change, message)
        return change

    return register


@add_case("Pad32,Flat", "RemapDimensionsTransform of other dimensions")
def map_of_dimensions(index: Any) -> None:
    transform = faiss.downcast_VectorTransform(index.chain.at(0))
    places = faiss.vector_to_array(transform.map)
    places[3] = D
    faiss.copy_array_to_vector(places, transform.map)


@add_case("PQ4x4fs", "of blocks of another size")
def block_size(index: Any) -> None:
    index.bbs = 96


@add_case("PQ4x4fs", "of blocks of 1048576")
def large_block_size(index: Any) -> None:
    index.bbs = 1 << 20


@add_case("IVF4,PQ4x4fs", "lists of blocks of")
def block_size_of_lists(index: Any) -> None:
    index.reset()  # FAISS compares lengths of lists
    lists = faiss.downcast_InvertedLists(index.invlists)
    lists.n_per_block = 64


@add_case("IVF4,PQ4x4fs", "nprobe is 1099511627776")
def tables_of_many_lists(index: Any) -> None:
    index.nprobe = 1 << 40


@add_case("IVF4,PQ4x4fs", "of blocks of 1099511627776 queries")
def queries_in_a_block(index: Any) -> None:
    index.qbs2 = 1 << 40


@add_case("RaBitQfs", "of blocks of another size")
def places_for_vectors(index: Any) -> None:
    index.ntotal2 += 32


@add_case("IVF4,PQ4x4fs", "of blocks of another size")
def lists_without_blocks(index: Any) -> None:
    lists = faiss.ArrayInvertedLists(4, index.code_size)
    index.replace_invlists(lists, True)
    lists.this.disown()
    index.ntotal = 0


@add_case("RaBitQ", "codes of another size")
def code_size(index: Any) -> None:
    index.rabitq.code_size = (1 << 32) - 1


@add_case("RaBitQ", "another metric")
def metric(index: Any) -> None:
    index.rabitq.metric_type = faiss.METRIC_L1


@add_case("RaBitQ", "without a center")
def center(index: Any) -> None:
    index.center.resize(D - 1)


@add_case("RQ3x4", "without codebooks")
def untrained_codebooks(index: Any) -> None:
    index.rq.is_trained = False


@add_case("LSQ3x4", "codebooks of another size")
def codebook_size(index: Any) -> None:
    index.lsq.K = 1 << 20


@add_case("LSQ3x4", "1048576 iterations to encode")
def iterations(index: Any) -> None:
    index.lsq.encode_ils_iters = 1 << 20


@add_case("SQ8", "without codes|IndexScalarQuantizer codes")
def missing_codes(index: Any) -> None:
    index.ntotal += 1


@add_case("IVF4,PQ4+4", "ids beyond 100 in list")
def ids_of_vectors_to_refine(index: Any) -> None:
    lists = index.invlists
    longest = max(range(4), key=lists.list_size)
    lists.update_entry(longest, 0, 100, lists.get_single_code(longest, 0))


@add_case("IVF4,PQ4+4", "codes to refine with are missing")
def codes_to_refine_with(index: Any) -> None:
    index.refine_codes.resize(99)


@add_case("Residual4,PQ4x4", "codes of lists that do not exist")
def numbers_of_lists(index: Any) -> None:
    found = faiss.vector_to_array(index.codes)
    found[-index.code_size] = 4
    faiss.copy_array_to_vector(found, index.codes)


@pytest.mark.parametrize("name", CASES)
def test_broken_part(name: str):
    text, change, message = CASES[name]
    index = faiss.index_factory(D, text)
    index.train(vectors())
    index.add(vectors(100))
    other = sdc(L2)
    other.add(vectors(3))
    shards = faiss.IndexShards(D, False, False)
    for part in (index, other):
        shards.addIndex(part)
    assert deserialize(serialize(shards)).ntotal == 103
    change(index)
    with pytest.raises(RuntimeError, match=message):
        deserialize(serialize(shards))


@pytest.mark.parametrize("name", ["SDC,Refine(SQ8)", "IVFSDC,Refine(SQfp16)"])
def test_metric_of_codes(name: str):
    index = build(name)
    index.refine_index.metric_type = faiss.METRIC_L1
    with pytest.raises(RuntimeError, match="codes in metric 2"):
        deserialize(serialize(index))


@pytest.mark.parametrize("name", ["BHash8", "BHash2x8"])
@pytest.mark.parametrize("nflip", [-1, 9, 1 << 30])
def test_bits_to_flip(name: str, nflip: int):
    """More than a hash code has are looked up for ever."""
    index = faiss.index_binary_factory(D_BINARY, name)
    index.add(codes(50))
    other = bsdc(L2)
    other.add(codes(3))
    shards = faiss.IndexBinaryShards(D_BINARY, False, False)
    for part in (index, other):
        shards.addIndex(part)
    index.nflip = 8
    copied = deserialize(serialize(shards), True)
    found = [each.search(codes(5), 4) for each in (copied, shards)]
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)
    index.nflip = nflip
    with pytest.raises(RuntimeError, match="bits to flip, of 8"):
        deserialize(serialize(shards), True)


@pytest.mark.parametrize("label", [-1, NLIST, 1 << 40])
@pytest.mark.parametrize("name", ["IVFSDC", "IVF of SDC,Flat"])
def test_labels_of_a_quantizer(name: str, label: int):
    """They are numbers of lists."""
    index = build(name)
    flat = faiss.IndexFlatL2(D)
    quantizer = own(faiss.IndexIDMap(flat), flat)
    quantizer.add_with_ids(vectors(NLIST), np.arange(NLIST))
    index.quantizer = quantizer
    shards = faiss.IndexShards(D, False, False)
    other = sdc(L2)
    for part in (index, other):
        shards.addIndex(part)
    assert deserialize(serialize(shards)).ntotal == index.ntotal
    faiss.copy_array_to_vector(np.array([*range(NLIST - 1), label]), quantizer.id_map)
    with pytest.raises(RuntimeError, match="labels beyond 7"):
        deserialize(serialize(shards))


def test_lists_of_any_code_size():
    """FAISS takes SIZE_MAX for such."""
    payload, fields = find_fields(build("IVF of SDC,Flat", n=0))
    code_size, any_size = (struct.pack("<Q", n) for n in (4 * D, (1 << 64) - 1))
    places = [p for p, n in fields if payload[p : p + n] == code_size]
    for place in places:
        damaged = payload[:place] + any_size + payload[place + 8 :]
        with pytest.raises(
            RuntimeError, match="lists of codes of 18446744073709551615"
        ):
            deserialize(seal(damaged))
    assert len(places) == 1


def test_gaps_of_lists_on_disk(tmp_path: Path):
    """To which FAISS would write beyond the end of the file."""
    index = build("IVFSDC", n=0)
    path = str(tmp_path / "lists")
    lists = faiss.OnDiskInvertedLists(index.nlist, index.code_size, path)
    index.replace_invlists(lists, True)
    lists.this.disown()
    for x in (vectors(50), vectors(100)):
        index.add(x)
    payload = unseal(serialize(index))
    assert deserialize(seal(payload)).ntotal == 150
    start = payload.index(b"ilod") + 4 + 8 + 8 + 8 + 24 * NLIST
    (ngaps,) = struct.unpack_from("<Q", payload, start)
    assert ngaps > 0
    first, second = (start - 24 * n + 16 for n in (2, 1))  # of the last two lists
    (offset,) = struct.unpack_from("<Q", payload, first)
    new = struct.pack("<Q", offset + 8)
    damaged = payload[:second] + new + payload[second + 8 :]
    with pytest.raises(RuntimeError, match="lists in .* overlap"):
        deserialize(seal(damaged))
    for i in range(2 * ngaps):
        place = start + 8 + 8 * i
        new = struct.pack("<Q", 1 << 30)
        damaged = payload[:place] + new + payload[place + 8 :]
        with pytest.raises(RuntimeError, match="its lists go beyond that"):
            deserialize(seal(damaged))
