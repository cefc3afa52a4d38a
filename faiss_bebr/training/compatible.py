"""``train_compatible``: a binarizer for new embeddings, for an index of old ones.

Here are its arguments; ``compatible_trainer`` does the work.
"""

from __future__ import annotations

import math
import os
from typing import Any

import torch

from . import document_trainer, plane_trainer
from .compatible_data import OldGeneration, as_transform
from .compatible_trainer import Upgrade, train_compatible_network
from .learning_options import make_learning_options
from .network import RecurrentBinarizer
from .options import check_defaults, check_least, check_surrogate
from .run import make_run
from .trainer import PLANES_ONLY
from .user_warnings import warn_user

# A rotation towards old codes is further from its best than a start of its own is, so
# with planes there are more steps than in train_binarizer, and longer ones.
PLANE_EPOCHS, BUDGET_EPOCHS = 6, 2
DEFAULT_LEARNING_RATE = 2e-3
# What a fingerprint stands for in checkpoints.
DATA = {"x_new", "old_binarizer", "x_old", "queries"}


def train_compatible(
    x_new: Any,
    old_binarizer: Any,
    x_old: Any,
    *,
    queries: Any = None,
    old_weight: float = 0.1,
    nested: bool = False,
    surrogate: str = "straight_through",
    hidden: int = 0,
    epochs: int | None = None,
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
    precision: str | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_steps: int = 100,
    log_dir: str | os.PathLike[str] | None = None,
) -> RecurrentBinarizer:
    """Train a binarizer for a new embedding model, whose codes go with the old ones.

    An index that was made for ``old_binarizer`` stays as it is, with its query map,
    scales, range and centroids. From the day of the change it is searched with new
    queries through the new binarizer. Its documents are re-coded in any order, each
    removed and added again through the new binarizer; both generations are found side
    by side until then.

    The new network has the old one's plane widths, document's code and query map. Its
    start is a rotation of the new embeddings towards the old codes of the same items.
    Then come gradient steps on the losses of ``train_binarizer`` among new codes, and
    the same of new queries among documents of both generations, the old network
    frozen. What is kept is best in held-out recall: of new queries, against exact
    search in the new space, with documents that are all old, half of them re-coded, and
    all, weighted 0.1, 0.1 and 0.8. Where new queries find less among old documents than
    old queries do, the difference is taken off. ``.report.history`` has these three as
    ``recall_old``, ``recall_half`` and ``recall_new``, from step 0 on, which is the
    start, and that of old queries as ``recall_before``.

    A budget's index keeps its centroids, range and plane widths too, which are those of
    old codes. New codes do not fit them well, so recall after re-coding is below that
    of a new index: on WordNet at 68 bytes by 0.08 and more, with and without centroids.
    Planes, whose loss is below 0.01 there, are better for an index that is to outlive
    its model.

    Prefixes of dimensions of an old binarizer that was trained with ``matryoshka_dims``
    are not trained for.

    Arguments that are not listed are those of ``train_binarizer``, for the old
    binarizer's kind of code: of planes where an index stores the first of them, else of
    a budget. The result is deterministic, interrupted and resumed as there.

    Parameters
    ----------
    x_new, x_old : (n, d_new), (n, d_old) real numbers
        Embeddings of the same items by the new and by the old model, row for row, from
        any source that ``train_binarizer`` takes. The dimensions may differ. With fewer
        new dimensions than the code has, some of the old code is not reached.
    old_binarizer : RecurrentBinarizer or BinarizerTransform
        What the index was made with; it is not changed.
    queries : (nq, d_new) real numbers, optional
        New embeddings of queries as they will be asked; else documents stand for them.
        Recall is measured with a part of them. For the code of a budget the others are
        what scores are trained for; with planes all are measured with, up to
        ``held_out_queries``. Their old embeddings are not known, so there is no
        ``recall_before``.
    old_weight : float
        Of the losses on old documents beside those on new ones. With more, queries find
        more while old documents are left, and less in the end; with 0 the start alone
        brings the generations together.
    hidden : int
        As in ``train_binarizer``, but one width; with planes only.
    epochs : int, optional
        Passes over the sample with planes, by default 6; else 300 steps each, by
        default 2.
    learning_rate : float, optional
        Of Adam, for a budget too, relative to each parameter's root mean square; after
        a short rise it falls to 0. By default 2e-3.
    rotation_rounds : int
        Rounds in which the start is turned towards the grid of the documents; with
        planes only.
    held_out_queries : int
        As in ``train_binarizer``; of ``queries`` so many with planes, else at most a
        fifth of them.

    Returns
    -------
    RecurrentBinarizer
        In evaluation mode on the CPU, with a ``TrainingReport`` as ``.report``.

    Raises
    ------
    TypeError, ValueError
        As ``train_binarizer``, before training begins; also of an old binarizer that is
        none, not trained, or not for ``x_old``, of different numbers of rows, and of
        no more different rows than the old index has centroids.
    ImportError
        As ``train_binarizer``.

    Warns
    -----
    UserWarning
        If documents are not the first planes of the old code, as of a budget; and if
        the rows of ``x_new`` and ``x_old`` seem not to belong together, since old codes
        of queries find hardly more of their own nearest documents in the new space than
        of another query's.
    """
    given = dict(locals())
    old = OldGeneration(as_transform(old_binarizer))
    if old.is_plain and old.transform.continuous:
        raise ValueError(
            "old_binarizer: one that is continuous, with documents that are the first "
            "planes of its code, cannot be trained for"
        )
    kind = plane_trainer if old.is_plain else document_trainer
    if epochs is None:
        given["epochs"] = PLANE_EPOCHS if old.is_plain else BUDGET_EPOCHS
    if learning_rate is None:
        learning_rate = given["learning_rate"] = DEFAULT_LEARNING_RATE
    if max_train_points is None:
        given["max_train_points"] = kind.DEFAULT_TRAIN_POINTS
    if not 0 <= old_weight < math.inf:
        raise ValueError(f"old_weight: 0 or more expected, got {old_weight}")
    if old.is_plain:
        options = make_learning_options(given)
    else:
        names = [name for name in PLANES_ONLY if name in given]
        defaults = {name: PLANES_ONLY[name] for name in names}
        defaults.update(hidden=0, rotation_rounds=30)
        check_defaults(
            defaults, given, "where documents are the first planes of the old code"
        )
        precision = "float32"
        options = None
        if not 0 < learning_rate < math.inf:
            raise ValueError(
                f"learning_rate: a positive number expected, got {learning_rate}"
            )
    upgrade = Upgrade(
        surrogate=check_surrogate(surrogate),
        old_weight=float(old_weight),
        learning_rate=learning_rate,
        options=options,
        **check_least(hidden=(hidden, 0), batch_size=(batch_size, 8)),
    )
    run = make_run(given, precision, DATA)
    if not old.is_plain:
        warn_user(
            "old_binarizer: the index of a budget keeps the plane widths, range and "
            "centroids of old codes, which new ones do not fit well, so recall after "
            "re-coding stays below that of a new index; documents of the first planes "
            "of a code are better for an index that is to outlive its model"
        )
    return train_compatible_network(x_new, old, x_old, queries, upgrade, run)
