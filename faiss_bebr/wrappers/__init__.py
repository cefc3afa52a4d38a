"""Gives the compiled classes the numpy methods that FAISS's classes have.

FAISS's own handlers do it; on top of them come our checks.
"""

from faiss_bebr.wrappers.binarizer_transform import handle_BinarizerTransform
from faiss_bebr.wrappers.index_binary_ivf_sdc import handle_IndexBinaryIVFSDC
from faiss_bebr.wrappers.index_binary_sdc import handle_IndexBinarySDC
from faiss_bebr.wrappers.index_ivf_sdc import handle_IndexIVFSDC
from faiss_bebr.wrappers.index_mapped_vectors import handle_IndexMappedVectors
from faiss_bebr.wrappers.index_sdc import handle_IndexSDC, handle_IndexSDCFastScan

handle_BinarizerTransform()
handle_IndexBinarySDC()
handle_IndexBinaryIVFSDC()
handle_IndexSDC()
handle_IndexSDCFastScan()
handle_IndexIVFSDC()
handle_IndexMappedVectors()
