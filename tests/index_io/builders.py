"""Data, and what the indexes of kinds.py are put together from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
from factory_strings import make_binarizer

import faiss_bebr

L2, IP = faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT
D = 24
M = 16  # dimensions of a binarizer's output
NBITS = 3
D_BINARY = 24 * NBITS
NLIST = 7
N = 300


def vectors(n: int = N, seed: int = 0) -> np.ndarray:
    """(n, D) float32 unit rows around a few centres."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((12, D)) + 0.3
    x = centres[rng.integers(0, 12, n)] + 0.4 * rng.standard_normal((n, D))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def codes(n: int = N, seed: int = 0) -> np.ndarray:
    """(n, D_BINARY / 8) uint8 around a few centres."""
    rng = np.random.default_rng(seed)
    shape = (n, D_BINARY // 8)
    centres = np.random.default_rng(98).integers(0, 256, (12, shape[1]))
    noise = np.bitwise_and.reduce([rng.integers(0, 256, shape) for _ in range(3)])
    return (centres[rng.integers(0, 12, n)] ^ noise).astype(np.uint8)


def sdc_with_centroids(metric: int, the_class: type = faiss_bebr.IndexSDC) -> Any:
    """Untrained, with dimensions that have no bits."""
    index = the_class([D - 8, 8], metric, D, 7)
    index.cp.niter = 2
    index.cp.seed = 4
    return index


def own(container: Any, *parts: Any) -> Any:
    """The container, which then owns the parts."""
    container.own_fields = True
    for part in parts:
        part.this.disown()
    return container


def behind(index: Any, *chain: Any) -> Any:
    """An IndexPreTransform: the chain in its order, then the index."""
    container = faiss.IndexPreTransform(index)
    for transform in reversed(chain):
        container.prepend_transform(transform)
    return own(container, index, *chain)


def hidden_binarizer() -> Any:
    """Trained, with hidden units, normalization and narrowing planes."""
    rng = np.random.default_rng(5)
    widths = [M, M, 8]
    transform = faiss_bebr.BinarizerTransform(D, widths, True)
    for t, width in enumerate(widths):
        for setter, d_in, d_out, hidden in (
            (transform.set_binarization_block, D, width, 5),
            (transform.set_reconstruction_block, M, D, t),
        ):
            setter(
                t,
                rng.standard_normal((d_out, d_in)),
                rng.standard_normal(d_out),
                rng.standard_normal((hidden, d_in)),
                rng.standard_normal(hidden),
                rng.standard_normal((d_out, hidden)),
            )
    transform.set_query_map(rng.random(M).tolist(), rng.standard_normal(M).tolist())
    transform.set_document_code(widths[:2], 9)
    transform.set_document_budget(11, False)
    transform.is_trained = True
    return transform


def with_binarizer(make: Callable[[Any], Any]) -> Any:
    """A trained binarizer before what is made for its output."""
    binarizer = make_binarizer(D, [M] * 3)
    return behind(make(binarizer), binarizer)


def sdc(metric: int, d: int = D) -> Any:
    return faiss_bebr.IndexSDC(d, NBITS, metric)


def sdc_fast_scan(metric: int) -> Any:
    index = faiss_bebr.IndexSDCFastScan(D, NBITS, metric)
    index.k_factor, index.first_nbits = 1.5, 2
    return index


def graph(storage: Any) -> Any:
    index = own(faiss.IndexHNSW(storage, 6), storage)
    index.hnsw.efSearch = 23
    index.hnsw.efConstruction = 31
    return index


def over(quantizer: Any, make: Callable[[Any], Any], **fields: Any) -> Any:
    """An inverted file over a quantizer, which is trained with it."""
    index = own(make(quantizer), quantizer)
    index.cp.min_points_per_centroid = 1
    if hasattr(index, "pq"):
        index.pq.cp.min_points_per_centroid = 1
    if hasattr(index, "quantizer_trains_alone"):
        index.quantizer_trains_alone = 2
    index.nprobe = 3
    for name, value in fields.items():
        setattr(index, name, value)
    return index


def ivf_sdc(metric: int, quantizer: Any = None, **fields: Any) -> Any:
    return over(
        quantizer or faiss.IndexFlat(D, metric),
        lambda q: faiss_bebr.IndexIVFSDC(q, D, NLIST, NBITS, metric),
        **fields,
    )


def ivf_of_binarizer(binarizer: Any, metric: int, **fields: Any) -> Any:
    return over(
        faiss.IndexFlat(M, metric),
        lambda q: faiss_bebr.IndexIVFSDC(q, binarizer, 2, NLIST, metric),
        **fields,
    )


def refined(base: Any, vectors: Any) -> Any:
    index = own(faiss.IndexRefine(base, vectors), base, vectors)
    index.own_refine_index = True
    index.k_factor = 4.5
    return index


def refined_flat(base: Any) -> Any:
    index = own(faiss.IndexRefineFlat(base), base)
    index.k_factor = 2.5
    return index


def group(container: Any, *indexes: Any) -> Any:
    for index in indexes:
        container.addIndex(index)
        index.this.disown()
    container.own_indices = True
    return container


def id_map(the_class: type, index: Any) -> Any:
    return own(the_class(index), index)


def scalar(qtype: int, metric: int) -> Any:
    return faiss.IndexScalarQuantizer(D, qtype, metric)
