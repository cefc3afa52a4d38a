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
from faiss_bebr.binarizers import register_binarizer, unregister_binarizer
from faiss_bebr.factory import index_binary_factory, index_factory
from faiss_bebr.index_io import (
    clone_binary_index,
    clone_index,
    deserialize_index,
    deserialize_index_binary,
    downcast_index,
    downcast_IndexBinary,
    downcast_VectorTransform,
    read_index,
    read_index_binary,
    read_VectorTransform,
    serialize_index,
    serialize_index_binary,
    write_index,
    write_index_binary,
    write_VectorTransform,
)
from faiss_bebr.mapped_vectors import map_vectors
from faiss_bebr.registration import register, unregister
from faiss_bebr.swigfaiss_bebr import (
    BinarizerTransform,
    IndexBinaryIVFSDC,
    IndexBinarySDC,
    IndexIVFSDC,
    IndexMappedVectors,
    IndexSDC,
    IndexSDCFastScan,
    ParameterSpace,
    Scale_cosine,
    Scale_least_squares,
    Scale_unbiased,
    SearchParametersSDC,
    get_simd_level_name,
)
from faiss_bebr.tuning import tune

if TYPE_CHECKING:
    from faiss_bebr.training import RecurrentBinarizer as RecurrentBinarizer
    from faiss_bebr.training import train_binarizer as train_binarizer
    from faiss_bebr.training import train_compatible as train_compatible

__version__ = "0.1.0"

__all__ = [
    "BinarizerTransform",
    "IndexBinaryIVFSDC",
    "IndexBinarySDC",
    "IndexIVFSDC",
    "IndexMappedVectors",
    "IndexSDC",
    "IndexSDCFastScan",
    "ParameterSpace",
    "Scale_cosine",
    "Scale_least_squares",
    "Scale_unbiased",
    "SearchParametersSDC",
    "clone_binary_index",
    "clone_index",
    "deserialize_index",
    "deserialize_index_binary",
    "downcast_IndexBinary",
    "downcast_VectorTransform",
    "downcast_index",
    "get_simd_level_name",
    "index_binary_factory",
    "index_factory",
    "map_vectors",
    "read_VectorTransform",
    "read_index",
    "read_index_binary",
    "register",
    "register_binarizer",
    "serialize_index",
    "serialize_index_binary",
    "tune",
    "unregister",
    "unregister_binarizer",
    "write_VectorTransform",
    "write_index",
    "write_index_binary",
]

# these need PyTorch, which search does not; so they are not in __all__
_TRAINING_NAMES = ("RecurrentBinarizer", "train_binarizer", "train_compatible")


def __getattr__(name: str) -> Any:
    if name in _TRAINING_NAMES:
        return getattr(_trainer_hook.import_training(), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
