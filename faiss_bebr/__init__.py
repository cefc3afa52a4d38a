"""Binary embedding-based retrieval as a FAISS plugin.

The system of "Binary Embedding-based Retrieval" (Gan et al., KDD 2023,
arXiv:2302.08714): a learned recurrent binarizer as a `faiss.VectorTransform`,
and index types that store its multi-bit codes and compare them by symmetric
distance calculation. Importing changes nothing in FAISS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from faiss_bebr import trainer_hook as _trainer_hook
from faiss_bebr import wrappers as _wrappers  # noqa: F401
from faiss_bebr.factory import index_binary_factory, index_factory
from faiss_bebr.mapped_vectors import map_vectors
from faiss_bebr.swigfaiss_bebr import (
    BinarizerTransform,
    IndexBinarySDC,
    IndexIVFSDC,
    IndexMappedVectors,
    IndexSDC,
    Scale_cosine,
    Scale_least_squares,
    Scale_unbiased,
    get_simd_level_name,
)

if TYPE_CHECKING:
    from faiss_bebr.training import RecurrentBinarizer as RecurrentBinarizer
    from faiss_bebr.training import train_binarizer as train_binarizer

__version__ = "0.1.0"

__all__ = [
    "BinarizerTransform",
    "IndexBinarySDC",
    "IndexIVFSDC",
    "IndexMappedVectors",
    "IndexSDC",
    "Scale_cosine",
    "Scale_least_squares",
    "Scale_unbiased",
    "get_simd_level_name",
    "index_binary_factory",
    "index_factory",
    "map_vectors",
]

# these need PyTorch, which search does not; so they are not in __all__
_TRAINING_NAMES = ("RecurrentBinarizer", "train_binarizer")


def __getattr__(name: str) -> Any:
    if name in _TRAINING_NAMES:
        return getattr(_trainer_hook.import_training(), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
