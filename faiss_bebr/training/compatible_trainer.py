"""From the same items in two embedding spaces to a binarizer that speaks to both.

The linear start (``compatible_start``), then gradient steps: ``compatible_learner``
for documents that are the first planes of a code, ``compatible_scores`` for those that
an index codes by itself. What recalls most of held-out queries is kept.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import faiss
import numpy as np
import torch

from .compatible_data import OldGeneration, draw_paired_sample
from .compatible_held_out import StagedHeldOut
from .compatible_learner import CompatibleLearner
from .compatible_scores import CompatibleScoreLearner
from .compatible_start import (
    MAP_GRID,
    START_GRID,
    choose_start,
    fit_alignment,
)
from .data_checks import check_dimension
from .document_trainer import MAX_ANCHORS
from .factors import count_steps
from .learning_options import LearningOptions
from .learning_state import LearningState
from .linear_map import LinearMap
from .loop import Loop, NetworkLearner, stored_start
from .network import RecurrentBinarizer, make_seeded_network
from .plane_trainer import HELD_OUT_DOCUMENTS, HELD_OUT_K
from .report import TrainingReport
from .run import Run
from .sampling import count_batches, draw_queries


class Upgrade(NamedTuple):
    """What is asked of a new network beside the old one's shape."""

    hidden: int
    surrogate: str
    batch_size: int
    old_weight: float
    learning_rate: float
    options: LearningOptions | None
    """Of gradient steps on planes."""


class Material(NamedTuple):
    """What is trained with."""

    x: np.ndarray
    """(n, d_new) float32, new embeddings of documents in random order"""
    codes: np.ndarray
    """(n, m) float32, their old codes"""
    anchors: np.ndarray
    """(a, d_new) float32, queries or documents; for documents that an index codes by
    itself"""
    held_out: np.ndarray
    """(nq, d_new) float32, queries to measure with"""
    held_out_codes: np.ndarray | None
    """(nq, m) float32, their old codes, where they are documents"""
    data: dict[str, Any]
    """Statistics for the report, by which a checkpoint tells other data."""


def train_compatible_network(
    x_new: Any,
    old: OldGeneration,
    x_old: Any,
    queries: Any,
    upgrade: Upgrade,
    run: Run,
) -> RecurrentBinarizer:
    """``train_compatible``, its arguments checked."""
    material = _prepare(x_new, old, x_old, queries, run)
    stored = run.stored(material.data)
    start = None if stored is None else stored_start(stored, (), LinearMap._fields)
    old.train_index(material.codes)
    net = _make_network(material.x.shape[1], old, upgrade, run).to(run.device)
    nested = upgrade.options is not None and upgrade.options.nested
    grid = START_GRID if old.is_plain else MAP_GRID
    per_epoch = CompatibleScoreLearner.steps_per_epoch
    if old.is_plain:
        per_epoch = count_batches(len(material.x), upgrade.batch_size)
    with run.watch(count_steps(grid) + run.epochs * per_epoch) as watch:
        held_out = StagedHeldOut(
            material.held_out,
            material.x[:HELD_OUT_DOCUMENTS],
            old,
            material.codes[:HELD_OUT_DOCUMENTS],
            material.held_out_codes,
            k=HELD_OUT_K,
            nested=nested,
        )
        if start is None:
            alignment = fit_alignment(
                material.x,
                material.codes,
                old.query_weight,
                old.query_offset,
                plane_widths=old.document_plane_widths if old.is_plain else (),
                rounds=run.rotation_rounds,
            )
            linear, recall = choose_start(net, alignment, grid, held_out, watch.bar)
            net.report = TrainingReport(
                recall, recall, settings=run.settings, data=material.data
            )
            net.report.history.append({"step": 0, "recall": recall, **held_out.parts})
        else:
            linear = LinearMap(
                **{name: value.numpy() for name, value in start.tensors.items()}
            )
            watch.bar.update(count_steps(grid))
        if run.epochs:
            learner = _make_learner(net, linear, old, material, upgrade, run)
            begun = start or LearningState({}, _tensors(linear))
            loop = Loop(net, learner, held_out, run, watch, begun)
            if stored is not None:
                loop.restore(stored)
            loop.improve()
    return net.cpu()


def _tensors(linear: LinearMap) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(x) for name, x in linear._asdict().items()}


def _prepare(
    x_new: Any, old: OldGeneration, x_old: Any, queries: Any, run: Run
) -> Material:
    sample = draw_paired_sample(x_new, x_old, run)
    check_dimension(sample.old.rows, old.transform.d_in, "x_old", "old_binarizer")
    x = sample.new.rows
    codes = old.transform.apply(sample.old.rows)
    data = {
        **sample.new.statistics(),
        "old": sample.old.statistics(),
        "old_binarizer": old.statistics(codes),
    }
    held_out_codes = None
    if queries is None:
        count = min(run.held_out_queries, len(x) // 10)
        held_out, x = np.split(x, [count])
        held_out_codes, codes = np.split(codes, [count])
        anchors = x[-MAX_ANCHORS:]
    else:
        rng = np.random.default_rng(run.seed)
        drawn = draw_queries(queries, x.shape[1], rng, "x_new")
        data["queries"] = drawn.statistics()
        # Steps on planes take documents only, in their neighbourhoods.
        others = len(drawn.rows) if old.is_plain else len(drawn.rows) // 5
        count = min(run.held_out_queries, others)
        held_out, anchors = np.split(drawn.rows, [count])
        anchors = anchors[:MAX_ANCHORS]
    old.check_recall(x, sample.old.rows[-len(codes) :], codes)
    return Material(x, codes, anchors, held_out, held_out_codes, data)


def _make_network(
    d_new: int, old: OldGeneration, upgrade: Upgrade, run: Run
) -> RecurrentBinarizer:
    """Of the old one's shape and kind of output, with its query map and weights of
    errors."""
    net = make_seeded_network(run.seed, d_new, old.plane_widths, hidden=upgrade.hidden)
    net.surrogate = upgrade.surrogate
    net.continuous = old.transform.continuous
    kept = old.transform.document_plane_widths
    widths = faiss.vector_to_array(kept).tolist()
    net.set_document_code(widths, old.transform.ncentroids)
    net.query_weight.copy_(torch.from_numpy(old.query_weight))
    net.query_offset.copy_(torch.from_numpy(old.query_offset))
    if len(old.error_weight):
        net.set_error_weight(old.error_weight.reshape(net.d_out, net.d_out))
    return net


def _make_learner(
    net: RecurrentBinarizer,
    linear: LinearMap,
    old: OldGeneration,
    material: Material,
    upgrade: Upgrade,
    run: Run,
) -> NetworkLearner:
    if upgrade.options is None:
        return CompatibleScoreLearner(
            net,
            linear,
            material.x,
            old,
            material.codes,
            material.anchors,
            learning_rate=upgrade.learning_rate,
            old_weight=upgrade.old_weight,
            epochs=run.epochs,
            seed=run.seed,
        )
    indexes = old.indexes(upgrade.options.nested)
    documents = np.stack(
        [index.sa_decode(index.sa_encode(material.codes)) for index in indexes], axis=1
    )
    return CompatibleLearner(
        net,
        torch.from_numpy(material.x).to(run.device),
        upgrade.options,
        old_documents=torch.from_numpy(documents).to(run.device),
        old_weight=upgrade.old_weight,
        epochs=run.epochs,
        batch_size=upgrade.batch_size,
        seed=run.seed,
        precision=run.precision,
    )
