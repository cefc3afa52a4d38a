"""Every kind of index with every metric as a fixture."""

from __future__ import annotations

import binary_kinds  # noqa: F401
import pytest
from builders import L2
from kinds import KINDS, Kind

CASES = [
    pytest.param(kind, metric, id=f"{kind.name}-{'L2' if metric == L2 else 'IP'}")
    for kind in KINDS.values()
    for metric in kind.metrics
]


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Kind, int]:
    raise NotImplementedError
