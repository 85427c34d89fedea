"""Whether a soft layout's regions hold alike features: figure 4's claim, and masks it must be compared with."""

import torch
from torch import Tensor

FLAT = 0.05  # nats of layout information below which a layout has no regions to speak of


def region_moments(features: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of feature maps ``[N, C, H, W]`` over regions, weights ``[N, n, H, W]`` of any sum.

    Both are ``[N, n]``, float64: the mean over pixels and channels, and the root of the channels' mean variance over
    pixels. Equal weights give the whole map's. A region without any weight has neither: not numbers.
    """
    x, w = features.double().flatten(2), weights.double().flatten(2)
    w = w / w.sum(2, keepdim=True)
    mean = torch.einsum("ncp,nkp->nkc", x, w)
    # Of the features less the whole map's mean: a variance is the difference of two numbers as large as the mean.
    centred = x - x.mean(2, keepdim=True)
    square, first = torch.einsum("ncp,nkp->nkc", centred**2, w), torch.einsum("ncp,nkp->nkc", centred, w)
    variance = (square - first**2).clamp_min(0)
    return mean.mean(2), variance.mean(2).sqrt()


def less_varied(within: Tensor, whole: Tensor) -> tuple[Tensor, Tensor]:
    """Of each image, over its regions that have any weight: the share that varies less than the whole map, mean ratio.

    Deviations ``[N, n]`` within regions and ``[N, 1]`` of the whole map; both results are ``[N]``.
    """
    ratio = within / whole
    return torch.where(ratio.isnan(), ratio, (ratio < 1).to(ratio)).nanmean(1), ratio.nanmean(1)


def shuffled(layout: Tensor, generator: torch.Generator) -> Tensor:
    """The layout's values at other pixels of the same image: random masks of equal sharpness and area."""
    n, regions, height, width = layout.shape
    order = torch.argsort(torch.rand(n, 1, height * width, generator=generator), 2).to(layout.device)
    return layout.flatten(2).gather(2, order.expand(-1, regions, -1)).view_as(layout)


def shifted(layout: Tensor, generator: torch.Generator) -> Tensor:
    """The layout moved by a random way, around the edges: as connected as it was, and of equal sharpness and area."""
    height, width = layout.shape[2:]
    moves = torch.randint(1, height * width, (len(layout),), generator=generator).tolist()
    moved = [s.roll((move // width, move % width), (1, 2)) for s, move in zip(layout, moves, strict=True)]
    return torch.stack(moved) if moved else layout
