"""Prints, as JSON, the size of each class in the wheel, from its operator new.

A program of its own, as allocation_recorder.cpp has to be preloaded:
`record_allocations.py RECORDER_LIBRARY`. Beside the size, whether the
constructor wrote past it.
"""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Callable
from typing import Any

import faiss

PATTERN = 0xA5
# declared class -> an object of that class, or of one that adds no field to it
ALLOCATED: dict[str, Callable[[], Any]] = {
    "IndexFlatCodes": lambda: faiss.IndexFlatCodes(8, 8),
    "MaybeOwnedVector<unsigned char>": faiss.MaybeOwnedVectorUInt8,
    "MaybeOwnedVectorOwner": faiss.MaybeOwnedVectorOwner,
    "IDSelector": faiss.IDSelectorAll,
    "InterruptCallback": faiss.PythonInterruptCallback,
    "ClusteringParameters": faiss.ClusteringParameters,
    "RangeSearchResult": lambda: faiss.RangeSearchResult(3),
    "SearchParameters": faiss.SearchParameters,
    "InvertedListScannerStats": faiss.InvertedListScannerStats,
}


def main(path: str) -> None:
    recorder = ctypes.CDLL(path)
    recorder.get_allocated_size.restype = ctypes.c_size_t
    recorder.get_slack.restype = ctypes.c_size_t
    slack = recorder.get_slack()
    found = {}
    for name, make in ALLOCATED.items():
        recorder.arm_recorder(PATTERN)
        obj = make()
        recorder.disarm_recorder()
        address = int(obj.this)
        size = recorder.get_allocated_size(ctypes.c_void_p(address))
        behind = ctypes.string_at(address + size, slack)
        found[name] = {"size": size, "overrun": behind != bytes([PATTERN]) * slack}
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
