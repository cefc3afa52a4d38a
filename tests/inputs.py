"""What the tests of several index types put in."""

from __future__ import annotations

import faiss
import numpy as np


def random_codes(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Codes of which some are all zeros or all ones: the largest distances."""
    codes = rng.integers(0, 256, (n, d // 8), dtype=np.uint8)
    codes[: n // 50] = 255
    codes[n // 50 : n // 25] = 0
    return codes


def selectors(ntotal: int) -> dict[str, faiss.IDSelector]:
    """Every kind of selector; keeps references to what they point to."""
    ids = np.arange(3, ntotal, 7)
    bitmap = np.packbits(np.arange(ntotal) % 3 == 0, bitorder="little")
    low = faiss.IDSelectorRange(0, ntotal // 2)
    batch = faiss.IDSelectorBatch(ids)
    return {
        "range": faiss.IDSelectorRange(10, ntotal - 10),
        "array": faiss.IDSelectorArray(ids),
        "batch": batch,
        "bitmap": faiss.IDSelectorBitmap(bitmap),
        "not": faiss.IDSelectorNot(batch),
        "all": faiss.IDSelectorAll(),
        "and": faiss.IDSelectorAnd(low, batch),
        "or": faiss.IDSelectorOr(low, batch),
        "xor": faiss.IDSelectorXOr(low, batch),
        "none": faiss.IDSelectorRange(0, 0),
        "callback": faiss.PyCallbackIDSelector(lambda i: i % 4 == 1),
    }
