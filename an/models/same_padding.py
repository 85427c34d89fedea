"""Convolution with TensorFlow's padding, which the inpainting networks were published with."""

import torch.nn.functional as F
from torch import Tensor, nn


class SameConv2d(nn.Conv2d):
    """A convolution whose output has ``ceil(size / stride)`` pixels a side, padded with zeros as TensorFlow's SAME.

    The padding depends on the input's size and, where it is odd, has its larger half at the bottom and right; a 3x3
    convolution of stride 2 pads an even side by (0, 1), an odd one by (1, 1).

    Args:
        inputs, outputs: channels.
        size: of the square kernel.
        stride, dilation: as ``nn.Conv2d``'s.
    """

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1, *, dilation: int = 1):
        super().__init__(inputs, outputs, size, stride, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        top, bottom = self._padding(x.shape[2])
        left, right = self._padding(x.shape[3])
        if (top, left) == (bottom, right):  # the convolution pads by itself, without a copy
            return F.conv2d(x, self.weight, self.bias, self.stride, (top, left), self.dilation)
        return F.conv2d(F.pad(x, (left, right, top, bottom)), self.weight, self.bias, self.stride, 0, self.dilation)

    def _padding(self, size: int) -> tuple[int, int]:
        """Zeros before and after an axis of this size; kernel, stride and dilation are the same on both axes."""
        stride, extent = self.stride[0], self.dilation[0] * (self.kernel_size[0] - 1) + 1
        total = max((-(-size // stride) - 1) * stride + extent - size, 0)
        return total // 2, total - total // 2
