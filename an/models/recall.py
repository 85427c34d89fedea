"""The network of the recall task: a generator's residual block with the layer under test in its second norm's place."""

import torch
from torch import Tensor, nn

from .. import params
from ..layers import ContextualAttention2d
from .attention import attentive_norm, self_attention
from .spectral import glorot, spectral_norm

SIGHT = 3  # pixels that its three 3x3 convolutions see to each side; cues are farther away


class RecallNetwork(nn.Module):
    """Images of ``an.data.recall`` to the colours of their right columns.

    .. code-block:: text

        x = embed(image)                                     1x1
        x = x + conv2(relu(layer(conv1(relu(norm1(x))))))    3x3, the generator's residual block without upsampling
        colours = to_colour(relu(norm(x)))                   3x3

    Args:
        keys: of the task; the images have ``keys + 3`` planes.
        channels: of all maps.
        layer: what stands between the first convolution and the activation.

    Convolutions are spectrally normalized, as a GAN's are. ``forward(images)``: ``[N, keys + 3, H, W]`` to
    ``[N, 3, H, W]``. In evaluation, without a long-range layer, an output depends on inputs at most ``SIGHT`` pixels
    away.
    """

    def __init__(self, keys: int, channels: int, layer: nn.Module):
        super().__init__()
        self.embed = _conv(keys + 3, channels, 1)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = _conv(channels, channels, 3)
        self.layer = layer
        self.conv2 = _conv(channels, channels, 3)
        self.norm = nn.BatchNorm2d(channels)
        self.to_colour = _conv(channels, 3, 3)

    def forward(self, images: Tensor) -> Tensor:
        x = self.embed(images)
        h = self.layer(self.conv1(torch.relu(self.norm1(x))))
        x = x + self.conv2(torch.relu(h))
        return self.to_colour(torch.relu(self.norm(x)))


class ContextualRecall(nn.Module):
    """Contextual attention that is told where the marks without colours are: the right half is its hole."""

    def __init__(self):
        super().__init__()
        self.attention = ContextualAttention2d()

    def forward(self, x: Tensor) -> Tensor:
        mask = torch.zeros(1, 1, *x.shape[2:], device=x.device)
        mask[..., x.shape[3] // 2 :] = 1
        return self.attention(x, mask)


def layer_under_test(attention: params.RecallLayer, channels: int) -> nn.Module:
    """The layer that a row of the recall task asks for."""
    if attention.kind == "attentive_norm":
        return attentive_norm(channels, attention, spectral=True)
    if attention.kind == "self_attention":
        return self_attention(channels, spectral=True)
    if attention.kind == "contextual_attention":
        return ContextualRecall()
    if attention.kind == "instance_norm":
        return nn.InstanceNorm2d(channels, affine=True)
    return nn.BatchNorm2d(channels)


def _conv(inputs: int, outputs: int, size: int) -> nn.Module:
    return spectral_norm(glorot(nn.Conv2d(inputs, outputs, size, padding=size // 2)))
