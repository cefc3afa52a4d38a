"""Random factory strings with indexes that are assembled by hand for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import faiss
import numpy as np
from hypothesis import strategies as st

import faiss_bebr

L2, IP = faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT
D = 24


class Example(NamedTuple):
    text: str
    make: Callable[[Any], Any]
    """from the binarizer whose output arrives, or None, to an index"""


def make_binarizer(d: int, widths: list[int], document_nbits: int = 0) -> Any:
    """A trained binarizer, which rotates and quantizes with all planes."""
    transform = faiss_bebr.BinarizerTransform(d, widths)
    set_weights(transform)
    transform.set_document_code(widths[:document_nbits])
    return transform


def set_weights(transform: Any) -> None:
    """What makes a transform that of `make_binarizer`."""
    d = transform.d_in
    planes = transform.layout.plane_widths
    widths = [planes.at(t) for t in range(planes.size())]
    rng = np.random.default_rng(sum(widths) + d)
    rotation = np.linalg.qr(rng.standard_normal((d, d)))[0].astype(np.float32)
    # no dimensions beyond those of the embeddings
    padding = np.zeros((max(0, widths[0] - d), d), np.float32)
    rotation = np.concatenate([rotation, padding])[: widths[0]]
    none = np.zeros((0, 1), np.float32)
    for t, width in enumerate(widths):
        transform.set_binarization_block(
            t,
            rotation[:width],
            np.zeros(width),
            none.reshape(0, d),
            [],
            none.reshape(width, 0),
        )
        transform.set_reconstruction_block(
            t,
            rotation.T / 2,
            np.zeros(d),
            none.reshape(0, widths[0]),
            [],
            none.reshape(d, 0),
        )
    transform.set_query_map(
        (0.5 + rng.random(widths[0])).tolist(),
        (0.1 * rng.standard_normal(widths[0])).tolist(),
    )
    transform.is_trained = True


BINARIZERS = {
    f"{d}:{'-'.join(map(str, widths))}:{kept}": (d, widths, kept)
    for d in (16, D)
    for widths, kept in (([16, 16, 16], 0), ([16, 8], 1), ([8, 8, 8, 8], 2))
}


def register_binarizers() -> None:
    for name, arguments in BINARIZERS.items():
        faiss_bebr.register_binarizer(name, make_binarizer(*arguments))


def unregister_binarizers() -> None:
    for name in BINARIZERS:
        faiss_bebr.unregister_binarizer(name)


def clustered(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Unit vectors around a few centres, with a mean that is not zero."""
    centres = rng.standard_normal((30, d)) + 0.5
    x = centres[rng.integers(0, 30, n)] + 0.5 * rng.standard_normal((n, d))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def own(container: Any, index: Any) -> Any:
    container.own_fields = True
    index.this.disown()
    return container


def disown_parts(index: Any) -> None:
    """Hand-made containers own what Python made for them."""
    for part in getattr(index, "referenced_objects", []):
        part.this.disown()


SCALES = [("", None), ("", None), ("_Sfp16", 2), ("_Sqint8", 1)]


def set_scale_bytes(index: Any, scale_bytes: int | None, binarizer: Any) -> Any:
    """None: what the index has of its binarizer, or one byte without any."""
    if scale_bytes is None and binarizer is None:
        scale_bytes = 1
    if scale_bytes is not None:
        index.set_scale_bytes(scale_bytes)
    return index


@st.composite
def encodings(
    draw: Any,
    d: int,
    planes: int,
    kept: int,
    metric: int,
    centroids: tuple[int, ...] = (0, 1, 3),
) -> Example:
    """`SDC<nbits>`; planes is 0 without a binarizer."""
    if draw(st.integers(0, 2)) == 0:
        return draw(coarse_encodings(d, planes, metric, centroids))
    nbits = draw(st.integers(1, planes or 8))
    suffix, scale_bytes = draw(st.sampled_from(SCALES))
    text = f"SDC{nbits}{suffix}"
    if planes and draw(st.booleans()):
        text, nbits, scale_bytes = "SDC", kept or planes, None

    def make(binarizer: Any) -> Any:
        if binarizer is not None:
            index = faiss_bebr.IndexSDC(binarizer, nbits, metric)
        else:
            index = faiss_bebr.IndexSDC(d, nbits, metric)
            index.is_trained = False
        return set_scale_bytes(index, scale_bytes, binarizer)

    return Example(text, make)


@st.composite
def coarse_encodings(
    draw: Any, d: int, planes: int, metric: int, centroids: tuple[int, ...]
) -> Example:
    """`SDC<m0>-<m1>-...`, with or without centroids."""
    nplanes = draw(st.integers(2, planes or 8)) if planes != 1 else 1
    first = draw(st.sampled_from([8, d // 8 * 8])) if not planes else 8
    widths = [first] + [8] * (nplanes - 1)
    ncentroids = draw(st.sampled_from(centroids))
    text = "SDC" + "-".join(map(str, widths))
    suffix, scale_bytes = draw(st.sampled_from(SCALES))
    text += f"_{ncentroids}" if ncentroids else ""
    text += suffix

    def make(binarizer: Any) -> Any:
        if binarizer is not None:
            index = faiss_bebr.IndexSDC(binarizer, widths, metric, ncentroids)
        else:
            index = faiss_bebr.IndexSDC(widths, metric, d, ncentroids)
            index.is_trained = False
        return set_scale_bytes(index, scale_bytes, binarizer)

    return Example(text, make)


@st.composite
def graphs(draw: Any, d: int, planes: int, kept: int, metric: int) -> Example:
    storage = draw(encodings(d, planes, kept, metric))
    degree = draw(st.sampled_from([None, 4, 16]))
    separator = draw(st.sampled_from(",_"))

    def make(binarizer: Any) -> Any:
        index = faiss.IndexHNSW(storage.make(binarizer), degree or 32)
        index.is_trained = index.referenced_objects[0].is_trained
        index.own_fields = True
        disown_parts(index)
        return index

    return Example(f"HNSW{degree or ''}{separator}{storage.text}", make)


def stock(text: str, d: int, metric: int) -> Example:
    return Example(text, lambda binarizer: faiss.index_factory(d, text, metric))


@st.composite
def quantizers(draw: Any, d: int, planes: int, kept: int, metric: int) -> Any:
    """The first part of an IVF string, number of lists, how it is trained, the
    quantizer, and whether it is of this package."""
    kind = draw(st.sampled_from(["flat", "hnsw", "imi", "stock", "own", "own"]))
    if kind == "own":
        inside = draw(
            st.one_of(
                encodings(d, planes, kept, metric), graphs(d, planes, kept, metric)
            )
        )
        return f"IVF4({inside.text})", 4, "\x02", inside, True
    if kind == "imi" and metric == L2:
        inside = Example("", lambda _: faiss.MultiIndexQuantizer(d, 2, 1))
        return "IMI2x1", 4, "\x01", inside, False
    if kind == "hnsw":
        inside = Example("", lambda _: faiss.IndexHNSWFlat(d, 8, metric))
        return "IVF5_HNSW8", 5, "\x02", inside, False
    if kind == "stock":
        return "IVF4(SQ8)", 4, "\x02", stock("SQ8", d, metric), False
    return "IVF6", 6, "\x00", stock("Flat", d, metric), False


@st.composite
def inverted_files(draw: Any, d: int, planes: int, kept: int, metric: int) -> Example:
    coarse, nlist, trains_alone, inside, is_own = draw(
        quantizers(d, planes, kept, metric)
    )
    code = draw(encodings(d, planes, kept, metric, (0,)))
    stock_code = draw(st.sampled_from(["Flat", "SQ8", "PQ4x4"]))
    has_own_code = not is_own or draw(st.booleans())

    def make_own(binarizer: Any) -> Any:
        flat = code.make(binarizer)
        widths = faiss.vector_to_array(flat.sdc.layout.plane_widths).tolist()
        quantizer = inside.make(binarizer)
        if binarizer is not None:
            index = faiss_bebr.IndexIVFSDC(quantizer, binarizer, widths, nlist, metric)
            deep = faiss.vector_to_array(binarizer.layout.plane_widths).tolist()
            index.by_residual = widths != deep
        else:
            index = faiss_bebr.IndexIVFSDC(quantizer, widths, nlist, metric, True, d)
            index.by_residual = index.learn_range = True
        index.set_scale_bytes(flat.sdc.scale_bytes)
        quantizer.this.disown()
        return index

    def make_stock(binarizer: Any) -> Any:
        quantizer = inside.make(binarizer)
        index = {
            "Flat": lambda: faiss.IndexIVFFlat(quantizer, d, nlist, metric),
            "SQ8": lambda: faiss.IndexIVFScalarQuantizer(
                quantizer, d, nlist, faiss.ScalarQuantizer.QT_8bit, metric
            ),
            "PQ4x4": lambda: faiss.IndexIVFPQ(quantizer, d, nlist, 4, 4, metric),
        }[stock_code]()
        if stock_code == "PQ4x4":
            index.do_polysemous_training = True
        quantizer.this.disown()
        return index

    def make(binarizer: Any) -> Any:
        index = (make_own if has_own_code else make_stock)(binarizer)
        index.own_fields = True
        index.quantizer_trains_alone = trains_alone
        has_residuals = has_own_code and index.by_residual
        index.cp.spherical = metric == IP and (
            not has_residuals or trains_alone == "\x02"
        )
        return index

    return Example(f"{coarse},{code.text if has_own_code else stock_code}", make)


def indexes_of(d: int, planes: int, kept: int, metric: int) -> Any:
    """Without transforms and wrappers, with a token of this package."""
    arguments = (d, planes, kept, metric)
    return st.one_of(encodings(*arguments), graphs(*arguments)) | inverted_files(
        *arguments
    )


TRANSFORMS: dict[str, Callable[[int], Any]] = {
    "L2norm": lambda d: faiss.NormalizationTransform(d, 2.0),
    "PCA16": lambda d: faiss.PCAMatrix(d, 16),
    "RR16": lambda d: faiss.RandomRotationMatrix(d, 16),
    "ITQ16": lambda d: faiss.ITQTransform(d, 16, True),
    "Pad24": lambda d: faiss.RemapDimensionsTransform(d, max(d, 24), False),
}


@st.composite
def transformed(draw: Any, metric: int) -> Example:
    """Any transforms of FAISS, then a binarizer or none."""
    tokens = draw(st.lists(st.sampled_from([*TRANSFORMS]), max_size=2))
    d = D
    made = []
    for token in tokens:
        made.append((token, d))
        d = TRANSFORMS[token](d).d_out
    named = [name for name, (d_in, *_) in BINARIZERS.items() if d_in == d]
    name = draw(st.none() | st.sampled_from(named))
    planes, kept = 0, 0
    if name is not None:
        _, widths, kept = BINARIZERS[name]
        planes, d = len(widths), widths[0]
        tokens.append(f"BEBR[{name}]")
    stocks = st.sampled_from(["Flat", "SQ8", "IVF4,Flat", "HNSW8,Flat"])
    index = draw(indexes_of(d, planes, kept, metric))
    if planes and draw(st.integers(0, 3)) == 0:
        index = stock(draw(stocks), d, metric)
    if not tokens:
        return index

    def make(_: Any) -> Any:
        chain = [TRANSFORMS[token](d_in) for token, d_in in made]
        binarizer = make_binarizer(*BINARIZERS[name]) if name is not None else None
        container = faiss.IndexPreTransform(index.make(binarizer))
        container.own_fields = True
        disown_parts(container)
        if binarizer is not None:
            chain.append(binarizer)
        for transform in reversed(chain):
            container.prepend_transform(transform)
            transform.this.disown()
        return container

    return Example(",".join([*tokens, index.text]), make)


@st.composite
def factory_strings(draw: Any, metric: int) -> Example:
    inside = draw(transformed(metric))
    refining = draw(st.sampled_from([None, None, "RFlat", "SQfp16", "SDC8"]))
    mapping = draw(st.sampled_from([None, None, "IDMap", "IDMap2"]))
    as_prefix = draw(st.booleans())
    text = inside.text
    if refining is not None:
        text += "," + (refining if refining == "RFlat" else f"Refine({refining})")
    if mapping is not None:
        text = f"{mapping},{text}" if as_prefix else f"{text},{mapping}"

    def make(_: Any) -> Any:
        index = inside.make(None)
        if refining == "RFlat":
            index = own(faiss.IndexRefineFlat(index), index)
        elif refining is not None:
            if refining == "SDC8":
                refine = faiss_bebr.IndexSDC(D, 8, metric)
                refine.set_scale_bytes(1)
            else:
                refine = faiss.index_factory(D, refining, metric)
            index = own(faiss.IndexRefine(index, refine), index)
            index.own_refine_index = True
            refine.this.disown()
        if mapping is not None:
            the_class = {"IDMap": faiss.IndexIDMap, "IDMap2": faiss.IndexIDMap2}
            index = own(the_class[mapping](index), index)
        return index

    return Example(text, make)
