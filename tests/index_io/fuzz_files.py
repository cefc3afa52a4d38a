"""The files that are damaged: of every kind of index, of every type alone, and
of what an index can be in another state.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import faiss
import numpy as np
from binary_kinds import KINDS
from builders import (
    L2,
    D,
    M,
    behind,
    group,
    hidden_binarizer,
    id_map,
    ivf_of_binarizer,
    refined,
    sdc,
    vectors,
)
from factory_strings import make_binarizer
from kinds import build, make_data, make_ids
from mutations import find_fields, seal

import faiss_bebr
from faiss_bebr import index_io

N_FEW = 40  # vectors: sizes and structure are what is damaged

MAKERS: dict[str, Callable[[Path], Any]] = {}
"""From a folder for what lies beside the file to an index or a transform."""


def add_maker(name: str) -> Callable[[Callable[[Path], Any]], Callable[[Path], Any]]:
    def register(make: Callable[[Path], Any]) -> Callable[[Path], Any]:
        MAKERS[re.sub(r"\W+", "_", name)] = make
        return make

    return register


for _kind in KINDS.values():
    add_maker(_kind.name)(
        lambda folder, kind=_kind: build(kind.name, kind.metrics[0], N_FEW)
    )


@add_maker("BEBR")
def _(folder: Path) -> Any:
    return hidden_binarizer()


@add_maker("SDC of two passes")
def _(folder: Path) -> Any:
    index = build("SDC of planes", L2, N_FEW)
    index.k_factor, index.first_nbits = 3, 2
    return index


@add_maker("BEBR,SDC with weights of errors")
def _(folder: Path) -> Any:
    binarizer = make_binarizer(D, [M] * 3)
    binarizer.set_error_weight(((M + 1) * np.eye(M, dtype=np.float32) - 1).ravel())
    index = behind(faiss_bebr.IndexSDC(binarizer, [M, 8], L2), binarizer)
    index.train(vectors(N_FEW))
    index.add(vectors(N_FEW))
    return index


@add_maker("BEBR continuous,SDC")
def _(folder: Path) -> Any:
    binarizer = make_binarizer(D, [M] * 4)
    binarizer.continuous = True
    index = behind(faiss_bebr.IndexSDC(binarizer, [M, 8], L2), binarizer)
    index.train(vectors(N_FEW))
    index.add(vectors(N_FEW))
    return index


@add_maker("BEBR,SDC untrained")
def _(folder: Path) -> Any:
    binarizer = make_binarizer(D, [M] * 3)
    binarizer.is_trained = False
    return behind(faiss_bebr.IndexSDC(binarizer, 2, L2), binarizer)


@add_maker("BEBR,SDCfs untrained")
def _(folder: Path) -> Any:
    binarizer = make_binarizer(D, [M] * 3)
    binarizer.is_trained = False
    return behind(faiss_bebr.IndexSDCFastScan(binarizer, 2, L2), binarizer)


@add_maker("BEBR,IVFSDC untrained")
def _(folder: Path) -> Any:
    binarizer = make_binarizer(D, [M] * 3)
    binarizer.is_trained = False
    return behind(ivf_of_binarizer(binarizer, L2), binarizer)


def _mapped_vectors(folder: Path) -> Any:
    np.save(folder / "x.npy", vectors(N_FEW))
    return faiss_bebr.map_vectors(folder / "x.npy")


add_maker("MappedVectors")(_mapped_vectors)


@add_maker("SDC,Refine(MappedVectors)")
def _(folder: Path) -> Any:
    base = sdc(L2)
    base.add(vectors(N_FEW))
    return refined(base, _mapped_vectors(folder))


def _with_map(name: str, map_type: int) -> Any:
    """Ids in order, as arrays need."""
    kind = KINDS[name]
    index = kind.make(L2)
    index.train(make_data(kind))
    index.add(make_data(kind, N_FEW))
    index.set_direct_map_type(map_type)
    return index


def _empty_on_disk(folder: Path, name: str) -> Any:
    index = build(name, L2, 0)
    path = str(folder / "lists")
    lists = faiss.OnDiskInvertedLists(index.nlist, index.code_size, path)
    index.replace_invlists(lists, True)
    lists.this.disown()
    return index


for _name in ("IVFSDC", "BIVFSDC", "IVF of SDC,Flat"):
    for _type in ("Array", "Hashtable"):
        add_maker(f"{_name} with {_type}")(
            lambda folder, name=_name, map_type=_type: _with_map(
                name, getattr(faiss.DirectMap, map_type)
            )
        )

    @add_maker(f"{_name} on disk")
    def _(folder: Path, name: str = _name) -> Any:
        index = _empty_on_disk(folder, name)
        x, ids = make_data(KINDS[name], N_FEW), np.arange(N_FEW)
        for i in (0, 1):  # lists that grow leave gaps
            index.add_with_ids(x[i::2], ids[i::2])
        return index


@add_maker("IDMap of IVFSDC on disk")
def _(folder: Path) -> Any:
    index = id_map(faiss.IndexIDMap, _empty_on_disk(folder, "IVFSDC"))
    index.add_with_ids(vectors(N_FEW), make_ids(N_FEW))
    return index


@add_maker("Shards of SDC and scalar quantizers")
def _(folder: Path) -> Any:
    names = ("QT_fp16", "QT_8bit_direct", "QT_6bit", "QT_4bit_uniform")
    qtypes = [getattr(faiss.ScalarQuantizer, name) for name in names]
    indexes = [faiss.IndexScalarQuantizer(D, qtype, L2) for qtype in qtypes]
    for index in indexes:
        index.train(vectors())
    shards = group(faiss.IndexShards(D, False, True), sdc(L2), *indexes)
    shards.add(vectors(N_FEW))
    return shards


class Damaged(NamedTuple):
    """What a worker has to know."""

    data: bytes
    """of the whole file"""
    fields: list[tuple[int, int]]
    """places and lengths in the payload"""
    family: str
    beside: str
    """path of a file that the index needs, or empty"""


def write_file(name: str, folder: Path) -> None:
    """Make one of the files; `load` reads it."""
    outside = folder / f"{name}.d"
    outside.mkdir()
    obj = MAKERS[name](outside)
    payload, fields = find_fields(obj)
    (folder / f"{name}.bebr").write_bytes(seal(payload))
    beside = [str(path) for path in outside.iterdir()]
    about = {"fields": fields, "family": chr(payload[0]), "beside": "".join(beside)}
    (folder / f"{name}.json").write_text(json.dumps(about))
    for path in beside:
        (folder / f"{name}.beside").write_bytes(Path(path).read_bytes())


def load(name: str, folder: Path) -> Damaged:
    about = json.loads((folder / f"{name}.json").read_text())
    fields = [(place, length) for place, length in about.pop("fields")]
    return Damaged((folder / f"{name}.bebr").read_bytes(), fields, **about)


READ = {
    "I": index_io.read_index,
    "B": index_io.read_index_binary,
    "T": lambda source, io_flags: index_io.read_VectorTransform(source),
}
