"""What backward-compatible training begins with: the old generation, frozen, and the
same items in both embedding spaces."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import faiss
import numpy as np

from faiss_bebr.swigfaiss_bebr import BinarizerTransform, IndexSDC

from .data_checks import check_columns, check_distinct, warn_of_lengths
from .held_out import count_hits, search_neighbours
from .network import BITS_PER_BYTE, RecurrentBinarizer
from .residual_start import CLUSTERING_ROUNDS
from .run import Run
from .sampling import Sample, draw_sample
from .user_warnings import warn_user

# Old documents found by old queries, of those that exact search finds: below this
# share the binarizer was not made for these embeddings. Random signs find more.
LEAST_OLD_RECALL = 0.1
OLD_RECALL_QUERIES = 200
OLD_RECALL_DOCUMENTS = 5_000
OLD_RECALL_K = 10
# Of the documents nearest to a query in the new space, old codes find about as many as
# of another query's where rows do not belong together: of 2000 in WordNet's glosses up
# to 9, where 4 were expected. Where they do it was 119 with no more than 24 random
# directions as the old model, and 38 with half of the rows shuffled. Hits by chance
# vary by about the root of their number.
LEAST_LIFT = 2.0
DEVIATIONS = 4.0


def count_by_chance(found: np.ndarray, truth: np.ndarray) -> float:
    """Hits, see ``count_hits``, that each query's result has on average in the truth of
    the other queries: those of a result that knows nothing of the query. Documents that
    many queries find, and clusters of queries, are in both."""
    n = max(found.max(), truth.max()) + 1
    often = [np.bincount(labels.ravel(), minlength=n) for labels in (found, truth)]
    others = int(often[0] @ often[1]) - count_hits(found, truth)
    return others / max(len(found) - 1, 1)


class PairedSample(NamedTuple):
    """The same items in the new and in the old space."""

    new: Sample
    old: Sample


def draw_paired_sample(x_new: Any, x_old: Any, run: Run) -> PairedSample:
    """A sample of the same rows of both sides, see ``draw_sample``."""
    lengths = _count_rows(x_new), _count_rows(x_old)
    if None not in lengths:
        _check_lengths(*lengths)
    # The same seed draws the same rows of sources of the same length.
    new, old = (
        draw_sample(x, run.max_train_points, np.random.default_rng(run.seed), name)
        for x, name in ((x_new, "x_new"), (x_old, "x_old"))
    )
    _check_lengths(new.total, old.total)
    check_columns(new.rows, BITS_PER_BYTE, "x_new")
    warn_of_lengths(new.rows)
    return PairedSample(new, old)


def _count_rows(x: Any) -> int | None:
    """Of what says so before it is read, else None."""
    shape = getattr(x, "shape", ())
    return shape[0] if len(shape) == 2 else None


def _check_lengths(n_new: int | None, n_old: int | None) -> None:
    if n_new != n_old:
        raise ValueError(
            f"x_old: {n_new} rows expected, the items of x_new, got {n_old}"
        )


def as_transform(old_binarizer: Any) -> BinarizerTransform:
    """The old binarizer as it runs in an index.

    Raises ``TypeError`` for anything but a binarizer, ``ValueError`` for one that is
    not trained.
    """
    if isinstance(old_binarizer, RecurrentBinarizer):
        for name, value in old_binarizer.state_dict().items():
            if not value.isfinite().all():
                raise ValueError(
                    f"old_binarizer: NaN or infinite values found in {name}"
                )
        return old_binarizer.to_transform()
    if not isinstance(old_binarizer, BinarizerTransform):
        raise TypeError(
            "old_binarizer: a RecurrentBinarizer or BinarizerTransform expected, "
            f"got {type(old_binarizer).__name__}"
        )
    if not old_binarizer.is_trained:
        raise ValueError("old_binarizer: a trained one expected, this is not")
    return BinarizerTransform(old_binarizer)


class OldGeneration:
    """The old binarizer, its codes of a sample, and an index as it was made for it.

    Parameters
    ----------
    transform : BinarizerTransform
        The old binarizer.

    Attributes
    ----------
    plane_widths, document_plane_widths : tuple of int
        Of the network and of a document; the latter is never empty.
    query_weight, query_offset : (m,) float32
    error_weight : (m * m,) float32, or empty
        Of the index.
    is_plain : bool
        Whether documents are the first planes of the network's code, so that an index
        learns nothing.
    """

    def __init__(self, transform: BinarizerTransform) -> None:
        self.transform = transform
        widths = transform.layout.plane_widths
        self.plane_widths = tuple(widths.at(t) for t in range(widths.size()))
        self.query_weight = faiss.vector_to_array(transform.query_weight)
        self.query_offset = faiss.vector_to_array(transform.query_offset)
        self.error_weight = faiss.vector_to_array(transform.error_weight)
        self.index = IndexSDC(transform, 0, faiss.METRIC_INNER_PRODUCT)
        self.is_plain = bool(self.index.is_trained)
        kept = self.index.sdc.layout.plane_widths
        self.document_plane_widths = tuple(kept.at(t) for t in range(kept.size()))

    def train_index(self, codes: np.ndarray) -> None:
        """Let the index learn its centroids and range, if it has such, from what the
        old binarizer makes of a sample, (n, m) float32."""
        if self.is_plain:
            return
        check_distinct(codes, self.index.ncentroids, "x_old")
        self.index.cp.niter = CLUSTERING_ROUNDS
        self.index.cp.min_points_per_centroid = 1
        self.index.train(codes)

    def check_recall(
        self, x_new: np.ndarray, x_old: np.ndarray, codes: np.ndarray
    ) -> None:
        """Refuse a binarizer that finds next to nothing among the embeddings, and warn
        of new embeddings whose neighbours are not those of old codes.

        x_new, x_old: (n, d_new), (n, d_old) float32, random rows; codes: (n, m)
        float32, theirs.
        """
        count = min(OLD_RECALL_QUERIES, len(x_old) // 10)
        documents = slice(count, count + OLD_RECALL_DOCUMENTS)
        k = min(OLD_RECALL_K, len(x_old) // 20)
        truth = search_neighbours(x_old[:count], x_old[documents], k)[1]
        queries = self.query_weight * codes[:count] + self.query_offset
        found = search_neighbours(queries, codes[documents], k)[1]
        recall = count_hits(found, truth) / truth.size
        if recall < LEAST_OLD_RECALL:
            raise ValueError(
                "old_binarizer: one that was trained for x_old expected; of the "
                f"documents nearest to a query it finds {recall:.0%}"
            )
        new_truth = search_neighbours(x_new[:count], x_new[documents], k)[1]
        hits, by_chance = (
            count_hits(found, new_truth),
            count_by_chance(found, new_truth),
        )
        if hits <= LEAST_LIFT * by_chance + DEVIATIONS * by_chance**0.5:
            warn_user(
                "x_new, x_old: the rows seem not to belong together; of the documents "
                f"nearest to a query among x_new, its old code finds "
                f"{hits / new_truth.size:.2%} among those of x_old, and of those of "
                f"other queries {by_chance / new_truth.size:.2%}"
            )

    def indexes(self, nested: bool) -> list[IndexSDC]:
        """Indexes of the first 1, 2, ... planes of documents, or only that of all."""
        if not nested:
            return [self.index]
        return [
            IndexSDC(self.transform, depth, faiss.METRIC_INNER_PRODUCT)
            for depth in range(1, len(self.document_plane_widths) + 1)
        ]

    def statistics(self, codes: np.ndarray) -> dict[str, Any]:
        """What tells other binarizers, for a checkpoint."""
        digest = hashlib.blake2b(digest_size=16)
        maps = self.query_weight, self.query_offset, self.error_weight
        for array in (*maps, codes):
            digest.update(np.ascontiguousarray(array))
        return {
            "plane_widths": list(self.plane_widths),
            "document_plane_widths": list(self.document_plane_widths),
            "ncentroids": self.index.ncentroids,
            "fingerprint": digest.hexdigest(),
        }
