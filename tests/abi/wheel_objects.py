"""Objects of FAISS's own Python, one for each declared class that it shows."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import faiss

D = 8
# the class of an object that is not declared
ANOTHER = "another"


class WheelObject(NamedTuple):
    python_name: str
    # an object of the class, or of one that adds no field to it
    make: Callable[[], Any]
    # else the class of the object, which has the declared one as a base
    derived: str = ""


def made_by(name: str, *arguments: Any) -> WheelObject:
    """Of a class that FAISS's Python can make."""
    return WheelObject(name, lambda: getattr(faiss, name)(*arguments))


def make_flat() -> faiss.IndexFlat:
    return faiss.IndexFlatL2(D)


def make_ivf() -> faiss.IndexIVF:
    return faiss.IndexIVFFlat(make_flat(), D, 2)


def make_range_result() -> faiss.RangeSearchResult:
    return faiss.RangeSearchResult(3)


def make_binary_flat() -> faiss.IndexBinaryFlat:
    return faiss.IndexBinaryFlat(64)


def make_scanner() -> Any:
    return make_ivf().get_InvertedListScanner(False, None, None)


def make_iterator() -> Any:
    return faiss.ArrayInvertedLists(1, 4).get_iterator(0)


def make_flat_codes_computer() -> Any:
    return faiss.IndexFlatCodes(8, 2).get_FlatCodesDistanceComputer()


# declared class -> an object that has its fields
OBJECTS: dict[str, WheelObject] = {
    "ArrayInvertedLists": made_by("ArrayInvertedLists", 2, 4),
    "BufferList": made_by("BufferList", 10),
    "BufferedIOReader": WheelObject(
        "BufferedIOReader", lambda: faiss.BufferedIOReader(faiss.VectorIOReader())
    ),
    "BufferedIOWriter": WheelObject(
        "BufferedIOWriter", lambda: faiss.BufferedIOWriter(faiss.VectorIOWriter())
    ),
    "Clustering": made_by("Clustering", D, 2),
    "ClusteringIterationStats": made_by("ClusteringIterationStats"),
    "ClusteringParameters": made_by("ClusteringParameters"),
    "DirectMap": made_by("DirectMap"),
    "FileIOReader": made_by("FileIOReader", os.devnull),
    "FileIOWriter": made_by("FileIOWriter", os.devnull),
    "FlatCodesDistanceComputer": WheelObject(
        "FlatCodesDistanceComputer", make_flat_codes_computer, ANOTHER
    ),
    "HNSW": made_by("HNSW", 4),
    "HNSWStats": made_by("HNSWStats"),
    "IDSelectorArray": made_by("IDSelectorArray", [1, 2]),
    "IOReader": WheelObject("IOReader", faiss.VectorIOReader, "VectorIOReader"),
    "IOWriter": WheelObject("IOWriter", faiss.VectorIOWriter, "VectorIOWriter"),
    "Index": WheelObject("Index", make_flat, "IndexFlat"),
    "IndexBinary": WheelObject("IndexBinary", make_binary_flat, "IndexBinaryFlat"),
    "IndexBinaryFlat": WheelObject("IndexBinaryFlat", make_binary_flat),
    "IndexBinaryFromFloat": WheelObject(
        "IndexBinaryFromFloat", lambda: faiss.IndexBinaryFromFloat(make_flat())
    ),
    "IndexFlatCodes": made_by("IndexFlatCodes", 8, 8),
    "IndexHNSW": WheelObject("IndexHNSW", lambda: faiss.IndexHNSW(make_flat(), 4)),
    "IndexIDMap2Template<faiss::Index>": WheelObject(
        "IndexIDMap2", lambda: faiss.IndexIDMap2(make_flat())
    ),
    "IndexIDMap2Template<faiss::IndexBinary>": WheelObject(
        "IndexBinaryIDMap2", lambda: faiss.IndexBinaryIDMap2(make_binary_flat())
    ),
    "IndexIDMapTemplate<faiss::Index>": WheelObject(
        "IndexIDMap", lambda: faiss.IndexIDMap(make_flat())
    ),
    "IndexIDMapTemplate<faiss::IndexBinary>": WheelObject(
        "IndexBinaryIDMap", lambda: faiss.IndexBinaryIDMap(make_binary_flat())
    ),
    "IndexIVF": WheelObject("IndexIVF", make_ivf),
    "IndexIVFInterface": WheelObject("IndexIVFInterface", make_ivf, "IndexIVF"),
    "IndexIVFStats": made_by("IndexIVFStats"),
    "IndexPreTransform": WheelObject(
        "IndexPreTransform", lambda: faiss.IndexPreTransform(make_flat())
    ),
    "IndexRefine": WheelObject(
        "IndexRefine", lambda: faiss.IndexRefine(make_flat(), make_flat())
    ),
    "IndexRefineSearchParameters": made_by("IndexRefineSearchParameters"),
    "InvertedListScanner": WheelObject("InvertedListScanner", make_scanner, ANOTHER),
    "InvertedListScannerStats": made_by("InvertedListScannerStats"),
    "InvertedLists": WheelObject(
        "InvertedLists", lambda: faiss.ArrayInvertedLists(2, 4), "ArrayInvertedLists"
    ),
    "InvertedListsIterator": WheelObject(
        "InvertedListsIterator", make_iterator, ANOTHER
    ),
    "Level1Quantizer": WheelObject(
        "Level1Quantizer", lambda: faiss.Level1Quantizer(make_flat(), 2)
    ),
    "MaybeOwnedVector<int>": made_by("MaybeOwnedVectorInt32"),
    "MaybeOwnedVector<unsigned char>": made_by("MaybeOwnedVectorUInt8"),
    "ParameterRange": made_by("ParameterRange"),
    "ParameterSpace": made_by("ParameterSpace"),
    "RandomGenerator": made_by("RandomGenerator", 1),
    "RangeQueryResult": made_by("RangeQueryResult"),
    "RangeSearchPartialResult": WheelObject(
        "RangeSearchPartialResult",
        lambda: faiss.RangeSearchPartialResult(make_range_result()),
    ),
    "RangeSearchResult": WheelObject("RangeSearchResult", make_range_result),
    "RemapDimensionsTransform": made_by("RemapDimensionsTransform", 4, 2, True),
    "SearchParameters": made_by("SearchParameters"),
    "SearchParametersHNSW": made_by("SearchParametersHNSW"),
    "SearchParametersIVF": made_by("SearchParametersIVF"),
    "SearchParametersPreTransform": made_by("SearchParametersPreTransform"),
    "ThreadedIndex<faiss::Index>": WheelObject(
        "ThreadedIndexBase", lambda: faiss.IndexShards(D), ANOTHER
    ),
    "ThreadedIndex<faiss::IndexBinary>": WheelObject(
        "ThreadedIndexBaseBinary", lambda: faiss.IndexBinaryShards(64), ANOTHER
    ),
    "VectorIOReader": made_by("VectorIOReader"),
    "VectorIOWriter": made_by("VectorIOWriter"),
    "VectorTransform": WheelObject(
        "VectorTransform", lambda: faiss.LinearTransform(4, 2), ANOTHER
    ),
}
# FAISS's Python has no such field, or only gives out copies of it; test_sizes
# finds the room for them, and exercise_lists.py uses the maps and the indexes
HIDDEN_FIELDS = {
    "hashtable",
    "indices_",
    "isThreaded_",
    "locks",
    "mt",
    "rev_map",
    "use_visited_hashset",
}
# those without fields of their own, or whose fields Python does not set
WITHOUT_FIELDS: dict[str, WheelObject] = {
    "DirectMapAdd": WheelObject(
        "DirectMapAdd", lambda: faiss.DirectMapAdd(faiss.DirectMap(), 3, None)
    ),
    "IDSelector": made_by("IDSelectorAll"),
    "IndexFlat": made_by("IndexFlat", D),
    "IndexRefineFlat": WheelObject(
        "IndexRefineFlat", lambda: faiss.IndexRefineFlat(make_flat())
    ),
    "InterruptCallback": made_by("PythonInterruptCallback"),
    "MaybeOwnedVectorOwner": made_by("MaybeOwnedVectorOwner"),
}
# those whose size can be told
ALLOCATED = {
    name: wheel_object
    for name, wheel_object in (OBJECTS | WITHOUT_FIELDS).items()
    if not wheel_object.derived
}
