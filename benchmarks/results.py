"""The rows that `recall.py` measures, in a CSV file that grows."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass, fields
from pathlib import Path


@dataclass
class Row:
    """What was measured of one codec.

    code_size is what FAISS says; file_bytes by how much the file of the index
    grows with each vector, which counts padding and tables too. search is
    "index", or "decoded" for exact search of the decoded vectors. The figures of
    the reported queries are None for a codec that others of its family and size
    beat on the queries for choosing, hit_at_10 where the data has no task.
    """

    dataset: str
    family: str
    description: str
    metric: str
    search: str
    train_vectors: int
    code_size: int
    file_bytes: float
    train_seconds: float
    choosing_queries: int
    choosing_recall: float
    reported_queries: int | None = None
    recall_10_at_10: float | None = None
    recall_1_at_10: float | None = None
    hit_at_10: float | None = None

    @property
    def key(self) -> tuple[str, str, str, int, int]:
        """What makes two measurements the same."""
        return (
            self.dataset,
            self.description,
            self.metric,
            self.train_vectors,
            self.choosing_queries,
        )


class Results:
    """Rows of a CSV file; those added are written at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[Row] = []
        if path.exists():
            with path.open(newline="") as file:
                self.rows = [_parse(row) for row in csv.DictReader(file)]

    def has(self, key: tuple[str, str, str, int, int]) -> bool:
        return any(row.key == key for row in self.rows)

    def add(self, row: Row) -> None:
        new = not self.path.exists()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", newline="") as file:
            writer = csv.DictWriter(file, [field.name for field in fields(Row)])
            if new:
                writer.writeheader()
            writer.writerow(
                {
                    name: round(value, 5) if isinstance(value, float) else value
                    for name, value in asdict(row).items()
                }
            )
        self.rows.append(row)


def _parse(texts: dict[str, str]) -> Row:
    convert = {"str": str, "int": int, "float": float}
    values = {}
    for field in fields(Row):
        text = texts[field.name]
        kind = field.type.removesuffix(" | None")
        values[field.name] = (
            None if text == "" and kind != "str" else convert[kind](text)
        )
    return Row(**values)
