"""The faiss-cpu versions this package works with, in one place.

setup.py reads this file when it builds, `faiss_bebr` when it is imported.
"""

SUPPORTED_FAISS_VERSIONS: tuple[str, ...] = ("1.15.0", "1.15.1")


def variant_package(version: str) -> str:
    """Name of the subpackage that is compiled for a faiss-cpu version."""
    return "_faiss_" + version.replace(".", "_")
