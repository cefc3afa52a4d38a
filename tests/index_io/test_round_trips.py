"""Every kind of index through every way into a file and back."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faiss
import pytest
from builders import D, M, vectors
from cases import (
    Case,
    assert_same_results,
    clone,
    deserialize,
    get_case,
    read,
    serialize,
    write,
)
from factory_strings import make_binarizer, set_weights
from kinds import make_data, make_ids

import faiss_bebr
from faiss_bebr import index_io, swigfaiss_bebr, trainer_hook
from faiss_bebr.index_io.containers import children
from faiss_bebr.index_io.domains import domain_of


@pytest.fixture
def trainer() -> Iterator[list[Any]]:
    """Sets fixed weights in place of the PyTorch trainer; the transforms that it
    was called for."""
    trained = []

    def train(transform: Any, n: int, address: int) -> None:
        set_weights(transform)
        trained.append(transform)

    swigfaiss_bebr.set_trainer(train)
    yield trained
    swigfaiss_bebr.set_trainer(trainer_hook._train)


class Pipe:
    """A stream that can neither go back nor tell where it is."""

    def __init__(self, data: bytes = b"") -> None:
        self._stream = io.BytesIO(data)
        self.data = bytearray()

    def read(self, n: int) -> bytes:
        return self._stream.read(min(n, 1000))

    def write(self, data: bytes) -> int:
        # less than it was given
        part = data[:700]
        self.data += part
        return len(part)


def by_path(index: Any, path: Path) -> tuple[bytes, Any]:
    write(index, str(path))
    return path.read_bytes(), str(path)


def by_path_object(index: Any, path: Path) -> tuple[bytes, Any]:
    write(index, path)
    return path.read_bytes(), path


def by_file_object(index: Any, path: Path) -> tuple[bytes, Any]:
    with open(path, "wb") as stream:
        write(index, stream)
    return path.read_bytes(), open(path, "rb")


def by_pipe(index: Any, path: Path) -> tuple[bytes, Any]:
    pipe = Pipe()
    write(index, pipe)
    return bytes(pipe.data), Pipe(bytes(pipe.data))


def by_callbacks(index: Any, path: Path) -> tuple[bytes, Any]:
    stream = io.BytesIO()
    write(index, faiss.PyCallbackIOWriter(stream.write))
    return stream.getvalue(), faiss.PyCallbackIOReader(Pipe(stream.getvalue()).read)


def by_buffers(index: Any, path: Path) -> tuple[bytes, Any]:
    stream = io.BytesIO()
    callback = faiss.PyCallbackIOWriter(stream.write)
    writer = faiss.BufferedIOWriter(callback, 1000)
    write(index, writer)
    del writer
    reader = faiss.PyCallbackIOReader(Pipe(stream.getvalue()).read)
    buffered = faiss.BufferedIOReader(reader, 1000)
    buffered.referenced_objects = [reader]
    return stream.getvalue(), buffered


def by_file_writer(index: Any, path: Path) -> tuple[bytes, Any]:
    writer = faiss.FileIOWriter(str(path))
    write(index, writer)
    del writer
    return path.read_bytes(), faiss.FileIOReader(str(path))


def by_vector(index: Any, path: Path) -> tuple[bytes, Any]:
    writer = faiss.VectorIOWriter()
    write(index, writer)
    reader = faiss.VectorIOReader()
    reader.data.swap(writer.data)
    return faiss.vector_to_array(reader.data).tobytes(), reader


WAYS = [
    by_path,
    by_path_object,
    by_file_object,
    by_pipe,
    by_callbacks,
    by_buffers,
    by_file_writer,
    by_vector,
]

# what is in files beside vectors; FAISS keeps the others of its own only in copies
SETTINGS = ("d", "ntotal", "is_trained", "metric_type", "metric_arg", "code_size")
SETTINGS += ("nlist", "nprobe", "by_residual", "k_factor", "successive_ids")
OWN_SETTINGS = ("nbits", "max_codes", "parallel_mode", "quantizer_trains_alone")
OWN_SETTINGS += ("learn_range", "ncentroids", "normalize", "document_code_size")
OWN_SETTINGS += ("document_has_centroids", "follows_binarizer")
OWNERSHIP = ("own_fields", "own_invlists", "own_refine_index", "own_indices")
GRAPH_SETTINGS = ("efSearch", "efConstruction", "max_level", "entry_point")


def get_settings(obj: Any, path: str = "") -> dict[str, Any]:
    """Of an object and all that are inside it."""
    obj = domain_of(obj).downcast(obj)
    is_own = type(obj).__module__.startswith("faiss_bebr")
    names = SETTINGS + (OWN_SETTINGS if is_own else ())
    # FAISS reads an IndexFlat as the class of its metric
    # and an OPQMatrix as a LinearTransform
    name = type(obj).__name__
    for the_class in (faiss.IndexFlat, faiss.LinearTransform):
        name = the_class.__name__ if isinstance(obj, the_class) else name
    found: dict[str, Any] = {f"{path}class": name}
    for name in names:
        if hasattr(obj, name):
            found[path + name] = getattr(obj, name)
    for name in GRAPH_SETTINGS if hasattr(obj, "hnsw") else ():
        found[path + name] = getattr(obj.hnsw, name)
    if hasattr(obj, "direct_map"):
        found[path + "direct_map"] = obj.direct_map.type
    for child in children(obj):
        found |= get_settings(child.obj, f"{path}{child.path}.")
    return found


def get_ownership(obj: Any) -> dict[str, Any]:
    """What an object and all that are inside it own, and where these are."""
    obj = domain_of(obj).downcast(obj)
    found = {name: getattr(obj, name) for name in OWNERSHIP if hasattr(obj, name)}
    for path, child in children(obj):
        found[path] = int(child.this)
        found |= {f"{path}.{k}": v for k, v in get_ownership(child).items()}
    return found


@pytest.mark.parametrize("way", WAYS)
def test_files(case: Case, way: Callable[..., Any], tmp_path: Path):
    before = get_ownership(case.index)
    data, source = way(case.index, tmp_path / "index")
    assert data == case.data
    index = read(source, case.kind.is_binary)
    if hasattr(source, "close"):
        source.close()
    assert_same_results(case, index)
    assert serialize(index) == case.data
    assert get_settings(index) == get_settings(case.index)
    assert all(v for k, v in get_ownership(index).items() if k.endswith(OWNERSHIP))
    assert get_ownership(case.index) == before
    assert list(tmp_path.iterdir()) in ([], [tmp_path / "index"])


def test_copies(case: Case):
    before = get_ownership(case.index)
    index = clone(case.index)
    assert get_ownership(case.index) == before
    assert_same_results(case, index)
    assert serialize(index) == case.data
    assert get_settings(index) == get_settings(case.index)
    after = get_ownership(index)
    assert before.keys() == after.keys()
    assert all(v != before[k] or k.endswith(OWNERSHIP) for k, v in after.items())
    # nothing is shared
    index.reset()
    del index
    assert_same_results(case, case.index)


def test_what_was_read_can_be_changed(case: Case):
    index = deserialize(case.data, case.kind.is_binary)
    index.reset()
    assert index.ntotal == 0
    x = make_data(case.kind)
    if case.kind.takes_ids:
        index.add_with_ids(x, make_ids())
    else:
        index.add(x)
    assert_same_results(case, index)


@pytest.mark.parametrize("is_trained", [False, True])
def test_empty(case: Case, is_trained: bool, tmp_path: Path):
    """Then the copy is trained and filled, with the same result."""
    x = make_data(case.kind)
    made = case.kind.make(case.metric)
    if is_trained:
        made.train(x)
    write(made, tmp_path / "index")
    copies = [clone(made), read(tmp_path / "index", case.kind.is_binary)]
    for index in copies:
        assert serialize(index) == serialize(made)
        assert get_settings(index) == get_settings(made)
        if case.kind.forgets and not is_trained and index is copies[1]:
            continue
        if not is_trained:
            index.train(x)
        if case.kind.takes_ids:
            index.add_with_ids(x, make_ids())
        else:
            index.add(x)
        assert_same_results(case, index)


OWN = ["SDC", "SDC of planes", "IVFSDC", "IVFSDC over HNSW of SDC", "BSDC", "BIVFSDC"]


@pytest.mark.parametrize("name", OWN)
def test_pickle_and_deepcopy(name: str):
    case = get_case(name)
    for index in (pickle.loads(pickle.dumps(case.index)), copy.deepcopy(case.index)):
        assert type(index) is type(case.index)
        assert_same_results(case, index)
        assert serialize(index) == case.data


def test_transforms(tmp_path: Path):
    case = get_case("BEBR of hidden units,SDC")
    transform = faiss_bebr.index_io.downcast_VectorTransform(case.index.chain.at(0))
    x = vectors(50)
    path = tmp_path / "transform"
    index_io.write_VectorTransform(transform, path)
    copies = [index_io.read_VectorTransform(path), copy.deepcopy(transform)]
    copies.append(pickle.loads(pickle.dumps(transform)))
    for other in copies:
        assert type(other) is faiss_bebr.BinarizerTransform
        assert (other.apply(x) == transform.apply(x)).all()
        back = transform.reverse_transform(transform.apply(x))
        assert (other.reverse_transform(other.apply(x)) == back).all()
        other.check_identical(transform)
        widths = faiss.vector_to_array(other.document_plane_widths)
        assert len(widths) == 2
        assert (other.ncentroids, other.normalize) == (9, True)
        budget = (other.document_code_size, other.document_has_centroids)
        assert budget == (11, False)
    untrained = faiss_bebr.BinarizerTransform(D, [16, 8])
    index_io.write_VectorTransform(untrained, path)
    assert not index_io.read_VectorTransform(path).is_trained


def test_unpickling_in_another_process(tmp_path: Path):
    """Which has imported nothing before."""
    indexes = [get_case(name).index for name in OWN]
    path = tmp_path / "pickle"
    path.write_bytes(pickle.dumps(indexes))
    program = """if True:
        import pickle, sys
        indexes = pickle.load(open(sys.argv[1], "rb"))
        pickle.dump(indexes, open(sys.argv[1], "wb"))
    """
    subprocess.run([sys.executable, "-c", program, path], check=True)
    for name, index in zip(OWN, pickle.loads(path.read_bytes()), strict=True):
        assert serialize(index) == get_case(name).data


@pytest.mark.parametrize(
    "description", ["SDC2", "IVF4,SDC2", "IVF4(SDC2),SDC", "HNSW8,SDC2", "SDC2,RFlat"]
)
def test_untrained_pipelines_link_their_own_binarizer(description: str, trainer: list):
    """Training a copy trains its binarizer and takes the query map of that one."""
    made = faiss_bebr.index_factory(D, f"BEBR16x3,{description}")
    copies = [deserialize(serialize(made)), clone(made), made]
    results = []
    for index in copies:
        assert not index.is_trained
        index.train(vectors())
        index.add(vectors())
        results.append(index.search(vectors(20, seed=1), 5))
    assert len(trainer) == 3
    for D_found, I_found in results:
        assert (D_found == results[2][0]).all()
        assert (I_found == results[2][1]).all()
    # with the map: without it the distances are others
    plain = make_binarizer(D, [M] * 3)
    plain.set_query_map([1] * M, [0] * M)
    other = faiss_bebr.IndexSDC(plain, 2)
    other.add(plain.apply(vectors()))
    assert (other.search(plain.apply(vectors(20, seed=1)), 5)[0] != results[0][0]).any()


def test_copies_of_untrained_indexes_alone_need_another_binarizer():
    binarizer = faiss_bebr.BinarizerTransform(D, [M] * 3)
    index = faiss_bebr.IndexSDC(binarizer, 2)
    copies = [clone(index), deserialize(serialize(index))]
    del index, binarizer
    trained = make_binarizer(D, [M] * 3)
    for copied in copies:
        with pytest.raises(RuntimeError, match="train the binarizer"):
            copied.train(trained.apply(vectors()))
        copied.link_binarizer(trained)
        assert copied.is_trained
