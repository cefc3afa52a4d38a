"""The start of training for documents that an index codes by itself: what is chosen
without steps. Of the candidate codes, and of codes with and without weights of errors,
what recalls most of held-out queries."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from tqdm.auto import tqdm

from .document_code import DocumentCode
from .held_out import HeldOut
from .learning_state import LearningState
from .network import RecurrentBinarizer
from .residual_start import Residuals, ScaledRotation, fit_rotation, set_rotation
from .run import Run
from .score_training import score_metric

ROTATION_POINTS = 20_000
# Of the second moment of what queries see, see ``score_metric``. What documents see is
# less like what real queries do.
QUERY_METRIC_POWER, DOCUMENT_METRIC_POWER = 0.75, 0.25
# Of the numbers and the tensors in a checkpoint that say what the start was.
START_NAMES = (
    ("plane_widths", "ncentroids", "unit", "weighs_errors"),
    ("rows", "mean", "centroids", "metric"),
)


class DocumentStart(NamedTuple):
    """What a network begins with, beside its document's code."""

    rotation: ScaledRotation
    metric: np.ndarray
    """(d_in, d_in) float64, see ``score_metric``: what steps go by"""
    weighs_errors: bool
    """Whether indexes choose codes by it too."""

    @property
    def error_metric(self) -> np.ndarray | None:
        """What ``set_rotation`` takes."""
        return self.metric if self.weighs_errors else None


class StartRecalls(NamedTuple):
    """Held-out recall."""

    plain: float
    """Of the same planes with codes of least squared error."""
    best: float


def find_start(
    net: RecurrentBinarizer,
    sample: Residuals,
    anchors: np.ndarray,
    codes: list[DocumentCode],
    held_out: HeldOut,
    run: Run,
    rng: np.random.Generator,
    bar: tqdm,
    *,
    has_queries: bool,
) -> tuple[DocumentStart, StartRecalls]:
    """Make ``net`` the start of best held-out recall.

    anchors: (n, d_in) float32, queries if ``has_queries``, else documents. What these
    see of errors is too unlike what queries do for the choice of codes: it gained 0.002
    at 36 bytes, and nothing at 132 and 196.
    """
    power = QUERY_METRIC_POWER if has_queries else DOCUMENT_METRIC_POWER
    metric = score_metric(anchors, sample.x, power)
    maps = [
        fit_rotation(
            sample,
            code.plane_widths,
            rotation_points=ROTATION_POINTS,
            rotation_rounds=run.rotation_rounds,
            rng=rng,
            after_round=bar.update,
        )
        for code in codes
    ]
    if has_queries:
        rotation, best = _choose_code(net, codes, maps, metric, held_out, bar)
        set_rotation(net, rotation, None)
        plain = held_out.recall(net)
        if plain < best:
            set_rotation(net, rotation, metric)
            return DocumentStart(rotation, metric, True), StartRecalls(plain, best)
        # Weights that were learned of few queries may be worse than none.
    rotation, best = _choose_code(net, codes, maps, None, held_out, bar)
    return DocumentStart(rotation, metric, False), StartRecalls(best, best)


def start_state(
    net: RecurrentBinarizer, start: DocumentStart, sample: Residuals
) -> LearningState:
    """What ``restore_start`` takes."""
    numbers = {
        "plane_widths": list(net.document_plane_widths),
        "ncentroids": net.ncentroids,
        "unit": start.rotation.unit,
        "weighs_errors": start.weighs_errors,
    }
    tensors = {
        "rows": torch.from_numpy(start.rotation.rows),
        "mean": torch.from_numpy(start.rotation.mean),
        "centroids": torch.from_numpy(sample.centroids),
        "metric": torch.from_numpy(start.metric),
    }
    return LearningState(numbers, tensors)


def restore_start(net: RecurrentBinarizer, state: LearningState) -> DocumentStart:
    """Make ``net`` the start that a state was of."""
    numbers, tensors = state
    rotation = ScaledRotation(
        tensors["rows"].numpy(), tensors["mean"].numpy(), numbers["unit"]
    )
    start = DocumentStart(
        rotation, tensors["metric"].numpy(), bool(numbers["weighs_errors"])
    )
    set_rotation(net, rotation, start.error_metric)
    net.set_document_code(numbers["plane_widths"], numbers["ncentroids"])
    return start


def _choose_code(
    net: RecurrentBinarizer,
    codes: list[DocumentCode],
    maps: list[ScaledRotation],
    error_metric: np.ndarray | None,
    held_out: HeldOut,
    bar: tqdm,
) -> tuple[ScaledRotation, float]:
    """Make ``net`` the start for the code of best held-out recall, and let it say that
    code. Returns the start's map and that recall.

    maps: of the codes; error_metric: see ``set_rotation``.
    """
    recalls = []
    for code, rotation in zip(codes, maps, strict=True):
        set_rotation(net, rotation, error_metric)
        net.set_document_code(code.plane_widths, code.ncentroids)
        recalls.append(held_out.recall(net))
        bar.set_postfix(recall=f"{max(recalls):.4f}")
    best = int(np.argmax(recalls))
    set_rotation(net, maps[best], error_metric)
    net.set_document_code(codes[best].plane_widths, codes[best].ncentroids)
    return maps[best], recalls[best]
