"""A 3x3 convolution in one operation with the upsampling before it or the pooling after it.

Nearest upsampling and average pooling by 2 are convolutions with a 2x2 box. Convolving the 3x3 kernel with that box
first leaves one 4x4 kernel of stride 2, which takes 16 products where the two steps take 36, and never makes the
larger map.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FEW_PIXELS = 512  # in a batch: below, arranging the kernel costs more than the merged arithmetic saves


def conv_pool(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """``avg_pool2d(conv(x), 2)`` for a 3x3 convolution with padding 1: ``[N, C, H, W]`` to ``[N, D, H/2, W/2]``."""
    return F.conv2d(x, _box(conv.weight, 4), conv.bias, stride=2, padding=1)


def upsample_conv(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """``conv`` of x upsampled to its nearest, for a 3x3 one with padding 1: ``[N, C, H, W]`` to ``[N, D, 2H, 2W]``."""
    if x.shape[0] * x.shape[2] * x.shape[3] < FEW_PIXELS:
        return conv(F.interpolate(x, scale_factor=2, mode="nearest"))
    kernel = _box(conv.weight, 1).flip(2, 3).transpose(0, 1).contiguous(memory_format=torch.channels_last)
    return F.conv_transpose2d(x, kernel, conv.bias, stride=2, padding=1)


def _box(kernel: Tensor, divisor: int) -> Tensor:
    """Kernels ``[D, C, 3, 3]`` convolved with a 2x2 box of ``1 / divisor``: ``[D, C, 4, 4]``."""
    return F.avg_pool2d(kernel, 2, stride=1, padding=1, divisor_override=divisor)
