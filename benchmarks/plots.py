"""Plots and a table of the CSV file that `recall.py` writes.

For each family, the best codec on the queries for choosing in at most so many
bytes; drawn is its recall on the reported queries.

    python benchmarks/plots.py recall.csv --dataset wordnet --plot recall.png
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from own_codecs import FAMILY
from results import Results, Row

MEASURES = {
    "recall_10_at_10": "recall 10@10",
    "recall_1_at_10": "recall 1@10",
    "hit_at_10": "relevant document in 10",
}


def best_rows(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """By family, its reported rows of more recall than all with fewer bytes."""
    families: dict[str, list[Row]] = {}
    reported = [row for row in rows if row.recall_10_at_10 is not None]
    for row in sorted(reported, key=lambda row: (row.code_size, -row.choosing_recall)):
        best = families.setdefault(row.family, [])
        if not best or row.choosing_recall > best[-1].choosing_recall:
            best.append(row)
    return families


def best_at(rows: Iterable[Row], size: int) -> Row | None:
    """Of one family, the best on the queries for choosing in at most size bytes."""
    fitting = [row for row in rows if row.code_size <= size]
    return max(fitting, key=lambda row: row.choosing_recall, default=None)


def table(families: dict[str, list[Row]], sizes: Iterable[int]) -> str:
    """In markdown: for each size this package's codec, and the best of FAISS's."""
    lines = [
        "| bytes | codec | recall 10@10 | 1@10 | best of FAISS | recall 10@10 | 1@10 |",
        "|---|---|---|---|---|---|---|",
    ]
    others = [
        row for family, rows in families.items() if family != FAMILY for row in rows
    ]
    for size in sizes:
        pair = best_at(families.get(FAMILY, []), size), best_at(others, size)
        cells = [_cell(row) for row in pair]
        lines.append(f"| {size} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(row: Row | None) -> str:
    if row is None:
        return "- | - | -"
    return (
        f"`{row.description}` {row.metric}, {row.code_size} | "
        f"{row.recall_10_at_10:.4f} | {row.recall_1_at_10:.4f}"
    )


def draw(families: dict[str, list[Row]], path: Path) -> None:
    from matplotlib.figure import Figure

    measures = [
        measure
        for measure in MEASURES
        if all(getattr(row, measure) is not None for row in sum(families.values(), []))
    ]
    figure = Figure(figsize=(6 * len(measures), 5), layout="constrained")
    sides = figure.subplots(1, len(measures), squeeze=False)[0]
    for axes, measure in zip(sides, measures, strict=True):
        for family, rows in families.items():
            own = family == FAMILY
            axes.plot(
                [row.code_size for row in rows],
                [getattr(row, measure) for row in rows],
                "o-" if own else "x--",
                linewidth=2.5 if own else 1,
                label=family,
            )
        axes.set_xlabel("bytes per vector")
        axes.set_ylabel(MEASURES[measure])
        axes.grid(alpha=0.3)
    sides[0].legend(fontsize="small")
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("csv", type=Path)
    parser.add_argument("--dataset", default="wordnet")
    parser.add_argument("--plot", type=Path, help="where the picture is written")
    arguments = parser.parse_args()
    rows = [
        row for row in Results(arguments.csv).rows if row.dataset == arguments.dataset
    ]
    if not rows:
        parser.error(f"{arguments.csv} has no rows of {arguments.dataset}")
    from recall import SIZES

    families = best_rows(rows)
    print(table(families, SIZES[arguments.dataset]))
    if arguments.plot:
        draw(families, arguments.plot)


if __name__ == "__main__":
    main()
