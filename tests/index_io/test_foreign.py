"""Files that are no indexes, or those of FAISS of another kind."""

from __future__ import annotations

import io
import pickle
import struct
from pathlib import Path

import faiss
import numpy as np
import pytest
from cases import read

from faiss_bebr import index_io

FOREIGN = {
    "empty": (b"", "empty"),
    "git-lfs": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 3\n",
        "a git-lfs pointer; git lfs pull",
    ),
    "html": (b"<!DOCTYPE html><html><body>404</body></html>", "an HTML"),
    "xml": (b'<?xml version="1.0"?><Error/>', "an HTML or XML page"),
    "pickle": (pickle.dumps({"index": 3}), "a Python pickle"),
    "zip": (b"PK\x03\x04\x14\x00\x00\x00", "a zip archive"),
    "gzip": (b"\x1f\x8b\x08\x00abcdef", "gzip-compressed"),
    "numpy": (b"\x93NUMPY\x01\x00v\x00{'descr'", "a NumPy array"),
    "json": (b'{"index": "faiss"}', "JSON text"),
    "zeros": (bytes(1000), "zeros"),
    "binary": (
        faiss.serialize_index_binary(faiss.IndexBinaryFlat(64)).tobytes(),
        "a binary index of FAISS, which read_index_binary reads",
    ),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_files(name: str, tmp_path: Path):
    data, description = FOREIGN[name]
    path = tmp_path / "file"
    path.write_bytes(data)
    for source in (path, io.BytesIO(data)):
        with pytest.raises(RuntimeError, match="cannot read .* as an index") as error:
            read(source)
        assert description in str(error.value)
    assert str(path) in str(pytest.raises(RuntimeError, read, path).value)


def test_safetensors(tmp_path: Path):
    """Of a stream too few bytes are known."""
    header = b'{"weight":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    path = tmp_path / "file"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    with pytest.raises(RuntimeError, match="it is tensors as safetensors files have"):
        read(path)


def test_foreign_files_of_unknown_kind(tmp_path: Path):
    """FAISS's own message."""
    (tmp_path / "file").write_bytes(b"some text of somebody")
    with pytest.raises(RuntimeError, match='"some"'):
        read(tmp_path / "file")


def test_files_of_faiss_of_another_family(tmp_path: Path):
    path = tmp_path / "file"
    faiss.write_index(faiss.IndexFlatL2(8), str(path))
    with pytest.raises(RuntimeError, match="is an index of FAISS, which read_index "):
        index_io.read_index_binary(path)
    faiss.write_VectorTransform(faiss.NormalizationTransform(8), str(path))
    with pytest.raises(RuntimeError, match="which read_VectorTransform reads"):
        index_io.read_index(path)


def test_truncated_files_of_faiss(tmp_path: Path):
    """Where the description would say no more than was asked for."""
    index = faiss.IndexFlatL2(8)
    index.add(np.zeros((9, 8), np.float32))
    data = faiss.serialize_index(index).tobytes()
    with pytest.raises(RuntimeError, match="read error"):
        read(io.BytesIO(data[:-1]))
