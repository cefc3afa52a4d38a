"""The checks of fields, sizes and tables, on every class declared wrongly.

wrong_headers.py has wrong headers that are compiled, a few for each kind of
fault. Here what the compiler made of the right ones is changed, so that each
class has each fault.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import replace

import pytest
from dwarf_layout import ClassLayout, Field, Namespace
from elf_vtables import Place, SharedLibrary, Slot, demangle
from exercise_calls import CALLED_FUNCTIONS
from field_checks import find_field_problems
from probes import Declared
from size_checks import NEVER_MADE, OTHERWISE, find_size_problems
from slot_checks import find_place_problems, method_of
from wheel_objects import HIDDEN_FIELDS, OBJECTS

READ_ONLY_FIELDS = {"PARALLEL_MODE_NO_HEAP_INIT"}
WRONG_KINDS = {"signed": "unsigned", "unsigned": "signed", "float": "signed"}


def with_layout(declared: Declared, layout: ClassLayout) -> Declared:
    classes = declared.namespace.classes | {layout.name: layout}
    return replace(declared, namespace=Namespace(classes))


def wrong_fields(fields: list[Field]) -> Iterator[tuple[Field, ...]]:
    """Two exchanged, one missing, one more, one of another type."""
    for i in range(len(fields) - 1):
        first, second = fields[i : i + 2]
        exchanged = [
            replace(second, name=first.name),
            replace(first, name=second.name),
        ]
        yield (*fields[:i], *exchanged, *fields[i + 2 :])
    for i, field in enumerate(fields):
        before, after = fields[:i], fields[i + 1 :]
        yield (*before, *after)
        yield (*fields, replace(field, name="one_more"))
        yield (*before, replace(field, offset=field.offset + field.alignment), *after)
        if field.name not in READ_ONLY_FIELDS and field.kind != "class":
            yield (*before, replace(field, size=field.size * 2), *after)
            if field.kind in WRONG_KINDS:
                yield (*before, replace(field, kind=WRONG_KINDS[field.kind]), *after)


@pytest.mark.parametrize("name", OBJECTS)
def test_wrong_fields_are_found(name: str, declared: Declared) -> None:
    layout = declared.namespace.classes[name]
    fields = [field for field in layout.fields if field.name not in HIDDEN_FIELDS]
    for wrong in wrong_fields(fields):
        mutant = with_layout(declared, replace(layout, fields=wrong))
        assert find_field_problems(mutant, [name]), wrong


def test_wrong_sizes_are_found(
    declared: Declared,
    libfaiss: ctypes.CDLL,
    allocated: dict[str, dict[str, int]],
) -> None:
    for name, layout in declared.namespace.classes.items():
        if name in OTHERWISE | NEVER_MADE:
            continue
        one_more = Field("one_more", layout.size, 8, 8, "unsigned")
        longer = replace(
            layout, size=layout.size + 8, fields=(*layout.fields, one_more)
        )
        mutants = [longer]
        if layout.fields:
            *others, last = layout.fields
            mutants.append(replace(layout, size=last.offset, fields=tuple(others)))
        for mutant in mutants:
            problems = find_size_problems(
                with_layout(declared, mutant), libfaiss, allocated
            )
            assert name in problems, mutant


def wrong_slots(
    table: tuple[Slot, ...],
) -> Iterator[tuple[tuple[Slot, ...], set[Slot]]]:
    """Two exchanged, one missing, one more; and the slots that moved."""
    for i in range(len(table) - 1):
        first, second = table[i : i + 2]
        yield (*table[:i], second, first, *table[i + 2 :]), {first, second}
    yield table[1:], set(table)
    yield (*table, table[-1]), set(table)


def test_wrong_slots_are_found(declared: Declared, wheel: SharedLibrary) -> None:
    for place, table in declared.tables.items():
        for wrong, moved in wrong_slots(table):
            mutant = replace(declared, tables=declared.tables | {place: wrong})
            if not find_place_problems(place, mutant, wheel):
                # then test_virtual_calls has to find it
                assert list_functions(place, moved) <= CALLED_FUNCTIONS


def list_functions(place: Place, slots: set[Slot]) -> set[str]:
    """All but the two destructors, which the compiler has in one order."""
    mangled = {name for slot in slots if not slot.is_destructor for name in slot.names}
    methods = {method_of(name)[1] for name in demangle(mangled).values()}
    return {f"{place.class_name}.{method.partition('(')[0]}" for method in methods}
