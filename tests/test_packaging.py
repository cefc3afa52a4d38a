"""The package installs in every way that pip knows, into empty environments.

Slow, as each way compiles: pytest tests/test_packaging.py -m packaging
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.packaging

ROOT = Path(__file__).parent.parent
SEARCH = """
import faiss, numpy as np, faiss_bebr
from faiss_bebr.swigfaiss_bebr import get_compiled_faiss_version
index = faiss_bebr.IndexSDC(64, 2)
x = np.random.default_rng(0).standard_normal((100, 64), dtype="float32")
index.add(x)
assert (index.search(x, 1)[1][:, 0] == np.arange(100)).mean() > 0.9
print(faiss_bebr.__file__, get_compiled_faiss_version())
"""


def run(*command: str | Path, cwd: Path) -> str:
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


def new_environment(folder: Path) -> Path:
    """Python of a new virtual environment."""
    run(sys.executable, "-m", "venv", folder, cwd=folder.parent)
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh clone, so that nothing built here is taken up."""
    folder = tmp_path_factory.mktemp("clone")
    run("git", "clone", "-q", ROOT, folder, cwd=ROOT)
    return folder


@pytest.fixture(scope="module")
def wheel(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built with pip's build isolation, in an environment without faiss-cpu."""
    folder = tmp_path_factory.mktemp("wheel")
    python = new_environment(folder / "env")
    run(python, "-m", "pip", "wheel", "-q", "--no-deps", clone, cwd=folder)
    return next(folder.glob("*.whl"))


def test_source_distribution_builds(clone, tmp_path):
    python = new_environment(tmp_path / "env")
    run(python, "-m", "pip", "install", "-q", "build", cwd=tmp_path)
    run(python, "-m", "build", "-s", "-o", tmp_path, clone, cwd=tmp_path)
    archive = next(tmp_path.glob("*.tar.gz"))
    run(python, "-m", "pip", "install", "-q", archive, cwd=tmp_path)
    assert run(python, "-c", SEARCH, cwd=tmp_path)


@pytest.mark.parametrize("version", ["1.15.0", "1.15.1"])
def test_wheel_moved_to_another_environment(wheel, version, tmp_path):
    python = new_environment(tmp_path / "env")
    run(
        python,
        "-m",
        "pip",
        "install",
        "-q",
        wheel,
        f"faiss-cpu=={version}",
        cwd=tmp_path,
    )
    file, compiled = run(python, "-c", SEARCH, cwd=tmp_path).split()
    assert Path(file).is_relative_to(tmp_path)
    assert compiled == version


@pytest.mark.parametrize("editable", [False, True])
@pytest.mark.parametrize("isolated", [False, True])
def test_install_from_source(clone, editable, isolated, tmp_path):
    python = new_environment(tmp_path / "env")
    flags = ["-e"] if editable else []
    if not isolated:
        run(
            python, "-m", "pip", "install", "-q", "setuptools>=77", "wheel",
            "swig>=4.5,<5", "faiss-cpu==1.15.0", cwd=tmp_path,
        )  # fmt: skip
        flags.insert(0, "--no-build-isolation")
    run(python, "-m", "pip", "install", "-q", *flags, clone, cwd=tmp_path)
    file, compiled = run(python, "-c", SEARCH, cwd=tmp_path).split()
    assert Path(file).is_relative_to(clone if editable else tmp_path)
    assert compiled == ("1.15.1" if isolated else "1.15.0")
