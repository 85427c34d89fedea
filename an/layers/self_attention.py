"""Self-attention of SA-GAN (Zhang et al., 2019), as its released code computes it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SelfAttention2d(nn.Module):
    """``y = x + gamma * o(softmax(theta(x)^T phi(x)) g(x))``, gamma starting at 0.

    The 1x1 convolutions have no bias; theta and phi have C/8 channels, g has C/2; the logits are not scaled.

    Args:
        channels: C of the input ``[N, C, H, W]``; at least 8.
        pool: 2x2 max-pool phi and g, as SA-GAN's code does (its paper does not say so). Without it the
            attention matrix has ``(H*W)^2`` entries instead of a quarter of that.

    H and W must be even with ``pool``. Memory is dominated by the ``[N, H*W, H*W/4]`` attention matrix.
    """

    def __init__(self, channels: int, *, pool: bool = True):
        super().__init__()
        if channels < 8:
            raise ValueError(f"SelfAttention2d needs at least 8 channels, got {channels}")
        self.channels, self.pool = channels, pool
        self.theta = nn.Conv2d(channels, channels // 8, 1, bias=False)
        self.phi = nn.Conv2d(channels, channels // 8, 1, bias=False)
        self.g = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.o = nn.Conv2d(channels // 2, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 4 or x.shape[1] != self.channels:
            raise ValueError(f"SelfAttention2d({self.channels}) got an input of shape {tuple(x.shape)}")
        value = self._pooled(self.g(x)).flatten(2)
        mixed = value @ self.weights(x).mT  # [N, C/2, H*W]
        return x + self.gamma * self.o(mixed.unflatten(2, x.shape[2:]))

    def weights(self, x: Tensor) -> Tensor:
        """How much every pixel attends to every key: ``[N, H*W, keys]``, summing to 1 over the (pooled) keys."""
        return torch.softmax(self.theta(x).flatten(2).mT @ self._pooled(self.phi(x)).flatten(2), dim=-1)

    def _pooled(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, 2) if self.pool else x

    def extra_repr(self) -> str:
        return f"{self.channels}, pool={self.pool}"
