"""A classifier whose data-dependent certificates are known to be wrong, and where.

Two classes on 8x8 images. It answers by the size of the noise it sees: class 0 iff
mean((z - 1/2)^2) + GAMMA u.(z - 1/2) < LEVEL, u a unit vector. With LEVEL just above
sigma_0^2, at the grey image class 0 is the more likely one under sigma_0, and the smaller the
scale the surer it is: the ascent goes down, and the certificate is large. A small step along
+u lowers the level below sigma_0^2: class 1 under sigma_0, the ascent goes up, and class 1 it
stays. So a certified ball is broken iff its radius exceeds BREAK, in the direction u only.
"""

import torch

SIGMA_0 = 0.25
LEVEL = SIGMA_0**2 + 0.004
GAMMA = 0.03
BREAK = 0.004 / GAMMA  # 0.13, less the square of the step


def direction() -> torch.Tensor:
    """u, as an image."""
    stream = torch.Generator().manual_seed(5)
    u = torch.randn(1, 8, 8, generator=stream)
    return u / u.norm()


class Planted(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("u", direction().flatten())

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        gap = (z - 0.5).flatten(1)
        seen = gap.square().mean(1) + GAMMA * (gap @ self.u)
        score = 300 * (LEVEL - seen)
        return torch.stack([score, -score], 1)


def images(n: int) -> torch.Tensor:
    """Nearly grey images [n, 1, 8, 8], without any component along u."""
    stream = torch.Generator().manual_seed(6)
    u = direction()
    gap = 0.01 * torch.randn(n, 1, 8, 8, generator=stream)
    return 0.5 + gap - (gap * u).sum((1, 2, 3), keepdim=True) * u
