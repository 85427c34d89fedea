"""Conditional batch normalization, the way a class label enters the generator."""

from torch import Tensor, nn


class ConditionalBatchNorm2d(nn.Module):
    """Batch normalization whose scale and shift are looked up by class label.

    Args:
        channels: C of the input ``[N, C, H, W]``.
        num_classes: number of rows in the scale (starts at 1) and shift (starts at 0) tables.

    ``forward(x, labels)`` takes labels as int64 ``[N]`` in ``[0, num_classes)`` and returns x's shape.
    """

    def __init__(self, channels: int, num_classes: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.scale = nn.Embedding(num_classes, channels)
        self.shift = nn.Embedding(num_classes, channels)
        nn.init.ones_(self.scale.weight)
        nn.init.zeros_(self.shift.weight)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        scale = self.scale(labels)[:, :, None, None]
        shift = self.shift(labels)[:, :, None, None]
        return self.norm(x) * scale + shift
