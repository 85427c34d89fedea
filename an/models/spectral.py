"""Initialisation and spectral normalization, the same for every model."""

from torch import nn
from torch.nn.utils import parametrizations, parametrize


def glorot(layer: nn.Module, gain: float = 1.0) -> nn.Module:
    """Glorot-uniform weights and zero bias (embeddings too), as the papers' Chainer and TensorFlow code has."""
    nn.init.xavier_uniform_(layer.weight, gain)
    if getattr(layer, "bias", None) is not None:
        nn.init.zeros_(layer.bias)
    return layer


def spectral_norm(layer: nn.Module, enabled: bool = True) -> nn.Module:
    """Divide the weight by its largest singular value, one power iteration per training-mode use."""
    return parametrizations.spectral_norm(layer, eps=1e-12) if enabled else layer


def convolutions(module: nn.Module) -> list[nn.Conv2d]:
    """The module's convolutions that carry no parametrization yet."""
    return [m for m in module.modules() if isinstance(m, nn.Conv2d) and not parametrize.is_parametrized(m)]
