"""FAISS's own functions, as they are without `faiss_bebr.register`.

FAISS's Python functions look up the compiled ones at each call, where
registration puts this package's; so this package keeps those it calls.
"""

from __future__ import annotations

from faiss import swigfaiss

native = swigfaiss._swigfaiss

index_factory = native.index_factory
index_binary_factory = native.index_binary_factory
