"""Inpainting networks: DeepFill's two-stage generator, with contextual attention or AN, and its two critics.

Section 4 of the paper follows DeepFill (Yu et al., CVPR 2018) and puts AN into the second stage; widths are those of
the two released programs. Everywhere a mask is 1 where a pixel is missing and 0 where it is known.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from ..layers import ContextualAttention2d
from ..params import AttentiveNorm
from .attention import attentive_norm
from .same_padding import SameConv2d
from .spectral import glorot

SECOND_BRANCHES = ("contextual", "attentive")
MULTIPLE = 8  # two stride-2 convolutions, and contextual attention at half of what they leave


def complete(image: Tensor, mask: Tensor, generated: Tensor) -> Tensor:
    """The generated pixels in the hole, the image's own elsewhere, bit for bit; what the image has in its hole
    (be it NaN) does not matter.

    Shapes: ``image`` and ``generated`` ``[N, C, H, W]``, ``mask`` ``[1, 1, H, W]``.
    """
    return torch.where(mask > 0, generated, image)


class InpaintingGenerator(nn.Module):
    """A coarse network fills the hole; a refinement network of two branches, one with attention, fills it anew.

    Convolutions have TensorFlow's SAME padding, ELU, and no normalization; a mask map and a map of ones join the image.

    Args:
        width: channels of the first convolution, even; 32 in the publications. All others follow from it.
        second_branch: ``contextual``: contextual attention, the paper's baseline CA, at DeepFill's widths;
            ``attentive``: attentive normalization, at the wider refinement network of the paper's released code.
        wide: the wider refinement network for ``contextual`` too, so that only the attention differs.
        attention: switches of the attentive normalization; None is the paper's. Its ``placement`` means nothing here.

    ``forward(image, mask)``: image ``[N, 3, H, W]`` in [-1, 1] with 0 in the hole, H and W multiples of 8; mask
    ``[1, 1, H, W]``, one for the batch. Returns the coarse and the fine image, both ``[N, 3, H, W]`` in [-1, 1] and
    both generated as a whole; ``complete`` pastes the known pixels.

    Raises:
        ValueError: for an unknown branch, an odd width, or an input or mask of another shape.
    """

    def __init__(
        self,
        width: int = 32,
        second_branch: Literal["contextual", "attentive"] = "contextual",
        wide: bool = False,
        attention: AttentiveNorm | None = None,
    ):
        super().__init__()
        if second_branch not in SECOND_BRANCHES:
            raise ValueError(f"second_branch must be one of {', '.join(SECOND_BRANCHES)}; got {second_branch!r}")
        if width < 2 or width % 2:
            raise ValueError(f"the width of an InpaintingGenerator must be even and at least 2; got {width}")
        attentive = second_branch == "attentive"
        broad = [1, 2, 2, 4, 4, 4]  # in units of width
        self.coarse = nn.Sequential(_encoder(width, broad), _dilated(4 * width), _decoder(4 * width, width))
        wide = wide or attentive
        self.convolutions = nn.Sequential(_encoder(width, broad if wide else [1, 1, 2, 2, 4, 4]), _dilated(4 * width))
        # AN's input is not rectified (the ELU comes after it); contextual attention compares rectified features.
        last = nn.Identity() if attentive else nn.ReLU()
        self.before_attention = _encoder(width, broad if wide else [1, 1, 2, 4, 4, 4], last)
        after = [_conv(4 * width, 4 * width), nn.ELU(), _conv(4 * width, 4 * width), nn.ELU()]
        if attentive:
            switches = attention or AttentiveNorm(kind="attentive_norm")
            self.attention: nn.Module = attentive_norm(4 * width, switches, spectral=False)
            after.insert(0, nn.ELU())
        else:
            self.attention = ContextualAttention2d()
        self.after_attention = nn.Sequential(*after)
        self.merge = _decoder(8 * width, width)

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        if image.dim() != 4 or image.shape[1] != 3 or image.shape[2] % MULTIPLE or image.shape[3] % MULTIPLE:
            raise ValueError(f"images must be [N, 3, H, W], H and W multiples of {MULTIPLE}; got {tuple(image.shape)}")
        if mask.shape != (1, 1, *image.shape[2:]):
            raise ValueError(f"the mask must be {(1, 1, *image.shape[2:])} like the images; got {tuple(mask.shape)}")
        planes = torch.cat([torch.ones_like(mask), mask], 1).to(image.dtype).expand(len(image), -1, -1, -1)
        coarse = self.coarse(torch.cat([image, planes], 1))
        x = torch.cat([complete(image, mask, coarse), planes], 1)
        h = self.before_attention(x)
        if isinstance(self.attention, ContextualAttention2d):
            h = self.attention(h, mask[:, :, ::4, ::4])
        else:
            h = self.attention(h)
        return coarse, self.merge(torch.cat([self.convolutions(x), self.after_attention(h)], 1))


class InpaintingDiscriminator(nn.Module):
    """DeepFill's two Wasserstein critics: one of the whole image, one of the square around the hole.

    Four 5x5 convolutions of stride 2 with leaky ReLU, then one linear layer over all that is left; no spectral norm.

    Args:
        width: channels of the first convolutions; 64 in the publication.
        resolution: H = W of the images; 256 in the publication.
        hole: H = W of the hole patches; 128 in the publication.

    ``forward(images, patches)``: ``[N, 3, resolution, resolution]`` and ``[M, 3, hole, hole]`` in [-1, 1]; returns
    unbounded scores, global ``[N]`` and local ``[M]``.

    Raises:
        ValueError: for images or patches of another shape.
    """

    def __init__(self, width: int = 64, resolution: int = 256, hole: int = 128):
        super().__init__()
        self.shapes = (3, resolution, resolution), (3, hole, hole)
        self.of_image = _critic([width, 2 * width, 4 * width, 4 * width], resolution)
        self.of_patch = _critic([width, 2 * width, 4 * width, 8 * width], hole)

    def forward(self, images: Tensor, patches: Tensor) -> tuple[Tensor, Tensor]:
        for what, given, shape in zip(("images", "patches"), (images, patches), self.shapes, strict=True):
            if given.shape[1:] != shape:
                raise ValueError(f"{what} must be [N, {', '.join(map(str, shape))}]; got {tuple(given.shape)}")
        return self.of_image(images)[:, 0], self.of_patch(patches)[:, 0]


def _conv(inputs: int, outputs: int, size: int = 3, stride: int = 1, *, dilation: int = 1) -> nn.Module:
    return glorot(SameConv2d(inputs, outputs, size, stride, dilation=dilation))


def _encoder(width: int, factors: list[int], last: nn.Module | None = None) -> nn.Sequential:
    """Six convolutions from 5 planes to a quarter of the resolution; ``last`` replaces the last ELU."""
    shapes = ((5, 1), (3, 2), (3, 1), (3, 2), (3, 1), (3, 1))  # kernel and stride
    layers, inputs = [], 5
    for factor, (size, stride) in zip(factors, shapes, strict=True):
        layers += [_conv(inputs, factor * width, size, stride), nn.ELU()]
        inputs = factor * width
    if last is not None:
        layers[-1] = last
    return nn.Sequential(*layers)


def _dilated(channels: int) -> nn.Sequential:
    """Four convolutions that see ever further: dilations 2, 4, 8, 16."""
    return nn.Sequential(
        *(layer for dilation in (2, 4, 8, 16) for layer in (_conv(channels, channels, dilation=dilation), nn.ELU()))
    )


def _decoder(inputs: int, width: int) -> nn.Sequential:
    """From a quarter of the resolution to the image: two convolutions, then upsample-conv-conv twice; clipped."""

    def elu(inputs: int, outputs: int) -> list[nn.Module]:
        return [_conv(inputs, outputs), nn.ELU()]

    def up() -> nn.Module:
        return nn.Upsample(scale_factor=2, mode="nearest")

    return nn.Sequential(
        *elu(inputs, 4 * width),
        *elu(4 * width, 4 * width),
        up(),
        *elu(4 * width, 2 * width),
        *elu(2 * width, 2 * width),
        up(),
        *elu(2 * width, width),
        *elu(width, width // 2),
        _conv(width // 2, 3),
        nn.Hardtanh(),
    )


def _critic(channels: list[int], size: int) -> nn.Sequential:
    layers, inputs = [], 3
    for outputs in channels:
        layers += [_conv(inputs, outputs, 5, stride=2), nn.LeakyReLU(0.2)]
        inputs, size = outputs, -(-size // 2)
    return nn.Sequential(*layers, nn.Flatten(), glorot(nn.Linear(inputs * size * size, 1)))
