"""FAISS's flat indexes as nodes whose codes can be mapped."""

from __future__ import annotations

import struct
from typing import Any

import faiss

from faiss_bebr import swigfaiss_bebr as own
from faiss_bebr.index_io.fields import read_numbers, write_fields
from faiss_bebr.index_io.stock_checks import check_codec_metric

# what has no other state than its codes
_QUANTIZER_TYPES = (
    faiss.ScalarQuantizer.QT_fp16,
    faiss.ScalarQuantizer.QT_bf16,
    faiss.ScalarQuantizer.QT_8bit_direct,
    faiss.ScalarQuantizer.QT_8bit_direct_signed,
)
# with their metrics; their places here are in files
_CLASSES = (
    (faiss.IndexFlat, None),
    (faiss.IndexFlatL2, faiss.METRIC_L2),
    (faiss.IndexFlatIP, faiss.METRIC_INNER_PRODUCT),
    (faiss.IndexScalarQuantizer, None),
)
FLOAT_CLASSES = tuple(the_class for the_class, _ in _CLASSES[:3])

_METRICS = {value for name, value in vars(faiss).items() if name.startswith("METRIC_")}

_HEADER = "<Biifi"


def is_flat(obj: Any) -> bool:
    """Whether an object of FAISS's is codes and nothing else that was learned."""
    if type(obj) is faiss.IndexScalarQuantizer:
        return obj.sq.qtype in _QUANTIZER_TYPES
    return type(obj) in FLOAT_CLASSES


def write_flat(obj: Any, writer: Any) -> None:
    """Write the fields of a flat index, see `is_flat`."""
    number = [the_class for the_class, _ in _CLASSES].index(type(obj))
    qtype = obj.sq.qtype if type(obj) is faiss.IndexScalarQuantizer else 0
    numbers = (number, obj.d, obj.metric_type, obj.metric_arg, qtype)
    write_fields(writer, struct.pack(_HEADER, *numbers))
    own.write_flat_codes(obj, writer)


def read_flat(reader: Any) -> faiss.IndexFlatCodes:
    """Read what `write_flat` wrote.

    Raises
    ------
    RuntimeError
        If it is no flat index.
    """
    number, d, metric, metric_arg, qtype = read_numbers(reader, _HEADER)
    if number >= len(_CLASSES) or not 1 <= d <= 1 << 20:
        raise RuntimeError("the index file is corrupted: an impossible flat index")
    the_class, metric_of_class = _CLASSES[number]
    if metric not in (_METRICS if metric_of_class is None else [metric_of_class]):
        raise RuntimeError(f"the index file is corrupted: metric {metric}")
    if the_class is faiss.IndexScalarQuantizer:
        if qtype not in _QUANTIZER_TYPES:
            raise RuntimeError(f"the index file has a scalar quantizer {qtype}")
        check_codec_metric(metric)
        index = the_class(d, qtype, metric)
    else:
        index = the_class(d, metric) if metric_of_class is None else the_class(d)
    index.metric_arg = metric_arg
    own.read_flat_codes(index, reader)
    return index
