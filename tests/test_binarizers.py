"""Trained binarizers under names and in files, for factory strings."""

from __future__ import annotations

import gc
from typing import Any

import faiss
import numpy as np
import pytest
from factory_strings import D, clustered, make_binarizer

import faiss_bebr
from faiss_bebr.index_io.containers import children


def first_part(index: Any) -> Any:
    return children(index)[0].obj


def test_binarizer_by_name(rng, tmp_path):
    transform = make_binarizer(D, [16, 8])
    x = clustered(rng, 50, D)
    expected = transform.encode(x)
    faiss_bebr.register_binarizer("a, (b) \u00e9", transform)
    try:
        # the index has a copy, and so has the register
        transform.reverse_transform(np.zeros((1, 16), np.float32))
        del transform
        index = faiss_bebr.index_factory(D, "IDMap,BEBR[a, (b) \u00e9],SDC")
    finally:
        faiss_bebr.unregister_binarizer("a, (b) \u00e9")
    gc.collect()
    assert index.is_trained
    index.add_with_ids(x, np.arange(50))
    binarizer = faiss_bebr.downcast_VectorTransform(first_part(index).chain.at(0))
    np.testing.assert_array_equal(binarizer.encode(x), expected)
    with pytest.raises(ValueError, match="neither a registered"):
        faiss_bebr.index_factory(D, "BEBR[a, (b) \u00e9],SDC")

    path = tmp_path / "a,b (1).bebr"
    faiss_bebr.write_VectorTransform(binarizer, str(path))
    from_file = faiss_bebr.index_factory(D, f"BEBR[{path}],SDC2")
    from_file.add(x)
    np.testing.assert_array_equal(from_file.search(x, 3)[1], index.search(x, 3)[1])
    with pytest.raises(ValueError, match=r"takes vectors of 24 dim.* 32"):
        faiss_bebr.index_factory(32, f"BEBR[{path}],SDC2")


def test_files_that_are_no_binarizers(tmp_path):
    path = tmp_path / "file"
    for write in (
        lambda: path.write_bytes(b"BEBR is not what this file has inside"),
        lambda: faiss.write_VectorTransform(faiss.PCAMatrix(D, 8), str(path)),
        lambda: faiss_bebr.write_index(faiss_bebr.IndexSDC(8, 1), str(path)),
    ):
        write()
        with pytest.raises(ValueError, match=r"'BEBR\[.*file"):
            faiss_bebr.index_factory(D, f"BEBR[{path}],SDC2")
    with pytest.raises(ValueError, match="neither a registered"):
        faiss_bebr.index_factory(D, f"BEBR[{tmp_path}],SDC2")


def test_bad_binarizers_to_register():
    trained = make_binarizer(D, [16])
    untrained = faiss_bebr.BinarizerTransform(D, [16])
    for name, transform, error, named in (
        (3, trained, TypeError, "name"),
        ("", trained, ValueError, "name"),
        ("a]", trained, ValueError, "name"),
        ("a", faiss.PCAMatrix(D, 8), TypeError, "transform"),
        ("a", None, TypeError, "transform"),
        ("a", untrained, ValueError, "'a' is not trained"),
    ):
        with pytest.raises(error, match=named):
            faiss_bebr.register_binarizer(name, transform)
    with pytest.raises(KeyError):
        faiss_bebr.unregister_binarizer("a")
