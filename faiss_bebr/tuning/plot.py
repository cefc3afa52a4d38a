"""The trade-off of a `TuningResult` as a picture."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .result import TuningRow, pareto_rows

if TYPE_CHECKING:
    from .result import TuningResult

AXES = (("bytes", "bytes per vector"), ("queries_per_second", "queries per second"))


def import_figure() -> Any:
    """matplotlib's Figure, which draws without a window or global state.

    Raises
    ------
    ImportError
        If matplotlib is missing; the text names the extra to install.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            'plots need matplotlib: pip install "faiss_bebr[plot]"; '
            "table() and to_csv() work without"
        ) from error
    return Figure


def draw(result: TuningResult, path: str | os.PathLike[str] | None) -> Any:
    figure = import_figure()(figsize=(12, 5), layout="constrained")
    for axes, (cost, label) in zip(figure.subplots(1, 2), AXES, strict=True):
        _draw_side(axes, result, cost)
        axes.set_xscale("log")
        axes.set_xlabel(label)
        axes.set_ylabel(f"recall {result.k}@{result.k}")
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize="small")
    if path is not None:
        figure.savefig(path)
    return figure


def _draw_side(axes: Any, result: TuningResult, cost: str) -> None:
    front = pareto_rows(result.rows, cost)
    axes.plot(*_points(front, cost), color="lightgrey", linewidth=6, zorder=0)
    families = dict.fromkeys(row.family for row in result.rows)
    for family in families:
        rows = [row for row in result.rows if row.family == family]
        rows.sort(key=lambda row: row.bytes)
        style = "o-" if rows[0].is_own else "x--"
        axes.plot(*_points(rows, cost), style, label=family)


def _points(rows: list[TuningRow], cost: str) -> tuple[list[float], list[float]]:
    return [getattr(row, cost) for row in rows], [row.recall for row in rows]
