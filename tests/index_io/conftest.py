"""Every kind of index with every metric."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from binary_kinds import KINDS
from builders import L2
from cases import Case, get_case, serialize


@pytest.fixture(autouse=True)
def same_graph_each_time(one_thread: None) -> None:
    """For indexes that are built again and compared."""


@pytest.fixture(
    params=[
        pytest.param(
            (kind.name, metric), id=f"{kind.name}-{'L2' if metric == L2 else 'IP'}"
        )
        for kind in KINDS.values()
        for metric in kind.metrics
    ]
)
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    found = get_case(*request.param)
    yield found
    assert serialize(found.index) == found.data, "the index was changed"
