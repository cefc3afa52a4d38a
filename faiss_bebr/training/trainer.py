"""``train_binarizer``: from embeddings to a RecurrentBinarizer.

Here are its arguments; ``plane_trainer`` and ``document_trainer`` do the work. Either
begins at a start without a gradient, takes gradient steps, and gives back what had the
best held-out recall, which is the start itself where no step did better.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import torch

from . import document_trainer, plane_trainer
from .learning_options import make_learning_options
from .network import RecurrentBinarizer
from .options import (
    check_defaults,
    check_least,
    check_matryoshka_dims,
    check_surrogate,
    hidden_widths,
    integer,
    plane_widths,
)
from .run import make_run
from .score_training import ScoreOptions

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
    "hidden": None,
    "normalize": False,
    "batch_size": 1024,
    "temperature": 0.07,
    "queue_size": 4096,
    "momentum": 0.99,
    "hard_negatives": 48,
    "nce_weight": 0.02,
    "distillation_weight": 1.0,
    "precision": None,
    "pairs": None,
    "nested": False,
    "matryoshka_dims": None,
    "surrogate": "straight_through",
}
# What a fingerprint stands for in checkpoints.
DATA = {"x", "queries", "pairs"}


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
    pairs: Any = None,
    nested: bool = False,
    matryoshka_dims: Sequence[int] | None = None,
    surrogate: str = "straight_through",
    document_nbits: int | None = None,
    hidden: int | Sequence[int] | None = None,
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
    held_out_queries: int = 3000,
    patience: int = 3,
    max_train_points: int | None = None,
    seed: int = 0,
    progress: bool | None = None,
    device: str | torch.device | None = None,
    precision: str | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_steps: int = 100,
    log_dir: str | os.PathLike[str] | None = None,
) -> RecurrentBinarizer:
    """Train a binarizer on float embeddings.

    Say what you want in one of three ways. ``code_size``: the most accurate documents
    in that many bytes each, everything counted; an index stores them less a centroid,
    with plane widths that training chooses. ``document_plane_widths``: the same with
    these widths. ``m`` and ``nbits``: a recurrent code of so many planes, of which
    an index stores the first ``document_nbits``.

    With a budget or widths by hand the network is a linear map, whose output is not
    rounded, and the index learns its centroids and ranges itself.

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
        left, or 8 without ``m``.
    m : int or sequence of int, optional
        Code dimensions, a multiple of 8, at most d_in; or every plane's width.
    nbits : int, optional
        Planes, 1 to 8; needed where ``m`` is an int.
    code_size : int, optional
        Bytes of a document's code: planes, scale, and number of the centroid; at
        least 4.
    document_plane_widths : sequence of int, optional
        Widths of the planes that an index stores, multiples of 8, not increasing.
    ncentroids : int, optional
        Centroids of the index's coarse stage, 0 for none; by default one for 32
        vectors of the sample, at most 4096.
    coarse : bool
        Whether there are centroids; without them for use behind an inverted file,
        which takes its own off.
    queries : (nq, d_in) real numbers, optional
        Embeddings of queries as they will be asked, from any source that ``x`` may
        have. Scores are then trained around these, and recall is measured with a part
        of them that is held out; else documents stand for queries. For a budget or
        widths by hand the index then chooses codes by what queries see of their
        errors, where that helps held-out recall.
    pairs : (queries, documents), optional
        Embeddings of queries and of the document that is relevant to each, (p, d_in)
        real numbers, row i of one for row i of the other: the anchors and positives of
        NCE. Otherwise these are a document and itself.
    nested : bool
        Whether all of the first 1, 2, ... ``document_nbits`` planes are to be good
        documents on their own: losses, and the recall that decides, are means over
        these depths.
    matryoshka_dims : sequence of int, optional
        Widths below ``m``, increasing multiples of 8, such as ``(64, 128)``: documents
        of so many first dimensions of each plane are to be good on their own, in an
        index of planes of this width, such as ``IndexSDC(transform, [64, 64])``, which
        has to be trained, or ``SDC64-64``. The start rotates dimensions between two
        widths among themselves only; losses, and the recall that decides, are means
        over these widths and all dimensions (with ``nested`` each at all depths).
        ``.report.history`` has each width's recall, as ``recall_64``.
    surrogate : str
        What the gradient of a sign is taken of, for values in -1 .. 1:
        ``"straight_through"``, the identity, 0 outside; ``"tanh"``, of everything;
        ``"sine"``, a quarter period on each side as in BiPer, 0 outside.
    document_nbits : int, optional
        Planes that documents will be stored at; all by default. Range, rotation and
        losses are those of full-depth queries against documents of this depth.
    hidden : int or sequence of int, optional
        Width of each block's hidden layer; 0 makes every block a Linear. Of several,
        such as ``(0, 512)``, each is trained from the same start, and the network of
        best held-out recall is returned, the first of equal ones. With at least
        ``2 * m`` hidden units the start foresees signs, see ``LinearStart.apply``. By
        default 0, and ``2 * m`` is tried too where queries are no deeper than
        documents of two planes or more: it codes a few times slower.
    normalize : bool
        Whether reconstructions are divided by their L2 norm, as in the paper. The
        linear start is an exact uniform quantizer without it.
    epochs : int
        Passes over the sample, with ``m``, else 60 steps each; an evaluation after
        each. 0 returns the start.
    batch_size : int
        Embeddings in a gradient step, whole neighbourhoods of up to 256.
    learning_rate : float, optional
        With ``m`` of Adam, relative to each parameter's root mean square; after a short
        rise it falls to 0. By default 1e-3. Otherwise the length of steps in units of
        Newton's, which in the second half falls to 0. By default 1.
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
        A larger ``x`` is sampled to this many rows, each as likely as any other; by
        default 50,000 with ``m``, else 131,072.
    seed : int
        Of everything random.
    progress : bool, optional
        Whether to show a tqdm bar with losses and held-out recall; by default on a
        terminal.
    device : str or torch.device, optional
        By default CUDA where there is one, else the CPU.
    precision : str, optional
        With ``m``, of the network's passes in gradient steps: ``"float32"``, or
        ``"float16"`` or ``"bfloat16"`` by autocast; float16 scales the loss. By default
        float16 on CUDA, else float32. Weights, losses and evaluations are float32 in
        any case, and all is without ``m``.
    checkpoint : str or Path, optional
        A file to write after the start, after each epoch and every ``checkpoint_steps``
        gradient steps, or a folder (one that is there, or a name that ends with a
        separator) for ``checkpoint.safetensors`` in it; beside it one for each further
        width of ``hidden``. If it is there, training goes on from it, and ends with the
        same result as without the stop on the same machine and thread count; after the
        last step it gives the result at once.
    checkpoint_steps : int
        See ``checkpoint``; 0 for after epochs only.
    log_dir : str or Path, optional
        A folder for TensorBoard: losses of each step and recall of each evaluation;
        those of further widths of ``hidden`` in folders in it.

    Returns
    -------
    RecurrentBinarizer
        In evaluation mode on the CPU, with a ``TrainingReport`` as ``.report``.

    Raises
    ------
    TypeError, ValueError
        With the argument's name, what was expected and what was found, before training
        begins: of too few vectors, of NaN, infinity, zero vectors and lengths that are
        not 1e-15 to 1e8 (with their rows), of too many constant or duplicate columns,
        of no more different vectors than centroids, and of a checkpoint that is
        damaged or of other settings or data.
    ImportError
        If ``checkpoint`` or ``log_dir`` needs a package that is missing.
    """
    given = dict(locals())
    kind = document_trainer if m is None else plane_trainer
    if learning_rate is None:
        learning_rate = given["learning_rate"] = kind.DEFAULT_LEARNING_RATE
    if max_train_points is None:
        given["max_train_points"] = kind.DEFAULT_TRAIN_POINTS
    if m is None:
        check_defaults(PLANES_ONLY, given, "together with m")
        request = document_trainer.check_request(
            code_size=code_size,
            document_plane_widths=document_plane_widths,
            ncentroids=ncentroids,
            coarse=coarse,
        )
        score_options = ScoreOptions(learning_rate=learning_rate)
        run = make_run(given, "float32", DATA)
        return document_trainer.train_document_code(
            x, queries, request, score_options, run
        )
    check_defaults(DOCUMENT_CODE_ONLY, given, "without m")
    widths = plane_widths(m, nbits)
    depth = len(widths) if document_nbits is None else document_nbits
    depth = given["document_nbits"] = integer("document_nbits", depth)
    if not 1 <= depth <= len(widths):
        raise ValueError(f"document_nbits: 1 to {len(widths)} expected, got {depth}")
    if hidden is None:
        hidden = (0, 2 * widths[0]) if depth == len(widths) > 1 else 0
    given["hidden"] = hidden_widths(hidden)
    given["matryoshka_dims"] = check_matryoshka_dims(matryoshka_dims, widths[0])
    planes = plane_trainer.Planes(
        widths=widths,
        document_nbits=depth,
        normalize=bool(normalize),
        surrogate=check_surrogate(surrogate),
        hidden=given["hidden"],
        **check_least(batch_size=(batch_size, 8)),
    )
    options = make_learning_options(given)
    run = make_run(given, precision, DATA)
    return plane_trainer.train_planes(x, pairs, planes, options, run)
