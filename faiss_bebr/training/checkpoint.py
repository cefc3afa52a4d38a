"""A file from which a training that was stopped goes on to the same result."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from .tensor_file import (
    TensorFile,
    import_safetensors,
    read_tensor_file,
    write_tensor_file,
)
from .weights import versions

KIND = "checkpoint"
FILE_NAME = "checkpoint.safetensors"


class Checkpoint:
    """The file of one training, told by its settings and its data.

    Parameters
    ----------
    path : str or Path
        A file, or a folder that is there or ends with a separator, for a file of
        ``FILE_NAME`` in it. Folders are made.
    settings : dict
        Every argument that the result depends on, of types that JSON has.

    Raises
    ------
    ValueError
        If there is a file that is damaged or of other settings.
    ImportError
        If safetensors is missing.
    """

    def __init__(
        self, path: str | os.PathLike[str], settings: Mapping[str, Any]
    ) -> None:
        import_safetensors()
        self.path = _file_path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.settings = dict(settings)
        self.data: dict[str, Any] = {}
        self._stored = None
        if self.path.exists():
            self._stored = read_tensor_file(self.path, KIND)
            self._compare("settings", self.settings)

    def open(self, data: Mapping[str, Any]) -> TensorFile | None:
        """What was stored, or None where there was no file.

        data: statistics of the training data; raises ``ValueError`` where the file has
        others.
        """
        self.data = dict(data)
        if self._stored is None:
            return None
        self._compare("data", self.data)
        stored, self._stored = self._stored, None
        return stored

    def write(
        self, progress: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]
    ) -> None:
        """Replace the file, as one step that nothing can interrupt halfway."""
        description = {
            "settings": self.settings,
            "data": self.data,
            "progress": progress,
            "versions": versions(),
        }
        write_tensor_file(self.path, KIND, description, tensors)

    def _compare(self, name: str, given: Mapping[str, Any]) -> None:
        assert self._stored is not None
        stored = self._stored.description.get(name)
        if not isinstance(stored, dict):
            raise ValueError(f"checkpoint {self.path}: no {name} in it")
        differ = [
            f"{key} {stored.get(key)!r} there, {given.get(key)!r} here"
            for key in sorted({*stored, *given})
            if key not in stored or key not in given or stored[key] != given[key]
        ]
        if differ:
            raise ValueError(
                f"checkpoint {self.path}: of other {name}: {'; '.join(differ)}. "
                "Remove it or name another to train anew"
            )


def _file_path(path: str | os.PathLike[str]) -> Path:
    text = os.fspath(path)
    if not isinstance(text, str):
        raise TypeError(f"checkpoint: a path expected, got {path!r}")
    is_folder = text.endswith((os.sep, os.altsep or os.sep)) or os.path.isdir(text)
    return Path(text, FILE_NAME) if is_folder else Path(text)
