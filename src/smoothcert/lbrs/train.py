"""Training the small binary networks of the image experiments: Adam on the logistic loss.

The paper states the layers and nothing of the training.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from smoothcert import models
from smoothcert.compute.streams import generator, stream_seed
from smoothcert.lbrs.classifier import binary_logit
from smoothcert.lbrs.settings import Recipe


def network(arch: str, shape: tuple[int, ...], seed: int) -> nn.Module:
    """An untrained network with two outputs for inputs of ``shape`` = (C, H, W)."""
    name, _, hidden = arch.partition("-")
    if name != "softplus_mlp" or not hidden.isdigit():
        return models.build(arch, 2, shape, seed=seed)
    size = int(torch.tensor(shape).prod())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(seed, "initialization") & (2**63 - 1))
        return nn.Sequential(
            nn.Flatten(), nn.Linear(size, int(hidden)), nn.Softplus(), nn.Linear(int(hidden), 2)
        )


def fit(
    recipe: Recipe, images: torch.Tensor, labels: torch.Tensor, seed: int, device: str = "cpu"
) -> nn.Module:
    """Train on images [N, C, H, W] and labels [N] in -1, +1; returns the network in eval mode."""
    net = network(recipe.arch, tuple(images.shape[1:]), seed).to(device).train()
    images, targets = images.to(device), labels.to(device, torch.float32)
    optimizer = torch.optim.AdamW(net.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    for epoch in range(recipe.epochs):
        order = torch.randperm(len(images), generator=generator(seed, "lbrs-order", epoch))
        for rows in order.split(recipe.batch):
            loss = F.softplus(-targets[rows] * binary_logit(net(images[rows]))).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
    return net.eval().requires_grad_(False)
