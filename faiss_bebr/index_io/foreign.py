"""What a file is that is no index, by its first bytes."""

from __future__ import annotations

# how many bytes `describe` looks at
NBYTES = 64

_SIGNATURES = (
    (b"version https://git-lfs", "a git-lfs pointer; git lfs pull fetches the index"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"PK\x03\x04", "a zip archive, as torch.save and numpy.savez make"),
    (b"\x1f\x8b", "gzip-compressed"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed"),
    (b"\x80\x02", "a Python pickle"),
    (b"\x80\x03", "a Python pickle"),
    (b"\x80\x04", "a Python pickle"),
    (b"\x80\x05", "a Python pickle"),
    (b"\x89HDF", "an HDF5 file"),
    (b"SQLite", "an SQLite database"),
    (b"PAR1", "a Parquet file"),
    (b"%PDF", "a PDF file"),
)
_PAGES = (b"<!doctype html", b"<html", b"<head", b"<?xml")
_TRANSFORMS = tuple(b"rrot PCAm PcAm Pcam LTra Viq RmDT VNrm VCnt HRot".split())


def _begins(start: bytes, signature: bytes) -> bool:
    """Whether they agree, as far as `start` goes."""
    return start.startswith(signature[: max(len(start), 4)])


def describe(start: bytes) -> str | None:
    """What kind of file begins so, or None if that is not known.

    Parameters
    ----------
    start : bytes
        The first `NBYTES` bytes of a file, or the first 4 of a stream.
    """
    if not start:
        return "empty"
    if not start.strip(b"\0"):
        return "zeros"
    for signature, description in _SIGNATURES:
        if _begins(start, signature):
            return description
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if any(_begins(text, tag) for tag in _PAGES):
        return "an HTML or XML page"
    if text.startswith((b"{", b"[")):
        return "JSON text"
    if start[8:10] == b'{"':  # after the length of that
        return "tensors as safetensors files have"
    if start.startswith(b"IB"):
        return "a binary index of FAISS, which read_index_binary reads"
    if start.startswith(_TRANSFORMS):
        return "a vector transform of FAISS, which read_VectorTransform reads"
    if start.startswith(b"I"):
        return "an index of FAISS, which read_index reads"
    return None
