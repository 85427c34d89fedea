"""The residual discriminator of SN-GAN and SA-GAN: projection or classifier, with the attention of a row."""

import math
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..params import AttentiveNorm, SelfAttention
from .attention import attentive_norm, self_attention
from .resampling import conv_pool
from .spectral import glorot, spectral_norm


def _conv(inputs: int, outputs: int, size: int) -> nn.Conv2d:
    gain = math.sqrt(2) if size > 1 else 1.0
    return spectral_norm(glorot(nn.Conv2d(inputs, outputs, size, padding=size // 2), gain))


class FirstBlock(nn.Module):
    """conv-(attentive norm)-ReLU-conv-pool on the image; the shortcut pools first. Halves H and W."""

    def __init__(self, outputs: int):
        super().__init__()
        self.conv1 = _conv(3, outputs, 3)
        self.attention_before_relu = nn.Identity()
        self.conv2 = _conv(outputs, outputs, 3)
        self.shortcut = _conv(3, outputs, 1)
        self.attention = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        h = conv_pool(self.conv2, torch.relu(self.attention_before_relu(self.conv1(x))))
        return self.attention(h + self.shortcut(F.avg_pool2d(x, 2)))


class DiscriminatorBlock(nn.Module):
    """ReLU-conv-ReLU-conv-(pool); a 1x1 shortcut where the shape changes."""

    def __init__(self, inputs: int, outputs: int, hidden: int, downsample: bool):
        super().__init__()
        self.conv1 = _conv(inputs, hidden, 3)
        self.conv2 = _conv(hidden, outputs, 3)
        self.downsample = downsample
        self.shortcut = _conv(inputs, outputs, 1) if downsample or inputs != outputs else nn.Identity()
        self.attention = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.conv1(torch.relu(x)))
        if not self.downsample:
            return self.attention(self.conv2(h) + self.shortcut(x))
        # The papers convolve the shortcut, then pool it; the two commute and this order costs a quarter.
        return self.attention(conv_pool(self.conv2, h) + self.shortcut(F.avg_pool2d(x, 2)))


class Discriminator(nn.Module):
    """Images and labels to realness; every layer is spectrally normalized.

    Args:
        channels: width after each block; the first ``downsamples`` blocks halve H and W.
        downsamples: how many blocks halve H and W (at least 1).
        hidden: width between a block's two convolutions: its ``input`` (SN-GAN) or ``output`` (SA-GAN) width.
        head_bias: whether the last linear layer has a bias.
        num_classes: number of labels.
        conditioning: ``projection`` adds <embedding(y), h>; ``classifier`` has a head of class logits (AC-GAN).
        attention: None, or a row's attention.
        resolution, attention_resolution: of the images, and of the block output that carries self-attention.

    ``forward(images, labels)``: images ``[N, 3, R, R]`` in [-1, 1], labels int64 ``[N]``; returns realness ``[N]``
    and class logits ``[N, num_classes]`` (None with projection).
    """

    def __init__(
        self,
        channels: list[int],
        downsamples: int,
        num_classes: int,
        *,
        hidden: Literal["input", "output"],
        head_bias: bool,
        conditioning: Literal["projection", "classifier"],
        attention: SelfAttention | AttentiveNorm | None,
        resolution: int,
        attention_resolution: int,
    ):
        super().__init__()
        self.blocks = nn.ModuleList([FirstBlock(channels[0])])
        for index, (inputs, outputs) in enumerate(pairwise(channels), start=1):
            width = inputs if hidden == "input" else outputs
            self.blocks.append(DiscriminatorBlock(inputs, outputs, width, index < downsamples))
        self.realness = spectral_norm(glorot(nn.Linear(channels[-1], 1, bias=head_bias)))
        self.embedding: nn.Embedding | None = None
        self.classifier: nn.Linear | None = None
        if conditioning == "projection":
            self.embedding = spectral_norm(glorot(nn.Embedding(num_classes, channels[-1])))
        else:
            self.classifier = spectral_norm(glorot(nn.Linear(channels[-1], num_classes)))
        self._place_attention(channels, attention, resolution // attention_resolution)

    def _place_attention(self, channels: list[int], attention, reduction: int) -> None:
        """Self-attention behind the block of its resolution; attentive normalization in the first block."""
        if isinstance(attention, SelfAttention):
            index = reduction.bit_length() - 2
            self.blocks[index].attention = self_attention(channels[index], spectral=True)
        elif isinstance(attention, AttentiveNorm):
            layer = attentive_norm(channels[0], attention, spectral=True)
            if attention.placement == "after_block":
                self.blocks[0].attention = layer
            else:
                self.blocks[0].attention_before_relu = layer

    def forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor | None]:
        h = images
        for block in self.blocks:
            h = block(h)
        h = torch.relu(h).sum((2, 3))
        realness = self.realness(h)[:, 0]
        if self.embedding is not None:
            realness = realness + (self.embedding(labels) * h).sum(1)
        return realness, None if self.classifier is None else self.classifier(h)
