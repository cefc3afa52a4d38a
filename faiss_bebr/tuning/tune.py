"""`tune`: measures a grid of codes on a sample."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import faiss
import numpy as np

from faiss_bebr.factory.tokens import has_own_token
from faiss_bebr.trainer_hook import import_training

from .grid import Candidate, faiss_grid, least_code_size, measure_code, own_grid
from .measurement import Measurement
from .result import TuningResult

METRICS = (faiss.METRIC_INNER_PRODUCT, faiss.METRIC_L2)


def tune(
    x: Any,
    queries: Any = None,
    *,
    bytes: int | None = None,  # noqa: A002
    recall: float | None = None,
    metric: int = faiss.METRIC_INNER_PRODUCT,
    k: int = 10,
    grid: Sequence[str] | None = None,
    compare: bool | Sequence[str] = True,
    sample_size: int = 10_000,
    num_queries: int = 500,
    epochs: int = 0,
    rotation_rounds: int = 6,
    seed: int = 0,
    progress: bool | None = None,
) -> TuningResult:
    """Measure codes on a sample of the vectors, and choose one.

    Say either how many bytes a vector may take, or which recall you want. Recall is
    that of k results within the sample, where it is somewhat higher than among
    all vectors; differences between codes keep their order.

    Parameters
    ----------
    x : (n, d) array of real numbers
        The vectors to be indexed, whatever `train_binarizer` takes.
    queries : (nq, d) array of real numbers, optional
        Vectors as they will be searched for; by default some of x, which are held
        out of what is trained on and searched.
    bytes : int, optional
        What a vector may take, everything counted: the code of the best recall in
        them is chosen.
    recall : float, optional
        The code with the fewest bytes that has it is chosen.
    metric : int
        ``faiss.METRIC_INNER_PRODUCT`` or ``faiss.METRIC_L2``.
    k : int
        Results of a query.
    grid : sequence of str, optional
        Factory strings of this package to choose from; by default `own_grid`'s.
    compare : bool or sequence of str
        Whether FAISS's codecs of the same bytes are measured too, or their strings.
        They are shown, not chosen.
    sample_size : int
        Vectors to train on and search at most.
    num_queries : int
        Queries at most.
    epochs : int
        Of each binarizer's gradient training. 0 measures what training begins with,
        in a fraction of the time; training never makes it worse.
    rotation_rounds : int
        Of each binarizer's start, see `train_binarizer`.
    seed : int
        Of the sample, the queries and the binarizers.
    progress : bool, optional
        Whether to show a tqdm bar; by default on a terminal.

    Returns
    -------
    TuningResult
        With ``factory_string``, the code to use; ``rows``, ``table()``,
        ``to_csv(path)`` and ``plot(path)``.

    Raises
    ------
    ImportError
        If PyTorch is missing.
    TypeError, ValueError
        With the argument's name, what was expected and what was found; also of
        ``bytes`` that no code of the grid fits in.
    """
    import_training()  # says so if PyTorch is missing, which these need
    from tqdm.auto import tqdm

    from faiss_bebr.training.options import check_least

    from .data import count_columns, draw

    _check_request(bytes, recall)
    if metric not in METRICS:
        raise ValueError(
            f"metric: METRIC_INNER_PRODUCT or METRIC_L2 expected, got {metric}"
        )
    check_least(
        k=(k, 1),
        sample_size=(sample_size, 1),
        seed=(seed, 0),
        num_queries=(num_queries, 1),
        epochs=(epochs, 0),
        rotation_rounds=(rotation_rounds, 0),
    )
    documents, held_out = draw(x, queries, sample_size, num_queries, seed)
    if k > len(documents):
        raise ValueError(f"k: at most {len(documents)} documents expected, got {k}")
    d = documents.shape[1]
    if grid is None:
        own = own_grid(d, bytes, count_columns(documents))
    else:
        own = _as_given("grid", grid)
    candidates = own + _choose_compared(d, bytes, compare)
    _check_candidates(d, own, candidates, metric)
    if bytes is not None:
        _check_bytes(d, bytes, own, metric)
    measurement = Measurement(
        documents,
        held_out,
        metric=metric,
        k=k,
        epochs=epochs,
        rotation_rounds=rotation_rounds,
        seed=seed,
    )
    rows = []
    with tqdm(
        candidates, disable=None if progress is None else not progress, desc="tuning"
    ) as bar:
        for candidate in bar:
            bar.set_postfix_str(candidate.description)
            rows.append(measurement.measure(candidate))
    return TuningResult(rows, bytes, recall, k, len(documents), len(held_out))


def _check_request(size: int | None, recall: float | None) -> None:
    if (size is None) == (recall is None):
        raise ValueError("one of bytes and recall expected, and not both")
    if size is not None:
        try:
            operator.index(size)
        except TypeError:
            raise TypeError(f"bytes: an integer expected, got {size!r}") from None
        if size < 1:
            raise ValueError(f"bytes: at least 1 expected, got {size}")
    elif not isinstance(recall, (int, float, np.floating)):
        raise TypeError(f"recall: a number expected, got {recall!r}")
    elif not 0 < recall <= 1:
        raise ValueError(f"recall: above 0, at most 1 expected, got {recall}")


def _choose_compared(
    d: int, size: int | None, compare: bool | Sequence[str]
) -> list[Candidate]:
    if compare is True:
        return faiss_grid(d, size)
    return _as_given("compare", compare) if compare else []


def _check_candidates(
    d: int, own: list[Candidate], candidates: list[Candidate], metric: int
) -> None:
    if not own:
        raise ValueError("grid: at least one factory string expected, got none")
    for candidate in own:
        if not has_own_token(candidate.description):
            raise ValueError(
                "grid: codes of this package expected, FAISS's belong to compare, "
                f"got {candidate.description!r}"
            )
    for candidate in candidates:
        measure_code(d, candidate.description, metric)


def _check_bytes(d: int, size: int, own: list[Candidate], metric: int) -> None:
    sizes = [
        (least_code_size(d, candidate.description, metric), candidate.description)
        for candidate in own
    ]
    least, description = min(sizes)
    if size < least:
        raise ValueError(
            f"bytes: at least {least} expected, which the smallest code of the grid, "
            f"{description!r}, takes, got {size}"
        )


def _as_given(name: str, descriptions: Sequence[str]) -> list[Candidate]:
    if isinstance(descriptions, str) or not all(
        isinstance(description, str) for description in descriptions
    ):
        raise TypeError(f"{name}: a sequence of strings expected, got {descriptions!r}")
    return [Candidate(description, description) for description in descriptions]
