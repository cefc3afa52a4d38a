"""The supported faiss-cpu versions are one list, and any other is refused."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import faiss
import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from probes import ROOT

import faiss_bebr
from faiss_bebr._versions import SUPPORTED_FAISS_VERSIONS, variant_package
from faiss_bebr.swigfaiss_bebr import get_compiled_faiss_version

PACKAGE = Path(faiss_bebr.__file__).parent
# prints the error, then which compiled modules were loaded
IMPORT_AND_REPORT = """
import sys
try:
    import faiss_bebr
except ImportError as error:
    print("ImportError:", error)
loaded = [name for name in sys.modules if name.endswith("._swigfaiss_bebr")]
mapped = "_swigfaiss_bebr" in open("/proc/self/maps").read()
print("loaded:", loaded, mapped)
"""
NOTHING_LOADED = "loaded: [] False"
PRETEND = """
from importlib import metadata
def version(name):
    if name == "faiss-cpu":
        {statement}
    return original(name)
original = metadata.version
metadata.version = version
"""


def run_python(code: str, path: Path) -> str:
    """Output of a program that finds `faiss_bebr` in the folder `path`."""
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=path,
        env=os.environ | {"PYTHONPATH": str(path)},
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def built_versions() -> list[str]:
    return [
        version
        for version in SUPPORTED_FAISS_VERSIONS
        if list((PACKAGE / variant_package(version)).glob("_swigfaiss_bebr*.so"))
    ]


def test_supported_versions_are_in_order() -> None:
    versions = [Version(version) for version in SUPPORTED_FAISS_VERSIONS]
    assert versions == sorted(set(versions))
    assert Version(metadata.version("faiss-cpu")) in versions


def test_requirements_are_the_supported_versions() -> None:
    """Neither more nor fewer, for building and for running."""
    text = (ROOT / "pyproject.toml").read_text()
    requirements = re.findall(r'"faiss-cpu([^"]*)"', text)
    assert len(requirements) == 2
    for requirement in requirements:
        accepted = SpecifierSet(requirement)
        assert list(accepted.filter(SUPPORTED_FAISS_VERSIONS)) == list(
            SUPPORTED_FAISS_VERSIONS
        )
        bounds = {Version(specifier.version) for specifier in accepted}
        first, last = SUPPORTED_FAISS_VERSIONS[0], SUPPORTED_FAISS_VERSIONS[-1]
        assert bounds == {Version(first), Version(last)}
        assert not accepted.contains(f"{last}.1")


def test_versions_are_listed_once() -> None:
    for path in (ROOT / "setup.py", PACKAGE / "_variant.py", PACKAGE / "__init__.py"):
        text = path.read_text()
        assert [v for v in SUPPORTED_FAISS_VERSIONS if v in text] == [], path


def test_built_variants_are_supported_versions() -> None:
    folders = {path.name for path in PACKAGE.glob("_faiss_*") if path.is_dir()}
    assert folders <= {variant_package(v) for v in SUPPORTED_FAISS_VERSIONS}
    assert metadata.version("faiss-cpu") in built_versions()


def test_the_variant_of_the_installed_version_is_loaded() -> None:
    installed = metadata.version("faiss-cpu")
    assert get_compiled_faiss_version() == installed == faiss.__version__
    assert f"faiss_bebr.{variant_package(installed)}._swigfaiss_bebr" in sys.modules


@pytest.mark.parametrize("version", ["1.99.0", "1.14.9", "1.15.1.post1"])
def test_unsupported_version_is_refused(version: str) -> None:
    pretend = PRETEND.format(statement=f"return {version!r}")
    output = run_python(pretend + IMPORT_AND_REPORT, PACKAGE.parent)
    assert "ImportError:" in output
    assert NOTHING_LOADED in output
    assert f"but {version} is installed" in output
    for supported in SUPPORTED_FAISS_VERSIONS:
        assert supported in output
    assert re.search(r"rebuild .*: pip install [^\n]*faiss_bebr", output)


def test_another_faiss_than_the_installed_one_is_refused() -> None:
    """As when a second FAISS comes first on the path."""
    others = [v for v in SUPPORTED_FAISS_VERSIONS if v != faiss.__version__]
    pretend = PRETEND.format(statement=f"return {others[0]!r}")
    output = run_python(pretend + IMPORT_AND_REPORT, PACKAGE.parent)
    assert f"the imported faiss is {faiss.__version__}" in output
    assert f"faiss-cpu is {others[0]}" in output
    assert NOTHING_LOADED in output


def test_build_for_another_version_is_refused(tmp_path: Path) -> None:
    """A package that has only the other version's module, as after an upgrade."""
    installed = metadata.version("faiss-cpu")
    others = [version for version in built_versions() if version != installed]
    if not others:
        pytest.skip("only the installed version's module was built")
    missing = variant_package(installed)
    shutil.copytree(
        PACKAGE,
        tmp_path / "faiss_bebr",
        ignore=shutil.ignore_patterns(missing, "__pycache__"),
    )
    output = run_python(IMPORT_AND_REPORT, tmp_path)
    assert f"built for faiss-cpu {', '.join(others)}, but {installed}" in output
    assert NOTHING_LOADED in output


def test_faiss_without_metadata_tells_its_version() -> None:
    """As when FAISS was not installed by pip."""
    pretend = PRETEND.format(statement="raise metadata.PackageNotFoundError(name)")
    output = run_python(pretend + IMPORT_AND_REPORT, PACKAGE.parent)
    assert "ImportError" not in output
    assert variant_package(faiss.__version__) in output
