"""Networks in files: safetensors, with a description in JSON.

The description has ``network`` (what the constructor takes), ``report`` (a
``TrainingReport`` or null; its settings say what document code training aimed at) and
``versions`` (of faiss_bebr and torch, when it was written).
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import torch

from .network import RecurrentBinarizer
from .report import TrainingReport
from .tensor_file import read_tensor_file, write_tensor_file

KIND = "binarizer"
NETWORK_TYPES: dict[str, type] = {
    "d_in": int,
    "plane_widths": list,
    "hidden": int,
    "normalize": bool,
}


def save_network(net: RecurrentBinarizer, path: str | os.PathLike[str]) -> None:
    """See ``RecurrentBinarizer.save``."""
    state = net.state_dict()
    for name, value in state.items():
        if not value.isfinite().all():
            raise ValueError(f"{name}: NaN or infinite values found")
    description = {
        "network": network_arguments(net),
        "report": None if net.report is None else dataclasses.asdict(net.report),
        "versions": versions(),
    }
    write_tensor_file(path, KIND, description, state)


def load_network(path: str | os.PathLike[str]) -> RecurrentBinarizer:
    """See ``RecurrentBinarizer.load``."""
    description, tensors = read_tensor_file(path, KIND)
    try:
        _check_keys("description", description, {"network", "report", "versions"})
        net = _empty_network(description["network"])
        check_state("tensors", tensors, net.state_dict())
        for name, value in tensors.items():
            if name.endswith("running_var") and (value < 0).any():
                raise ValueError(f"{name}: negative variances found")
        net.report = _report(description["report"])
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from error
    net.load_state_dict(tensors, assign=True)
    return net.eval()


def read_description(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a file of ``RecurrentBinarizer.save`` says about its network.

    Returns
    -------
    dict
        ``network``, the constructor's arguments; ``report``, how it was trained, on
        what data and with what settings, or None; ``versions``, what wrote the file.

    Raises
    ------
    OSError, ValueError
        As ``RecurrentBinarizer.load``.
    """
    return read_tensor_file(path, KIND).description


def network_arguments(net: RecurrentBinarizer) -> dict[str, Any]:
    """What makes a network of the same shape."""
    return {
        "d_in": net.d_in,
        "plane_widths": list(net.plane_widths),
        "hidden": net.hidden,
        "normalize": net.normalize,
    }


def versions() -> dict[str, str]:
    """Of what a training result depends on."""
    import faiss_bebr  # here, since training does not need the native module

    return {"faiss_bebr": faiss_bebr.__version__, "torch": str(torch.__version__)}


def check_state(
    name: str, found: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]
) -> None:
    """Raise ``ValueError`` unless names, shapes and types are those of ``expected``
    and all values are finite."""
    _check_keys(name, found, set(expected))
    for key, value in found.items():
        like = expected[key]
        if value.shape != like.shape or value.dtype != like.dtype:
            raise ValueError(
                f"{key}: {like.dtype} {tuple(like.shape)} expected, "
                f"got {value.dtype} {tuple(value.shape)}"
            )
        if not value.isfinite().all():
            raise ValueError(f"{key}: NaN or infinite values found")


def _check_keys(name: str, found: Mapping[str, Any], expected: set[str]) -> None:
    missing, unknown = expected - set(found), set(found) - expected
    if missing:
        raise ValueError(f"{name}: {', '.join(sorted(missing))} missing")
    if unknown:
        raise ValueError(f"{name}: {', '.join(sorted(unknown))} unknown")


def _empty_network(arguments: Any) -> RecurrentBinarizer:
    """A network without memory for its values: sizes are those of a file that is yet
    to be checked."""
    if not isinstance(arguments, dict):
        raise ValueError(f"network: an object expected, got {arguments!r}")
    _check_keys("network", arguments, set(NETWORK_TYPES))
    for name, kind in NETWORK_TYPES.items():
        if type(arguments[name]) is not kind:
            raise ValueError(
                f"network: {name} of type {kind.__name__} expected, "
                f"got {arguments[name]!r}"
            )
    widths = arguments["plane_widths"]
    if any(type(width) is not int for width in widths):
        raise ValueError(f"network: integer plane_widths expected, got {widths!r}")
    try:
        with torch.device("meta"):
            return RecurrentBinarizer(**arguments)
    except (RuntimeError, OverflowError, TypeError) as error:
        raise ValueError(f"network: impossible sizes {arguments}") from error


def _report(values: Any) -> TrainingReport | None:
    if values is None:
        return None
    fields = {field.name: field for field in dataclasses.fields(TrainingReport)}
    if not isinstance(values, dict):
        raise ValueError(f"report: an object expected, got {values!r}")
    _check_keys("report", values, set(fields))
    example = TrainingReport(start_recall=0.0, best_recall=0.0)
    for name, value in values.items():
        kind = type(getattr(example, name))
        if type(value) is not kind:
            raise ValueError(
                f"report: {name} of type {kind.__name__} expected, got {value!r}"
            )
    return TrainingReport(**values)
