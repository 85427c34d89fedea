"""Attentive normalization as plain matrix products, for every choice of statistics and any order of derivatives.

This is the form that is compiled and exported, and the one that second derivatives are taken of. Maps are
``[N, C, P]`` with P = H*W pixels; ``weight`` and ``bias`` make the logits ``tau * (t * F + f(x))`` of equation 4 in one
product, ``[n, C]`` and ``[n, 1]`` or ``[N, n, C]`` and ``[N, n, 1]`` where each image has its own.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

Share = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


class Parameters(NamedTuple):
    """What ``attentive_norm`` normalizes a map by."""

    weight: Tensor  # with ``bias``, of the logits
    bias: Tensor
    value: Tensor | None  # with ``value_bias``, of the convolution v(x): [C, C] and [C]; None where v(x) = x
    value_bias: Tensor | None
    beta: Tensor  # as alpha, [n, C] or [C]
    alpha: Tensor
    rho: Tensor
    eps: float


def soft_layout(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """S of equation 4: ``[N, n, P]``, summing to 1 over n."""
    return torch.softmax(weight @ x + bias, dim=1)


def attentive_norm(x: Tensor, given: Parameters, *, literal: bool = False, share: Share | None = None) -> Tensor:
    """``rho * Xbar + x`` of equations 5 and 6, ``[N, C, P]``.

    Args:
        literal: take mean and deviation of the maps ``S_i * v`` over all pixels instead of weighted moments.
        share: merges weighted ``mean [N, n, C]``, ``var [N, n, C]`` and ``mass [N, n, 1]`` into shared mean and var.
    """
    weight, bias, value, value_bias, beta, alpha, rho, eps = given
    layout, v, shift = _layout_and_values(x, weight, bias, value=value, value_bias=value_bias)
    if literal:
        v, shift = v + shift, torch.zeros_like(shift)
        mean, var = _literal_moments(v, layout)
    else:
        mean, var, mass = _weighted_moments(v, layout)
        if share is not None:
            mean, var = share(mean + shift.mT, var, mass)
            mean = mean - shift.mT
        # Each image's own mean cancels the shift. Times 0, the value's bias gets a gradient of 0 and not none, which
        # distributed training would wait for.
        elif value_bias is not None:
            alpha = alpha + 0 * value_bias
    gain = beta / (_sqrt(var) + eps)
    return x + rho * (v * (gain.mT @ layout) + (alpha - mean * gain).mT @ layout)


def regional_moments(
    x: Tensor, weight: Tensor, bias: Tensor, *, value: Tensor | None, value_bias: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and variance ``[N, n, C]`` of v(x) over every region, and its mass ``[N, n, 1]``."""
    layout, v, shift = _layout_and_values(x, weight, bias, value=value, value_bias=value_bias)
    mean, var, mass = _weighted_moments(v, layout)
    return mean + shift.mT, var, mass


def _layout_and_values(x: Tensor, weight: Tensor, bias: Tensor, *, value, value_bias) -> tuple[Tensor, Tensor, Tensor]:
    """S, and v(x) less a shift ``[N, C, 1]``, with that shift."""
    # A shift of x by any constant changes nothing but the rounding, so no derivative goes through the centre.
    centre = x.detach().mean(2, keepdim=True)
    x0 = x - centre
    layout = soft_layout(x0, weight, bias + weight @ centre)
    if value is None:
        return layout, x0, centre
    return layout, value @ x0, value @ centre + value_bias[:, None]


def _weighted_moments(v: Tensor, layout: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    mass = layout.sum(2, keepdim=True).clamp_min(least_mass(v.dtype))
    mean = layout @ v.mT / mass
    return mean, (layout @ v.square().mT / mass - mean.square()).clamp_min(0), mass


def least_mass(dtype: torch.dtype) -> float:
    """What an empty region's sum of S is taken to be: derivatives divide by its square, which must not be 0."""
    return torch.finfo(dtype).tiny ** 0.5


def _literal_moments(v: Tensor, layout: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance over all P pixels of the maps ``S_i * v``, each ``[N, n, C]``."""
    mean = layout @ v.mT / v.shape[2]
    var = layout.square() @ v.square().mT / v.shape[2] - mean.square()
    return mean, var.clamp_min(0)


def _sqrt(var: Tensor) -> Tensor:
    """Square root whose gradient at 0 is 0, so that a constant region trains on instead of giving NaN."""
    positive = var > 0
    return torch.where(positive, torch.where(positive, var, 1.0).sqrt(), 0.0)
