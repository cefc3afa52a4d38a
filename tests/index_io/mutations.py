"""Index files that are damaged at random, or made by somebody who means harm."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

CHUNK = 1 << 20

Mutation = Callable[[bytes, np.random.Generator], bytes]


def seal(payload: bytes) -> bytes:
    """The file of a payload, as swig/io/payload_write.h says."""
    chunks = [payload[i : i + CHUNK] for i in range(0, len(payload), CHUNK)]
    header = b"BEBR" + struct.pack("<IQ", 1, len(payload))
    header += b"".join(struct.pack("<I", zlib.crc32(chunk)) for chunk in chunks)
    return header + struct.pack("<I", zlib.crc32(header)) + payload


def unseal(data: bytes) -> bytes:
    """The payload of a file."""
    (size,) = struct.unpack_from("<Q", data, 8)
    payload = data[len(data) - size :]
    assert seal(payload) == data
    return payload


def _place(data: bytes, rng: np.random.Generator, length: int = 1) -> int:
    return int(rng.integers(0, max(len(data) - length, 0) + 1))


def _replace(data: bytes, place: int, new: bytes) -> bytes:
    return data[:place] + new + data[place + len(new) :]


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
    middle = data[a + length : b]
    return (
        data[:a]
        + data[b : b + length]
        + middle
        + data[a : a + length]
        + data[b + length :]
    )


def overwrite(data: bytes, rng: np.random.Generator) -> bytes:
    place = _place(data, rng)
    length = int(rng.integers(1, 64))
    return _replace(data, place, rng.bytes(length))[: len(data)]


ANY_BYTES = [flip_bits, truncate, insert, remove, swap, overwrite]


# of a payload, to be sealed again

_NUMBERS = [0, 1, 2, 3, 7, 8, 9, 255, 256, 4096, 1 << 15, 1 << 16, 1 << 20]
_NUMBERS += [(1 << 20) + 1, 1 << 24, 1 << 28, 1 << 30, (1 << 31) - 1, 1 << 31]
_NUMBERS += [(1 << 32) - 1, 1 << 32, (1 << 32) + 1, 1 << 36, 1 << 40, 1 << 48]
_NUMBERS += [
    (1 << 61) - 1,
    1 << 61,
    (1 << 62) + 1,
    (1 << 63) - 1,
    1 << 63,
    (1 << 64) - 1,
]

_TAGS = [b"SDC_", b"IVFS", b"BSDC", b"BIVS", b"BEBR", b"MAPV", b"FAIS", b"TREE"]
_TAGS += [
    b"SHRD",
    b"REPL",
    b"FLAT",
    b"RFLT",
    b"ilar",
    b"ilod",
    b"il00",
    b"full",
    b"sprs",
]
_TAGS += [
    b"IxPT",
    b"IxMp",
    b"IxM2",
    b"IxRF",
    b"IxF2",
    b"IxFI",
    b"IxFl",
    b"IH00",
    b"IHNf",
]
_TAGS += [
    b"IwFl",
    b"IwSq",
    b"IwPQ",
    b"IwPf",
    b"IxSQ",
    b"RmDT",
    b"LTra",
    b"VNrm",
    b"null",
]
_TAGS += [
    b"IBwF",
    b"IBxF",
    b"IBMp",
    b"IBM2",
    b"IBFf",
    b"IBHf",
    b"IwQR",
    b"Ix2L",
    b"IwFd",
]


def set_number(payload: bytes, rng: np.random.Generator) -> bytes:
    """A number of any size anywhere becomes one that is hard to bear."""
    size = int(rng.choice([1, 2, 4, 8]))
    place = _place(payload, rng, size)
    number = _hard_number(payload, rng, place, size)
    return _replace(payload, place, number.to_bytes(size, "little"))


def _hard_number(
    payload: bytes, rng: np.random.Generator, place: int, size: int
) -> int:
    old = int.from_bytes(payload[place : place + size], "little")
    choice = rng.integers(0, 4)
    if choice == 0:
        number = old + int(rng.choice([-8, -2, -1, 1, 2, 8]))
    elif choice == 1:
        number = old * int(rng.integers(2, 9)) if rng.random() < 0.5 else old // 2
    elif choice == 2:
        number = len(payload)
    else:
        number = int(rng.choice(np.array(_NUMBERS, dtype=object)))
    return number % (1 << (8 * size))


def find_sizes(payload: bytes, sizes: list[int]) -> list[tuple[int, int]]:
    """Where a payload has one of some numbers, and in how many bytes."""
    found = []
    for number in sizes:
        for size in (4, 8):
            pattern = number.to_bytes(size, "little")
            place = payload.find(pattern)
            while place >= 0 and len(found) < 4000:
                found.append((place, size))
                place = payload.find(pattern, place + 1)
    return found


def exchange_tag(payload: bytes, rng: np.random.Generator) -> bytes:
    places = [(p, tag) for tag in _TAGS if (p := payload.find(tag)) >= 0]
    if not places:
        return payload
    place, _ = places[rng.integers(0, len(places))]
    return _replace(payload, place, _TAGS[rng.integers(0, len(_TAGS))])


_PATHS = [b"index", b"index.index", b"quantizer", b"chain[0]", b"chain[1]", b"chain[9]"]
_PATHS += [b"index.chain[0]", b"storage", b"refine_index", b"base_index", b"", b"this"]
_PATHS += [b"__class__", b"index.quantizer", b"index.storage", b"own_fields", b"d"]
_PATHS += [b"invlists", b"hnsw", b"index.index.index", b"at(0)", b"\xff\xfe", b"index."]


def exchange_path(payload: bytes, rng: np.random.Generator) -> bytes:
    for path in sorted(_PATHS, key=len, reverse=True):
        whole = struct.pack("<H", len(path)) + path
        if path and whole in payload:
            new = _PATHS[rng.integers(0, len(_PATHS))]
            return payload.replace(whole, struct.pack("<H", len(new)) + new, 1)
    return payload


def make_size_mutation(sizes: list[int]) -> Mutation:
    """One that knows what numbers of an index are sizes."""
    places: dict[bytes, list[tuple[int, int]]] = {}

    def set_size(payload: bytes, rng: np.random.Generator) -> bytes:
        if payload not in places:
            places.clear()
            places[payload] = find_sizes(payload, sizes)
        found = places[payload]
        if not found:
            return payload
        for _ in range(rng.integers(1, 3)):
            place, size = found[rng.integers(0, len(found))]
            number = _hard_number(payload, rng, place, size)
            payload = _replace(payload, place, number.to_bytes(size, "little"))
        return payload

    return set_size


def make_splice(others: list[bytes]) -> Mutation:
    """Stretches of other payloads in the place of one."""

    def splice(payload: bytes, rng: np.random.Generator) -> bytes:
        other = others[rng.integers(0, len(others))]
        start = _place(other, rng)
        stretch = other[start : start + int(rng.integers(1, 400))]
        place = _place(payload, rng)
        end = place + (
            len(stretch) if rng.random() < 0.5 else int(rng.integers(0, 400))
        )
        return payload[:place] + stretch + payload[end:]

    return splice


def mutate(
    data: bytes, rng: np.random.Generator, of_payload: list[Mutation], share_raw: float
) -> bytes:
    """A damaged file: mostly with a damaged payload and the right checksums."""
    if rng.random() < share_raw:
        return ANY_BYTES[rng.integers(0, len(ANY_BYTES))](data, rng)
    mutations: list[Any] = [*ANY_BYTES, *of_payload]
    payload = unseal(data)
    for _ in range(1 + int(rng.random() < 0.2)):
        if payload:
            payload = mutations[rng.integers(0, len(mutations))](payload, rng)
    return seal(payload)
