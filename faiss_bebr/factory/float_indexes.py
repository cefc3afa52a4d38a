"""`index_factory`: parses a string in the order in which FAISS does.

Sub-strings without tokens of this package are left to FAISS, and the parts are
put together in FAISS's containers.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import faiss

from faiss_bebr import stock
from faiss_bebr.factory import stock_parts
from faiss_bebr.factory.tokens import (
    MIN_HNSW_DEGREE,
    NUMBER,
    StoredCode,
    get_document_widths,
    get_widths,
    has_own_token,
    is_binarizer,
    is_encoding,
    is_fast_scan,
    make_binarizer,
    parse_budget,
    parse_stored_code,
    refuse,
    refuse_encoding,
    split_at_commas,
)
from faiss_bebr.swigfaiss_bebr import (
    IndexIVFSDC,
    IndexSDC,
    IndexSDCFastScan,
    make_graph,
)

_STOCK_TRANSFORM = re.compile(
    "PCAW?R?[0-9]+|L2[nN]orm|(RR|HR|ITQ)[0-9]*|OPQ[0-9]+(_[0-9]+)?|Pad[0-9]+"
)
_HNSW = re.compile(f"HNSW({NUMBER})?[,_](.*)", re.DOTALL)
_NESTED_QUANTIZER = re.compile(rf"IVF({NUMBER})([kM]?)\((.*)\)", re.DOTALL)
_REFINE = re.compile(r"Refine(Panorama)?\((.*)\)", re.DOTALL)
_MULTIPLIERS = {"": 1, "k": 1024, "M": 1024**2}


@dataclass(frozen=True)
class _Space:
    """The vectors that arrive at a place of the string."""

    d: int
    # the binarizer they come from, its token, the bytes that this gives to a
    # document's code, and the transform after it
    binarizer: Any = None
    binarizer_token: str = ""
    budget: int = 0
    later_transform: str = ""
    # False in a coarse quantizer, whose depth is not what training aims at
    is_for_documents: bool = True


def index_factory(
    d: int,
    description: str,
    metric: int = faiss.METRIC_L2,
    own_invlists: bool = True,
) -> Any:
    """Build an index from a factory string, as `faiss.index_factory`.

    Parameters
    ----------
    d : int
        Dimension of the input vectors.
    description : str
        FAISS's grammar with two more kinds of tokens. The transforms
        `BEBR<m>x<nbits>`, `BEBR<m0>-<m1>-...` (plane widths), `BEBR<bytes>B`
        (training chooses what `SDC` after it stores in at most these bytes, scale
        and number of the centroid included: "BEBR68B,SDC") and `BEBR[name]`
        (see `register_binarizer`; or the path of a saved one); and the
        encodings `SDC<nbits>`, `SDC<m0>-<m1>-...` (plane widths; one number
        above 8 is that of a single plane) and `SDC`, which stores what the
        transform keeps of documents. "BEBR256x6,SDC2": queries have 6 bits per
        dimension, of which 2 are stored. `_<ncentroids>` after the numbers adds
        a coarse first stage, which inverted files have anyway:
        "BEBR384x8,SDC264-184-56_1024". Scales have one byte where training learns
        the range of the planes, else two; `_Sfp16` and `_Sqint8` at the end say so
        by hand. `fs` behind the numbers makes an `IndexSDCFastScan`, which is for
        flat codes: "SDC2fs", "SDC264-184-56_1024fs_Sqint8", "BEBR68B,SDCfs". Without
        a binarizer before it `SDC..` encodes the vectors as they come, d being a
        multiple of 8 for `SDC<nbits>`. A string without such tokens goes to FAISS.
    metric : int
        METRIC_L2 or METRIC_INNER_PRODUCT.
    own_invlists : bool
        See `faiss.index_factory`.

    Returns
    -------
    index : faiss.Index
        It owns its parts; `index.train(x)` trains the network too.

    Raises
    ------
    ValueError
        If the string or a number in it makes no sense; the text names the
        token. What FAISS said of its own tokens is the cause of it.
    """
    if not isinstance(description, str):
        raise TypeError(
            f"description must be a string, got {type(description).__name__}"
        )
    if not has_own_token(description):
        return stock.index_factory(d, description, metric, own_invlists)
    if metric not in (faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT):
        raise ValueError(
            f"{description!r}: metric must be METRIC_L2 or METRIC_INNER_PRODUCT"
        )
    d = operator.index(d)
    if d < 1:
        raise ValueError(f"d must be positive, got {d}")
    parser = _Parser(description, metric, own_invlists)
    return parser.parse(split_at_commas(description), _Space(d))


class _Parser:
    """Builds the index of one string."""

    def __init__(self, description: str, metric: int, own_invlists: bool) -> None:
        self.description = description
        self.metric = metric
        self.own_invlists = own_invlists

    def parse(self, tokens: list[str], space: _Space) -> Any:
        """The index for some of the string's tokens, owned by the caller."""
        text = ",".join(tokens)
        if not has_own_token(text):
            return stock_parts.build(space.d, text, self.metric, self.own_invlists)
        for parse in (
            self.parse_id_map,
            self.parse_refine,
            self.parse_transforms,
            self.parse_encoding,
            self.parse_hnsw,
            self.parse_ivf,
        ):
            index = parse(tokens, space)
            if index is not None:
                return index
        refuse(
            tokens[0],
            self.description,
            "expected a transform, IVF<n>.., HNSW<M> with SDC<nbits> after it, or "
            "SDC<nbits> alone",
        )

    def parse_id_map(self, tokens: list[str], space: _Space) -> Any:
        for name, the_class in (
            ("IDMap2", faiss.IndexIDMap2),
            ("IDMap", faiss.IndexIDMap),
        ):
            if len(tokens) > 1 and name in (tokens[-1], tokens[0]):
                rest = tokens[:-1] if tokens[-1] == name else tokens[1:]
                return _enclose(the_class, self.parse(rest, space))
        return None

    def parse_refine(self, tokens: list[str], space: _Space) -> Any:
        if len(tokens) == 1:
            return None
        if tokens[-1] == "RFlat":
            return _enclose(faiss.IndexRefineFlat, self.parse(tokens[:-1], space))
        match = _REFINE.fullmatch(tokens[-1])
        if not match:
            return None
        base = self.parse(tokens[:-1], space)
        refining = self.parse(split_at_commas(match[2]), space)
        the_class = faiss.IndexRefinePanorama if match[1] else faiss.IndexRefine
        index = the_class(base, refining)
        index.own_fields = index.own_refine_index = True
        base.this.disown()
        refining.this.disown()
        return index

    def parse_transforms(self, tokens: list[str], space: _Space) -> Any:
        chain: list[Any] = []
        releases: list[Callable[[], None]] = []
        for_budgets: list[tuple[str, Any]] = []
        rest = list(tokens)
        while rest and (is_binarizer(rest[0]) or _STOCK_TRANSFORM.fullmatch(rest[0])):
            token = rest.pop(0)
            if is_binarizer(token):
                transform = make_binarizer(token, space.d)
                releases.append(transform.this.disown)
                budget = parse_budget(token)
                if budget:
                    for_budgets.append((token, transform))
                space = _Space(
                    transform.d_out,
                    transform,
                    token,
                    budget,
                    is_for_documents=space.is_for_documents,
                )
            else:
                holder = stock_parts.build_transform_holder(space.d, token)
                transform = holder.chain.at(0)
                releases.append(partial(stock_parts.release_transform, holder))
                space = replace(space, d=transform.d_out, later_transform=token)
            chain.append(transform)
        if not chain:
            return None
        if not rest:
            refuse(token, self.description, "an index or an encoding must follow it")
        index = _enclose(faiss.IndexPreTransform, self.parse(rest, space))
        for token, transform in for_budgets:
            if transform.document_code_size == 0:
                refuse(token, self.description, "the encoding SDC must follow it")
        for transform, release in zip(reversed(chain), reversed(releases), strict=True):
            index.prepend_transform(transform)
            release()
        return index

    def parse_encoding(self, tokens: list[str], space: _Space) -> Any:
        if len(tokens) > 1 or not tokens[0].startswith("SDC"):
            return None
        return self.make_flat(tokens[0], space)

    def make_flat(self, token: str, space: _Space) -> Any:
        """An index of codes alone."""
        the_class = IndexSDCFastScan if is_fast_scan(token) else IndexSDC
        code = self.take_stored_code(token, space, has_centroids=True)
        if code is None and not space.is_for_documents and space.binarizer.ncentroids:
            # a coarse quantizer has few vectors, too few for centroids of its own
            code = StoredCode(get_document_widths(space.binarizer), 0, None)
        if code is None:
            index = the_class(space.binarizer, 0, self.metric)
            # training knows how many vectors a centroid needs
            index.cp.min_points_per_centroid = 1
            return index
        widths, ncentroids, scale_bytes = code
        if space.binarizer is not None:
            index = the_class(space.binarizer, widths, self.metric, ncentroids)
            _set_scale_bytes(index, scale_bytes)
            return index
        index = the_class(widths, self.metric, space.d, ncentroids)
        _set_scale_bytes(index, scale_bytes or 1)
        index.is_trained = False  # the range of such vectors is to be learned
        return index

    def take_stored_code(
        self, token: str, space: _Space, *, has_centroids: bool
    ) -> StoredCode | None:
        """What an encoding stores, told to its binarizer too; None if that says
        it.

        `has_centroids`: whether the index may have a coarse first stage in its codes.
        """
        if not is_encoding(token):
            refuse_encoding(token, self.description)
        if space.binarizer is not None and space.later_transform:
            raise ValueError(
                f"{space.later_transform!r} in {self.description!r} stands between "
                f"{space.binarizer_token!r} and {token!r}, which stores what the "
                "binarizer puts out"
            )
        code = parse_stored_code(token, space.binarizer, space.d)
        if space.binarizer is None or space.binarizer.is_trained:
            return code
        budget = space.budget or space.binarizer.document_code_size
        if budget and code is not None:
            refuse(
                token,
                self.description,
                f"expected SDC, as {space.binarizer_token!r} gives the bytes of a code",
            )
        if space.is_for_documents and budget:
            space.binarizer.set_document_budget(budget, has_centroids)
        elif space.is_for_documents and code is not None:
            space.binarizer.set_document_code(code.plane_widths, code.ncentroids)
        return code

    def refuse_fast_scan(self, token: str) -> None:
        if is_fast_scan(token):
            refuse(token, self.description, "only flat codes lie side by side (fs)")

    def parse_hnsw(self, tokens: list[str], space: _Space) -> Any:
        match = _HNSW.fullmatch(",".join(tokens))
        if not match:
            return None
        degree = int(match[1]) if match[1] else 32
        if degree < MIN_HNSW_DEGREE:
            refuse(
                tokens[0],
                self.description,
                f"expected at least {MIN_HNSW_DEGREE} neighbors",
            )
        self.refuse_fast_scan(match[2])
        storage = self.make_flat(match[2], space)
        index = _enclose(make_graph, storage, degree)
        index.is_trained = storage.is_trained
        return index

    def parse_ivf(self, tokens: list[str], space: _Space) -> Any:
        coarse, code = tokens[0], ",".join(tokens[1:])
        nested = _NESTED_QUANTIZER.fullmatch(coarse)
        if not code or not (nested or coarse.startswith(("IVF", "IMI"))):
            return None
        if not nested or not has_own_token(nested[3]):
            holder = stock_parts.build_quantizer_holder(space.d, coarse, self.metric)
            self.check_nlist(coarse, holder.nlist)
            index = self.make_ivf(
                holder.quantizer,
                holder.nlist,
                code,
                space,
                holder.quantizer_trains_alone,
            )
            holder.own_fields = False
            return index
        nlist = int(nested[1]) * _MULTIPLIERS[nested[2]]
        self.check_nlist(coarse, nlist)
        quantizer = self.parse(
            split_at_commas(nested[3]), replace(space, is_for_documents=False)
        )
        if not has_own_token(code):
            return stock_parts.build_ivf(
                quantizer, nlist, code, self.metric, self.own_invlists
            )
        index = self.make_ivf(
            quantizer, nlist, code, space, stock_parts.TRAIN_ON_CENTROIDS
        )
        quantizer.this.disown()
        return index

    def check_nlist(self, coarse: str, nlist: int) -> None:
        if nlist < 1:
            refuse(coarse, self.description, "expected at least one list")

    def make_ivf(
        self, quantizer: Any, nlist: int, code: str, space: _Space, trains_alone: str
    ) -> Any:
        """An IndexIVFSDC that is to own its quantizer.

        Codes are of residuals, as in FAISS's IVFPQ, unless all planes of a
        binarizer are stored: such codes are the binarizer's own. The lists are the
        coarse first stage that a binarizer is trained for.
        """
        self.refuse_fast_scan(code)
        stored = self.take_stored_code(code, space, has_centroids=False)
        if stored is not None and stored.ncentroids:
            refuse(code, self.description, "an inverted file has centroids already")
        what = 0 if stored is None else stored.plane_widths
        if space.binarizer is not None:
            index = IndexIVFSDC(
                quantizer,
                space.binarizer,
                what,
                nlist,
                self.metric,
                self.own_invlists,
            )
            index.by_residual = (
                get_widths(index.sdc.layout) != get_widths(space.binarizer.layout)
            ) or (stored is None and _has_coarse_stage(space.binarizer))
        else:
            index = IndexIVFSDC(
                quantizer, what, nlist, self.metric, self.own_invlists, space.d
            )
            index.learn_range = True
            index.by_residual = True
        scale_bytes = None if stored is None else stored.scale_bytes
        if space.binarizer is None:
            scale_bytes = scale_bytes or 1
        _set_scale_bytes(index, scale_bytes)
        index.own_fields = True
        index.quantizer_trains_alone = trains_alone
        # centroids of length 1 leave longer residuals, but a graph of inner
        # products is searched better with them
        index.cp.spherical = self.metric == faiss.METRIC_INNER_PRODUCT and (
            not index.by_residual or trains_alone == stock_parts.TRAIN_ON_CENTROIDS
        )
        return index


def _has_coarse_stage(binarizer: Any) -> bool:
    """Whether documents are coded less a centroid, as far as it is known."""
    return binarizer.ncentroids > 0 or binarizer.document_code_size > 0


def _set_scale_bytes(index: Any, scale_bytes: int | None) -> None:
    """`scale_bytes`: None leaves those of the constructor."""
    if scale_bytes is not None and scale_bytes != index.sdc.scale_bytes:
        index.set_scale_bytes(scale_bytes)


def _enclose(make: Callable[..., Any], index: Any, *arguments: Any) -> Any:
    """A container of FAISS that owns `index`."""
    container = make(index, *arguments)
    container.own_fields = True
    index.this.disown()
    return container
