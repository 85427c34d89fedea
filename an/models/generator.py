"""The residual generator of SN-GAN and SA-GAN, with the attention a row asks for."""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import AttentiveNorm2d, ConditionalBatchNorm2d
from ..params import AttentiveNorm, SelfAttention
from .attention import attentive_norm, self_attention
from .resampling import upsample_conv
from .spectral import glorot, spectral_norm

BOTTOM = 4  # the resolution that the first linear layer makes


class GeneratorBlock(nn.Module):
    """norm-ReLU-upsample-conv-norm-ReLU-conv, and a 1x1 shortcut; doubles H and W."""

    def __init__(self, inputs: int, outputs: int, num_classes: int, spectral: bool):
        super().__init__()
        # SN-GAN starts its residual convolutions at gain sqrt(2); a spectrally normalized weight has no scale.
        gain = 1.0 if spectral else math.sqrt(2)
        self.norm1 = ConditionalBatchNorm2d(inputs, num_classes)
        self.conv1 = spectral_norm(glorot(nn.Conv2d(inputs, outputs, 3, padding=1), gain), spectral)
        self.norm2: nn.Module = ConditionalBatchNorm2d(outputs, num_classes)
        self.conv2 = spectral_norm(glorot(nn.Conv2d(outputs, outputs, 3, padding=1), gain), spectral)
        self.shortcut = spectral_norm(glorot(nn.Conv2d(inputs, outputs, 1)), spectral)
        self.attention_before_relu: nn.Module = nn.Identity()
        self.attention: nn.Module = nn.Identity()

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        h = upsample_conv(self.conv1, torch.relu(self.norm1(x, labels)))
        h = self.norm2(h) if isinstance(self.norm2, AttentiveNorm2d) else self.norm2(h, labels)
        h = self.conv2(torch.relu(self.attention_before_relu(h)))
        # A 1x1 convolution and a nearest upsampling commute; this order costs a quarter.
        return self.attention(h + F.interpolate(self.shortcut(x), scale_factor=2, mode="nearest"))


class Generator(nn.Module):
    """Latents and labels to images.

    Args:
        channels: widths of the 4x4 map and after each block; ``len(channels) - 1`` blocks, each doubling H and W.
        latent: size of z.
        num_classes: number of labels.
        spectral: spectral normalization on the linear layer and all convolutions.
        attention: None, or a row's attention.
        attention_resolution: the block whose output has this H and W carries the attention.

    ``forward(z, labels)``: z ``[N, latent]`` standard normal, labels int64 ``[N]`` or shares ``[N, num_classes]`` of
    the classes, to be mixed; returns images ``[N, 3, R, R]`` in [-1, 1].
    """

    def __init__(
        self,
        channels: list[int],
        latent: int,
        num_classes: int,
        *,
        spectral: bool,
        attention: SelfAttention | AttentiveNorm | None,
        attention_resolution: int,
    ):
        super().__init__()
        self.latent, self.num_classes, self.bottom_channels = latent, num_classes, channels[0]
        self.linear = spectral_norm(glorot(nn.Linear(latent, BOTTOM * BOTTOM * channels[0])), spectral)
        self.blocks = nn.ModuleList()
        for index, (inputs, outputs) in enumerate(pairwise(channels)):
            block = GeneratorBlock(inputs, outputs, num_classes, spectral)
            if BOTTOM * 2 ** (index + 1) == attention_resolution:
                place_attention(block, outputs, attention, spectral)
            self.blocks.append(block)
        self.norm = nn.BatchNorm2d(channels[-1])
        self.to_rgb = spectral_norm(glorot(nn.Conv2d(channels[-1], 3, 3, padding=1)), spectral)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        h = self.linear(z).view(-1, self.bottom_channels, BOTTOM, BOTTOM)
        for block in self.blocks:
            h = block(h, labels)
        return torch.tanh(self.to_rgb(torch.relu(self.norm(h))))


def place_attention(
    block: GeneratorBlock, channels: int, attention: SelfAttention | AttentiveNorm | None, spectral: bool
) -> None:
    """Put a row's attention into its block: self-attention behind it, attentive normalization where placed."""
    if isinstance(attention, SelfAttention):
        block.attention = self_attention(channels, spectral)
    elif isinstance(attention, AttentiveNorm):
        layer = attentive_norm(channels, attention, spectral)
        if attention.placement == "second_norm":
            block.norm2 = layer
        elif attention.placement == "after_second_norm":
            block.attention_before_relu = layer
        else:
            block.attention = layer
