"""Losses and batches of the training."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from networks import D_IN, random_network  # noqa: E402
from reference import cosine_documents, unbiased_documents  # noqa: E402

from faiss_bebr.training.learner import DocumentQueue  # noqa: E402
from faiss_bebr.training.losses import (  # noqa: E402
    Scores,
    calibration,
    distillation_loss,
    document_vectors,
    hardest_mask,
    nce_loss,
    pair_scores,
)
from faiss_bebr.training.sampling import (  # noqa: E402
    count_batches,
    neighborhood_batches,
    sample_rows,
)


class TestLosses:
    def test_duplicates_are_neither_negatives_nor_candidates(self):
        x = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.6, 0.8], [0.28, 0.96]])
        scores = pair_scores(x, x, x, x)
        assert scores.same.sum() == 6
        expected = [[0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 1, 0]]
        assert hardest_mask(scores, 1).int().tolist() == expected
        assert hardest_mask(scores, 4).int().tolist()[0] == [0, 0, 1, 1]
        factor = torch.tensor(1.0)
        loss = nce_loss(torch.ones(4), scores, top_k=3, temperature=1.0, factor=factor)
        # Row 0 sees its positive (1) against 0.6 and 0.28, its duplicate masked.
        row = torch.tensor([1.0, 0.6, 0.28]).logsumexp(0) - 1
        single = nce_loss(
            torch.ones(1),
            Scores(*(part[:1] for part in scores)),
            top_k=3,
            temperature=1.0,
            factor=factor,
        )
        torch.testing.assert_close(single, row)
        assert torch.isfinite(loss)

    def test_nce_of_duplicates_alone(self):
        """A vector of many copies can fill a batch: there is nothing to learn then."""
        x = torch.ones(4, 2, requires_grad=True)
        scores = pair_scores(x, x, x, x)
        factor = calibration(scores, hardest_mask(scores, 3)).detach()
        positive = x.sum(dim=1)
        loss = nce_loss(positive, scores, top_k=3, temperature=0.1, factor=factor)
        loss.backward()
        assert loss == 0 and not x.grad.any()

    def test_nce_keeps_the_hardest(self):
        scores = Scores(
            torch.tensor([[3.0, 1.0, 2.0]]),
            torch.zeros(1, 3),
            torch.zeros(1, 3, dtype=torch.bool),
        )
        loss = nce_loss(
            torch.tensor([2.5]),
            scores,
            top_k=2,
            temperature=0.5,
            factor=torch.tensor(2.0),
        )
        logits = torch.tensor([2.5, 3.0, 2.0]) * 4
        torch.testing.assert_close(loss, logits.logsumexp(0) - logits[0])

    def test_distillation_ignores_scale_and_query_constants(self):
        generator = torch.Generator().manual_seed(0)
        floats = torch.randn(6, 9, generator=generator)
        codes = 3 * floats + torch.randn(6, 1, generator=generator)
        mask = torch.ones(6, 9, dtype=torch.bool)
        exact = Scores(codes, floats, ~mask)
        assert distillation_loss(exact, mask) < 1e-10
        torch.testing.assert_close(calibration(exact, mask), torch.tensor(1 / 3))
        noise = torch.randn(6, 9, generator=generator)
        noisy = Scores(codes + noise, floats, ~mask)
        assert 0.01 < distillation_loss(noisy, mask) < 1

    def test_document_vectors_are_those_of_evaluation(self):
        net = random_network([16] * 4, 0, False)
        x = torch.randn(30, D_IN, generator=torch.Generator().manual_seed(1))
        codes = [code.detach() for code in net.codes_by_depth(x)]
        deep = codes[-1].numpy()
        np.testing.assert_allclose(
            document_vectors(codes, 4), cosine_documents(deep), rtol=1e-5
        )
        np.testing.assert_allclose(
            document_vectors(codes, 2),
            unbiased_documents(deep, codes[1].numpy()),
            rtol=1e-5,
        )

    def test_queue_overwrites_the_oldest(self):
        queue = DocumentQueue(4, 1, 2, torch.device("cpu"))
        for value in range(3):
            rows = torch.full((2, 1), float(value))
            queue.push(rows, rows.expand(2, 2) * 10)
        assert sorted(queue.embeddings[:, 0].tolist()) == [1, 1, 2, 2]
        assert sorted(queue.documents[:, 1].tolist()) == [10, 10, 20, 20]
        queue.push(torch.arange(6.0)[:, None], torch.zeros(6, 2))
        assert sorted(queue.embeddings[:, 0].tolist()) == [2, 3, 4, 5]


class TestSampling:
    def test_sample_is_of_the_array_and_shuffled(self, tmp_path, embeddings):
        path = tmp_path / "x.npy"
        np.save(path, embeddings.astype(np.float16))
        mapped = np.load(path, mmap_mode="r")
        sample = sample_rows(mapped, 200, np.random.default_rng(0))
        assert sample.shape == (200, D_IN) and sample.dtype == np.float32
        rows = {row.tobytes(): i for i, row in enumerate(np.asarray(mapped, "f4"))}
        found = [rows[row.tobytes()] for row in sample]
        assert len(set(found)) == 200
        assert found != sorted(found)

    def test_batches_are_neighborhoods(self, embeddings):
        x = torch.from_numpy(embeddings)
        batches = list(neighborhood_batches(x, 512, torch.Generator().manual_seed(0)))
        assert len(batches) == count_batches(len(x), 512) == 2
        assert all(groups.shape == (2, 256) for groups in batches)
        group = x[batches[0][0]]
        # The seed comes first, its nearest rows follow.
        similarity = group @ group[0]
        cut = (x @ group[0]).sort(descending=True).values[255]
        assert similarity.min() >= cut - 1e-6
