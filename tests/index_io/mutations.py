"""Damage to index files, at random or by somebody who means harm."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

import faiss
import numpy as np

from faiss_bebr.index_io.domains import domain_of
from faiss_bebr.index_io.nodes import write_node

CHUNK = 1 << 20

Field = tuple[int, int]
"""Place and length in a payload."""
Mutation = Callable[[bytes, np.random.Generator], bytes]


def seal(payload: bytes, version: int = 6) -> bytes:
    """The file of a payload, as swig/io/payload_write.h says."""
    chunks = [payload[i : i + CHUNK] for i in range(0, len(payload), CHUNK)]
    header = b"BEBR" + struct.pack("<IQ", version, len(payload))
    header += b"".join(struct.pack("<I", zlib.crc32(chunk)) for chunk in chunks)
    return header + struct.pack("<I", zlib.crc32(header)) + payload


def unseal(data: bytes) -> bytes:
    """The payload of a file."""
    version, size = struct.unpack_from("<IQ", data, 4)
    payload = data[len(data) - size :]
    assert seal(payload, version) == data
    return payload


def find_fields(obj: Any) -> tuple[bytes, list[Field]]:
    """The payload of an index or a transform, and the pieces in which it is
    written, by us and by FAISS: tags, numbers and arrays."""
    pieces = [domain_of(obj).tag]
    write_node(obj, faiss.PyCallbackIOWriter(pieces.append))
    ends = np.cumsum([len(piece) for piece in pieces]).tolist()
    fields = [
        (end - len(piece), len(piece))
        for end, piece in zip(ends, pieces, strict=True)
        if piece
    ]
    return b"".join(pieces), fields


def _place(data: bytes, rng: np.random.Generator, length: int = 1) -> int:
    return int(rng.integers(0, max(len(data) - length, 0) + 1))


def _replace(data: bytes, place: int, new: bytes) -> bytes:
    return data[:place] + new + data[place + len(new) :]


def _choose(items: Any, rng: np.random.Generator) -> Any:
    return items[int(rng.integers(0, len(items)))]


# of any bytes


def flip_bits(data: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        damaged[rng.integers(0, len(data))] ^= 1 << int(rng.integers(0, 8))
    return bytes(damaged)


def truncate(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: rng.integers(0, len(data))]


def insert(data: bytes, rng: np.random.Generator) -> bytes:
    place = _place(data, rng)
    return data[:place] + rng.bytes(int(rng.integers(1, 20))) + data[place:]


def remove(data: bytes, rng: np.random.Generator) -> bytes:
    place = _place(data, rng)
    return data[:place] + data[place + int(rng.integers(1, 20)) :]


def swap(data: bytes, rng: np.random.Generator) -> bytes:
    """Two stretches of equal length."""
    length = int(rng.integers(1, max(len(data) // 4, 2)))
    a, b = sorted((_place(data, rng, length), _place(data, rng, length)))
    if b < a + length:
        return data[a:] + data[:a]
    first, middle = data[a : a + length], data[a + length : b]
    return data[:a] + data[b : b + length] + middle + first + data[b + length :]


def overwrite(data: bytes, rng: np.random.Generator) -> bytes:
    place = _place(data, rng)
    return _replace(data, place, rng.bytes(int(rng.integers(1, 64))))[: len(data)]


ANY_BYTES = [flip_bits, truncate, insert, remove, swap, overwrite]


# of a payload, to be sealed again

HUGE = [(1 << 20) + 1, 1 << 24, 1 << 28, 1 << 30, (1 << 31) - 1, 1 << 31]
HUGE += [(1 << 32) - 1, 1 << 32, (1 << 32) + 1, 1 << 36, 1 << 40, 1 << 48]
HUGE += [(1 << 61) - 1, 1 << 61, (1 << 62) + 1, (1 << 63) - 1, 1 << 63]
HUGE += [(1 << 64) - 1]
_NUMBERS = [0, 1, 2, 3, 7, 8, 9, 255, 256, 4096, 1 << 15, 1 << 16, 1 << 20, *HUGE]

_TAGS = b"""
SDC_ IVFS BSDC BIVS BEBR MAPV FAIS TREE SHRD REPL FLAT RFLT
ilar ilod il00 full sprs IxPT IxMp IxM2 IxRF IxF2 IxFI IxFl IH00 IHNf IwFl IwSq IwPQ
IwPf IxSQ RmDT LTra VNrm null IBwF IBxF IBMp IBM2 IBFf IBHf IwQR Ix2L IwFd
""".split()


def _hard_number(
    payload: bytes, rng: np.random.Generator, place: int, size: int
) -> bytes:
    """One that is hard to bear, in the place of another one."""
    old = int.from_bytes(payload[place : place + size], "little")
    choice = rng.integers(0, 4)
    if choice == 0:
        number = old + int(_choose([-8, -2, -1, 1, 2, 8], rng))
    elif choice == 1:
        number = old * int(rng.integers(2, 9)) if rng.random() < 0.5 else old // 2
    elif choice == 2:
        number = len(payload)
    else:
        number = _choose(_NUMBERS, rng)
    return (number % (1 << (8 * size))).to_bytes(size, "little")


def set_number(payload: bytes, rng: np.random.Generator) -> bytes:
    """A number of any size anywhere."""
    size = int(_choose([1, 2, 4, 8], rng))
    place = _place(payload, rng, size)
    return _replace(payload, place, _hard_number(payload, rng, place, size))


def exchange_tag(payload: bytes, rng: np.random.Generator) -> bytes:
    places = [place for tag in _TAGS if (place := payload.find(tag)) >= 0]
    if not places:
        return payload
    return _replace(payload, _choose(places, rng), _choose(_TAGS, rng))


_PATHS = b"""
index index.index quantizer chain[0] chain[1] chain[9] index.chain[0] storage
refine_index base_index this __class__ index.quantizer index.storage own_fields d
invlists hnsw index.index.index at(0) \xff\xfe index.
""".split()


def exchange_path(payload: bytes, rng: np.random.Generator) -> bytes:
    for path in sorted(_PATHS, key=len, reverse=True):
        whole = struct.pack("<H", len(path)) + path
        if whole in payload:
            new = _choose([*_PATHS, b""], rng)
            return payload.replace(whole, struct.pack("<H", len(new)) + new, 1)
    return payload


def _is_number(field: Field) -> bool:
    return field[1] in (1, 2, 4, 8)


def make_field_mutations(payload: bytes, fields: list[Field]) -> list[Mutation]:
    """Those that know where fields are; a payload that is damaged already is
    damaged where they were."""
    numbers = [field for field in fields if _is_number(field)]
    arrays = [field for field in fields if not _is_number(field)]

    def set_field(damaged: bytes, rng: np.random.Generator) -> bytes:
        for _ in range(rng.integers(1, 3)):
            place, size = _choose(numbers, rng)
            new = _hard_number(damaged, rng, place, size)
            damaged = _replace(damaged, place, new)
        return damaged

    def set_equal_fields(damaged: bytes, rng: np.random.Generator) -> bytes:
        """As if all who have to agree on a number had another one."""
        place, size = _choose(numbers, rng)
        old = payload[place : place + size]
        new = _hard_number(payload, rng, place, size)
        for other, length in numbers:
            value = int.from_bytes(payload[other : other + length], "little")
            if value == int.from_bytes(old, "little") and rng.random() < 0.9:
                value = int.from_bytes(new, "little") % (1 << (8 * length))
                damaged = _replace(damaged, other, value.to_bytes(length, "little"))
        return damaged

    def set_element(damaged: bytes, rng: np.random.Generator) -> bytes:
        if not arrays:
            return damaged
        start, length = _choose(arrays, rng)
        size = min(int(_choose([4, 8], rng)), length)
        place = start + size * int(rng.integers(0, length // size))
        return _replace(damaged, place, _hard_number(damaged, rng, place, size))

    def drop_field(damaged: bytes, rng: np.random.Generator) -> bytes:
        place, length = _choose(fields, rng)
        return damaged[:place] + damaged[place + length :]

    def repeat_field(damaged: bytes, rng: np.random.Generator) -> bytes:
        place, length = _choose(fields, rng)
        return damaged[: place + length] + damaged[place:]

    return [set_field, set_field, set_field, set_equal_fields, set_equal_fields] + [
        set_element,
        set_element,
        drop_field,
        repeat_field,
    ]


def make_splice(others: list[bytes]) -> Mutation:
    """Stretches of other payloads in the place of one."""

    def splice(payload: bytes, rng: np.random.Generator) -> bytes:
        other = _choose(others, rng)
        start = _place(other, rng)
        stretch = other[start : start + int(rng.integers(1, 400))]
        place = _place(payload, rng)
        gap = len(stretch) if rng.random() < 0.5 else int(rng.integers(0, 400))
        return payload[:place] + stretch + payload[place + gap :]

    return splice


def mutate(
    data: bytes, rng: np.random.Generator, of_payload: list[Mutation], share_raw: float
) -> bytes:
    """A damaged file: mostly with a damaged payload and the right checksums."""
    if rng.random() < share_raw:
        return _choose(ANY_BYTES, rng)(data, rng)
    mutations = [*ANY_BYTES, *of_payload]
    payload = unseal(data)
    for _ in range(1 + int(rng.random() < 0.2)):
        if payload:
            payload = _choose(mutations, rng)(payload, rng)
    return seal(payload)


# one after the other


def cut_payloads(payload: bytes, fields: list[Field]) -> list[bytes]:
    """All that end at a field."""
    return [seal(payload[:place]) for place, _ in fields]


def huge_numbers(payload: bytes, fields: list[Field]) -> list[bytes]:
    """Every number, and the first of every array, as every huge one."""
    files = set()
    for place, length in fields:
        size = length if _is_number((place, length)) else min(8, length)
        for number in HUGE:
            new = (number % (1 << (8 * size))).to_bytes(size, "little")
            files.add(seal(_replace(payload, place, new)))
    return sorted(files)
