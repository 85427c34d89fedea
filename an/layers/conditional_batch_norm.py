"""Conditional batch normalization, the way a class label enters the generator."""

from torch import Tensor, nn


class ConditionalBatchNorm2d(nn.Module):
    """Batch normalization whose scale and shift are looked up by class label.

    Args:
        channels: C of the input ``[N, C, H, W]``.
        num_classes: number of rows in the scale (starts at 1) and shift (starts at 0) tables.

    ``forward(x, labels)`` takes labels as int64 ``[N]`` in ``[0, num_classes)``, or as each class's share, floating
    point ``[N, num_classes]``, by which scales and shifts are mixed (section 5.2, categorical interpolation). It
    returns x's shape.
    """

    def __init__(self, channels: int, num_classes: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.scale = nn.Embedding(num_classes, channels)
        self.shift = nn.Embedding(num_classes, channels)
        nn.init.ones_(self.scale.weight)
        nn.init.zeros_(self.shift.weight)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        scale = _of_classes(self.scale, labels)[:, :, None, None]
        shift = _of_classes(self.shift, labels)[:, :, None, None]
        return self.norm(x) * scale + shift


def _of_classes(table: nn.Embedding, labels: Tensor) -> Tensor:
    return labels @ table.weight if labels.is_floating_point() else table(labels)
