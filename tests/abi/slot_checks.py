"""Compares declared virtual tables and bases with those of the wheel."""

from __future__ import annotations

import functools
import re

from dwarf_layout import ClassLayout
from elf_vtables import Place, SharedLibrary, Slot, demangle
from probes import PROBE_NAMESPACE, Declared

# class -> what is wrong with its declaration
Problems = dict[str, list[str]]

METHOD = re.compile(
    r"^(?P<scope>.*?)::(?P<name>~?\w+|operator\(\))(?P<arguments>\(.*\)( const)?)$"
)


@functools.cache
def method_of(name: str) -> tuple[str, str]:
    """Class, and function with its arguments, of a demangled name."""
    match = METHOD.match(name)
    assert match, f"not a member function: {name}"
    return match["scope"], match["name"] + match["arguments"]


def methods_of(slot: Slot, names: dict[str, str]) -> set[str]:
    return {method_of(names[name])[1] for name in slot.names}


def demangle_slots(tables: list[tuple[Slot, ...]]) -> dict[str, str]:
    return demangle(
        name for table in tables for slot in table if slot.is_named
        for name in slot.names
    )  # fmt: skip


def wheels_place(place: Place, declared: Declared) -> Place:
    return Place(declared.mangled[place.class_name], place.offset)


def list_related_tables(
    place: Place, declared: Declared, wheel: SharedLibrary
) -> list[tuple[Slot, ...]]:
    """Tables of the wheel whose first slots are the class's.

    Those of its derived classes, and of the classes derived from its bases as
    far as the base goes.
    """
    slot_counts = {
        mangled: len(declared.tables[Place(name)])
        for name, mangled in declared.mangled.items()
    }
    return [
        table[: slot_counts.get(base, 0)]
        for base in wheel.classes_at(wheels_place(place, declared))
        for derived in wheel.derived_places(base)
        for table in wheel.tables[derived]
    ]


def find_own_slot_problems(
    place: Place, declared: Declared, wheel: SharedLibrary
) -> list[str]:
    """Differences from the table that the wheel exports for the same class."""
    ours = declared.tables[place]
    theirs = wheel.exported_tables[wheels_place(place, declared)]
    if len(ours) != len(theirs):
        return [f"{len(ours)} slots, FAISS has {len(theirs)}"]
    names = demangle_slots([ours, theirs])
    problems = []
    for number, (our, their) in enumerate(zip(ours, theirs, strict=True)):
        (our_name,) = our.names
        is_ours = PROBE_NAMESPACE in our_name
        if their.is_null or their.is_destructor:
            fits = our.is_destructor
        elif their.is_pure:
            fits = is_ours and not our.is_destructor
        elif their.is_named:
            # a definition of our own would take the place of FAISS's
            fits = our_name in their.names and not our.is_local
        else:
            # inline in FAISS: it must be so here, as there is no such symbol
            fits = our.is_local and (our.is_destructor or not is_ours)
        if not fits:
            theirs_text = ", ".join(names.get(n, n) for n in their.names) or "inline"
            problems.append(
                f"slot {number}: declared {names[our_name]}, in FAISS {theirs_text}"
            )
    return problems


def find_override_problems(
    place: Place, declared: Declared, wheel: SharedLibrary
) -> list[str]:
    """Slots in which a class derived in the wheel has another function."""
    ours = declared.tables[place]
    tables = list_related_tables(place, declared, wheel)
    names = demangle_slots([ours, *tables])
    problems = []
    for table in tables:
        for number, (our, their) in enumerate(zip(ours, table, strict=False)):
            if not their.is_named or their.is_destructor and our.is_destructor:
                continue
            if not methods_of(our, names) & methods_of(their, names):
                problems.append(
                    f"slot {number}: declared {methods_of(our, names)}, "
                    f"overridden as {[names[name] for name in their.names]}"
                )
    # an abstract class that is not exported may end in slots without a function
    fewest = min(
        (
            len(table)
            for name, start in wheel.derived_places(declared.mangled[place.class_name])
            for table in wheel.tables.get(Place(name, start + place.offset), [])
            if not any(slot.is_pure for slot in table)
        ),
        default=None,
    )
    if fewest != len(ours):
        problems.append(f"{len(ours)} slots, derived classes have {fewest} or more")
    return problems


def find_unnamed_functions(declared: Declared, wheel: SharedLibrary) -> set[str]:
    """Declared functions that no table of the wheel names in any class."""
    unnamed = set()
    for place, ours in declared.tables.items():
        tables = list_related_tables(place, declared, wheel)
        names = demangle_slots([ours])
        for number, our in enumerate(ours):
            if our.is_destructor:
                continue
            if not any(len(t) > number and t[number].is_named for t in tables):
                (function,) = methods_of(our, names)
                unnamed.add(f"{place.class_name}.{function.partition('(')[0]}")
    return unnamed


def find_place_problems(
    place: Place, declared: Declared, wheel: SharedLibrary
) -> list[str]:
    found = find_override_problems(place, declared, wheel)
    if wheels_place(place, declared) in wheel.exported_tables:
        found += find_own_slot_problems(place, declared, wheel)
    return found


def find_slot_problems(declared: Declared, wheel: SharedLibrary) -> Problems:
    problems: Problems = {}
    for place in declared.tables:
        found = find_place_problems(place, declared, wheel)
        if found:
            problems.setdefault(place.class_name, []).extend(found)
    for class_name, mangled in declared.mangled.items():
        ours = {place.offset for place in declared.tables if place[0] == class_name}
        theirs = {
            place.offset for place in wheel.exported_tables if place[0] == mangled
        }
        if theirs and ours != theirs:
            problem = f"tables at {sorted(ours)}, in FAISS at {sorted(theirs)}"
            problems.setdefault(class_name, []).append(problem)
    return problems


def find_base_problems(declared: Declared, wheel: SharedLibrary) -> Problems:
    """Classes whose bases, or their places, are not those of the wheel."""
    names = demangle(f"_ZTI{name}" for name in wheel.bases)
    problems = {}
    for mangled, bases in wheel.bases.items():
        name = names[f"_ZTI{mangled}"].removeprefix("typeinfo for faiss::")
        layout = declared.namespace.classes.get(name)
        if layout is None:
            continue
        theirs = {(last_name(base), offset) for base, offset in bases}
        ours = set(layout.bases)
        if ours != theirs:
            problems[name] = [f"declared bases {ours}, FAISS has {theirs}"]
    return problems


def last_name(mangled: str) -> str:
    """`exception` of `St9exception`, `Index` of `N5faiss5IndexE`."""
    name = demangle([f"_ZTI{mangled}"])[f"_ZTI{mangled}"]
    return name.removeprefix("typeinfo for ").partition("::")[2]


def list_affected(names: set[str], declared: Declared) -> set[str]:
    """The classes, and those that have one of them as a base or as a field."""
    classes = declared.namespace.classes

    def has_one(name: str) -> bool:
        layout = classes.get(name)
        parts = layout and [
            *(base for base, _ in layout.bases),
            *(f.class_name for f in layout.fields),
        ]
        return name in names or any(has_one(part) for part in parts or ())

    return {name for name in classes if has_one(name)}


def is_polymorphic(layout: ClassLayout, classes: dict[str, ClassLayout]) -> bool:
    return layout.has_table_pointer or any(
        base not in classes or is_polymorphic(classes[base], classes)
        for base, _ in layout.bases
    )
