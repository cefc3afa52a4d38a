"""``train_binarizer``: from embeddings to a RecurrentBinarizer.

Training is task-agnostic: it sees embeddings only. It begins at
the linear start, takes gradient steps on NCE (momentum encoder and queue) and
distillation of the float similarities, and gives back what had the best held-out
recall, which is the start itself where no step did better.
"""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from .checkpoint import Checkpoint
from .data_checks import check_columns, check_size
from .held_out import HeldOut
from .learner import Learner, LearningOptions
from .loop import Loop
from .network import RecurrentBinarizer
from .options import (
    check_least,
    choose_device,
    choose_precision,
    integer,
    plane_widths,
)
from .report import TrainingReport
from .sampling import count_batches, draw_sample
from .start import LinearStart, fit_linear_start, plane_groups
from .watch import Watch, import_tensorboard

HELD_OUT_DOCUMENTS = 20_000
HELD_OUT_K = 10
MAX_LENGTH_VARIATION = 0.1
ROTATION_POINTS = 20_000
# Factors of LinearStart.apply, tried in this order; the first value of each is in place
# until its turn comes.
START_GRID = {
    "range_factor": (1.1, 1.0, 1.2, 1.4),
    "offset_factor": (0.85, 1.0, 0.7, 0.55),
    "feedback": (0.0, 0.05, 0.1, 0.15),
}


def train_binarizer(
    x: Any,
    m: int | Sequence[int],
    nbits: int | None = None,
    *,
    document_nbits: int | None = None,
    hidden: int = 0,
    normalize: bool = False,
    epochs: int = 2,
    batch_size: int = 1024,
    learning_rate: float = 1e-3,
    temperature: float = 0.07,
    queue_size: int = 4096,
    momentum: float = 0.99,
    hard_negatives: int = 48,
    nce_weight: float = 0.02,
    distillation_weight: float = 1.0,
    rotation_rounds: int = 30,
    held_out_queries: int = 1000,
    patience: int = 3,
    max_train_points: int = 50_000,
    seed: int = 0,
    progress: bool | None = None,
    device: str | torch.device | None = None,
    precision: str | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_steps: int = 100,
    log_dir: str | os.PathLike[str] | None = None,
) -> RecurrentBinarizer:
    """Train a binarizer on float embeddings.

    The result is deterministic for a seed on one machine and thread count (on CUDA as
    far as PyTorch is), and no global random state is read or changed. Ctrl-C during
    the gradient steps returns the best so far, and leaves a checkpoint to go on from.

    Parameters
    ----------
    x : (n, d_in) real numbers
        Training embeddings: an array or what ``np.asarray`` takes, a memory map, a
        tensor, something with a shape, a dtype and slices such as an HDF5 dataset, or
        an iterable of batches of any length, such as a generator. Beside what ``x``
        itself holds, only the sample is kept in memory. A memory map is read at the
        sampled rows only, and bad values are looked for there; all else is read to its
        end. Embeddings should be of unit length; a warning says so where lengths vary
        much. Constant and duplicate columns are harmless as long as ``m`` others are
        left.
    m : int or sequence of int
        Code dimensions, a multiple of 8, at most d_in; or every plane's width.
    nbits : int, optional
        Planes, 1 to 8; needed where ``m`` is an int.
    document_nbits : int, optional
        Planes that documents will be stored at; all by default. Range, rotation and
        losses are those of full-depth queries against documents of this depth.
    hidden : int
        Width of each block's hidden layer; 0 makes every block a Linear.
    normalize : bool
        Whether reconstructions are divided by their L2 norm, as in the paper. The
        linear start is an exact uniform quantizer without it.
    epochs : int
        Passes over the sample, an evaluation after each; 0 returns the linear start.
    batch_size : int
        Embeddings in a gradient step, whole neighbourhoods of up to 256.
    learning_rate : float
        Of Adam, relative to each parameter's root mean square; after a short rise it
        falls to 0 linearly.
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
    max_train_points : int
        A larger ``x`` is sampled to this many rows, each as likely as any other.
    seed : int
        Of everything random.
    progress : bool, optional
        Whether to show a tqdm bar with losses and held-out recall; by default on a
        terminal.
    device : str or torch.device, optional
        By default CUDA where there is one, else the CPU.
    precision : str, optional
        Of the network's passes in gradient steps: ``"float32"``, or ``"float16"`` or
        ``"bfloat16"`` by autocast; float16 scales the loss. By default float16 on
        CUDA, else float32. Weights, losses and evaluations are float32 in any case.
    checkpoint : str or Path, optional
        A file to write after the start, after each epoch and every ``checkpoint_steps``
        gradient steps, or a folder (one that is there, or a name that ends with a
        separator) for ``checkpoint.safetensors`` in it. If it is there, training goes
        on from it, and ends with the same result as without the stop on the same
        machine and thread count; after the last step it gives the result at once.
    checkpoint_steps : int
        See ``checkpoint``; 0 for after epochs only.
    log_dir : str or Path, optional
        A folder for TensorBoard: losses of each step and recall of each evaluation.

    Returns
    -------
    RecurrentBinarizer
        In evaluation mode on the CPU, with a ``TrainingReport`` as ``.report``.

    Raises
    ------
    TypeError, ValueError
        With the argument's name, what was expected and what was found, before training
        begins: of too few vectors, NaN, infinity or zero vectors (with their rows),
        too many constant or duplicate columns, and of a checkpoint that is damaged or
        of other settings or data.
    ImportError
        If ``checkpoint`` or ``log_dir`` needs a package that is missing.
    """
    widths = plane_widths(m, nbits)
    depth = len(widths) if document_nbits is None else document_nbits
    depth = integer("document_nbits", depth)
    if not 1 <= depth <= len(widths):
        raise ValueError(f"document_nbits: 1 to {len(widths)} expected, got {depth}")
    counts = check_least(
        hidden=(hidden, 0),
        epochs=(epochs, 0),
        batch_size=(batch_size, 8),
        rotation_rounds=(rotation_rounds, 0),
        held_out_queries=(held_out_queries, 1),
        patience=(patience, 1),
        max_train_points=(max_train_points, 1),
        seed=(seed, 0),
    )
    check_least(checkpoint_steps=(checkpoint_steps, 0))
    options = LearningOptions(
        learning_rate=learning_rate,
        temperature=temperature,
        **check_least(queue_size=(queue_size, 1), hard_negatives=(hard_negatives, 1)),
        momentum=momentum,
        nce_weight=nce_weight,
        distillation_weight=distillation_weight,
    )
    check_size(max_train_points, "max_train_points", widths[0])
    place = choose_device(device)
    settings = {
        "plane_widths": list(widths),
        "document_nbits": depth,
        "normalize": bool(normalize),
        "precision": choose_precision(precision, place),
        **counts,
        **dataclasses.asdict(options),
    }
    if log_dir is not None:
        import_tensorboard()
    saved = None if checkpoint is None else Checkpoint(checkpoint, settings)
    rng = np.random.default_rng(seed)
    sample = draw_sample(x, max_train_points, rng)
    check_size(sample.total, "x", widths[0])
    check_columns(sample.rows, widths[0])
    _warn_of_lengths(sample.rows)
    data = sample.statistics()
    stored = None if saved is None else saved.open(data)
    queries, rest = np.split(
        sample.rows, [min(held_out_queries, len(sample.rows) // 10)]
    )
    net = _seeded_network(seed, rest.shape[1], widths, hidden, normalize).to(place)
    start_steps = _start_steps(widths, rotation_rounds)
    steps = epochs * count_batches(len(rest), batch_size)
    with Watch(start_steps + steps, progress, log_dir) as watch:
        held_out = HeldOut(
            queries,
            rest[:HELD_OUT_DOCUMENTS],
            document_nbits=depth,
            k=HELD_OUT_K,
            device=place,
        )
        if stored is None:
            start = fit_linear_start(
                rest[:ROTATION_POINTS],
                widths,
                document_nbits=depth,
                rotation_rounds=rotation_rounds,
                rng=rng,
                after_round=watch.bar.update,
            )
            recall = _apply_best_start(net, start, held_out, watch.bar)
            net.report = TrainingReport(recall, recall, settings=settings, data=data)
        else:
            watch.bar.update(start_steps)
        if epochs:
            learner = Learner(
                net,
                torch.from_numpy(rest).to(place),
                options,
                document_nbits=depth,
                epochs=epochs,
                batch_size=batch_size,
                seed=seed,
                precision=settings["precision"],
            )
            loop = Loop(
                net,
                learner,
                held_out,
                epochs=epochs,
                patience=patience,
                watch=watch,
                checkpoint=saved,
                checkpoint_steps=checkpoint_steps,
            )
            if stored is not None:
                loop.restore(stored)
            loop.run()
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


def _warn_of_lengths(sample: np.ndarray) -> None:
    """Codes keep directions well and lengths less so; say so where these differ."""
    lengths = np.linalg.norm(sample, axis=1)
    if lengths.std() > MAX_LENGTH_VARIATION * lengths.mean():
        warnings.warn(
            f"the embeddings' lengths vary by {lengths.std() / lengths.mean():.0%}; "
            "binarizers are made for unit length: normalize them, as with "
            "faiss.normalize_L2",
            stacklevel=3,
        )


def _apply_best_start(
    net: RecurrentBinarizer, start: LinearStart, held_out: HeldOut, bar: tqdm
) -> float:
    """Set the start's factors to what recalls most, one after the other since they
    hardly interact. Returns that recall."""
    chosen: dict[str, float] = {name: grid[0] for name, grid in START_GRID.items()}
    depth = held_out.document_nbits
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
