"""Small networks for the tests of training."""

from __future__ import annotations

import torch

from faiss_bebr.training import RecurrentBinarizer

D_IN = 32


def random_network(
    plane_widths: list[int], hidden: int, normalize: bool
) -> RecurrentBinarizer:
    """In evaluation mode, BatchNorm far from the identity."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        net = RecurrentBinarizer(D_IN, plane_widths, hidden=hidden, normalize=normalize)
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2.0)
                module.weight.data.uniform_(-2.0, 2.0)
                module.bias.data.normal_()
    return net.eval()
