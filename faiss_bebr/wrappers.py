"""Gives the compiled classes the numpy methods that FAISS's classes have.

FAISS's own handlers do it; on top of them come checks with clear messages, as
FAISS itself has bare assertions there, which `python -O` removes.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from faiss import class_wrappers
from faiss.loader import swig_ptr

from faiss_bebr.swigfaiss_bebr import (
    BinarizerTransform,
    IndexBinarySDC,
    IndexSDC,
)

Check = Callable[[Any, dict[str, Any]], None]


def check_matrix(name: str, x: Any, width: int, what: str) -> None:
    """Raise unless `x` is a numeric array of shape (n, width).

    Raises
    ------
    TypeError
        If it is no array of numbers.
    ValueError
        If its shape is another one.
    """
    dtype = getattr(x, "dtype", None)
    if not hasattr(x, "shape") or dtype is None:
        raise TypeError(f"{name} must be an array, got {type(x).__name__}")
    if isinstance(dtype, np.dtype) and dtype.kind not in "fiub":
        raise TypeError(f"{name} must be an array of numbers, got dtype {dtype}")
    if len(x.shape) != 2 or x.shape[1] != width:
        raise ValueError(
            f"{name} must have shape (n, {what} = {width}), got {tuple(x.shape)}"
        )


def check_positive(name: str, value: Any) -> None:
    """Raise unless `value` is an integer of at least 1.

    Raises
    ------
    TypeError, ValueError
    """
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, got {type(value).__name__}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")


def check_writeable(name: str, array: Any) -> None:
    """Raise a ValueError for an output array that is read-only."""
    flags = getattr(array, "flags", None)
    if flags is not None and not flags.writeable:
        raise ValueError(f"{name} is read-only, but results are written to it")


def _check_call(index: Any, arguments: dict[str, Any], check_vectors: Check) -> None:
    check_vectors(index, arguments)
    if "k" in arguments:
        check_positive("k", arguments["k"])
    for name in ("D", "I", "R", "labels"):
        check_writeable(name, arguments.get(name))


def _checked(method: Callable[..., Any], check_vectors: Check) -> Callable[..., Any]:
    """`method` after a check of its arguments, under its own name.

    The name matters: faiss.contrib.torch_utils looks for it.
    """
    signature = inspect.signature(method)

    @functools.wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(self, *args, **kwargs)
        _check_call(self, bound.arguments, check_vectors)
        return method(self, *args, **kwargs)

    return wrapper


def _add_checks(the_class: type, check_vectors: Check, names: tuple[str, ...]) -> None:
    for name in names:
        setattr(the_class, name, _checked(getattr(the_class, name), check_vectors))


def _check_float_vectors(index: Any, arguments: dict[str, Any]) -> None:
    check_matrix("x", arguments["x"], index.d, "d")


def _check_float_codes(index: Any, arguments: dict[str, Any]) -> None:
    check_matrix("codes", arguments["codes"], index.sa_code_size(), "sa_code_size()")


def _check_binary_vectors(index: Any, arguments: dict[str, Any]) -> None:
    check_matrix("x", arguments["x"], index.code_size, "code_size")


def _check_binary_codes(index: Any, arguments: dict[str, Any]) -> None:
    codes = arguments["codes"]
    check_matrix("codes", codes, index.code_size, "code_size")
    if codes.dtype != np.uint8:
        raise TypeError(f"codes must be uint8, got {codes.dtype}")


def _check_key(index: Any, arguments: dict[str, Any]) -> None:
    key = arguments["key"]
    if not 0 <= key < index.ntotal:
        raise ValueError(f"key must be in 0..{index.ntotal - 1}, got {key}")


def _check_recons(index: Any, arguments: dict[str, Any]) -> None:
    check_writeable("x", arguments.get("x"))


def _handle_index_sdc() -> None:
    class_wrappers.handle_Index(IndexSDC)
    original_init = IndexSDC.__init__

    def __init__(self: Any, *args: Any) -> None:
        original_init(self, *args)
        if args and isinstance(args[0], BinarizerTransform):
            # the index may need it until it is trained
            self.referenced_objects = [args[0]]

    def replacement_quantize_queries(self: Any, x: np.ndarray) -> np.ndarray:
        """The level-quantized queries that `search` compares with documents.

        Parameters
        ----------
        x : array_like
            Queries, shape (n, d), float32.

        Returns
        -------
        q : ndarray
            Shape (n, d), float32; distances are those of IndexFlatIP or
            IndexFlatL2 between these and the decoded vectors, for METRIC_L2 with
            both multiplied by the square roots of `query_weight`.
        """
        check_matrix("x", x, self.d, "d")
        x = np.ascontiguousarray(x, dtype="float32")
        q = np.empty_like(x)
        self.quantize_queries_c(len(x), swig_ptr(x), swig_ptr(q))
        return q

    IndexSDC.__init__ = __init__
    class_wrappers.replace_method(
        IndexSDC, "quantize_queries", replacement_quantize_queries
    )
    _add_checks(
        IndexSDC,
        _check_float_vectors,
        (
            "train",
            "add",
            "assign",
            "search",
            "search_and_reconstruct",
            "range_search",
            "sa_encode",
        ),
    )
    _add_checks(IndexSDC, _check_float_codes, ("sa_decode", "add_sa_codes"))
    _add_checks(IndexSDC, _check_key, ("reconstruct",))
    _add_checks(
        IndexSDC, _check_recons, ("reconstruct", "reconstruct_n", "reconstruct_batch")
    )


def _handle_index_binary_sdc() -> None:
    class_wrappers.handle_IndexBinary(IndexBinarySDC)

    def replacement_search_and_reconstruct(
        self: Any,
        x: np.ndarray,
        k: int,
        *,
        params: Any = None,
        D: np.ndarray | None = None,
        I: np.ndarray | None = None,
        R: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Find the k nearest codes and return them too.

        Parameters
        ----------
        x : array_like
            Queries, shape (n, code_size), uint8.
        k : int
            Number of nearest neighbors.
        params : SearchParameters
            Search parameters of the current search.
        D, I, R : array_like, optional
            Arrays to store the results.

        Returns
        -------
        D : ndarray
            Distances, shape (n, k), int32.
        I : ndarray
            Labels, shape (n, k), int64; -1 where there is no result.
        R : ndarray
            Codes, shape (n, k, code_size), uint8; 255 where there is none.
        """
        n = len(x)
        D = np.empty((n, k), dtype=np.int32) if D is None else D
        I = np.empty((n, k), dtype=np.int64) if I is None else I
        R = np.empty((n, k, self.code_size), dtype=np.uint8) if R is None else R
        for name, array, shape in (
            ("D", D, (n, k)),
            ("I", I, (n, k)),
            ("R", R, (n, k, self.code_size)),
        ):
            if array.shape != shape:
                raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
        x = class_wrappers._check_dtype_uint8(x)
        self.search_and_reconstruct_c(
            n, swig_ptr(x), k, swig_ptr(D), swig_ptr(I), swig_ptr(R), params
        )
        return D, I, R

    def replacement_add_sa_codes(
        self: Any, codes: np.ndarray, ids: np.ndarray | None = None
    ) -> None:
        """Add codes; they are the vectors themselves.

        Parameters
        ----------
        codes : array_like
            Shape (n, sa_code_size()), uint8.
        ids : array_like, optional
            As in `IndexFlatCodes`, ids are sequential; none may be given here.
        """
        if ids is not None:
            raise ValueError("IndexBinarySDC has sequential ids: ids must be None")
        codes = np.ascontiguousarray(codes)
        self.add_sa_codes_c(len(codes), swig_ptr(codes), None)

    class_wrappers.replace_method(
        IndexBinarySDC, "search_and_reconstruct", replacement_search_and_reconstruct
    )
    class_wrappers.replace_method(
        IndexBinarySDC, "add_sa_codes", replacement_add_sa_codes
    )
    _add_checks(
        IndexBinarySDC,
        _check_binary_vectors,
        (
            "train",
            "add",
            "assign",
            "search",
            "search_and_reconstruct",
            "range_search",
        ),
    )
    _add_checks(IndexBinarySDC, _check_binary_codes, ("add_sa_codes",))
    _add_checks(IndexBinarySDC, _check_key, ("reconstruct",))
    _add_checks(IndexBinarySDC, _check_recons, ("reconstruct_n",))


def _block_arrays(
    d_in: int,
    d_out: int,
    skip_weight: np.ndarray,
    skip_bias: np.ndarray,
    hidden_weight: np.ndarray,
    hidden_bias: np.ndarray,
    output_weight: np.ndarray,
) -> tuple[int, list[np.ndarray]]:
    """The number of hidden units and the arrays as contiguous float32."""
    hidden = len(hidden_bias)
    arrays = []
    for name, array, shape in (
        ("skip_weight", skip_weight, (d_out, d_in)),
        ("skip_bias", skip_bias, (d_out,)),
        ("hidden_weight", hidden_weight, (hidden, d_in)),
        ("hidden_bias", hidden_bias, (hidden,)),
        ("output_weight", output_weight, (d_out, hidden)),
    ):
        array = np.ascontiguousarray(array, dtype="float32")
        if array.shape != shape:
            raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} has NaN or infinite values")
        arrays.append(array)
    return hidden, arrays


def _handle_binarizer_transform() -> None:
    class_wrappers.handle_VectorTransform(BinarizerTransform)

    def replacement_set_binarization_block(
        self: Any, t: int, *arrays: np.ndarray
    ) -> None:
        """Set the block W_t of the network.

        Parameters
        ----------
        t : int
            Number of the plane, 0 .. nbits - 1.
        *arrays : ndarray
            skip_weight (m_t, d_in), skip_bias (m_t,), hidden_weight
            (hidden, d_in), hidden_bias (hidden,) and output_weight
            (m_t, hidden), float32; hidden is 0 for a linear block.

        Raises
        ------
        ValueError
            If a shape is wrong, a value not finite, or there is no plane t.
        """
        widths = self.layout.plane_widths
        if not 0 <= t < widths.size():
            raise ValueError(f"t must be in 0..{widths.size() - 1}, got {t}")
        hidden, checked = _block_arrays(self.d_in, widths.at(t), *arrays)
        self.set_binarization_block_c(t, hidden, *map(swig_ptr, checked))

    def replacement_set_reconstruction_block(
        self: Any, t: int, *arrays: np.ndarray
    ) -> None:
        """Set the block R_t; as `set_binarization_block` with d_out for d_in
        and d_in for m_t."""
        nplanes = self.layout.plane_widths.size()
        if not 0 <= t < nplanes:
            raise ValueError(f"t must be in 0..{nplanes - 1}, got {t}")
        hidden, checked = _block_arrays(self.d_out, self.d_in, *arrays)
        self.set_reconstruction_block_c(t, hidden, *map(swig_ptr, checked))

    def replacement_encode(self: Any, x: np.ndarray) -> np.ndarray:
        """Packed codes of all planes, for IndexBinarySDC.

        Parameters
        ----------
        x : array_like
            Shape (n, d_in), float32.

        Returns
        -------
        codes : ndarray
            Shape (n, layout.code_size()), uint8: bit planes, the signs of b_0
            first, least significant bit of a byte first.
        """
        check_matrix("x", x, self.d_in, "d_in")
        x = np.ascontiguousarray(x, dtype="float32")
        codes = np.empty((len(x), self.layout.code_size()), dtype="uint8")
        self.encode_c(len(x), swig_ptr(x), swig_ptr(codes))
        return codes

    for name, replacement in (
        ("set_binarization_block", replacement_set_binarization_block),
        ("set_reconstruction_block", replacement_set_reconstruction_block),
        ("encode", replacement_encode),
    ):
        class_wrappers.replace_method(BinarizerTransform, name, replacement)

    def check_d_in(transform: Any, arguments: dict[str, Any]) -> None:
        check_matrix("x", arguments["x"], transform.d_in, "d_in")

    def check_d_out(transform: Any, arguments: dict[str, Any]) -> None:
        check_matrix("x", arguments["x"], transform.d_out, "d_out")

    _add_checks(BinarizerTransform, check_d_in, ("train", "apply", "apply_py"))
    _add_checks(BinarizerTransform, check_d_out, ("reverse_transform",))


_handle_index_sdc()
_handle_index_binary_sdc()
_handle_binarizer_transform()
