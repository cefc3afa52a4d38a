"""Files that are damaged or made to do harm."""

from __future__ import annotations

import io
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from builders import L2, NLIST, D, N, sdc, vectors
from cases import deserialize, get_case, read, serialize
from kinds import build
from mutations import CHUNK, find_fields, seal, unseal

import faiss_bebr
from faiss_bebr import index_io


def test_our_files_of_another_family(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(get_case("BSDC").data)
    with pytest.raises(RuntimeError, match="a binary index, which read_index_binary"):
        index_io.read_index(path)
    with pytest.raises(RuntimeError, match="expected a vector transform"):
        index_io.read_VectorTransform(path)
    path.write_bytes(get_case("SDC").data)
    with pytest.raises(RuntimeError, match="an index, which read_index reads"):
        index_io.read_index_binary(path)


def test_wrong_node_for_the_family():
    payload = unseal(get_case("BSDC").data)
    with pytest.raises(RuntimeError, match="expected an index, but .* IndexBinarySDC"):
        deserialize(seal(b"I" + payload[1:]))
    with pytest.raises(RuntimeError, match="unknown family"):
        deserialize(seal(b"X" + payload[1:]))
    with pytest.raises(RuntimeError, match="a type b'XXXX'"):
        deserialize(seal(b"IXXXX" + payload[5:]))


@pytest.mark.parametrize("version", [0, 7])
def test_files_of_an_unknown_version(version: int):
    data = bytearray(get_case("SDC").data)
    data[4] = version
    message = f"format version {version}, this faiss_bebr reads 1 to 6"
    with pytest.raises(RuntimeError, match=message):
        deserialize(bytes(data))


@pytest.mark.parametrize(
    "name", ["SDC", "SDCfs", "IVFSDC", "BEBR,HNSW of SDC", "BIVFSDC"]
)
def test_truncated_anywhere(name: str, tmp_path: Path):
    case = get_case(name)
    path = tmp_path / "file"
    for n in [*range(40), *range(40, len(case.data), 97), len(case.data) - 1]:
        path.write_bytes(case.data[:n])
        for source in (path, io.BytesIO(case.data[:n])):
            with pytest.raises(RuntimeError):
                read(source, case.kind.is_binary)
    path.write_bytes(case.data + b"x")
    with pytest.raises(RuntimeError, match="1 bytes too many"):
        read(path, case.kind.is_binary)


def test_streams_may_go_on():
    """As FAISS's: several indexes one after the other."""
    cases = [get_case(name) for name in ("SDC", "BEBR,HNSW of SDC", "IVFSDC")]
    stock = faiss.serialize_index(faiss.IndexFlatL2(8)).tobytes()
    stream = io.BytesIO(stock.join(case.data for case in cases) + stock)
    for case in cases:
        assert serialize(read(stream)) == case.data
        assert type(read(stream)) is faiss.IndexFlatL2
    assert not stream.read()


@pytest.mark.parametrize("name", ["SDC", "SDCfs", "BEBR,HNSW of SDC", "BSDC"])
def test_any_flipped_bit_is_found(name: str):
    case = get_case(name)
    rng = np.random.default_rng(0)
    for place in [*range(24), *rng.integers(24, len(case.data), 200)]:
        data = bytearray(case.data)
        data[place] ^= 1 << rng.integers(0, 8)
        if place < 4:
            continue  # then it is no file of ours
        with pytest.raises(RuntimeError, match="corrupted|version|too early|too many"):
            deserialize(bytes(data), case.kind.is_binary)


def test_files_of_several_chunks(tmp_path: Path):
    index = faiss_bebr.IndexSDC(64, 2)
    index.add(np.tile(np.eye(64, dtype=np.float32), (2000, 1)))
    data = serialize(index)
    size = len(unseal(data))
    assert size > 2 * CHUNK
    start = len(data) - size
    path = tmp_path / "file"
    for number, place in enumerate((start + 50, start + CHUNK, len(data) - 1)):
        damaged = bytearray(data)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        for source in (path, io.BytesIO(damaged)):
            with pytest.raises(RuntimeError, match=f"checksum of chunk {number}"):
                read(source)
    for n in (start, start + CHUNK, start + 2 * CHUNK, len(data) - 1):
        path.write_bytes(data[:n])
        for source in (path, io.BytesIO(data[:n])):
            with pytest.raises(RuntimeError, match="too early"):
                read(source)
    first, second = data[start : start + CHUNK], data[start + CHUNK : start + 2 * CHUNK]
    with pytest.raises(RuntimeError, match="checksum of chunk 0"):
        deserialize(data[:start] + second + first + data[start + 2 * CHUNK :])
    assert serialize(deserialize(data)) == data


@pytest.mark.parametrize("size", [1 << 20, 1 << 40, (1 << 63) - 1, (1 << 64) - 1])
def test_headers_that_ask_for_much(size: int, tmp_path: Path):
    case = get_case("SDC")
    data = case.data[:8] + struct.pack("<Q", size) + case.data[16:]
    path = tmp_path / "file"
    path.write_bytes(data)
    for source in (path, io.BytesIO(data)):
        tracemalloc.start()
        with pytest.raises(RuntimeError, match="too early|header"):
            read(source)
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
        tracemalloc.stop()


# payloads that are well-formed, but not what was written


def replaced(name: str, old: bytes, new: bytes, count: int = 1) -> bytes:
    """A file in which something of the payload is exchanged."""
    payload = unseal(get_case(name).data)
    assert old in payload
    return seal(payload.replace(old, new, count))


def path_bytes(path: str) -> bytes:
    return struct.pack("<H", len(path)) + path.encode()


@pytest.mark.parametrize(
    "path",
    ["index.index", "chain[1]", "chain[0].index", "", "this", "__class__", "at(0)"],
)
def test_parts_without_a_place(path: str):
    data = replaced("BEBR,IVF,Flat", path_bytes("chain[0]"), path_bytes(path))
    with pytest.raises(RuntimeError, match="there is no place for a part"):
        deserialize(data)


def test_two_parts_for_one_place():
    payload = unseal(get_case("BEBR,SDC").data)
    payload = payload.replace(path_bytes("index"), path_bytes("chain[0]"))
    with pytest.raises(RuntimeError, match="no place for a part"):
        deserialize(seal(payload))


def node_of(index: Any) -> bytes:
    """Without the character of the family."""
    return unseal(serialize(index))[1:]


def faiss_node(index: Any) -> bytes:
    data = faiss.serialize_index(index).tobytes()
    return struct.pack("<Q", len(data)) + data


def test_part_inside_of_what_another_part_replaces():
    """Which is gone by then."""
    leaf = sdc(L2)
    inner = faiss.IndexPreTransform(faiss.IndexFlatL2(D))
    outer = faiss.IndexIDMap(faiss.IndexPreTransform(inner))
    parts = b"".join(
        path_bytes(path) + b"I" + node_of(leaf) for path in ("index", "index.index")
    )
    payload = b"ITREE" + struct.pack("<I", 2) + parts + faiss_node(outer)
    with pytest.raises(RuntimeError, match="no place for a part at 'index.index'"):
        deserialize(seal(payload))


def test_part_of_other_dimensions():
    placeholder = faiss.IndexPreTransform(faiss.IndexFlatIP(D))
    index = faiss.IndexIDMap(placeholder)
    part = path_bytes("index") + b"I" + node_of(sdc(L2, 2 * D))
    payload = b"ITREE" + struct.pack("<I", 1) + part + faiss_node(index)
    with pytest.raises(RuntimeError, match="d of the part at 'index' is 48"):
        deserialize(seal(payload))


def test_containers_in_containers():
    group = b"SHRD" + struct.pack("<iBBI", D, 0, 0, 1)
    with pytest.raises(RuntimeError, match="containers of depth 32"):
        deserialize(seal(b"I" + group * 40 + node_of(sdc(L2))))
    index = deserialize(seal(b"I" + group * 32 + node_of(sdc(L2))))
    assert (index.d, index.ntotal) == (D, 0)


@pytest.mark.parametrize("count", [4097, (1 << 32) - 1])
def test_very_many_shards(count: int):
    group = b"SHRD" + struct.pack("<iBBI", D, 1, 0, count)
    with pytest.raises(RuntimeError, match="impossible shards"):
        deserialize(seal(b"I" + group + node_of(sdc(L2)) * 5))


def test_nodes_of_another_size():
    payload = unseal(get_case("BEBR,IVF,Flat").data)
    start = payload.index(b"IxPT") - 8
    (nbytes,) = struct.unpack_from("<Q", payload, start)
    for wrong in (nbytes - 1, nbytes + 1, 1 << 62):
        damaged = payload[:start] + struct.pack("<Q", wrong) + payload[start + 8 :]
        with pytest.raises(RuntimeError):
            deserialize(seal(damaged + b"x"))


def test_bytes_after_the_index():
    with pytest.raises(RuntimeError, match="3 bytes too many"):
        deserialize(seal(unseal(get_case("SDC").data) + b"abc"))


def broken(change: Any, name: str) -> bytes:
    """The file of an index that was made inconsistent."""
    index = build(name)
    change(index)
    return serialize(index)


@pytest.mark.parametrize("place", [7 << 32, 1 << 31, -2])
@pytest.mark.parametrize("name", ["IVFSDC", "IVF of SDC,Flat"])
def test_direct_maps_that_lead_out_of_the_lists(name: str, place: int):
    index = build("IVFSDC") if name == "IVFSDC" else build("BEBR,IVF,Flat")
    ivf = index if name == "IVFSDC" else faiss.downcast_index(index.index)
    ivf.set_direct_map_type(faiss.DirectMap.Array)
    places = faiss.vector_to_array(ivf.direct_map.array)
    places[17] = place
    faiss.copy_array_to_vector(places, ivf.direct_map.array)
    with pytest.raises(RuntimeError, match="a direct map leads out of the lists"):
        deserialize(serialize(index))


def test_direct_maps_of_another_size():
    def change(index: Any) -> None:
        index.set_direct_map_type(faiss.DirectMap.Array)
        index.direct_map.array.resize(N - 1)

    with pytest.raises(RuntimeError, match="a direct map of another size"):
        deserialize(broken(change, "IVFSDC"))


def test_lists_of_another_number_of_vectors():
    def change(index: Any) -> None:
        index.ntotal += 1

    with pytest.raises(RuntimeError, match="ntotal is not that of the lists"):
        deserialize(broken(change, "IVFSDC"))


def test_ids_beyond_an_id_map():
    """FAISS takes them as places in its array."""

    def change(index: Any) -> None:
        inside = faiss.downcast_index(index.index)
        ivf = index_io.downcast_index(inside.index)
        lists = max(range(ivf.nlist), key=ivf.invlists.list_size)
        ivf.invlists.update_entry(
            lists, 0, 1 << 40, ivf.invlists.get_single_code(lists, 0)
        )

    with pytest.raises(RuntimeError, match="ids beyond 300 in list"):
        deserialize(broken(change, "IDMap2 of BEBR,IVFSDC"))


def test_quantizers_for_more_lists():
    def change(index: Any) -> None:
        index.quantizer.add(vectors(1))

    with pytest.raises(RuntimeError, match="labels beyond 7"):
        deserialize(broken(change, "IVF of SDC,Flat"))


def test_refine_stages_with_too_few_vectors():
    def change(index: Any) -> None:
        index_io.downcast_index(index.base_index).add(vectors(1))

    with pytest.raises(RuntimeError, match="labels beyond 300"):
        deserialize(broken(change, "SDC,Refine(SQ8)"))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("efSearch", 1 << 30, "efSearch"),
        ("efSearch", -1, "efSearch"),
        ("efConstruction", 1 << 30, "efConstruction"),
        ("max_level", -1, "without entry point"),
        ("entry_point", -1, "without entry point"),
    ],
)
def test_impossible_graphs(name: str, value: int, message: str):
    def change(index: Any) -> None:
        setattr(index.hnsw, name, value)

    with pytest.raises(RuntimeError, match=message):
        deserialize(broken(change, "HNSW of SDC"))


def test_neighbors_in_levels_that_they_are_not_in():
    def change(index: Any) -> None:
        graph = index.hnsw
        levels = faiss.vector_to_array(graph.levels)
        high, low = np.argmax(levels), np.argmin(levels)
        assert levels[high] > 1 and levels[low] == 1
        neighbors = faiss.rev_swig_ptr(graph.neighbors.data(), graph.neighbors.size())
        begin = graph.offsets.at(int(high)) + graph.cum_nneighbor_per_level.at(1)
        neighbors[begin] = low

    with pytest.raises(RuntimeError, match="a neighbor in no level"):
        deserialize(broken(change, "HNSW of SDC"))


@pytest.mark.parametrize("nlist", [1 << 19, 1 << 40, (1 << 64) - 1])
def test_very_many_lists(nlist: int):
    """Which would take memory, but are no bytes of the file."""
    payload, fields = find_fields(get_case("IVFSDC").index)
    old, new = struct.pack("<Q", NLIST), struct.pack("<Q", nlist)
    messages = []
    for place, length in fields:
        if payload[place : place + length] == old:
            damaged = payload[:place] + new + payload[place + 8 :]
            with pytest.raises(RuntimeError) as error:
                deserialize(seal(damaged))
            messages.append(str(error.value))
    assert len(messages) == 4
    assert sum("files have no" in message for message in messages) == 1


def test_many_indexes_of_very_many_lists():
    """Of which each could be."""
    quantizer = faiss.IndexFlatL2(D)
    index = faiss_bebr.IndexIVFSDC(quantizer, D, 1 << 18, 1, L2)
    assert deserialize(serialize(index)).nlist == 1 << 18
    data = b"ISHRD" + struct.pack("<iBBI", D, 0, 0, 4096) + 4096 * node_of(index)
    with pytest.raises(RuntimeError, match="takes .* more of memory"):
        deserialize(seal(data))
    stock = b"FAIS" + faiss_node(faiss.IndexIVFFlat(quantizer, D, 1 << 18, L2))
    data = b"ISHRD" + struct.pack("<iBBI", D, 0, 0, 4096) + 4096 * stock
    with pytest.raises(RuntimeError, match="takes .* more of memory"):
        deserialize(seal(data))
    shards = faiss.IndexShards(D)
    indexes = [
        faiss_bebr.IndexIVFSDC(quantizer, D, 1 << 18, 1, L2, False) for _ in range(7)
    ]
    for shard in indexes:
        shards.addIndex(shard)
    with pytest.raises(RuntimeError, match="of empty lists and tables"):
        serialize(shards)


def test_quantizers_that_claim_centroids():
    """Of a product quantizer, whose number of centroids is no size of a file."""
    quantizer = faiss.MultiIndexQuantizer(D, 4, 8)
    quantizer.train(vectors())
    index = faiss_bebr.IndexIVFSDC(quantizer, D, 4321, 1, L2)
    payload = unseal(serialize(index))
    old, new = (struct.pack("<Q", nlist) for nlist in (4321, 1 << 32))
    assert payload.count(old) == 2
    with pytest.raises(RuntimeError, match="takes .* more of memory"):
        deserialize(seal(payload.replace(old, new)))
    index = faiss_bebr.IndexIVFSDC(quantizer, D, 1 << 32, 1, L2, False)
    with pytest.raises(RuntimeError, match="of empty lists and tables"):
        serialize(index)


def test_vectors_mapped_from_somewhere(tmp_path: Path):
    x = vectors()
    np.save(tmp_path / "x.npy", x)
    index = faiss_bebr.map_vectors(tmp_path / "x.npy")
    data = serialize(index)
    with open(tmp_path / "x.npy", "ab") as stream:
        stream.write(b"more")
    with pytest.raises(RuntimeError, match="x.npy"):
        deserialize(data)
    (tmp_path / "x.npy").unlink()
    with pytest.raises(RuntimeError, match="could not open .*x.npy"):
        deserialize(data)
    for other in ("/dev/zero", str(tmp_path)):
        old = path_bytes(str(tmp_path / "x.npy"))
        damaged = seal(unseal(data).replace(old, path_bytes(other)))
        with pytest.raises(RuntimeError):
            deserialize(damaged)


def test_a_first_block_that_shares_weights():
    """Of a network: there is none before it."""
    transform = faiss_bebr.BinarizerTransform(D, [8, 8])
    no_hidden = np.zeros((0, 8)), np.zeros(0), np.zeros((D, 0))
    weight = np.ones((D, 8))
    transform.set_reconstruction_block(0, weight, np.zeros(D), *no_hidden)
    writer = faiss.VectorIOWriter()
    index_io.write_VectorTransform(transform, writer)
    payload = unseal(faiss.vector_to_array(writer.data).tobytes())
    # the number of hidden units, whether weights are shared, and they
    written = struct.pack("<iB", 0, 0) + weight.astype(np.float32).tobytes()
    assert payload.count(written) == 1
    data = seal(payload.replace(written, struct.pack("<iB", 0, 1)))
    with pytest.raises(RuntimeError, match="a first block without weights"):
        index_io.read_VectorTransform(faiss.PyCallbackIOReader(io.BytesIO(data).read))
