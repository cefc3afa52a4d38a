"""Training of a recurrent code of given planes.

The linear start, then gradient steps on NCE (momentum encoder and queue) and
distillation of the float similarities. Training is task-agnostic: it sees embeddings
only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from tqdm.auto import tqdm

from .data_checks import (
    check_columns,
    check_dimension,
    check_pairs,
    check_size,
    warn_of_lengths,
)
from .factors import choose_factors, count_steps
from .held_out import HeldOut
from .learner import Learner
from .learning_options import LearningOptions
from .loop import Loop
from .network import RecurrentBinarizer, make_seeded_network
from .report import TrainingReport
from .run import Run
from .sampling import Sample, count_batches, draw_sample
from .start import LinearStart, can_foresee, fit_linear_start, plane_groups
from .tensor_file import TensorFile

HELD_OUT_DOCUMENTS = 20_000
HELD_OUT_K = 10
DEFAULT_LEARNING_RATE = 1e-3
DEFAULT_TRAIN_POINTS = 50_000
ROTATION_POINTS = 20_000
# Factors of LinearStart.apply, see choose_factors.
START_GRID = {
    "range_factor": (1.1, 1.0, 1.2, 1.4),
    "offset_factor": (0.85, 1.0, 0.7, 0.55),
    "feedback": (0.0, 0.05, 0.1, 0.15),
}
# Of networks whose hidden layer foresees signs, which makes more of it stable.
FORESEEN_FEEDBACK = (0.0, 0.15, 0.3, 0.45)


class Planes(NamedTuple):
    """The code that is asked for, and how many embeddings a step takes."""

    widths: tuple[int, ...]
    document_nbits: int
    hidden: tuple[int, ...]
    """Of each network that is tried."""
    normalize: bool
    batch_size: int
    surrogate: str = "straight_through"


def train_planes(
    x: Any, pairs: Any, planes: Planes, options: LearningOptions, run: Run
) -> RecurrentBinarizer:
    """``train_binarizer`` with ``m``."""
    # Settings in checkpoints are compared before data are read, and data before any
    # training.
    runs = [
        run if i == 0 else run.variant(f"hidden{hidden}")
        for i, hidden in enumerate(planes.hidden)
    ]
    rng = np.random.default_rng(run.seed)
    material = _draw(x, pairs, planes.widths[0], run, rng)
    stored = [variant.stored(material.data) for variant in runs]
    rows = material.rows
    count = min(run.held_out_queries, len(rows) // 10)
    queries, rest = np.split(rows, [count])
    held_out = HeldOut(
        queries,
        rest[:HELD_OUT_DOCUMENTS],
        k=HELD_OUT_K,
        nested=options.nested,
        matryoshka_dims=options.matryoshka_dims,
    )
    start = _Start(rest[:ROTATION_POINTS], planes, options.matryoshka_dims, run, rng)
    x = torch.from_numpy(rest).to(run.device)
    maker = _Maker(x, material, planes, options, start, held_out)
    return maker.make_best(runs, stored)


class _Material(NamedTuple):
    """What is trained with."""

    rows: np.ndarray
    """(n, d_in) float32, in random order"""
    pairs: tuple[Sample, Sample] | None
    data: dict[str, Any]
    """Statistics for the report, by which a checkpoint tells other data."""


def _draw(x: Any, pairs: Any, m: int, run: Run, rng: np.random.Generator) -> _Material:
    """Of what a code of ``m`` dimensions can be trained with."""
    check_size(run.max_train_points, "max_train_points", m)
    sample = draw_sample(x, run.max_train_points, rng)
    check_size(sample.total, "x", m)
    check_columns(sample.rows, m)
    warn_of_lengths(sample.rows)
    data = sample.statistics()
    drawn = None
    if pairs is not None:
        drawn = draw_pairs(pairs, sample.rows.shape[1], run)
        data["pairs"] = [part.statistics() for part in drawn]
    return _Material(sample.rows, drawn, data)


class _Maker(NamedTuple):
    """What the networks that are tried have in common."""

    x: torch.Tensor
    material: _Material
    planes: Planes
    options: LearningOptions
    start: _Start
    held_out: HeldOut

    def make_best(
        self, runs: Sequence[Run], stored: Sequence[TensorFile | None]
    ) -> RecurrentBinarizer:
        """The best of the networks, one for each run, the first of equal ones."""
        best: RecurrentBinarizer | None = None
        for hidden, run, file in zip(self.planes.hidden, runs, stored, strict=True):
            net = self._make_network(run, hidden)
            try:
                self.make(net, run, file)
                interrupted = _report(net).interrupted
                if best is None or _report(net).best_recall > _report(best).best_recall:
                    best = net
            except KeyboardInterrupt:
                # In a start, before its network is of use; steps see to it themselves.
                if best is None:
                    raise
                interrupted = True
            if interrupted:
                _report(best).interrupted = True
                break
        assert best is not None
        return best.cpu()

    def _make_network(self, run: Run, hidden: int) -> RecurrentBinarizer:
        planes = self.planes
        net = make_seeded_network(
            run.seed,
            self.x.shape[1],
            planes.widths,
            hidden=hidden,
            normalize=planes.normalize,
        )
        net.surrogate = planes.surrogate
        if planes.document_nbits < len(planes.widths):
            net.set_document_code(planes.widths[: planes.document_nbits])
        return net.to(run.device)

    def make(
        self,
        net: RecurrentBinarizer,
        run: Run,
        stored: TensorFile | None,
    ) -> None:
        """Make ``net`` the start, and train it."""
        steps = run.epochs * count_batches(len(self.x), self.planes.batch_size)
        with run.watch(self.start.steps + steps) as watch:
            if stored is None:
                recall = self.start.apply(net, self.held_out, watch.bar)
                net.report = TrainingReport(
                    recall, recall, settings=run.settings, data=self.material.data
                )
                if self.options.matryoshka_dims:
                    self.held_out.recall(net)
                    net.report.history.append(
                        {"step": 0, "recall": recall, **self.held_out.parts}
                    )
            else:
                watch.bar.update(self.start.steps)
            if not run.epochs:
                return
            learner = Learner(
                net,
                self.x,
                self.options,
                epochs=run.epochs,
                batch_size=self.planes.batch_size,
                seed=run.seed,
                precision=run.precision,
                pairs=_place(self.material.pairs, run.device),
            )
            loop = Loop(net, learner, self.held_out, run, watch)
            if stored is not None:
                loop.restore(stored)
            loop.improve()


def _report(net: RecurrentBinarizer) -> TrainingReport:
    assert net.report is not None
    return net.report


def _place(
    pairs: tuple[Sample, Sample] | None, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor] | None:
    if pairs is None:
        return None
    queries, documents = (torch.from_numpy(part.rows).to(device) for part in pairs)
    return queries, documents


def draw_pairs(pairs: Any, d_in: int, run: Run) -> tuple[Sample, Sample]:
    """A sample of the same rows of both sides."""
    if not isinstance(pairs, (tuple, list)) or len(pairs) != 2:
        raise TypeError("pairs: (queries, documents) expected")
    # The same seed draws the same rows of sources of the same length.
    queries, documents = (
        draw_sample(
            part, run.max_train_points, np.random.default_rng(run.seed), "pairs"
        )
        for part in pairs
    )
    check_pairs(range(queries.total), range(documents.total))
    for part in (queries, documents):
        check_dimension(part.rows, d_in, "pairs", "x")
    return queries, documents


class _Start:
    """The start of all networks that are tried, made when it is needed.

    They share all but the feedback, which hidden layers may make more of.
    """

    def __init__(
        self,
        x: np.ndarray,
        planes: Planes,
        matryoshka_dims: tuple[int, ...],
        run: Run,
        rng: np.random.Generator,
    ) -> None:
        self._x, self._planes, self._rng = x, planes, rng
        self._prefix_widths = matryoshka_dims
        self._rounds = run.rotation_rounds
        groups = len(plane_groups(planes.widths, matryoshka_dims))
        self.steps = self._rounds * groups + count_steps(START_GRID)
        """Of the progress bar."""
        self._made: tuple[LinearStart, dict[str, float]] | None = None

    def apply(self, net: RecurrentBinarizer, held_out: HeldOut, bar: tqdm) -> float:
        """Make ``net`` the start, and return its held-out recall."""
        if self._made is None:
            linear = fit_linear_start(
                self._x,
                self._planes.widths,
                document_nbits=self._planes.document_nbits,
                rotation_rounds=self._rounds,
                rng=self._rng,
                prefix_widths=self._prefix_widths,
                after_round=bar.update,
            )
            grid = {**START_GRID, "feedback": _feedback_grid(net)}
            factors, recall = _choose_start(net, linear, grid, held_out, bar)
            self._made = linear, factors
            return recall
        linear, factors = self._made
        grid = {name: (value,) for name, value in factors.items()}
        grid["feedback"] = _feedback_grid(net)
        bar.update(self.steps - count_steps(grid))
        return _choose_start(net, linear, grid, held_out, bar)[1]


def _feedback_grid(net: RecurrentBinarizer) -> tuple[float, ...]:
    block = net.blocks()[net.document_nbits - 1][0]
    return FORESEEN_FEEDBACK if can_foresee(block) else START_GRID["feedback"]


def _choose_start(
    net: RecurrentBinarizer,
    start: LinearStart,
    grids: dict[str, tuple[float, ...]],
    held_out: HeldOut,
    bar: tqdm,
) -> tuple[dict[str, float], float]:
    """Make ``net`` the start whose factors recall most; they, and that recall."""
    depth = net.document_nbits

    def recall_of(**factors: float) -> float:
        start.apply(net, **factors, document_nbits=depth)
        return held_out.recall(net)

    chosen, best = choose_factors(grids, recall_of, bar)
    start.apply(net, **chosen, document_nbits=depth)
    return chosen, best
