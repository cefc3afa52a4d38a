"""Numpy methods that the inverted files share."""

from __future__ import annotations

from typing import Any


def merge_from(self: Any, otherIndex: Any, add_id: int | None = None) -> None:
    """Move the vectors of another index to this one; it is empty then.

    Parameters
    ----------
    otherIndex : Index or IndexBinary
        An index of the same class, codec and coarse quantizer.
    add_id : int, optional
        Added to the ids of the other index. By default this index's
        `ntotal`, as if the vectors were added here one after the other.
    """
    self.merge_from_c(otherIndex, self.ntotal if add_id is None else add_id)
