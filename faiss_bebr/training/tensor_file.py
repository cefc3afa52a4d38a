"""Tensors and a JSON description in one safetensors file, without pickle.

The description is in the file's metadata, with the kind of file, the version of this
format, and a checksum of all that. A file is written whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from faiss_bebr.replaced_file import replaced_file, write_all

VERSION = 1
# As safetensors names them.
DTYPES = {"F32", "F64", "I64", "U8"}


class TensorFile(NamedTuple):
    """What was read."""

    description: dict[str, Any]
    tensors: dict[str, torch.Tensor]
    """On the CPU, in memory of their own."""


def write_tensor_file(
    path: str | os.PathLike[str],
    kind: str,
    description: Mapping[str, Any],
    tensors: Mapping[str, torch.Tensor],
) -> None:
    """Write ``path`` as a file of ``kind``; one that is there is replaced at the end.

    description: what JSON can hold; tensors: of the types in ``DTYPES``.
    Raises ``OSError`` if it cannot be written.
    """
    safetensors = import_safetensors()
    arrays = {
        name: np.asarray(tensor.detach().cpu().numpy(), order="C")
        for name, tensor in tensors.items()
    }
    text = json.dumps(description, allow_nan=False)
    metadata = {
        "format": f"faiss_bebr {kind}",
        "version": str(VERSION),
        "description": text,
        "checksum": _checksum(kind, text, arrays),
    }
    data = safetensors.numpy.save(arrays, metadata)
    name = os.fspath(path)
    with replaced_file(name) as stream:
        write_all(stream, data, name)


def read_tensor_file(path: str | os.PathLike[str], kind: str) -> TensorFile:
    """Read a file of ``write_tensor_file``.

    Raises ``OSError`` if it cannot be read, ``ValueError`` naming the file if it is of
    another kind or a newer version, truncated or damaged.
    """
    safetensors = import_safetensors()
    name = os.fspath(path)
    with open(name, "rb"):  # for the plain errors of files that cannot be opened
        pass
    try:
        with safetensors.safe_open(name, framework="numpy") as f:
            metadata = f.metadata() or {}
            _check_kind(name, kind, metadata)
            arrays = {}
            for key in f.keys():
                dtype = f.get_slice(key).get_dtype()
                if dtype not in DTYPES:
                    raise ValueError(f"{name}: {key} has type {dtype}")
                arrays[key] = f.get_tensor(key)
    except safetensors.SafetensorError as error:
        raise ValueError(f"{name}: damaged, or no safetensors file: {error}") from error
    text = metadata.get("description", "")
    if metadata.get("checksum") != _checksum(kind, text, arrays):
        raise ValueError(f"{name}: damaged, its checksum is another one")
    tensors = {key: torch.from_numpy(np.array(value)) for key, value in arrays.items()}
    return TensorFile(_parse(name, text), tensors)


def check_keys(name: str, found: Mapping[str, Any], expected: set[str]) -> None:
    """Raise ``ValueError`` for names that are missing or too many in ``found``."""
    missing, unknown = expected - set(found), set(found) - expected
    if missing:
        raise ValueError(f"{name}: {', '.join(sorted(missing))} missing")
    if unknown:
        raise ValueError(f"{name}: {', '.join(sorted(unknown))} unknown")


def import_safetensors() -> Any:
    """The module, with ``numpy`` in it.

    Raises ``ImportError`` that names the extra, as training itself needs no file.
    """
    try:
        import safetensors
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            "files of networks and checkpoints need safetensors: "
            'pip install "faiss_bebr[train]"'
        ) from error
    return safetensors


def _checksum(kind: str, text: str, arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{kind}\0{VERSION}\0{text}\0".encode())
    for key in sorted(arrays):
        array = arrays[key]
        digest.update(f"{key}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
    return digest.hexdigest()


def _check_kind(name: str, kind: str, metadata: Mapping[str, str]) -> None:
    expected, found = f"faiss_bebr {kind}", metadata.get("format")
    if found != expected:
        raise ValueError(f"{name}: format {expected!r} expected, got {found!r}")
    if metadata.get("version") != str(VERSION):
        raise ValueError(
            f"{name}: version {VERSION} of the format expected, "
            f"got {metadata.get('version')}"
        )


def _parse(name: str, text: str) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no number of JSON")

    try:
        description = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name}: its description is no JSON: {error}") from error
    if not isinstance(description, dict):
        raise ValueError(f"{name}: its description is no JSON object")
    return description
