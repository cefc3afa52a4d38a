"""The numpy methods of BinarizerTransform."""

from __future__ import annotations

from typing import Any

import numpy as np
from faiss import class_wrappers
from faiss.loader import swig_ptr

from faiss_bebr.swigfaiss_bebr import BinarizerTransform
from faiss_bebr.wrappers.checks import add_checks, check_matrix
from faiss_bebr.wrappers.numpy_methods import refuse_unknown_attributes


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


def replacement_set_binarization_block(self: Any, t: int, *arrays: np.ndarray) -> None:
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


def replacement_encode(self: Any, x: np.ndarray, nbits: int = 0) -> np.ndarray:
    """Packed codes, for IndexBinarySDC.

    Parameters
    ----------
    x : array_like
        Shape (n, d_in), float32.
    nbits : int
        Of the first planes, 1 .. the number of planes, for an index that stores no
        more; the others are not computed. 0: of all.

    Returns
    -------
    codes : ndarray
        Shape (n, code size), uint8: bit planes, the signs of b_0 first, least
        significant bit of a byte first.

    Raises
    ------
    ValueError
        For other shapes, values that are not numbers, and other nbits.
    RuntimeError
        For values that are not finite, and if the transform is not trained.
    """
    check_matrix("x", x, self.d_in, "d_in")
    nplanes = self.layout.plane_widths.size()
    if not 0 <= nbits <= nplanes:
        raise ValueError(f"nbits must be in 0..{nplanes}, got {nbits}")
    x = np.ascontiguousarray(x, dtype="float32")
    planes = self.layout.get_first_planes(nbits or nplanes)
    codes = np.empty((len(x), planes.code_size()), dtype="uint8")
    self.encode_c(len(x), swig_ptr(x), swig_ptr(codes), nbits)
    return codes


def _check_d_in(transform: Any, arguments: dict[str, Any]) -> None:
    check_matrix("x", arguments["x"], transform.d_in, "d_in")


def _check_d_out(transform: Any, arguments: dict[str, Any]) -> None:
    check_matrix("x", arguments["x"], transform.d_out, "d_out")


def handle_BinarizerTransform() -> None:
    class_wrappers.handle_VectorTransform(BinarizerTransform)
    refuse_unknown_attributes(BinarizerTransform)

    for name, replacement in (
        ("set_binarization_block", replacement_set_binarization_block),
        ("set_reconstruction_block", replacement_set_reconstruction_block),
        ("encode", replacement_encode),
    ):
        class_wrappers.replace_method(BinarizerTransform, name, replacement)

    add_checks(BinarizerTransform, _check_d_in, ("train", "apply", "apply_py"))
    add_checks(BinarizerTransform, _check_d_out, ("reverse_transform",))
