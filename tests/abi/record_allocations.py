"""Prints, as JSON, the size of each class in the wheel, from its operator new.

A program of its own, as allocation_recorder.cpp has to be preloaded:
`record_allocations.py RECORDER_LIBRARY`. Beside the size, whether the
constructor wrote past it.
"""

from __future__ import annotations

import ctypes
import json
import sys

from wheel_objects import ALLOCATED

PATTERN = 0xA5


def main(path: str) -> None:
    recorder = ctypes.CDLL(path)
    recorder.get_allocated_size.restype = ctypes.c_size_t
    recorder.get_slack.restype = ctypes.c_size_t
    slack = recorder.get_slack()
    found = {}
    for name, wheel_object in ALLOCATED.items():
        recorder.arm_recorder(PATTERN)
        obj = wheel_object.make()
        recorder.disarm_recorder()
        address = int(obj.this)
        size = recorder.get_allocated_size(ctypes.c_void_p(address))
        behind = ctypes.string_at(address + size, slack)
        found[name] = {"size": size, "overrun": behind != bytes([PATTERN]) * slack}
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
