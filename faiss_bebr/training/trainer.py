"""``train_binarizer``: from embeddings to a RecurrentBinarizer.

Training is task-agnostic: it sees embeddings only. It begins at
the linear start, takes gradient steps on NCE (momentum encoder and queue) and
distillation of the float similarities, and gives back what had the best held-out
recall, which is the start itself where no step did better.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from .data_checks import check_columns, check_size, warn_of_lengths
from .document_trainer import check_request, train_document_code
from .held_out import HeldOut
from .learner import Learner, LearningOptions
from .loop import improve
from .network import RecurrentBinarizer
from .options import check_least, choose_device, integer, plane_widths
from .report import TrainingReport
from .sampling import count_batches, draw_sample
from .start import LinearStart, fit_linear_start, plane_groups

HELD_OUT_DOCUMENTS = 20_000
HELD_OUT_K = 10
DEFAULT_TRAIN_POINTS = 50_000
ROTATION_POINTS = 20_000
# Factors of LinearStart.apply, tried in this order; the first value of each is in place
# until its turn comes.
START_GRID = {
    "range_factor": (1.1, 1.0, 1.2, 1.4),
    "offset_factor": (0.85, 1.0, 0.7, 0.55),
    "feedback": (0.0, 0.05, 0.1, 0.15),
}


# Arguments, with their defaults, that have a meaning for one kind of code only.
DOCUMENT_CODE_ONLY: dict[str, Any] = {
    "code_size": None,
    "document_plane_widths": None,
    "ncentroids": None,
    "coarse": True,
    "queries": None,
}
PLANES_ONLY: dict[str, Any] = {
    "nbits": None,
    "document_nbits": None,
    "hidden": 0,
    "normalize": False,
    "batch_size": 1024,
    "temperature": 0.07,
    "queue_size": 4096,
    "momentum": 0.99,
    "hard_negatives": 48,
    "nce_weight": 0.02,
    "distillation_weight": 1.0,
}


def train_binarizer(
    x: Any,
    m: int | Sequence[int] | None = None,
    nbits: int | None = None,
    *,
    code_size: int | None = None,
    document_plane_widths: Sequence[int] | None = None,
    ncentroids: int | None = None,
    coarse: bool = True,
    queries: Any = None,
    document_nbits: int | None = None,
    hidden: int = 0,
    normalize: bool = False,
    epochs: int = 2,
    batch_size: int = 1024,
    learning_rate: float | None = None,
    temperature: float = 0.07,
    queue_size: int = 4096,
    momentum: float = 0.99,
    hard_negatives: int = 48,
    nce_weight: float = 0.02,
    distillation_weight: float = 1.0,
    rotation_rounds: int = 30,
    held_out_queries: int = 1000,
    patience: int = 3,
    max_train_points: int | None = None,
    seed: int = 0,
    progress: bool | None = None,
    device: str | torch.device | None = None,
) -> RecurrentBinarizer:
    """Train a binarizer on float embeddings.

    Say what you want in one of three ways. ``code_size``: the most accurate documents
    in that many bytes each, everything counted; an index stores them less a centroid,
    with plane widths that training chooses. ``document_plane_widths``: the same with
    these widths. ``m`` and ``nbits``: a recurrent code of so many planes, of which
    an index stores the first ``document_nbits``.

    With a budget or widths by hand the network is a linear map at full depth, so that
    queries are next to exact, and the index learns its centroids and ranges itself.

    The result is deterministic for a seed on one machine and thread count, and no
    global random state is read or changed. Ctrl-C during the gradient steps returns
    the best so far.

    Parameters
    ----------
    x : (n, d_in) array of real numbers
        Training embeddings, anything ``np.asarray`` takes. A memory map is read at
        the sampled rows only. They should be of unit length;
        a warning says so where lengths vary much.
    m : int or sequence of int, optional
        Code dimensions, a multiple of 8, at most d_in; or every plane's width.
    nbits : int, optional
        Planes, 1 to 8; needed where ``m`` is an int.
    code_size : int, optional
        Bytes of a document's code: planes, scale, and number of the centroid.
    document_plane_widths : sequence of int, optional
        Widths of the planes that an index stores, multiples of 8, not increasing.
    ncentroids : int, optional
        Centroids of the index's coarse stage, 0 for none; by default one for 32
        vectors of the sample, at most 4096.
    coarse : bool
        Whether there are centroids; without them for use behind an inverted file,
        which takes its own off.
    queries : (nq, d_in) array of real numbers, optional
        Embeddings of queries as they will be asked. Scores are then trained around
        these, and recall is measured with a part of them that is held out; else
        documents stand for queries.
    document_nbits : int, optional
        Planes that documents will be stored at; all by default. Range, rotation and
        losses are those of full-depth queries against documents of this depth.
    hidden : int
        Width of each block's hidden layer; 0 makes every block a Linear.
    normalize : bool
        Whether reconstructions are divided by their L2 norm, as in the paper. The
        linear start is an exact uniform quantizer without it.
    epochs : int
        Passes over the sample, with ``m``, else 300 steps each; an evaluation after
        each. 0 returns the linear start.
    batch_size : int
        Embeddings in a gradient step, whole neighbourhoods of up to 256.
    learning_rate : float, optional
        Of Adam, relative to each parameter's root mean square; after a short rise it
        falls to 0. By default 1e-3 with ``m``, else 2e-3.
    temperature : float
        Of NCE, in units of the embeddings' mean squared norm.
    queue_size : int
        Momentum-encoded documents kept as NCE's negatives.
    momentum : float
        Of the momentum encoder, 0 up to below 1.
    hard_negatives : int
        How many of the hardest candidates each query's losses look at.
    nce_weight, distillation_weight : float
        Weights of the losses.
    rotation_rounds : int
        Rounds in which the start's rotation is learned; 0 leaves it random.
    held_out_queries : int
        Embeddings taken out of the sample to measure recall with; at most a tenth
        of it.
    patience : int
        Evaluations without a better recall after which training ends.
    max_train_points : int, optional
        A larger ``x`` is sampled to this many rows; by default 50,000 with ``m``, else
        131,072.
    seed : int
        Of everything random.
    progress : bool, optional
        Whether to show a tqdm bar; by default on a terminal.
    device : str or torch.device, optional
        By default CUDA where there is one, else the CPU.

    Returns
    -------
    RecurrentBinarizer
        In evaluation mode on the CPU, with a ``TrainingReport`` as ``.report``.

    Raises
    ------
    TypeError, ValueError
        With the argument's name, what was expected and what was found.
    """
    given = dict(locals())
    check_least(
        hidden=(hidden, 0),
        epochs=(epochs, 0),
        batch_size=(batch_size, 8),
        rotation_rounds=(rotation_rounds, 0),
        held_out_queries=(held_out_queries, 1),
        patience=(patience, 1),
        queue_size=(queue_size, 1),
        hard_negatives=(hard_negatives, 1),
    )
    if max_train_points is not None:
        check_least(max_train_points=(max_train_points, 1))
    place = choose_device(device)
    if m is None:
        _check_defaults(PLANES_ONLY, given, "together with m")
        request = check_request(
            code_size=code_size,
            document_plane_widths=document_plane_widths,
            ncentroids=ncentroids,
            coarse=coarse,
        )
        return train_document_code(
            x,
            request,
            queries=queries,
            held_out_queries=held_out_queries,
            max_train_points=max_train_points,
            epochs=epochs,
            learning_rate=learning_rate,
            patience=patience,
            rotation_rounds=rotation_rounds,
            seed=seed,
            device=place,
            progress=progress,
        )
    _check_defaults(DOCUMENT_CODE_ONLY, given, "without m")
    widths = plane_widths(m, nbits)
    depth = len(widths) if document_nbits is None else document_nbits
    depth = integer("document_nbits", depth)
    if not 1 <= depth <= len(widths):
        raise ValueError(f"document_nbits: 1 to {len(widths)} expected, got {depth}")
    options = LearningOptions(
        learning_rate=1e-3 if learning_rate is None else learning_rate,
        temperature=temperature,
        queue_size=queue_size,
        momentum=momentum,
        hard_negatives=hard_negatives,
        nce_weight=nce_weight,
        distillation_weight=distillation_weight,
    )
    limit = DEFAULT_TRAIN_POINTS if max_train_points is None else max_train_points
    check_size(limit, "max_train_points", widths[0])
    rng = np.random.default_rng(seed)
    sample, total = draw_sample(x, limit, rng)
    check_size(total, "x", widths[0])
    check_columns(sample, widths[0])
    warn_of_lengths(sample)
    held_out_rows, rest = np.split(sample, [min(held_out_queries, len(sample) // 10)])
    net = _seeded_network(seed, sample.shape[1], widths, hidden, normalize).to(place)
    if depth < len(widths):
        net.set_document_code(widths[:depth])
    steps = epochs * count_batches(len(rest), batch_size)
    with tqdm(
        total=_start_steps(widths, rotation_rounds) + steps,
        desc="training the binarizer",
        # tqdm's None: off unless on a terminal
        disable=None if progress is None else not progress,
    ) as bar:
        held_out = HeldOut(held_out_rows, rest[:HELD_OUT_DOCUMENTS], k=HELD_OUT_K)
        start = fit_linear_start(
            rest[:ROTATION_POINTS],
            widths,
            document_nbits=depth,
            rotation_rounds=rotation_rounds,
            rng=rng,
            after_round=bar.update,
        )
        recall = _apply_best_start(net, start, held_out, bar)
        net.report = TrainingReport(start_recall=recall, best_recall=recall)
        if epochs:
            learner = Learner(
                net,
                torch.from_numpy(rest).to(place),
                options,
                epochs=epochs,
                batch_size=batch_size,
                seed=seed,
            )
            improve(net, learner, held_out, epochs=epochs, patience=patience, bar=bar)
    return net.cpu()


def _seeded_network(
    seed: int, d_in: int, widths: tuple[int, ...], hidden: int, normalize: bool
) -> RecurrentBinarizer:
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would also seed every GPU.
        torch.default_generator.manual_seed(seed)
        return RecurrentBinarizer(d_in, widths, hidden=hidden, normalize=normalize)


def _start_steps(widths: tuple[int, ...], rotation_rounds: int) -> int:
    """Steps of the progress bar that the start takes."""
    return rotation_rounds * len(plane_groups(widths)) + sum(
        map(len, START_GRID.values())
    )


def _check_defaults(
    defaults: dict[str, Any], given: dict[str, Any], where: str
) -> None:
    """Refuse arguments that would not be used."""
    for name, default in defaults.items():
        if given[name] is not default and given[name] != default:
            raise ValueError(f"{name}: only expected {where}, got {given[name]!r}")


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
