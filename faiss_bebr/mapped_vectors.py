"""Vectors of a `.npy` file that stay on disk."""

from __future__ import annotations

import os
from typing import Any, BinaryIO

import faiss
import numpy as np

from faiss_bebr.swigfaiss_bebr import IndexMappedVectors

_NUMERIC_TYPES = {
    np.dtype(np.float32): faiss.Float32,
    np.dtype(np.float16): faiss.Float16,
}


def _read_header(f: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether in Fortran order, and dtype of an array in a file."""
    version = np.lib.format.read_magic(f)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(f)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(f)
    raise ValueError(f"version {version} of the format is not supported")


def map_vectors(
    path: str | os.PathLike[str], metric: int = faiss.METRIC_L2
) -> IndexMappedVectors:
    """Vectors of a `.npy` file as an index, without reading them.

    As refine stage of an index of codes only the codes are in memory:

        base = faiss_bebr.IndexSDC(256, 2)
        ...
        index = faiss.IndexRefine(base, faiss_bebr.map_vectors("vectors.npy"))
        index.k_factor = 10

    The file stays mapped for as long as the index is used by anything. It may
    be deleted or replaced meanwhile, but not shortened or written to.

    Parameters
    ----------
    path : str or Path
        An array (n, d) in C order, float32 or float16, as `numpy.save` writes
        it.
    metric : int
        METRIC_L2 or METRIC_INNER_PRODUCT.

    Returns
    -------
    index : IndexMappedVectors
        Of n vectors, with the distances of IndexFlat or, for float16, of
        IndexScalarQuantizer. It cannot be changed.

    Raises
    ------
    ValueError
        If the file has another format, type, order or length, or the metric is
        another one.
    OSError
        If it cannot be opened.
    """
    if metric not in (faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT):
        raise ValueError(
            f"metric must be METRIC_L2 or METRIC_INNER_PRODUCT, got {metric}"
        )
    path = os.fspath(path)
    with open(path, "rb") as f:
        try:
            shape, is_fortran_order, dtype = _read_header(f)
        except ValueError as error:
            raise ValueError(f"{path} is no .npy file of vectors: {error}") from error
        offset = f.tell()
        size = os.fstat(f.fileno()).st_size
    if dtype not in _NUMERIC_TYPES:
        raise ValueError(f"{path} must have float32 or float16 vectors, got {dtype}")
    is_matrix = len(shape) == 2 and shape[0] >= 0 and shape[1] >= 1
    if not is_matrix or is_fortran_order:
        order = "Fortran" if is_fortran_order else "C"
        raise ValueError(
            f"{path} must have an array (n, d) in C order, got {shape} in {order} order"
        )
    n, d = shape
    if size != offset + n * d * dtype.itemsize:
        raise ValueError(
            f"{path} has {size - offset} bytes of vectors, but its header "
            f"announces {n * d * dtype.itemsize}"
        )
    return IndexMappedVectors(path, offset, n, d, _NUMERIC_TYPES[dtype], metric)
