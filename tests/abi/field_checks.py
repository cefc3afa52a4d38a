"""Compares declared fields with where FAISS's own Python puts them.

A field is set through FAISS's Python and read through the declaration, and the
other way round, on objects of the wheel.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import faiss
from dwarf_layout import Field, Namespace
from object_memory import (
    Extent,
    address_of,
    extreme_values,
    is_read_only,
    observe_field,
    python_fields,
)
from probes import Declared
from slot_checks import Problems
from wheel_objects import HIDDEN_FIELDS, OBJECTS

C_TYPES: dict[tuple[str, int], Any] = {
    ("bool", 1): ctypes.c_bool,
    ("signed", 1): ctypes.c_int8,
    ("signed", 2): ctypes.c_int16,
    ("signed", 4): ctypes.c_int32,
    ("signed", 8): ctypes.c_int64,
    ("unsigned", 1): ctypes.c_uint8,
    ("unsigned", 2): ctypes.c_uint16,
    ("unsigned", 4): ctypes.c_uint32,
    ("unsigned", 8): ctypes.c_uint64,
    ("float", 4): ctypes.c_float,
    ("float", 8): ctypes.c_double,
    ("enum", 1): ctypes.c_uint8,
    ("enum", 4): ctypes.c_int32,
    ("pointer", 8): ctypes.c_uint64,
}


def values_to_try(obj: Any, name: str, kind: str) -> tuple[Any, ...]:
    """Values that another type would read as something else."""
    low, high = extreme_values(obj, name)
    if kind in ("signed", "unsigned"):
        # neither is the same number in an integer of the other sign or size
        return low, high, high - 1, 0x12
    if kind == "enum":
        return low, 1, 2
    return low, high, low


def find_field_problem(obj: Any, declared_field: Field) -> str | None:
    """What differs between a declared field and the one of the same name."""
    name, kind = declared_field.name, declared_field.kind
    if is_read_only(obj, name):
        if kind == "class":
            return "declared as a class, in FAISS a number"
        found = field_memory(obj, declared_field).value
        value = getattr(obj, name)
        return None if found == value else f"Python has {value}, read as {found}"
    extent = observe_field(obj, name)
    if kind == "class":
        if extent != Extent(declared_field.offset, 0):
            return f"declared at {declared_field.offset}, in FAISS {extent}"
        return None
    if extent != Extent(declared_field.offset, declared_field.size):
        return f"declared at {declared_field.offset}, in FAISS {extent}"
    before = getattr(obj, name)
    try:
        return find_value_problem(obj, declared_field)
    finally:
        setattr(obj, name, before)


def find_value_problem(obj: Any, declared_field: Field) -> str | None:
    """Set through Python and read in memory, then the other way round."""
    name, kind = declared_field.name, declared_field.kind
    memory = field_memory(obj, declared_field)
    values = values_to_try(obj, name, kind)
    for value in values:
        setattr(obj, name, value)
        if memory.value != number_of(value, declared_field):
            return f"Python set {value}, read as {memory.value}"
    for value in values:
        memory.value = number_of(value, declared_field)
        found = number_of(getattr(obj, name), declared_field)
        if found != number_of(value, declared_field):
            return f"{value} was written, Python reads {found}"
    return None


def field_memory(obj: Any, declared_field: Field) -> Any:
    c_type = C_TYPES[declared_field.kind, declared_field.size]
    return c_type.from_address(address_of(obj) + declared_field.offset)


def number_of(value: Any, declared_field: Field) -> Any:
    """What a field holds for a value of FAISS's Python."""
    if declared_field.kind == "pointer":
        return address_of(value)
    if declared_field.kind == "float":
        return C_TYPES["float", declared_field.size](value).value
    if isinstance(value, str):
        byte = value.encode("utf-8", "surrogateescape")
        return int.from_bytes(byte, "little", signed=True)  # a char
    return value


def list_own_fields(
    namespace: Namespace, class_name: str, derived: str
) -> dict[str, Field]:
    """The fields of a class at their places in an object of a derived class."""
    bases = dict(
        namespace.classes[derived].bases if derived in namespace.classes else ()
    )
    start = bases.get(class_name, 0)
    return {
        f.name: replace(f, offset=start + f.offset)
        for f in namespace.classes[class_name].fields
        if f.name not in HIDDEN_FIELDS
    }


def find_field_problems(
    declared: Declared, names: Iterable[str] = OBJECTS.keys()
) -> Problems:
    problems: Problems = {}
    for class_name in names:
        python_name, make_object, derived = OBJECTS[class_name]
        fields = list_own_fields(declared.namespace, class_name, derived)
        theirs = python_fields(getattr(faiss, python_name)) - HIDDEN_FIELDS
        found = [f"{name} is not declared" for name in sorted(theirs - fields.keys())]
        for name in sorted(fields.keys() - theirs):
            found.append(f"{name} is not in FAISS")
        obj = make_object()
        for name in sorted(fields.keys() & theirs):
            problem = find_field_problem(obj, fields[name])
            if problem:
                found.append(f"{name}: {problem}")
        if found:
            problems[class_name] = found
    return problems
