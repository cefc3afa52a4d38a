"""The indexes that `speed.py` compares, by the kind of search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import faiss
import numpy as np
from embeddings import Embeddings
from timing import Contender, K

import faiss_bebr

IP = faiss.METRIC_INNER_PRODUCT
NETWORK = "BEBR256x6"
# planes by hand, without centroids: the network is one product, see docs/training.md
PLANE_WIDTHS = (256, 256)
# of graphs, likewise; not more than 0.6 of the bytes of SQ8
GRAPH_BYTES = 228


def _get_code_size(index: Any) -> int:
    """Bytes of a vector's code; of a graph without its links."""
    index = faiss_bebr.downcast_index(index)
    if isinstance(index, faiss.IndexPreTransform):
        return _get_code_size(index.index)
    if isinstance(index, faiss.IndexHNSW):
        return _get_code_size(index.storage)
    return index.sa_code_size()


def _make(documents: np.ndarray, description: str, metric: int = IP) -> Any:
    """description: a factory string and, after a space, parameters of the search as
    ParameterSpace takes them."""
    factory_string, _, parameters = description.partition(" ")
    index = faiss_bebr.index_factory(documents.shape[1], factory_string, metric)
    index.train(documents)
    index.add(documents)
    if parameters:
        faiss_bebr.ParameterSpace().set_index_parameters(index, parameters)
    return index


def _find_truth(data: Embeddings) -> np.ndarray:
    exact = faiss.IndexFlatIP(data.documents.shape[1])
    exact.add(data.documents)
    return exact.search(data.reported_queries[:1000], K)[1]


def _measure_recall(contender: Contender, truth: np.ndarray) -> None:
    """Sets its recall 10@10 with the parameters that its index has now."""
    labels = contender.index.search(contender.queries[: len(truth)], K)[1]
    found = (labels[:, :, None] == truth[:, None]).any(axis=2)
    contender.recall = float(found.mean())


def given(
    data: Embeddings, descriptions: Sequence[str], metric: int = IP
) -> list[Contender]:
    """Indexes of these factory strings, with parameters as `_make` takes them."""
    truth = _find_truth(data)
    contenders = []
    for description in descriptions:
        index = _make(data.documents, description, metric)
        one = Contender(
            description, index, data.reported_queries, float(_get_code_size(index))
        )
        _measure_recall(one, truth)
        contenders.append(one)
    return contenders


class Cases:
    """Builds contenders over the documents; networks are trained once."""

    def __init__(
        self,
        data: Embeddings,
        network: str = NETWORK,
        plane_widths: tuple[int, ...] = PLANE_WIDTHS,
        graph_bytes: int = GRAPH_BYTES,
    ) -> None:
        self.documents = data.documents
        self.queries = data.reported_queries
        self.truth = _find_truth(data)
        index = _make(self.documents, f"{network},SDC2")
        binarizer = faiss_bebr.downcast_VectorTransform(index.chain.at(0))
        faiss_bebr.register_binarizer("speed", binarizer)
        planes = "-".join(map(str, plane_widths))
        by_hand = faiss_bebr.train_binarizer(
            self.documents, document_plane_widths=plane_widths, coarse=False
        )
        faiss_bebr.register_binarizer(planes, by_hand.to_transform())
        self.planes = f"BEBR[{planes}]"
        self.graph_bytes = graph_bytes
        self.network = network
        self.trained = {f"{network},SDC2": index}

    def contender(self, description: str) -> Contender:
        """description may begin with the network, which is not trained again."""
        if description not in self.trained:
            self.trained[description] = _make(
                self.documents, description.replace(self.network, "BEBR[speed]")
            )
        index = self.trained[description]
        contender = Contender(
            description, index, self.queries, float(_get_code_size(index))
        )
        self.measure(contender)
        return contender

    def measure(self, contender: Contender) -> None:
        _measure_recall(contender, self.truth)

    def flat(self) -> Iterator[list[Contender]]:
        for descriptions in (
            (
                "PQ128x4fs",
                f"{self.network},SDC2",
                f"{self.network},SDC2fs",
                f"{self.planes},SDC",
                f"{self.planes},SDCfs",
                f"{self.planes},SDCfs k_factor=5",
                f"{self.planes},SDCfs k_factor=2",
            ),
            (
                "RaBitQfs2",
                f"{self.network},SDC4",
                f"{self.network},SDC4fs",
                f"{self.network},SDC4fs first_nbits=2,k_factor=4",
            ),
            ("SQ4", f"{self.network},SDC4"),
        ):
            yield [self.contender(description) for description in descriptions]

    def swept(self, case: str) -> tuple[list[Contender], str, tuple[int, ...]]:
        """Contenders, the name of a parameter, and its values."""
        if case == "ivf":
            descriptions = (
                "IVF1024,PQ128x4fs",
                "IVF1024,PQ64x4fs,Refine(PQ32)",
                f"{self.network},IVF1024,SDC2",
                f"{self.planes},IVF1024,SDC",
            )
            parameter, values = "nprobe", (4, 8, 16, 32, 64, 128, 256)
        else:
            d = self.documents.shape[1]
            widths = [d] * 4 + [d * 2 // 3 // 8 * 8]
            name = f"{self.graph_bytes}B"
            by_bytes = faiss_bebr.train_binarizer(
                self.documents, code_size=self.graph_bytes, coarse=False
            )
            faiss_bebr.register_binarizer(name, by_bytes.to_transform())
            descriptions = (
                "HNSW32,SQ8",
                "HNSW32,SDC4",
                "HNSW32,SDC" + "-".join(map(str, widths)),
                f"{self.network},HNSW32,SDC4",
                f"BEBR[{name}],HNSW32,SDC",
            )
            parameter = "efSearch"
            values = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192)
        return [self.contender(one) for one in descriptions], parameter, values


def set_parameter(contender: Contender, name: str, value: int) -> None:
    faiss_bebr.ParameterSpace().set_index_parameter(contender.index, name, value)


def codes(n: int) -> list[Contender]:
    """Random vectors without a network: codes of 64 bytes as PQ and SDC have them."""
    rng = np.random.default_rng(0)
    contenders = []
    for name, index in (
        ("PQ128x4fs", faiss.index_factory(384, "PQ128x4fs", IP)),
        ("IndexSDC 256x2", faiss_bebr.IndexSDC(256, 2, IP)),
        ("IndexSDCFastScan 256x2", faiss_bebr.IndexSDCFastScan(256, 2, IP)),
    ):
        x = rng.uniform(-2, 2, (n, index.d)).astype(np.float32)
        index.train(x[:20_000])
        index.add(x)
        contenders.append(Contender(name, index, x[:1000], index.sa_code_size()))
    return contenders


def _make_packed(bits: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes and 1000 queries."""
    rng = np.random.default_rng(0)
    packed = rng.integers(0, 256, (n, bits // 8), dtype=np.uint8)
    return packed, rng.integers(0, 256, (1000, bits // 8), dtype=np.uint8)


def binary(bits: int, n: int) -> list[Contender]:
    """IndexBinaryFlat and IndexBinarySDC of 1, 2 and 4 bits, of the same bytes."""
    packed, queries = _make_packed(bits, n)
    contenders = [
        Contender(
            f"IndexBinaryFlat {bits}", faiss.IndexBinaryFlat(bits), queries, bits / 8
        )
    ]
    contenders += [
        Contender(
            f"IndexBinarySDC {bits // nbits}x{nbits}",
            faiss_bebr.IndexBinarySDC(bits, nbits),
            queries,
            bits / 8,
        )
        for nbits in (1, 2, 4)
    ]
    for one in contenders:
        one.index.add(packed)
    return contenders


def binary_ivf(bits: int, n: int, nlist: int = 1024) -> list[Contender]:
    """IndexBinaryIVF and IndexBinaryIVFSDC likewise, with the same lists."""
    packed, queries = _make_packed(bits, n)
    quantizer = faiss.IndexBinaryFlat(bits)
    reference = faiss.IndexBinaryIVF(quantizer, bits, nlist)
    reference.train(packed[: 40 * nlist])
    contenders = [Contender(f"IndexBinaryIVF {bits}", reference, queries, bits / 8)]
    for nbits in (1, 2, 4):
        index = faiss_bebr.IndexBinaryIVFSDC(quantizer, bits, nlist, nbits)
        index.train(packed[: 40 * nlist])
        contenders.append(
            Contender(
                f"IndexBinaryIVFSDC {bits // nbits}x{nbits}", index, queries, bits / 8
            )
        )
    for one in contenders:
        one.index.add(packed)
    return contenders
