"""Where the fields of FAISS's own objects lie, found out through its Python.

Nothing here knows a declaration: a field is set to two values, and the bytes
that change are the field.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any, NamedTuple

import faiss
import numpy as np

# all bytes of both, as float32 and as float64, are not 0
FLOAT_VALUE = 1234.5678
UNSIGNED_MAXIMA = (2**64 - 1, 2**32 - 1, 2**16 - 1, 2**8 - 1)
# fills a std::string without memory elsewhere
TEXT = "fifteen letters"
# to point to; they live as long as the tests
DTYPES = ("uint8", "int32", "float32", "int64", "uint64")
BUFFERS = [np.zeros(8, dtype) for dtype in DTYPES]
RANGE_RESULT = faiss.RangeSearchResult(1)
READER = faiss.FileIOReader(os.devnull)
TARGETS = [
    faiss.IDSelectorAll(),
    faiss.IndexFlatL2(4),
    faiss.IndexBinaryFlat(8),
    faiss.ArrayInvertedLists(1, 1),
    faiss.SearchParameters(),
    faiss.VectorIOWriter(),
    RANGE_RESULT,
    faiss.RangeSearchPartialResult(RANGE_RESULT),
    READER,
    READER.f,
]


malloc_usable_size = ctypes.CDLL(None).malloc_usable_size
malloc_usable_size.argtypes = [ctypes.c_void_p]
malloc_usable_size.restype = ctypes.c_size_t


class Extent(NamedTuple):
    offset: int  # bytes
    size: int


def address_of(value: Any) -> int:
    """Of a SWIG proxy, a bare SWIG pointer, or None for a null pointer."""
    if value is None:
        return 0
    return int(value.this) if hasattr(value, "this") else int(value)


def memory_of(obj: Any) -> bytes:
    """The block of an object made by `new`; up to 15 bytes more than it."""
    start = address_of(obj)
    return ctypes.string_at(start, malloc_usable_size(start))


def python_fields(python_class: type) -> set[str]:
    """The fields that FAISS's Python shows of a class, without its bases'."""
    names = {name for name, v in vars(python_class).items() if isinstance(v, property)}
    return names - {"thisown"}


def is_embedded(obj: Any, value: Any) -> bool:
    """Whether a field's value is an object that lies in the field itself.

    No field of FAISS points into its own object, so what lies there is one.
    """
    return 0 <= address_of(value) - address_of(obj) < len(memory_of(obj))


def extreme_values(obj: Any, name: str) -> tuple[Any, Any]:
    """Two values of a field that differ in every byte as far as possible."""
    value = getattr(obj, name)
    if isinstance(value, bool):
        return False, True
    if isinstance(value, float):
        return 0.0, FLOAT_VALUE
    if isinstance(value, int):
        return 0, first_accepted(obj, name, (-1, *UNSIGNED_MAXIMA))
    if isinstance(value, str) and len(value) == 1:
        return 0, -1  # a char
    if isinstance(value, str):
        return "", TEXT
    pointers = [faiss.swig_ptr(buffer) for buffer in BUFFERS]
    return None, first_accepted(obj, name, (*TARGETS, *pointers))


def first_accepted(obj: Any, name: str, values: tuple[Any, ...]) -> Any:
    """The first value that the field takes; it is set back."""
    before = getattr(obj, name)
    for value in values:
        try:
            setattr(obj, name, value)
        except (TypeError, OverflowError, ValueError):
            continue
        setattr(obj, name, before)
        return value
    types = [type(value).__name__ for value in values]
    raise AssertionError(f"{type(obj).__name__}.{name} takes none of {types}")


def is_read_only(obj: Any, name: str) -> bool:
    return getattr(type(obj), name).fset is None


def observe_field(obj: Any, name: str) -> Extent:
    """The bytes of a field, counted from the start of its object.

    Of a pointer only the low bytes change, the others are added. Of an object
    inside the object only the start is known, so its size is 0.
    """
    value = getattr(obj, name)
    if not isinstance(value, (bool, int, float, str)) and is_embedded(obj, value):
        return Extent(address_of(value) - address_of(obj), 0)
    low, high = extreme_values(obj, name)
    try:
        setattr(obj, name, low)
        before = memory_of(obj)
        setattr(obj, name, high)
        after = memory_of(obj)
    finally:
        setattr(obj, name, value)
    changed = [i for i in range(len(before)) if before[i] != after[i]]
    assert changed, f"{type(obj).__name__}.{name} is not in the object"
    if low is None:
        return Extent(changed[0] & ~7, 8)
    if high == TEXT:
        # the length changes first, behind the address of the text
        return Extent(changed[0] - 8, 0)
    return Extent(changed[0], changed[-1] + 1 - changed[0])
