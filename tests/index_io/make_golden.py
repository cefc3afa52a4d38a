"""Makes the files of tests/index_io/golden/6 that are missing.

    PYTHONPATH=. python tests/index_io/make_golden.py

A file that is there stays as it is: it must be readable for ever. Vectors, weights
and centroids are small multiples of 1/4, set by hand, so that no sum is rounded and
every machine makes the same bytes and finds the same results. Files of format
version 1 lie in tests/index_io/golden itself, those of versions 2 to 5 in the folders
2 to 5, and nothing writes such files any more.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import faiss  # noqa: E402
import numpy as np  # noqa: E402
from builders import (  # noqa: E402
    L2,
    behind,
    graph,
    group,
    id_map,
    own,
    refined,
    refined_flat,
)

import faiss_bebr  # noqa: E402
from faiss_bebr import index_io  # noqa: E402

GOLDEN = HERE / "golden"
NEWEST = GOLDEN / "6"
IP = faiss.METRIC_INNER_PRODUCT
D, M, NLIST, N = 16, 8, 3, 30
NBITS = 2
D_BINARY = M * NBITS

MAKERS: dict[str, Callable[[], Any]] = {}
"""From a name to an index or a transform, made in the folder of its file."""


def add_maker(make: Callable[[], Any]) -> Callable[[], Any]:
    MAKERS[make.__name__] = make
    return make


def integers(n: int, d: int, seed: int, largest: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(-largest, largest + 1, (n, d)).astype(np.float32)


def vectors(n: int, d: int, seed: int) -> np.ndarray:
    """Whose codes are not all at the ends of their range."""
    return integers(n, d, seed, 9) / np.float32(4)


def codes(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, D_BINARY // 8), dtype=np.uint8)


def fill(index: Any, n: int = N) -> Any:
    """Trained by hand before."""
    is_binary = isinstance(index, faiss.IndexBinary)
    index.add(codes(n, 1) if is_binary else vectors(n, index.d, 1))
    return index


def fill_with_ids(index: Any) -> Any:
    is_binary = isinstance(index, faiss.IndexBinary)
    x = codes(N, 1) if is_binary else vectors(N, index.d, 1)
    index.add_with_ids(x, np.arange(N) * 7 % 50 + 100)
    return index


def make_sdc(d: int = D, metric: int = L2, widths: tuple[int, ...] = ()) -> Any:
    index = faiss_bebr.IndexSDC(list(widths) or [d] * NBITS, metric)
    index.set_query_map([1 + i % 3 for i in range(d)], [i % 2 for i in range(d)])
    return index


def make_ivf(quantizer: Any = None, metric: int = L2, d: int = D) -> Any:
    if quantizer is None:
        quantizer = faiss.IndexFlat(d, L2)
        quantizer.add(vectors(NLIST, d, 2))
    index = own(faiss_bebr.IndexIVFSDC(quantizer, d, NLIST, NBITS, metric), quantizer)
    index.is_trained = True
    index.nprobe = 2
    index.cp.niter = 7
    return index


def make_binarizer(hidden: int = 0, normalize: bool = False) -> Any:
    transform = faiss_bebr.BinarizerTransform(D, [M] * NBITS, normalize)
    for t in range(NBITS):
        for setter, d_in, d_out, seed in (
            (transform.set_binarization_block, D, M, 10),
            (transform.set_reconstruction_block, M, D, 20),
        ):
            setter(
                t,
                integers(d_out, d_in, seed + t, 2),
                integers(1, d_out, seed + t, 1)[0],
                integers(hidden, d_in, seed + t, 1),
                integers(1, hidden, seed + t, 1)[0],
                integers(d_out, hidden, seed + t, 1),
            )
    transform.set_query_map([1 + i % 2 for i in range(M)], [i % 3 for i in range(M)])
    transform.is_trained = True
    return transform


def with_binarizer(index: Any) -> Any:
    return behind(index, make_binarizer())


def make_binary() -> Any:
    return faiss_bebr.IndexBinarySDC(D_BINARY, NBITS)


def make_binary_ivf() -> Any:
    quantizer = make_binary()
    quantizer.add(codes(NLIST, 2))
    index = faiss_bebr.IndexBinaryIVFSDC(quantizer, D_BINARY, NLIST, NBITS, IP)
    index.is_trained = True
    index.nprobe = 2
    return own(index, quantizer)


@add_maker
def bebr() -> Any:
    return make_binarizer(hidden=3)


@add_maker
def bebr_untrained() -> Any:
    transform = faiss_bebr.BinarizerTransform(D, [M] * NBITS)
    transform.set_document_code([M], 300)
    transform.set_document_budget(7, False)
    return transform


@add_maker
def bebr_continuous() -> Any:
    transform = make_binarizer()
    # The linear weights of the first plane, as of a network for a budget.
    shared = integers(M, D, 10, 2), integers(D, M, 20, 2)
    rest = np.zeros((0, D)), np.zeros(0), np.zeros((M, 0))
    transform.set_binarization_block(1, shared[0], -np.ones(M), *rest)
    rest = np.zeros((0, M)), np.zeros(0), np.zeros((D, 0))
    transform.set_reconstruction_block(1, shared[1], np.ones(D), *rest)
    transform.continuous = True
    return transform


@add_maker
def sdc() -> Any:
    index = fill(make_sdc(metric=IP, widths=(D, 8)))
    index.k_factor, index.first_nbits = 4, 1
    return index


@add_maker
def sdc_with_centroids() -> Any:
    index = faiss_bebr.IndexSDC([8, 8], IP, D, 5)
    index.set_query_map([1 + i % 3 for i in range(D)], [i % 2 for i in range(D)])
    faiss.copy_array_to_vector(vectors(5, D, 8).ravel(), index.sdc.centroids)
    index.train(vectors(40, D, 6))
    return fill(index)


@add_maker
def sdc_with_scales_of_one_byte() -> Any:
    index = faiss_bebr.IndexSDC([8, 8], L2, D)
    index.set_scale_bytes(1)
    index.train(vectors(40, D, 6))
    return fill(index)


@add_maker
def sdc_with_scales_of_centroids() -> Any:
    index = faiss_bebr.IndexSDC([8, 8], IP, D, 5)
    index.set_scale_bytes(1)
    index.set_query_map([1 + i % 3 for i in range(D)], [i % 2 for i in range(D)])
    faiss.copy_array_to_vector(vectors(5, D, 8).ravel(), index.sdc.centroids)
    index.train(vectors(40, D, 6))
    return fill(index)


def make_error_weight(d: int) -> np.ndarray:
    return ((d + 1) * np.eye(d) - 1).ravel()


@add_maker
def bebr_with_weights_of_errors() -> Any:
    transform = make_binarizer()
    transform.set_error_weight(make_error_weight(M))
    return transform


@add_maker
def sdc_with_weights_of_errors() -> Any:
    index = faiss_bebr.IndexSDC([8, 8], IP, D)
    index.set_error_weight(make_error_weight(D))
    index.is_trained = False
    index.train(vectors(40, D, 6))
    return fill(index)


@add_maker
def sdc_fast_scan() -> Any:
    index = faiss_bebr.IndexSDCFastScan([8, 8], IP, D, 5)
    index.set_scale_bytes(1)
    faiss.copy_array_to_vector(vectors(5, D, 8).ravel(), index.sdc.centroids)
    index.train(vectors(40, D, 6))
    return fill(index, 150)  # more than two groups of 64


@add_maker
def sdc_fast_scan_in_two_passes() -> Any:
    index = faiss_bebr.IndexSDCFastScan(M, NBITS, IP)
    index.k_factor, index.first_nbits = 1.5, 2
    return fill(index)


@add_maker
def ivf_sdc() -> Any:
    return fill_with_ids(make_ivf())


@add_maker
def ivf_sdc_residual_with_scales_of_one_byte() -> Any:
    index = make_ivf(metric=IP)
    index.by_residual = True
    index.set_scale_bytes(1)
    index.train(vectors(40, D, 6))
    return fill(index)


@add_maker
def ivf_sdc_residual_with_array() -> Any:
    index = make_ivf(metric=IP)
    index.by_residual = True
    index.train(vectors(40, D, 6))  # of the range; the centroids are there
    index.set_direct_map_type(faiss.DirectMap.Array)
    return fill(index)


@add_maker
def ivf_sdc_over_sdc_with_hash_table() -> Any:
    quantizer = make_sdc()
    quantizer.add(vectors(NLIST, D, 2))
    index = make_ivf(quantizer)
    index.set_direct_map_type(faiss.DirectMap.Hashtable)
    return fill_with_ids(index)


@add_maker
def ivf_sdc_on_disk() -> Any:
    index = make_ivf()
    Path("ivf_sdc_on_disk.lists").unlink(missing_ok=True)
    lists = faiss.OnDiskInvertedLists(NLIST, index.code_size, "ivf_sdc_on_disk.lists")
    index.replace_invlists(lists, True)
    lists.this.disown()
    return fill(index)


@add_maker
def ivf_sdc_untrained() -> Any:
    binarizer = make_binarizer()
    quantizer = faiss.IndexFlatIP(M)
    index = faiss_bebr.IndexIVFSDC(quantizer, binarizer, 1, NLIST, IP)
    return behind(own(index, quantizer), binarizer)


@add_maker
def binary_sdc() -> Any:
    return fill(make_binary())


@add_maker
def binary_ivf_sdc() -> Any:
    return fill_with_ids(make_binary_ivf())


@add_maker
def mapped_vectors() -> Any:
    np.save("mapped_vectors.npy", vectors(N, D, 1))
    return faiss_bebr.map_vectors("mapped_vectors.npy")


@add_maker
def pre_transform() -> Any:
    return fill(with_binarizer(make_sdc(M)))


@add_maker
def pre_transform_of_ivf() -> Any:
    pca = faiss.PCAMatrix(D, D)
    faiss.copy_array_to_vector(np.eye(D, dtype=np.float32).ravel(), pca.A)
    faiss.copy_array_to_vector(integers(1, D, 3)[0], pca.b)
    pca.have_bias = pca.is_trained = True
    index = behind(make_ivf(d=M), pca, make_binarizer())
    return fill_with_ids(id_map(faiss.IndexIDMap2, index))


@add_maker
def hnsw() -> Any:
    return fill(with_binarizer(graph(make_sdc(M, IP))))


@add_maker
def ivf_flat_over_sdc() -> Any:
    quantizer = make_sdc()
    quantizer.add(vectors(NLIST, D, 2))
    index = faiss.IndexIVFFlat(quantizer, D, NLIST, L2)
    index.is_trained = True
    return fill_with_ids(own(index, quantizer))


@add_maker
def ivf_pq() -> Any:
    quantizer = faiss.IndexFlatL2(M)
    quantizer.add(vectors(NLIST, M, 2))
    index = own(faiss.IndexIVFPQ(quantizer, M, NLIST, 2, 2), quantizer)
    faiss.copy_array_to_vector(integers(4, M, 4).ravel(), index.pq.centroids)
    index.is_trained = True
    index.precompute_table()
    return fill(with_binarizer(index))


@add_maker
def refine_flat() -> Any:
    return fill(refined_flat(make_sdc()))


@add_maker
def refine_scalar_quantizer() -> Any:
    vectors = faiss.IndexScalarQuantizer(D, faiss.ScalarQuantizer.QT_fp16, L2)
    return fill(refined(make_sdc(), vectors))


@add_maker
def shards() -> Any:
    parts = [id_map(faiss.IndexIDMap, make_sdc()) for _ in range(2)]
    return fill_with_ids(group(faiss.IndexShards(D, True, False), *parts))


@add_maker
def shards_with_successive_ids() -> Any:
    parts = [make_sdc(), make_sdc(), faiss.IndexFlatL2(D)]
    return fill(group(faiss.IndexShards(D, False, True), *parts))


@add_maker
def replicas() -> Any:
    parts = [make_sdc(), make_sdc()]
    return fill(group(faiss.IndexReplicas(D, True), *parts))


@add_maker
def binary_id_map() -> Any:
    return fill_with_ids(id_map(faiss.IndexBinaryIDMap2, make_binary()))


@add_maker
def binary_shards() -> Any:
    parts = [make_binary(), make_binary()]
    return fill(group(faiss.IndexBinaryShards(D_BINARY, False, True), *parts))


@add_maker
def binary_replicas() -> Any:
    return fill(group(faiss.IndexBinaryReplicas(D_BINARY, False), make_binary_ivf()))


def serialize(obj: Any) -> bytes:
    writer = faiss.VectorIOWriter()
    if isinstance(obj, faiss.VectorTransform):
        index_io.write_VectorTransform(obj, writer)
    elif isinstance(obj, faiss.IndexBinary):
        index_io.write_index_binary(obj, writer)
    else:
        index_io.write_index(obj, writer)
    return faiss.vector_to_array(writer.data).tobytes()


def get_results(obj: Any) -> dict[str, np.ndarray]:
    """What users see of it."""
    if isinstance(obj, faiss.VectorTransform):
        if obj.is_trained:
            return {"outputs": obj.apply(vectors(9, D, 5))}
        return {
            "document_plane_widths": faiss.vector_to_array(obj.document_plane_widths),
            "ncentroids": np.array(obj.ncentroids),
            "document_code_size": np.array(obj.document_code_size),
            "document_has_centroids": np.array(obj.document_has_centroids),
        }
    if not obj.is_trained:
        return {"ntotal": np.array(obj.ntotal)}
    is_binary = isinstance(obj, faiss.IndexBinary)
    queries = codes(9, 5) if is_binary else vectors(9, obj.d, 5)
    distances, labels = obj.search(queries, 4)
    return {"distances": distances, "labels": labels}


def make(folder: Path, name: str) -> Any:
    """In the folder, as files beside an index are named without one."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        return MAKERS[name]()
    finally:
        os.chdir(before)


def main() -> None:
    faiss.omp_set_num_threads(1)
    NEWEST.mkdir(exist_ok=True)
    for name in MAKERS:
        path = NEWEST / f"{name}.bebr"
        if not path.exists():
            obj = make(NEWEST, name)
            path.write_bytes(serialize(obj))
            np.savez(NEWEST / f"{name}.npz", **get_results(obj))
            print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
