"""autofaiss with this package's index keys.

Its inner product takes no key but its own, so these are METRIC_L2, which on unit
vectors ranks alike. Its pins keep numpy below 2, so it has an extra of its own.
"""

from __future__ import annotations

import json
from typing import Any

import faiss
import numpy as np
import pytest

import faiss_bebr

autofaiss = pytest.importorskip("autofaiss")

KEY = "BEBR32x2,IVF8,SDC2"
SETTINGS = {
    "index_key": KEY,
    "index_param": "nprobe=8",
    "metric_type": "l2",
    "nb_cores": 1,
    # autofaiss takes 500 MB for what training needs for a list of an unknown key,
    # and with less than 100 times that it trains on fewer than 100 vectors a list
    "current_memory_available": "64G",
}


@pytest.fixture
def plain(documents, one_thread) -> Any:
    """Trained on the first 100 documents for each list."""
    index = faiss_bebr.index_factory(documents.shape[1], KEY, faiss.METRIC_L2)
    index.train(documents[:800])
    index.add(documents)
    faiss.extract_index_ivf(index).nprobe = 8
    return index


@pytest.mark.parametrize("make_direct_map", [False, True])
def test_build(make_direct_map, plain, documents, queries, tmp_path):
    index, infos = autofaiss.build_index(
        documents,
        index_path=str(tmp_path / "knn.index"),
        index_infos_path=str(tmp_path / "infos.json"),
        make_direct_map=make_direct_map,
        **SETTINGS,
    )
    D, I = plain.search(queries, 10)
    saved = faiss.read_index(str(tmp_path / "knn.index"))
    for built in (index, saved):
        D_built, I_built = built.search(queries, 10)
        np.testing.assert_array_equal(I_built, I)
        np.testing.assert_array_equal(D_built, D)
    decoded = plain.sa_decode(plain.sa_encode(documents))
    if make_direct_map:
        np.testing.assert_array_equal(index.reconstruct_n(0, len(documents)), decoded)
    assert infos == json.loads((tmp_path / "infos.json").read_text())
    assert infos["nb vectors"] == len(documents)
    error = np.linalg.norm(decoded[:1000] - documents[:1000], axis=1).mean()
    assert infos["reconstruction error %"] == pytest.approx(100 * error, rel=1e-3)
    assert infos["size in bytes"] == (tmp_path / "knn.index").stat().st_size


def test_score(plain, documents, tmp_path):
    """Of an index and of its file; recall counts equal documents, not distances."""
    faiss.write_index(plain, str(tmp_path / "knn.index"))
    exact = faiss.IndexFlatL2(documents.shape[1])
    exact.add(documents)
    I, I_exact = (index.search(documents[:500], 20)[1] for index in (plain, exact))
    recall = faiss.eval_intersection(I, I_exact) / I.size
    for index in (plain, str(tmp_path / "knn.index")):
        infos = autofaiss.score_index(index, documents, save_on_disk=False)
        assert infos["20-recall@20"] == pytest.approx(recall)
        assert infos["nb vectors"] == len(documents)


def test_tune(plain, tmp_path):
    """With parameters given; autofaiss chooses none for a key it does not know."""
    faiss.extract_index_ivf(plain).nprobe = 1
    tuned = autofaiss.tune_index(
        plain, KEY, index_param="nprobe=8", output_index_path=str(tmp_path / "tuned")
    )
    assert faiss.extract_index_ivf(tuned).nprobe == 8
    with pytest.raises(NotImplementedError, match="BEBR32x2"):
        autofaiss.tune_index(plain, KEY, save_on_disk=False)


def test_inner_product(documents):
    """The reason why metric_type is "l2" above."""
    with pytest.raises(ValueError, match="inner product"):
        autofaiss.build_index(
            documents, save_on_disk=False, **{**SETTINGS, "metric_type": "ip"}
        )
