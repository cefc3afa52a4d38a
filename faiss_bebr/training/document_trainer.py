"""Training for documents that an index codes by itself: a budget in bytes, plane
widths by hand, and centroids.

The network is a linear map of all dimensions whose output is not rounded
(``residual_start``). Its start has no gradient; then ``score_training`` turns the map
for the scores that the index computes, and what recalls most of held-out queries is
kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from faiss_bebr.swigfaiss_bebr import BinarizerTransform, SDCQuantizer

from .data_checks import check_columns, check_distinct, warn_of_lengths
from .document_code import (
    LEAST_WIDTHS,
    PLANES_PER_OCTAVE,
    DocumentCode,
    choose_plane_widths,
    default_ncentroids,
    extra_bytes,
)
from .document_start import START_NAMES, find_start, restore_start, start_state
from .held_out import HeldOut
from .loop import Loop, stored_start
from .network import BITS_PER_BYTE, MAX_NBITS, RecurrentBinarizer, check_plane_widths
from .options import integer
from .report import TrainingReport
from .residual_start import take_residuals, transform_dim
from .run import Run
from .sampling import draw_queries, draw_sample
from .score_training import STEPS_PER_EPOCH, ScoreLearner, ScoreOptions
from .start import plane_groups

MAX_CENTROIDS = SDCQuantizer.max_ncentroids
HELD_OUT_DOCUMENTS = 20_000
HELD_OUT_K = 10
# 4096 centroids with 32 points each.
DEFAULT_TRAIN_POINTS = 131_072
MAX_ANCHORS = 4_000
DEFAULT_LEARNING_RATE = 1.0


class DocumentRequest(NamedTuple):
    """What the caller asks of a document's code."""

    code_size: int | None
    """Bytes of a code in all; ``None`` where plane widths are given."""
    plane_widths: tuple[int, ...] | None
    ncentroids: int | None
    """``None``: by the size of the sample."""

    def candidates(self, variance: np.ndarray, ncentroids: int) -> list[DocumentCode]:
        """The codes to choose from, for residuals of this ``variance``, (d,)."""
        if self.plane_widths is not None:
            return [DocumentCode(self.plane_widths, ncentroids)]
        assert self.code_size is not None
        nbytes = self.code_size - extra_bytes(ncentroids)
        widths = [
            choose_plane_widths(variance, nbytes, planes, least)
            for least in LEAST_WIDTHS
            for planes in PLANES_PER_OCTAVE
        ]
        return [DocumentCode(planes, ncentroids) for planes in dict.fromkeys(widths)]


def check_request(
    *,
    code_size: int | None,
    document_plane_widths: Sequence[int] | None,
    ncentroids: int | None,
    coarse: bool,
) -> DocumentRequest:
    """Refuse what no code can be made of, as far as that shows without data."""
    if (code_size is None) == (document_plane_widths is None):
        raise ValueError(
            "m, code_size, document_plane_widths: exactly one of them expected"
        )
    widths = None
    if document_plane_widths is not None:
        name = "document_plane_widths"
        widths = check_plane_widths([integer(name, v) for v in document_plane_widths])
    if not coarse:
        if ncentroids:
            raise ValueError(
                f"ncentroids: none expected without coarse, got {ncentroids}"
            )
        ncentroids = 0
    if ncentroids is not None:
        ncentroids = integer("ncentroids", ncentroids)
        if not 0 <= ncentroids <= MAX_CENTROIDS:
            raise ValueError(
                f"ncentroids: 0 to {MAX_CENTROIDS} expected, got {ncentroids}"
            )
    least = BinarizerTransform.min_document_code_size
    if code_size is not None and integer("code_size", code_size) < least:
        raise ValueError(
            f"code_size: at least {least} bytes expected, those of a plane of 8 "
            f"dimensions, a scale and the number of a centroid, got {code_size}"
        )
    return DocumentRequest(code_size, widths, ncentroids)


class _Material(NamedTuple):
    """What is trained with."""

    rows: np.ndarray
    """(n, d_in) float32, documents in random order"""
    anchors: np.ndarray
    """(a, d_in) float32, queries or documents"""
    held_out: np.ndarray
    """(nq, d_in) float32, queries to measure with"""
    ncentroids: int
    data: dict[str, Any]
    """Statistics for the report, by which a checkpoint tells other data."""


def _prepare(
    x: Any, queries: Any, request: DocumentRequest, run: Run, rng: np.random.Generator
) -> _Material:
    sample = draw_sample(x, run.max_train_points, rng)
    rows, data = sample.rows, sample.statistics()
    ncentroids = request.ncentroids
    if ncentroids is None:
        ncentroids = default_ncentroids(len(rows))
    _check_sample(rows, request)
    warn_of_lengths(rows)
    if queries is None:
        count = min(run.held_out_queries, len(rows) // 10)
        held_out, rows = np.split(rows, [count])
        anchors = rows
    else:
        drawn = draw_queries(queries, rows.shape[1], rng, "x")
        data["queries"] = drawn.statistics()
        count = min(run.held_out_queries, len(drawn.rows) // 5)
        held_out, anchors = np.split(drawn.rows, [count])
    check_distinct(rows, ncentroids)
    return _Material(rows, anchors[:MAX_ANCHORS], held_out, ncentroids, data)


def train_document_code(
    x: Any, queries: Any, request: DocumentRequest, options: ScoreOptions, run: Run
) -> RecurrentBinarizer:
    """``train_binarizer`` for a request."""
    rng = np.random.default_rng(run.seed)
    material = _prepare(x, queries, request, run, rng)
    rows, ncentroids = material.rows, material.ncentroids
    stored = run.stored(material.data)
    state = None if stored is None else stored_start(stored, *START_NAMES)
    d_in = rows.shape[1]
    net = RecurrentBinarizer(d_in, [transform_dim(d_in)] * MAX_NBITS)
    net.to(run.device).eval()
    centroids = None if state is None else state.tensors["centroids"].numpy()
    residuals = take_residuals(rows, ncentroids, run.seed, centroids)
    codes = request.candidates(residuals.variance, ncentroids)
    start_steps = run.rotation_rounds * sum(
        len(plane_groups(code.plane_widths)) for code in codes
    )
    with run.watch(start_steps + run.epochs * STEPS_PER_EPOCH) as watch:
        held_out = HeldOut(
            material.held_out,
            rows[:HELD_OUT_DOCUMENTS],
            k=HELD_OUT_K,
            centroids=residuals.centroids,
        )
        if state is None:
            start, recalls = find_start(
                net,
                residuals,
                material.anchors,
                codes,
                held_out,
                run,
                rng,
                watch.bar,
                has_queries=queries is not None,
            )
            net.report = TrainingReport(
                *recalls, settings=run.settings, data=material.data
            )
            state = start_state(net, start, residuals)
        else:
            start = restore_start(net, state)
            watch.bar.update(start_steps)
        if run.epochs:
            learner = ScoreLearner(
                net,
                start.rotation,
                residuals,
                start.metric,
                options,
                error_metric=start.error_metric,
                epochs=run.epochs,
                seed=run.seed,
            )
            loop = Loop(net, learner, held_out, run, watch, state)
            if stored is not None:
                loop.restore(stored)
            loop.improve()
    return net.cpu()


def _check_sample(sample: np.ndarray, request: DocumentRequest) -> None:
    d_in = sample.shape[1]
    widths = request.plane_widths
    if widths is not None and widths[0] > transform_dim(d_in):
        raise ValueError(
            f"document_plane_widths: at most the embeddings' {d_in} dimensions "
            f"expected, got {widths[0]}"
        )
    if d_in < BITS_PER_BYTE:
        raise ValueError(f"x: at least {BITS_PER_BYTE} dimensions expected, got {d_in}")
    check_columns(sample, BITS_PER_BYTE)
