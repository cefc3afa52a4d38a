"""What `tune` found: rows, the choice among them, a table and a plot."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any

from faiss_bebr.factory.tokens import has_own_token


@dataclass(frozen=True)
class TuningRow:
    """One code as it was measured; recall is that of k results in the k best."""

    family: str
    factory_string: str
    bytes: int
    recall: float
    queries_per_second: float
    train_seconds: float

    @property
    def is_own(self) -> bool:
        """Whether it is this package's, not one of FAISS's for comparison."""
        return has_own_token(self.factory_string)


def pareto_rows(rows: Iterable[TuningRow], cost: str = "bytes") -> list[TuningRow]:
    """Those that no other row beats in recall at as much cost, cheapest first.

    cost: "bytes", or "queries_per_second", of which more is cheaper.
    """
    sign = -1 if cost == "queries_per_second" else 1
    front: list[TuningRow] = []
    for row in sorted(rows, key=lambda row: (sign * getattr(row, cost), -row.recall)):
        if not front or row.recall > front[-1].recall:
            front.append(row)
    return front


@dataclass(frozen=True)
class TuningResult:
    """Rows in the order of measurement, and what was asked for.

    One of max_bytes and min_recall is given, the other None.
    """

    rows: list[TuningRow]
    max_bytes: int | None
    min_recall: float | None
    k: int
    num_documents: int
    num_queries: int

    @property
    def best(self) -> TuningRow:
        """This package's code of the best recall in `max_bytes`, or of the fewest
        bytes with `min_recall`.

        Raises
        ------
        LookupError
            If no code that was measured fulfils it; the text has the nearest.
        """
        own = [row for row in self.rows if row.is_own]
        if self.max_bytes is not None:
            fitting = [row for row in own if row.bytes <= self.max_bytes]
            if fitting:
                return max(fitting, key=lambda row: (row.recall, -row.bytes))
            nearest = min(own, key=lambda row: row.bytes)
            asked = f"at most {self.max_bytes} bytes"
        else:
            fitting = [row for row in own if row.recall >= self.min_recall]
            if fitting:
                return min(fitting, key=lambda row: (row.bytes, -row.recall))
            nearest = max(own, key=lambda row: row.recall)
            asked = f"recall {self.min_recall}"
        raise LookupError(
            f"no code that was measured has {asked}; the nearest is "
            f"{nearest.factory_string!r} with recall {nearest.recall:.4f} at "
            f"{nearest.bytes} bytes"
        )

    @property
    def factory_string(self) -> str:
        """Of `best`, for `faiss_bebr.index_factory`."""
        return self.best.factory_string

    def table(self) -> str:
        """All rows by falling recall, as text; a star marks `best`."""
        try:
            best: TuningRow | None = self.best
        except LookupError:
            best = None
        rows = sorted(self.rows, key=lambda row: (-row.recall, row.bytes))
        width = max(len(row.factory_string) for row in rows)
        lines = [
            f"recall {self.k}@{self.k} among {self.num_documents} documents, "
            f"{self.num_queries} queries",
            f"  {'code':{width}}  {'bytes':>5}  {'recall':>6}  {'queries/s':>9}  "
            f"{'train s':>7}",
        ]
        for row in rows:
            mark = "*" if row is best else " "
            lines.append(
                f"{mark} {row.factory_string:{width}}  {row.bytes:5}  "
                f"{row.recall:6.4f}  {row.queries_per_second:9.0f}  "
                f"{row.train_seconds:7.1f}"
            )
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.table()

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the rows with a line of names before them."""
        with open(path, "w", newline="") as file:
            names = [field.name for field in fields(TuningRow)]
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(asdict(row) for row in self.rows)

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Draw recall against bytes and against queries a second.

        Lines join a family's codes, the grey one those that no code beats.

        Parameters
        ----------
        path : path, optional
            Where the picture is saved, in the format that its ending says.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ImportError
            If matplotlib is missing; the text names the extra to install.
        """
        from .plot import draw

        return draw(self, path)
