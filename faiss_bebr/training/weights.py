"""Networks in files: safetensors, with a description in JSON.

The description has ``network`` (what the constructor takes, and ``continuous``),
``document_code`` (what ``set_document_code`` takes), ``report`` (a ``TrainingReport``
or null) and ``versions`` (of faiss_bebr and torch, when it was written).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch

from .network import RecurrentBinarizer
from .report import report_from_json, report_to_json
from .tensor_file import check_keys, read_tensor_file, write_tensor_file

KIND = "binarizer"
DESCRIPTION = ("network", "document_code", "report", "versions")
DOCUMENT_CODE_TYPES: dict[str, type] = {"plane_widths": list, "ncentroids": int}
NETWORK_TYPES: dict[str, type] = {
    "d_in": int,
    "plane_widths": list,
    "hidden": int,
    "normalize": bool,
    "continuous": bool,
}


def save_network(net: RecurrentBinarizer, path: str | os.PathLike[str]) -> None:
    """See ``RecurrentBinarizer.save``."""
    state = net.state_dict()
    for name, value in state.items():
        if not value.isfinite().all():
            raise ValueError(f"{name}: NaN or infinite values found")
    description = {
        "network": {
            "d_in": net.d_in,
            "plane_widths": list(net.plane_widths),
            "hidden": net.hidden,
            "normalize": net.normalize,
            "continuous": bool(net.continuous),
        },
        "document_code": {
            "plane_widths": list(net.document_plane_widths),
            "ncentroids": net.ncentroids,
        },
        "report": None if net.report is None else report_to_json(net.report),
        "versions": versions(),
    }
    write_tensor_file(path, KIND, description, state)


def load_network(path: str | os.PathLike[str]) -> RecurrentBinarizer:
    """See ``RecurrentBinarizer.load``."""
    description, tensors = read_tensor_file(path, KIND)
    try:
        check_keys("description", description, set(DESCRIPTION))
        net = _empty_network(description["network"])
        code = description["document_code"]
        _check_types("document_code", code, DOCUMENT_CODE_TYPES)
        net.set_document_code(**code)
        _shape_error_weight(net, tensors)
        _check_state(tensors, net.state_dict())
        for name, value in tensors.items():
            if name.endswith("running_var") and (value < 0).any():
                raise ValueError(f"{name}: negative variances found")
        weight = tensors["error_weight"]
        if not torch.equal(weight, weight.T) or (weight.diagonal() < 0).any():
            raise ValueError("error_weight: not symmetric, or negative on the diagonal")
        if description["report"] is not None:
            net.report = report_from_json(description["report"])
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from error
    net.load_state_dict(tensors, assign=True)
    return net.eval()


def read_description(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a file of ``RecurrentBinarizer.save`` says about its network.

    Returns
    -------
    dict
        ``network``, the constructor's arguments and ``continuous``, which files of
        faiss_bebr 0.1 may lack; ``document_code``, what an index keeps of a document;
        ``report``, how it was trained, on what data and with what settings, or None;
        ``versions``, what wrote the file.

    Raises
    ------
    OSError, ValueError
        As ``RecurrentBinarizer.load``.
    """
    return read_tensor_file(path, KIND).description


def versions() -> dict[str, str]:
    """Of what a training result depends on."""
    import faiss_bebr  # here, since training does not need the native module

    return {"faiss_bebr": faiss_bebr.__version__, "torch": str(torch.__version__)}


def _shape_error_weight(
    net: RecurrentBinarizer, tensors: dict[str, torch.Tensor]
) -> None:
    """Let ``net`` expect these weights of errors where it may have some."""
    # Files of faiss_bebr 0.1 before these weights have no such tensor.
    found = tensors.setdefault("error_weight", torch.zeros(0, 0))
    if found.shape == (net.d_out, net.d_out):
        net.error_weight = torch.empty(found.shape, device="meta")


def _check_state(
    found: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]
) -> None:
    """Raise ``ValueError`` unless names, shapes and types are those of ``expected``
    and all values are finite."""
    check_keys("tensors", found, set(expected))
    for key, value in found.items():
        like = expected[key]
        if value.shape != like.shape or value.dtype != like.dtype:
            raise ValueError(
                f"{key}: {like.dtype} {tuple(like.shape)} expected, "
                f"got {value.dtype} {tuple(value.shape)}"
            )
        if not value.isfinite().all():
            raise ValueError(f"{key}: NaN or infinite values found")


def _check_types(name: str, values: Any, types: Mapping[str, type]) -> None:
    """Raise ``ValueError`` for other keys or types; lists are of integers."""
    if not isinstance(values, dict):
        raise ValueError(f"{name}: an object expected, got {values!r}")
    check_keys(name, values, set(types))
    for key, kind in types.items():
        if type(values[key]) is not kind:
            raise ValueError(
                f"{name}: {key} of type {kind.__name__} expected, got {values[key]!r}"
            )
        if kind is list and any(type(item) is not int for item in values[key]):
            raise ValueError(f"{name}: integer {key} expected, got {values[key]!r}")


def _empty_network(arguments: Any) -> RecurrentBinarizer:
    """A network without memory for its values: sizes are those of a file that is yet
    to be checked."""
    if isinstance(arguments, dict):
        # Files of faiss_bebr 0.1 from before there were continuous networks.
        arguments = {"continuous": False, **arguments}
    _check_types("network", arguments, NETWORK_TYPES)
    continuous = arguments.pop("continuous")
    try:
        with torch.device("meta"):
            net = RecurrentBinarizer(**arguments)
    except (RuntimeError, OverflowError, TypeError) as error:
        raise ValueError(f"network: impossible sizes {arguments}") from error
    net.continuous = continuous
    return net
