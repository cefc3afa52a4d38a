"""Trains, fills and searches one index after another, and measures each."""

from __future__ import annotations

import time
from typing import Any

import faiss
import numpy as np

from faiss_bebr.factory import index_factory
from faiss_bebr.index_io import downcast_index, downcast_VectorTransform
from faiss_bebr.swigfaiss_bebr import BinarizerTransform
from faiss_bebr.trainer_hook import import_training

from .grid import Candidate
from .result import TuningRow

SEARCH_ROUNDS = 3


class Measurement:
    """Documents and queries with the exact results.

    documents: (n, d) float32, coded and searched; queries: (nq, d) float32.
    """

    def __init__(
        self,
        documents: np.ndarray,
        queries: np.ndarray,
        *,
        metric: int,
        k: int,
        epochs: int,
        rotation_rounds: int,
        seed: int,
    ) -> None:
        self.documents = documents
        self.queries = queries
        self.metric = metric
        self.k = k
        self.epochs = epochs
        self.rotation_rounds = rotation_rounds
        self.seed = seed
        exact = faiss.IndexFlat(documents.shape[1], metric)
        exact.add(documents)
        self.truth = exact.search(queries, k)[1]

    def measure(self, candidate: Candidate) -> TuningRow:
        start = time.perf_counter()
        index = self._train(candidate.description)
        train_seconds = time.perf_counter() - start
        index.add(self.documents)
        seconds = []
        for _ in range(SEARCH_ROUNDS):
            start = time.perf_counter()
            labels = index.search(self.queries, self.k)[1]
            seconds.append(time.perf_counter() - start)
        found = (labels[:, :, None] == self.truth[:, None]).any(axis=2)
        return TuningRow(
            family=candidate.family,
            factory_string=candidate.description,
            bytes=index.sa_code_size(),
            recall=float(found.mean()),
            queries_per_second=len(self.queries) / float(np.median(seconds)),
            train_seconds=train_seconds,
        )

    def _train(self, description: str) -> Any:
        d = self.documents.shape[1]
        index = index_factory(d, description, self.metric)
        self._train_binarizers(index)
        # what the binarizer alone does not settle: centroids, ranges, lists
        index.train(self.documents)
        return index

    def _train_binarizers(self, index: Any) -> None:
        """With the settings of this measurement; `index.train` has its own."""
        if not isinstance(index, faiss.IndexPreTransform):
            return
        x = self.documents
        for i in range(index.chain.size()):
            transform = downcast_VectorTransform(index.chain.at(i))
            if isinstance(transform, BinarizerTransform):
                if not transform.is_trained:
                    self._train_binarizer(transform, x)
            else:
                transform.train(x)
            x = transform.apply(x)
        # an index whose transforms are trained may still need it itself
        index.is_trained = downcast_index(index.index).is_trained

    def _train_binarizer(self, transform: Any, x: np.ndarray) -> None:
        settings: dict[str, Any] = dict(
            epochs=self.epochs,
            rotation_rounds=self.rotation_rounds,
            seed=self.seed,
            progress=False,
        )
        if transform.document_code_size:
            settings["code_size"] = transform.document_code_size
            settings["coarse"] = transform.document_has_centroids
        else:
            widths = faiss.vector_to_array(transform.layout.plane_widths)
            settings["m"] = [int(width) for width in widths]
            settings["nbits"] = len(widths)
            stored = transform.document_plane_widths.size()
            settings["document_nbits"] = stored or len(widths)
        binarizer = import_training().train_binarizer(x, **settings)
        binarizer.copy_to_transform(transform)
