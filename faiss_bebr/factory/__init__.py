"""Factory strings: FAISS's grammar with the tokens of this package."""

from faiss_bebr.factory.binary_indexes import index_binary_factory
from faiss_bebr.factory.float_indexes import index_factory

__all__ = ["index_binary_factory", "index_factory"]
