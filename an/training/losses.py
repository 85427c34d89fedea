"""Losses of the class-conditional models."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..models.attention import attentive_norms


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss of the discriminator from realness ``[N]`` (equation 8; the paper prints its minima without "0, ")."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def hinge_generator(fake: Tensor) -> Tensor:
    """``-E[D(G(z, y), y)]`` (equation 7)."""
    return -fake.mean()


def orthogonality(network: nn.Module, weight: float) -> Tensor | float:
    """``lambda_o ||W W^T - I||_F^2`` (equation 1), summed over the network's attentive normalizations."""
    layers = attentive_norms(network) if weight else []
    return weight * torch.stack([layer.orthogonality_loss() for layer in layers]).sum() if layers else 0.0
