"""Training of a recurrent code of given planes.

The linear start, then gradient steps on NCE (momentum encoder and queue) and
distillation of the float similarities. Training is task-agnostic: it sees embeddings
only.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from tqdm.auto import tqdm

from .data_checks import check_columns, check_pairs, check_size, warn_of_lengths
from .held_out import HeldOut
from .learner import Learner, LearningOptions
from .loop import Loop
from .network import RecurrentBinarizer
from .report import TrainingReport
from .run import Run
from .sampling import Sample, count_batches, draw_sample
from .start import LinearStart, fit_linear_start, plane_groups

HELD_OUT_DOCUMENTS = 20_000
HELD_OUT_K = 10
DEFAULT_LEARNING_RATE = 1e-3
DEFAULT_TRAIN_POINTS = 50_000
ROTATION_POINTS = 20_000
# Factors of LinearStart.apply, tried in this order; the first value of each is in place
# until its turn comes.
START_GRID = {
    "range_factor": (1.1, 1.0, 1.2, 1.4),
    "offset_factor": (0.85, 1.0, 0.7, 0.55),
    "feedback": (0.0, 0.05, 0.1, 0.15),
}


class Planes(NamedTuple):
    """The code that is asked for, and how many embeddings a step takes."""

    widths: tuple[int, ...]
    document_nbits: int
    hidden: int
    normalize: bool
    batch_size: int
    surrogate: str = "straight_through"


def train_planes(
    x: Any, pairs: Any, planes: Planes, options: LearningOptions, run: Run
) -> RecurrentBinarizer:
    """``train_binarizer`` with ``m``."""
    widths = planes.widths
    check_size(run.max_train_points, "max_train_points", widths[0])
    rng = np.random.default_rng(run.seed)
    sample = draw_sample(x, run.max_train_points, rng)
    check_size(sample.total, "x", widths[0])
    check_columns(sample.rows, widths[0])
    warn_of_lengths(sample.rows)
    data = sample.statistics()
    drawn_pairs = None
    if pairs is not None:
        drawn_pairs = draw_pairs(pairs, sample.rows.shape[1], run)
        data["pairs"] = [part.statistics() for part in drawn_pairs]
    stored = run.stored(data)
    count = min(run.held_out_queries, len(sample.rows) // 10)
    queries, rest = np.split(sample.rows, [count])
    net = _seeded_network(run.seed, rest.shape[1], planes).to(run.device)
    start_steps = _start_steps(widths, run.rotation_rounds)
    steps = run.epochs * count_batches(len(rest), planes.batch_size)
    with run.watch(start_steps + steps) as watch:
        held_out = HeldOut(
            queries, rest[:HELD_OUT_DOCUMENTS], k=HELD_OUT_K, nested=options.nested
        )
        if stored is None:
            start = fit_linear_start(
                rest[:ROTATION_POINTS],
                widths,
                document_nbits=planes.document_nbits,
                rotation_rounds=run.rotation_rounds,
                rng=rng,
                after_round=watch.bar.update,
            )
            recall = _apply_best_start(net, start, held_out, watch.bar)
            net.report = TrainingReport(
                recall, recall, settings=run.settings, data=data
            )
        else:
            watch.bar.update(start_steps)
        if run.epochs:
            learner = Learner(
                net,
                torch.from_numpy(rest).to(run.device),
                options,
                epochs=run.epochs,
                batch_size=planes.batch_size,
                seed=run.seed,
                precision=run.precision,
                pairs=None
                if drawn_pairs is None
                else tuple(
                    torch.from_numpy(part.rows).to(run.device) for part in drawn_pairs
                ),
            )
            loop = Loop(net, learner, held_out, run, watch)
            if stored is not None:
                loop.restore(stored)
            loop.improve()
    return net.cpu()


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
        if part.rows.shape[1] != d_in:
            raise ValueError(
                f"pairs: {d_in} dimensions expected, as x has, got {part.rows.shape[1]}"
            )
    return queries, documents


def _seeded_network(seed: int, d_in: int, planes: Planes) -> RecurrentBinarizer:
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would also seed every GPU.
        torch.default_generator.manual_seed(seed)
        net = RecurrentBinarizer(
            d_in, planes.widths, hidden=planes.hidden, normalize=planes.normalize
        )
    net.surrogate = planes.surrogate
    if planes.document_nbits < len(planes.widths):
        net.set_document_code(planes.widths[: planes.document_nbits])
    return net.eval()


def _start_steps(widths: tuple[int, ...], rotation_rounds: int) -> int:
    """Steps of the progress bar that the start takes."""
    return rotation_rounds * len(plane_groups(widths)) + sum(
        map(len, START_GRID.values())
    )


def _apply_best_start(
    net: RecurrentBinarizer, start: LinearStart, held_out: HeldOut, bar: tqdm
) -> float:
    """Set the start's factors to what recalls most, one after the other since they
    hardly interact. Returns that recall."""
    chosen: dict[str, float] = {name: grid[0] for name, grid in START_GRID.items()}
    depth = net.document_nbits
    start.apply(net, **chosen, document_nbits=depth)
    best = held_out.recall(net)
    for name, grid in START_GRID.items():
        best_value = grid[0]
        for value in grid[1:]:
            start.apply(net, **{**chosen, name: value}, document_nbits=depth)
            recall = held_out.recall(net)
            if recall > best:
                best, best_value = recall, value
            bar.update()
        chosen[name] = best_value
        bar.update()
        bar.set_postfix(recall=f"{best:.4f}")
    start.apply(net, **chosen, document_nbits=depth)
    return best
