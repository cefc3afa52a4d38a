"""Reads what a compiler made of class declarations from its debug information.

So the list of fields and functions to check is the header itself: a field that
is added to a declaration is checked without anyone listing it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from elftools.dwarf.die import DIE
from elftools.elf.elffile import ELFFile

KIND_OF_ENCODING = {
    0x02: "bool",
    0x04: "float",
    0x05: "signed",
    0x06: "signed",  # char
    0x07: "unsigned",
    0x08: "unsigned",  # unsigned char
}
PRIVATE = 3  # DW_ACCESS_private


@dataclass(frozen=True)
class Field:
    name: str
    offset: int  # bytes
    size: int
    alignment: int
    # bool, float, signed, unsigned, enum, pointer or class
    kind: str
    class_name: str = field(default="", compare=False)

    @property
    def end(self) -> int:
        return self.offset + self.size


@dataclass(frozen=True)
class Function:
    """A declared member function; the compiler has no symbol for a constructor
    as such, so its name here has C4, and a destructor's D4."""

    mangled: str
    returns: str
    is_private: bool


@dataclass
class ClassLayout:
    name: str
    size: int  # bytes
    # name and offset
    bases: tuple[tuple[str, int], ...] = ()
    has_table_pointer: bool = False
    fields: tuple[Field, ...] = ()
    # mangled name -> bytes
    static_fields: dict[str, int] = field(default_factory=dict)
    # name -> value
    constants: dict[str, int] = field(default_factory=dict)
    functions: tuple[Function, ...] = ()


@dataclass
class Namespace:
    """What is defined in one C++ namespace."""

    classes: dict[str, ClassLayout] = field(default_factory=dict)
    # name -> enumerator -> value; also those inside of classes, and those
    # outside of the namespace that a field has
    enums: dict[str, dict[str, int]] = field(default_factory=dict)
    # name -> value
    constants: dict[str, int] = field(default_factory=dict)
    # mangled name -> bytes
    variables: dict[str, int] = field(default_factory=dict)

    def all_fields(self, name: str) -> list[Field]:
        """The fields of a class and its bases, at their place in the class."""
        layout = self.classes[name]
        found = [
            replace(f, offset=f.offset + offset)
            for base, offset in layout.bases
            if base in self.classes
            for f in self.all_fields(base)
        ]
        return sorted([*found, *layout.fields], key=lambda f: f.offset)


def read_namespace(path: Path, name: str) -> Namespace:
    """The C++ namespace `name` of a library that was compiled with -g."""
    with path.open("rb") as file:
        dwarf = ELFFile(file).get_dwarf_info()
        found = Namespace()
        for unit in dwarf.iter_CUs():
            for die in unit.get_top_DIE().iter_children():
                if die.tag == "DW_TAG_namespace" and _name(die) == name:
                    _read_members(die, found)
    return found


def _read_members(namespace: DIE, found: Namespace) -> None:
    for die in namespace.iter_children():
        if not _name(die):
            continue
        if die.tag == "DW_TAG_variable":
            if "DW_AT_const_value" in die.attributes:
                found.constants[_name(die)] = _value(die, "DW_AT_const_value")
            elif "DW_AT_external" in die.attributes:
                mangled = _text(die, "DW_AT_linkage_name")
                found.variables[mangled] = _size(_type(die))
        elif "DW_AT_declaration" in die.attributes:
            continue
        elif die.tag in ("DW_TAG_structure_type", "DW_TAG_class_type"):
            found.classes[_name(die)] = _read_class(die, found)
        elif die.tag == "DW_TAG_enumeration_type":
            found.enums[_name(die)] = _read_enumerators(die)


def _read_enumerators(die: DIE) -> dict[str, int]:
    return {
        _name(child): child.attributes["DW_AT_const_value"].value
        for child in die.iter_children()
        if child.tag == "DW_TAG_enumerator"
    }


def _read_class(die: DIE, found: Namespace) -> ClassLayout:
    layout = ClassLayout(_name(die), _value(die, "DW_AT_byte_size"))
    fields = []
    bases = []
    functions = []
    for child in die.iter_children():
        if child.tag == "DW_TAG_inheritance":
            bases.append((_name(_type(child)), _offset(child)))
        elif child.tag == "DW_TAG_enumeration_type":
            found.enums[f"{layout.name}::{_name(child)}"] = _read_enumerators(child)
        elif "DW_AT_const_value" in child.attributes and _is_data(child):
            layout.constants[_name(child)] = _value(child, "DW_AT_const_value")
        elif "DW_AT_external" in child.attributes and _is_data(child):
            type_die = _type(child)
            mangled = _text(child, "DW_AT_linkage_name")
            layout.static_fields[mangled] = _size(type_die)
        elif child.tag == "DW_TAG_member":
            if _name(child).startswith("_vptr"):
                layout.has_table_pointer = True
            else:
                fields.append(_read_field(child))
                if _is_global_enum(_type(child)):
                    found.enums[_name(_type(child))] = _read_enumerators(_type(child))
        elif child.tag == "DW_TAG_subprogram":
            # not those that the compiler adds
            if not {"DW_AT_artificial", "DW_AT_deleted"} & child.attributes.keys():
                functions.append(_read_function(child))
    layout.bases = tuple(bases)
    layout.fields = tuple(fields)
    layout.functions = tuple(functions)
    return layout


def _is_data(die: DIE) -> bool:
    return die.tag in ("DW_TAG_member", "DW_TAG_variable")


def _is_global_enum(die: DIE) -> bool:
    parent = die.get_parent()
    return die.tag == "DW_TAG_enumeration_type" and parent.tag == "DW_TAG_compile_unit"


def _read_field(die: DIE) -> Field:
    type_die = _type(die)
    return Field(
        name=_name(die),
        offset=_offset(die),
        size=_size(type_die),
        alignment=_alignment(type_die),
        kind=_kind(type_die),
        class_name=_name(type_die) if _kind(type_die) == "class" else "",
    )


def _read_function(die: DIE) -> Function:
    return Function(
        mangled=_text(die, "DW_AT_linkage_name"),
        returns=_type_text(die),
        is_private=_value(die, "DW_AT_accessibility") == PRIVATE,
    )


def _type_text(die: DIE) -> str:
    """The type of `die`, spelled out."""
    if "DW_AT_type" not in die.attributes:
        return "void"
    target = die.get_DIE_from_attribute("DW_AT_type")
    suffix = {
        "DW_TAG_pointer_type": "*",
        "DW_TAG_reference_type": "&",
        "DW_TAG_const_type": " const",
        "DW_TAG_typedef": "",
    }.get(target.tag)
    if suffix is None:
        return _name(target)
    return _type_text(target) + suffix


def _type(die: DIE) -> DIE:
    """The type of `die` without typedefs, const and volatile."""
    target = die.get_DIE_from_attribute("DW_AT_type")
    while target.tag in (
        "DW_TAG_typedef",
        "DW_TAG_const_type",
        "DW_TAG_volatile_type",
    ):
        target = target.get_DIE_from_attribute("DW_AT_type")
    return target


def _kind(type_die: DIE) -> str:
    if type_die.tag == "DW_TAG_base_type":
        return KIND_OF_ENCODING[_value(type_die, "DW_AT_encoding")]
    return {
        "DW_TAG_enumeration_type": "enum",
        "DW_TAG_pointer_type": "pointer",
        "DW_TAG_reference_type": "pointer",
    }.get(type_die.tag, "class")


def _size(type_die: DIE) -> int:
    if type_die.tag == "DW_TAG_array_type":
        count = 1
        for child in type_die.iter_children():
            count *= _value(child, "DW_AT_upper_bound") + 1
        return count * _size(_type(type_die))
    return _value(type_die, "DW_AT_byte_size")


def _alignment(type_die: DIE) -> int:
    if type_die.tag == "DW_TAG_array_type":
        return _alignment(_type(type_die))
    if _kind(type_die) != "class":
        return _size(type_die)
    members = [
        _alignment(_type(child))
        for child in type_die.iter_children()
        if child.tag in ("DW_TAG_member", "DW_TAG_inheritance")
        and "DW_AT_external" not in child.attributes
    ]
    return max(members, default=1)


def _offset(die: DIE) -> int:
    return _value(die, "DW_AT_data_member_location")


def _name(die: DIE) -> str:
    # the compiler spells template arguments `long int`, c++filt `long`
    return _text(die, "DW_AT_name").replace("long int", "long")


def _text(die: DIE, attribute: str) -> str:
    value = die.attributes.get(attribute)
    return value.value.decode() if value else ""


def _value(die: DIE, attribute: str) -> int:
    value = die.attributes.get(attribute)
    return value.value if value else 0
