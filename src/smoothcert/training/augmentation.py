"""Random changes of the training images, drawn from a stream of their own."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

PADDING = 4


def crop_flip(x: Tensor, stream: Generator, mirrored: Tensor | None = None) -> Tensor:
    """Each image of x [B, C, H, W] padded by 4 black pixels, cropped at random, mirrored or not.

    ``stream`` is a CPU generator, so that the crops are the same on every device. ``mirrored``
    [B]: which images to mirror (default: each with probability 1/2).
    """
    batch, _, height, width = x.shape
    top, left = torch.randint(2 * PADDING + 1, (2, batch), generator=stream)
    if mirrored is None:
        mirrored = torch.rand(batch, generator=stream) < 0.5
    # Three numbers an image go to the device, which makes the rest of them.
    drawn = torch.stack([top, left, mirrored.long()])
    top, left, mirrored = drawn.to(x.device, non_blocking=True)[:, :, None]
    rows = top + torch.arange(height, device=x.device)
    columns = left + torch.arange(width, device=x.device)
    columns = torch.where(mirrored.bool(), columns.flip(1), columns)
    images = torch.arange(batch, device=x.device)[:, None, None]
    padded = F.pad(x, [PADDING] * 4).permute(0, 2, 3, 1)
    cropped = padded[images, rows[:, :, None], columns[:, None, :]]
    return cropped.permute(0, 3, 1, 2).contiguous()
