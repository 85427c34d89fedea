"""Losses of the inpainting models: the paper's (section 4, equations 9 and 10), and DeepFill's reconstruction.

A ``box`` is (top, left, height, width) of the square around the hole that the local critic sees; a ``critic`` is an
``InpaintingDiscriminator``, by itself or wrapped to train on several GPUs.
"""

import torch
from torch import Tensor, nn

GP_WEIGHT = 10.0  # lambda_gp, stated by the paper

Box = tuple[int, int, int, int]


def crop(images: Tensor, box: Box) -> Tensor:
    """The box of images or masks ``[N, C, H, W]``, as a view."""
    top, left, height, width = box
    return images[:, :, top : top + height, left : left + width]


def reconstruction(truth: Tensor, coarse: Tensor, fine: Tensor) -> Tensor:
    """Mean absolute error of both stages' whole outputs, known pixels included (equation 9, without lambda_rec)."""
    return (coarse - truth).abs().mean() + (fine - truth).abs().mean()


def discounted_reconstruction(
    truth: Tensor, coarse: Tensor, fine: Tensor, *, mask: Tensor, box: Box, gamma: float = 0.9
) -> Tensor:
    """DeepFill's released reconstruction loss with its weights, for the ``released`` preset.

    The box is compared under ``discount_weights``, the known pixels (mask 0) on their own, per known pixel; the
    coarse stage counts 1.2 times and both terms 1.2 times. The mask must leave something known.
    """
    weights = discount_weights(box[2], box[3], gamma).to(truth)
    known = 1 - mask.to(truth)
    hidden_error, known_error = 0.0, 0.0
    for weight, output in ((1.2, coarse), (1.0, fine)):
        error = (output - truth).abs()
        hidden_error = hidden_error + weight * (crop(error, box) * weights).mean()
        known_error = known_error + weight * (error * known).mean()
    return 1.2 * hidden_error + 1.2 * known_error / known.mean()


def discount_weights(height: int, width: int, gamma: float = 0.9) -> Tensor:
    """``gamma ** distance to the nearest border of the box``, ``[1, 1, height, width]``: the middle is freest.

    As released, the first row and column have distance 0 and the last have distance 1. ``gamma`` is 0.9 in the
    released configuration; DeepFill's paper says 0.99.
    """
    rows, columns = torch.arange(height), torch.arange(width)
    rows, columns = torch.minimum(rows, height - rows), torch.minimum(columns, width - columns)
    return (gamma ** torch.minimum(rows[:, None], columns).double()).float()[None, None]


def adversarial(critic: nn.Module, completed: Tensor, box: Box) -> Tensor:
    """The generator's Wasserstein term, ``-E[D]`` of both critics on completed images (without lambda_adv)."""
    whole, patch = critic(completed, crop(completed, box))
    return -whole.mean() - patch.mean()


def critic_loss(
    critic: nn.Module,
    truth: Tensor,
    completed: Tensor,
    box: Box,
    *,
    mask: Tensor | None,
    t: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """WGAN-GP loss of both critics, ``E[D(completed)] - E[D(truth)] + 10 * gradient_penalty`` (equation 10).

    ``completed`` must not lead back to the generator (detach it); see ``gradient_penalty`` for ``mask`` and ``t``.
    """
    both = torch.cat([truth, completed])
    whole, patch = critic(both, crop(both, box))
    real, fake = (whole + patch).split(len(truth))
    return fake.mean() - real.mean() + GP_WEIGHT * gradient_penalty(critic, truth, completed, box, mask=mask, t=t)


def gradient_penalty(
    critic: nn.Module,
    truth: Tensor,
    completed: Tensor,
    box: Box,
    *,
    mask: Tensor | None,
    t: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """``E[(|dD/dC| - 1)^2]`` at random points C between truths and completions, summed over both critics.

    With a mask ``[1, 1, H, W]``, only the gradient inside the hole counts, as in DeepFill and the choice for training:
    a truth and its completion differ nowhere else, so the line between them, along which a critic must have
    slope 1, stays in the hole; a norm over all pixels also penalises how the critic reads the context, which no
    completion can change. With None the norm runs over the whole image, as equation 10 is printed. ``t``, ``[N]`` for
    images and for patches, says where on the lines the points lie; without it they are drawn.
    """
    t = t or (torch.rand(len(truth), device=truth.device), torch.rand(len(truth), device=truth.device))
    images = _between(truth, completed, t[0])
    patches = _between(crop(truth, box), crop(completed, box), t[1])
    whole, patch = critic(images, patches)
    # Each score depends on its own image or patch alone, so one backward pass gives every gradient of both critics.
    gradients = torch.autograd.grad(whole.sum() + patch.sum(), (images, patches), create_graph=True)
    if mask is not None:
        gradients = (gradients[0] * mask, gradients[1] * crop(mask, box))
    return sum((torch.linalg.vector_norm(g.flatten(1), dim=1) - 1).square().mean() for g in gradients)


def _between(truth: Tensor, completed: Tensor, t: Tensor) -> Tensor:
    """Points on the lines between truths (``t`` 0) and completions (1), as a new leaf."""
    return torch.lerp(truth, completed, t.to(truth).view(-1, 1, 1, 1)).detach().requires_grad_()
