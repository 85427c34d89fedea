"""The attention a row asks for, initialised and spectrally normalized like the network around it."""

from torch import nn

from ..layers import AttentiveNorm2d, SelfAttention2d
from ..params import AttentiveNorm
from .spectral import convolutions, glorot, spectral_norm


def self_attention(channels: int, spectral: bool) -> SelfAttention2d:
    layer = SelfAttention2d(channels)
    for convolution in convolutions(layer):
        spectral_norm(glorot(convolution), spectral)
    return layer


def attentive_norm(channels: int, switches: AttentiveNorm, spectral: bool) -> AttentiveNorm2d:
    layer = AttentiveNorm2d(channels, switches.regions, **switches.layer_arguments())
    for convolution in convolutions(layer):
        if convolution is layer.entities:  # W keeps its own start
            spectral_norm(convolution, spectral and switches.entities_spectral_norm)
        else:
            spectral_norm(glorot(convolution), spectral)
    return layer


def attentive_norms(network: nn.Module) -> list[AttentiveNorm2d]:
    """Every attentive normalization in a network."""
    return [module for module in network.modules() if isinstance(module, AttentiveNorm2d)]


def sampling_steps(attention, steps: int) -> float:
    """In how many of the steps, from the first, a row's attention samples; all where it never does."""
    samples = isinstance(attention, AttentiveNorm) and attention.self_sampling
    return attention.sampling_share * steps if samples else steps


def set_sampling(network: nn.Module, sampling: bool) -> None:
    """Have the network train with or without its self-sampling branches."""
    for layer in attentive_norms(network):
        layer.sampling = sampling
