"""Searches of several indexes timed in turn, A B A B ..., in one process."""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

K = 10  # neighbours that are asked for, if not told otherwise


@dataclass
class Contender:
    """An index with queries in the form that it takes, and its recall if known."""

    name: str
    index: Any
    queries: np.ndarray
    bytes_per_vector: float
    recall: float | None = None


@dataclass
class SpeedRow:
    """Queries a second of an index, and its ratio to the reference in each round.

    The reference is the first contender of its comparison; its own ratio is 1.
    parameter is nprobe or efSearch where the index has such; k is how many neighbours
    were asked for; in_a_row says how many searches of an index were timed before it
    was the next one's turn.
    """

    case: str
    index: str
    reference: str
    bytes_per_vector: float
    parameter: int | None
    recall_10_at_10: float | None
    k: int
    queries_at_once: int
    threads: int
    in_a_row: int
    rounds: int
    queries_a_second: float
    least: float
    most: float
    ratio: float
    least_ratio: float
    most_ratio: float


def seconds_of_search(
    index: Any, batches: Sequence[np.ndarray], k: int, clock: str = "wall"
) -> float:
    """Of all the batches one after the other. clock "cpu" counts what this thread
    computed, whatever else the machine does: for one thread only."""
    read = time.perf_counter if clock == "wall" else time.thread_time
    start = read()
    for batch in batches:
        index.search(batch, k)
    return read() - start


def compare(
    case: str,
    contenders: Sequence[Contender],
    *,
    queries_at_once: int,
    threads: int,
    rounds: int,
    k: int = K,
    parameter: int | None = None,
    clock: str = "wall",
    in_a_row: int = 1,
) -> list[SpeedRow]:
    """Time the first `queries_at_once` queries of each contender, in turn; or
    `in_a_row` searches of as many, one after the other, which leaves an index in the
    caches."""
    batches = [
        [
            one.queries[i * queries_at_once : (i + 1) * queries_at_once]
            for i in range(in_a_row)
        ]
        for one in contenders
    ]
    for one, own in zip(contenders, batches, strict=True):
        seconds_of_search(one.index, own, k)
    seconds = np.array(
        [
            [
                seconds_of_search(one.index, own, k, clock)
                for one, own in zip(contenders, batches, strict=True)
            ]
            for _ in range(rounds)
        ]
    )
    rates = queries_at_once * in_a_row / seconds
    ratios = seconds[:, :1] / seconds
    return [
        SpeedRow(
            case=case,
            index=one.name,
            reference=contenders[0].name,
            bytes_per_vector=one.bytes_per_vector,
            parameter=parameter,
            recall_10_at_10=one.recall,
            k=k,
            queries_at_once=queries_at_once,
            threads=threads,
            in_a_row=in_a_row,
            rounds=rounds,
            queries_a_second=float(np.median(rates[:, i])),
            least=float(rates[:, i].min()),
            most=float(rates[:, i].max()),
            ratio=float(np.median(ratios[:, i])),
            least_ratio=float(ratios[:, i].min()),
            most_ratio=float(ratios[:, i].max()),
        )
        for i, one in enumerate(contenders)
    ]


def describe(row: SpeedRow) -> str:
    recall = "" if row.recall_10_at_10 is None else f"{row.recall_10_at_10:.3f}"
    parameter = "" if row.parameter is None else str(row.parameter)
    return (
        f"{row.case:10} {row.index:28} {parameter:>4} {row.bytes_per_vector:6.0f} B "
        f"{recall:>6}  {row.queries_at_once:5} at once {row.threads} thr "
        f"{'' if row.k == K else f'k={row.k} '}"
        f"{'' if row.in_a_row == 1 else f'{row.in_a_row} in a row '}"
        f"{row.queries_a_second:10.0f} q/s ({row.least:.0f} to {row.most:.0f})  "
        f"ratio {row.ratio:5.2f} ({row.least_ratio:.2f} to {row.most_ratio:.2f})"
    )


def describe_at_equal_recall(rows: Sequence[SpeedRow]) -> list[str]:
    """How many times the reference's queries a second each row has, where the
    reference has the row's recall: its rate there lies between two of its rows, on a
    line of log rate against recall. Rows that it has no such for are left out."""
    lines = []
    for row in rows:
        reference = sorted(
            (other.recall_10_at_10, other.queries_a_second)
            for other in rows
            if other.index == row.reference
            and (other.queries_at_once, other.threads)
            == (row.queries_at_once, row.threads)
        )
        recalls, rates = np.array(reference).T
        if row.index == row.reference:
            continue
        if recalls[0] <= row.recall_10_at_10 <= recalls[-1]:
            rate = np.exp(np.interp(row.recall_10_at_10, recalls, np.log(rates)))
            lines.append(
                f"{row.case:10} {row.index:28} {row.parameter:>4} "
                f"{row.recall_10_at_10:.3f}  {row.queries_at_once:5} at once "
                f"{row.threads} thr  {row.queries_a_second / rate:5.2f} times "
                f"{row.reference} at equal recall"
            )
    return lines


def write(rows: Sequence[SpeedRow], path: Path) -> None:
    """All rows as a CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(SpeedRow)])
        writer.writeheader()
        for row in rows:
            writer.writerow(
                {
                    name: round(value, 4) if isinstance(value, float) else value
                    for name, value in asdict(row).items()
                }
            )


def draw(rows: Sequence[SpeedRow], path: Path) -> None:
    """Recall against queries a second: a row of pictures for each case with recall, in
    it one for each number of queries at once and of threads."""
    from matplotlib.figure import Figure

    known = [row for row in rows if row.recall_10_at_10 is not None]
    cases = list(dict.fromkeys(row.case for row in known))
    loads = sorted({(row.queries_at_once, row.threads) for row in known}, reverse=True)
    figure = Figure(figsize=(6 * len(loads), 5 * len(cases)), layout="constrained")
    grid = figure.subplots(len(cases), len(loads), squeeze=False)
    for case, line in zip(cases, grid, strict=True):
        for load, axes in zip(loads, line, strict=True):
            part = [
                row
                for row in known
                if (row.case, row.queries_at_once, row.threads) == (case, *load)
            ]
            if not part:
                axes.set_visible(False)
                continue
            _draw_indexes(axes, part)
            axes.set_title(f"{case}, {load[0]} at once, {load[1]} thread(s)")
    figure.savefig(path, dpi=80)


def _draw_indexes(axes: Any, rows: Sequence[SpeedRow]) -> None:
    for name in dict.fromkeys(row.index for row in rows):
        own = [row for row in rows if row.index == name]
        axes.plot(
            [row.recall_10_at_10 for row in own],
            [row.queries_a_second for row in own],
            "o-" if "SDC" in name else "x--",
            label=f"{name}, {own[0].bytes_per_vector:.0f} bytes",
        )
    axes.set_yscale("log")
    axes.set_xlabel("recall 10@10")
    axes.set_ylabel("queries a second")
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize="small")
