"""Reads virtual tables and class hierarchies out of a shared library.

The faiss-cpu wheel has no headers, but its tables of virtual functions are
filled in by relocations, which name the function of each slot. Classes whose
table is not exported are found too: a table points to the typeinfo of its
class, and the typeinfo has the class's name.
"""

from __future__ import annotations

import functools
import struct
import subprocess
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection

WORD = 8  # bytes
LARGEST_OBJECT = 1 << 20  # bytes
PURE = "__cxa_pure_virtual"
# R_X86_64_RELATIVE and R_AARCH64_RELATIVE; the other kinds name a symbol
RELATIVE_RELOCATIONS = (8, 1027)
# R_X86_64_64 and R_AARCH64_ABS64
SYMBOL_RELOCATIONS = (1, 257)
# what c++filt said so far
_DEMANGLED: dict[str, str] = {}


@dataclass(frozen=True)
class Slot:
    """One entry of a virtual table."""

    # mangled; aliases of one address, or empty for a function not exported
    names: frozenset[str]
    # an abstract class without a destructor of its own has two such slots
    is_null: bool = False
    # whether the function is in this library
    is_local: bool = False

    @property
    def is_pure(self) -> bool:
        return PURE in self.names

    @property
    def is_named(self) -> bool:
        return bool(self.names) and not self.is_pure

    @property
    def is_destructor(self) -> bool:
        return any(name.endswith(("D0Ev", "D1Ev", "D2Ev")) for name in self.names)


@dataclass(frozen=True)
class Symbol:
    address: int
    size: int


@dataclass(frozen=True)
class _Target:
    """What a relocated word points to: an address here, or a foreign symbol."""

    address: int | None
    name: str | None


class Place(NamedTuple):
    """Where a virtual table belongs: a class, and the offset in its objects.

    At 0 is the table of the class and its first base; each further base with
    virtual functions has its own.
    """

    class_name: str
    offset: int = 0


@dataclass
class SharedLibrary:
    """Classes are named as in their typeinfo: `N5faiss5IndexE`."""

    exports: dict[str, Symbol] = field(default_factory=dict)
    imports: set[str] = field(default_factory=set)
    # class -> its bases with their offsets in bytes
    bases: dict[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)
    # more than one if sources have private copies of a class
    tables: dict[Place, list[tuple[Slot, ...]]] = field(default_factory=dict)
    # those of the classes whose tables are an exported symbol
    exported_tables: dict[Place, tuple[Slot, ...]] = field(default_factory=dict)

    def derived_places(self, base: str) -> list[Place]:
        """Where tables begin with the slots of `base`, its own included."""
        return self._derived_places.get(base, [])

    def classes_at(self, place: Place) -> frozenset[str]:
        """The class itself or a base of it, that one's first base, and so on."""
        return self._subobjects(place.class_name).get(place.offset, frozenset())

    @functools.cached_property
    def _derived_places(self) -> dict[str, list[Place]]:
        found = defaultdict(list)
        for place in self.tables:
            for base in self.classes_at(place):
                found[base].append(place)
        return found

    def _subobjects(self, name: str) -> dict[int, frozenset[str]]:
        """By offset, the class and its bases that begin there."""
        found = {0: frozenset([name])}
        for base, start in self.bases.get(name, ()):
            for offset, classes in self._subobjects(base).items():
                before = found.get(start + offset, frozenset())
                found[start + offset] = before | classes
        return found


def merge_libraries(first: SharedLibrary, second: SharedLibrary) -> SharedLibrary:
    """What two libraries say together; the first has the say on bases."""
    tables = dict(first.tables)
    for place, found in second.tables.items():
        tables[place] = tables.get(place, []) + found
    return SharedLibrary(
        exports=first.exports,
        imports=first.imports,
        bases=second.bases | first.bases,
        tables=tables,
        exported_tables=first.exported_tables,
    )


def read_library(path: Path) -> SharedLibrary:
    """All exported symbols, and all classes with virtual functions."""
    with path.open("rb") as file:
        return _Reader(ELFFile(file), path.read_bytes()).read()


class _Reader:
    def __init__(self, elf: ELFFile, data: bytes) -> None:
        self.data = data
        self.segments = [
            segment.header
            for segment in elf.iter_segments()
            if segment["p_type"] == "PT_LOAD"
        ]
        symbols = list(elf.get_section_by_name(".dynsym").iter_symbols())
        self.library = SharedLibrary()
        self.names_at: dict[int, set[str]] = defaultdict(set)
        for symbol in symbols:
            if symbol["st_shndx"] == "SHN_UNDEF":
                self.library.imports.add(symbol.name)
            else:
                address = symbol["st_value"]
                self.library.exports[symbol.name] = Symbol(address, symbol["st_size"])
                self.names_at[address].add(symbol.name)
        self.targets: dict[int, _Target] = {}
        # there a typeinfo may precede unrelated functions, as if it led a table
        offset_tables = [
            range(section["sh_addr"], section["sh_addr"] + section["sh_size"])
            for section in elf.iter_sections()
            if section.name.startswith(".got")
        ]
        for section in elf.iter_sections():
            if isinstance(section, RelocationSection):
                for relocation in section.iter_relocations():
                    entry = relocation.entry
                    if not any(entry["r_offset"] in table for table in offset_tables):
                        self._add_target(entry, symbols)

    def _add_target(self, entry: dict, symbols: list) -> None:
        kind = entry["r_info_type"]
        if kind in RELATIVE_RELOCATIONS:
            target = _Target(entry["r_addend"], None)
        elif kind in SYMBOL_RELOCATIONS:
            symbol = symbols[entry["r_info_sym"]]
            is_here = symbol["st_shndx"] != "SHN_UNDEF"
            address = symbol["st_value"] + entry["r_addend"] if is_here else None
            target = _Target(address, symbol.name)
        else:
            return
        self.targets[entry["r_offset"]] = target

    def read(self) -> SharedLibrary:
        typeinfos = self._find_typeinfos()
        base_words = set()
        for address, name in typeinfos.items():
            bases = self._read_bases(address, typeinfos, base_words)
            self.library.bases[name] = bases
        for word, target in self.targets.items():
            name = self._class_name(target, typeinfos)
            if name is None or word in base_words:
                continue
            start = word - WORD
            # how far the object is from what has this table
            offset = -self._word(start)
            if start in self.targets or not 0 <= offset < LARGEST_OBJECT:
                continue
            symbol = self.library.exports.get(f"_ZTV{name}", Symbol(0, 0))
            stop = symbol.address + symbol.size
            is_exported = symbol.address <= start < stop
            slots = self._read_slots(start, stop if is_exported else None, typeinfos)
            place = Place(name, offset)
            if slots:
                self.library.tables.setdefault(place, []).append(slots)
            if is_exported:
                self.library.exported_tables[place] = slots
        return self.library

    def _find_typeinfos(self) -> dict[int, str]:
        """Address of each class's typeinfo -> name of the class."""
        found = {}
        for word, target in self.targets.items():
            if (target.name or "").startswith("_ZTVN10__cxxabiv1") and (
                "class_type_info" in (target.name or "")
            ):
                # private names of a source file start with a star
                found[word] = self._string(word + WORD).lstrip("*")
        return found

    def _read_bases(
        self, address: int, typeinfos: dict[int, str], base_words: set[int]
    ) -> tuple[tuple[str, int], ...]:
        kind = self.targets[address].name or ""
        if "__si_class" in kind:
            words = [(address + 2 * WORD, 0)]
        elif "__vmi_class" in kind:
            count = self._word(address + 2 * WORD) >> 32
            first = address + 3 * WORD
            words = [
                (first + 2 * i * WORD, self._word(first + (2 * i + 1) * WORD) >> 8)
                for i in range(count)
            ]
        else:
            words = []
        base_words.update(word for word, _ in words)
        return tuple(
            (self._class_name(self.targets[word], typeinfos) or "", offset)
            for word, offset in words
        )

    def _class_name(
        self, target: _Target | None, typeinfos: dict[int, str]
    ) -> str | None:
        """The class whose typeinfo a word points to, here or elsewhere."""
        if target is None:
            return None
        if target.address in typeinfos:
            return typeinfos[target.address]
        name = target.name or ""
        return name.removeprefix("_ZTI") if name.startswith("_ZTI") else None

    def _read_slots(
        self, start: int, stop: int | None, typeinfos: dict[int, str]
    ) -> tuple[Slot, ...]:
        """Those of one table; another one may follow before `stop`."""
        slots: list[Slot] = []
        end = stop or start + self._size_of_segment()
        for word in range(start + 2 * WORD, end, WORD):
            target = self.targets.get(word)
            if target is None:
                follower = self.targets.get(word + WORD)
                if self._word(word) or self._class_name(follower, typeinfos):
                    break
                slots.append(Slot(frozenset(), is_null=True))
            elif target.address is None:
                if (target.name or "").startswith(("_ZTV", "_ZTI")):
                    break  # a typeinfo
                slots.append(Slot(frozenset({target.name or ""})))
            elif not self._is_code(target.address):
                break
            elif target.name:
                slots.append(Slot(frozenset({target.name}), is_local=True))
            else:
                names = frozenset(self.names_at[target.address])
                slots.append(Slot(names, is_local=True))
        if stop is None:
            while slots and slots[-1].is_null:
                slots.pop()  # zeros between tables, or a last abstract slot
        return tuple(slots)

    def _size_of_segment(self) -> int:
        return max(segment["p_memsz"] for segment in self.segments)

    def _segment(self, address: int) -> dict | None:
        for segment in self.segments:
            start = segment["p_vaddr"]
            if start <= address < start + segment["p_filesz"]:
                return segment
        return None

    def _offset(self, address: int) -> int | None:
        segment = self._segment(address)
        if segment is None:
            return None
        return address - segment["p_vaddr"] + segment["p_offset"]

    def _is_code(self, address: int) -> bool:
        segment = self._segment(address)
        return segment is not None and bool(segment["p_flags"] & 1)

    def _word(self, address: int) -> int:
        offset = self._offset(address)
        # memory that the file does not fill is 0, as in .bss
        return 0 if offset is None else struct.unpack_from("<q", self.data, offset)[0]

    def _string(self, word: int) -> str:
        target = self.targets[word]
        if target.address is None:
            return (target.name or "").removeprefix("_ZTS")
        offset = self._offset(target.address)
        assert offset is not None, f"no name at {target.address:#x}"
        return self.data[offset : self.data.index(b"\0", offset)].decode()


def demangle(names: Iterable[str]) -> dict[str, str]:
    """C++ names as written in source, from c++filt."""
    names = set(names)
    unknown = sorted(names - _DEMANGLED.keys())
    if unknown:
        result = subprocess.run(
            ["c++filt"],
            input="\n".join(unknown),
            capture_output=True,
            text=True,
            check=True,
        )
        _DEMANGLED.update(zip(unknown, result.stdout.splitlines(), strict=True))
    return {name: _DEMANGLED[name] for name in names}
