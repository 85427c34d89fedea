"""Initialisation and spectral normalization, the same for every model."""

from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..layers.precision import without_autocast

Weighted = TypeVar("Weighted", nn.Conv2d, nn.Linear, nn.Embedding)


def glorot(layer: Weighted, gain: float = 1.0) -> Weighted:
    """Glorot-uniform weights and zero bias (embeddings too), as the papers' Chainer and TensorFlow code has."""
    nn.init.xavier_uniform_(layer.weight, gain)
    if (bias := getattr(layer, "bias", None)) is not None:
        nn.init.zeros_(bias)
    return layer


class SpectralNorm(nn.Module):
    """Divide a weight by its largest singular value, by one power iteration per use in training mode.

    Algorithm 1 of Miyato et al. (2018), with the state of ``torch.nn.utils.parametrizations.spectral_norm``. A use
    takes two products with the weight where torch's takes three, and stays in float32 under autocast.
    """

    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor):
        super().__init__()
        self.register_buffer("_u", F.normalize(torch.randn(len(weight)), dim=0))
        self.register_buffer("_v", F.normalize(torch.randn(weight[0].numel()), dim=0))
        if not weight.is_meta:  # of sizes alone there is nothing to iterate on
            for _ in range(15):  # as torch: the first use finds a norm that is nearly right
                self(weight.detach())

    def forward(self, weight: Tensor) -> Tensor:
        with without_autocast(weight):
            matrix, u, v = weight.flatten(1), self._u, self._v
            if self.training:
                with torch.no_grad():
                    v = matrix.T @ u
                    v /= torch.linalg.vector_norm(v)
                    self._v.copy_(v)
            product = matrix @ v
            if self.training:
                u = product.detach() / torch.linalg.vector_norm(product.detach())
                self._u.copy_(u)
            return weight * torch.dot(u, product).reciprocal()  # a division's gradient takes two more passes


def spectral_norm(layer: Weighted, enabled: bool = True) -> Weighted:
    """Put ``SpectralNorm`` on the layer's weight, if enabled."""
    if enabled:
        parametrize.register_parametrization(layer, "weight", SpectralNorm(layer.weight))
    return layer


def convolutions(module: nn.Module) -> list[nn.Conv2d]:
    """The module's convolutions that carry no parametrization yet."""
    return [m for m in module.modules() if isinstance(m, nn.Conv2d) and not parametrize.is_parametrized(m)]


@torch.no_grad()
def settle(network: nn.Module) -> None:
    """Give every spectral norm of a network the exact singular vectors of the weight that it has now.

    For weights that no power iteration has followed, such as averages: the vectors of two weights, averaged, are not
    those of the averaged weight.
    """
    for parametrization in network.modules():
        if isinstance(parametrization, parametrize.ParametrizationList):
            for norm in parametrization:
                if isinstance(norm, SpectralNorm):
                    left, _, right = torch.linalg.svd(parametrization.original.flatten(1).double(), full_matrices=False)
                    norm._u.copy_(left[:, 0])
                    norm._v.copy_(right[0])
