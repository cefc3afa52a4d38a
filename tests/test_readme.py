"""The README's Python is run, and its claims about commands hold."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text()


@pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed"
)
def test_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # one writes a file
    blocks = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert names["index"].ntotal == names["binary_index"].ntotal == 5000
    # each vector finds itself first or nearly so
    assert all(i in names["labels"][i] for i in range(5))
