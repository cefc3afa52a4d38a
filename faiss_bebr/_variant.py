"""Loads the compiled module that fits the installed faiss-cpu."""

import ctypes
import importlib
import os
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

# before the compiled module, which is linked to the libfaiss.so this loads
import faiss

from faiss_bebr._versions import SUPPORTED_FAISS_VERSIONS, variant_package


def _installed_version() -> str:
    """The version of the faiss that was imported, which pip's record must name."""
    try:
        recorded = metadata.version("faiss-cpu")
    except metadata.PackageNotFoundError:
        return faiss.__version__
    if recorded in SUPPORTED_FAISS_VERSIONS and recorded != faiss.__version__:
        raise ImportError(
            f"the imported faiss is {faiss.__version__}, but the installed "
            f"faiss-cpu is {recorded}: is there another faiss on the path?"
        )
    return recorded


def _built_versions() -> list[str]:
    return [
        version
        for version in SUPPORTED_FAISS_VERSIONS
        if any(Path(__file__).with_name(variant_package(version)).glob("*.so"))
    ]


def _other_openmp_is_global() -> bool:
    """Whether symbols of another OpenMP runtime than FAISS's hide FAISS's.

    PyTorch makes its own runtime visible to all modules that are loaded later.
    If FAISS was loaded before, its runtime is not that one, and this module
    would not obey `faiss.omp_set_num_threads`.
    """
    try:
        visible_max_threads = ctypes.CDLL(None).omp_get_max_threads
    except AttributeError:
        return False
    nthreads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(nthreads + 1)
    try:
        return visible_max_threads() != nthreads + 1
    finally:
        faiss.omp_set_num_threads(nthreads)


def _load() -> ModuleType:
    installed = _installed_version()
    built = _built_versions()
    if installed not in built:
        raise ImportError(
            f"faiss_bebr was built for faiss-cpu {', '.join(built) or '(none)'}, "
            f"but {installed} is installed, whose C++ classes may lie "
            "differently in memory. Install one of those versions, or rebuild "
            "faiss_bebr beside one that it supports "
            f"({', '.join(SUPPORTED_FAISS_VERSIONS)}): pip install "
            "--force-reinstall --no-deps --no-cache-dir --no-binary faiss_bebr "
            "faiss_bebr, or with . in place of the last word in a clone of it"
        )
    flags = sys.getdlopenflags()
    if _other_openmp_is_global():
        sys.setdlopenflags(flags | os.RTLD_DEEPBIND)
    try:
        return importlib.import_module(
            f"faiss_bebr.{variant_package(installed)}._swigfaiss_bebr"
        )
    finally:
        sys.setdlopenflags(flags)


_swigfaiss_bebr = _load()
