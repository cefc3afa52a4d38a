"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from typing import Any


def write_all(stream: Any, data: bytes | memoryview, name: str = "") -> None:
    """Write all of ``data`` to an unbuffered file, which may take less at a time."""
    rest = memoryview(data)
    while len(rest):
        taken = stream.write(rest)
        if taken is None:  # many file-like objects do not say
            return
        if taken == 0:
            raise OSError(f"{name or stream} takes no more bytes")
        rest = rest[taken:]


@contextlib.contextmanager
def replaced_file(path: str) -> Iterator[Any]:
    """An unbuffered file to write, which takes the place of ``path`` at the end of the
    block; after an error there ``path`` is what it was before."""
    before = _stat(path)
    if before is not None and not stat.S_ISREG(before.st_mode):
        with open(path, "wb", buffering=0) as stream:  # a pipe or a device
            yield stream
        return
    # a link stays, and what it leads to is replaced
    path = os.path.realpath(path)
    folder, name = os.path.split(path)
    # the name may be as long as names can be
    new = os.path.join(folder, f"{name[:50]}.{secrets.token_hex(8)}.tmp")
    try:
        with open(new, "xb", buffering=0) as stream:
            if before is not None:
                _take_owner_and_mode(stream.fileno(), before)
            yield stream
            os.fsync(stream.fileno())
        os.replace(new, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        raise
    _sync_folder(folder)


def _take_owner_and_mode(fd: int, before: os.stat_result) -> None:
    with contextlib.suppress(PermissionError):  # only root can give files away
        os.fchown(fd, before.st_uid, before.st_gid)
    os.fchmod(fd, stat.S_IMODE(before.st_mode))


def _sync_folder(folder: str) -> None:
    """So that a new name outlasts a power failure, where the file system can."""
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None
