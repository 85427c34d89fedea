"""What the attention layers of a network do, measured as evaluation sees them."""

import torch
from torch import nn

from ..layers import AttentiveNorm2d, SelfAttention2d
from ..metrics.layouts import layout_measures

IMAGES = 32  # of the fixed batch that a run is inspected on


@torch.no_grad()
def attention_measures(network: nn.Module, *inputs) -> dict[str, float]:
    """Measures of the network's one attention layer on ``network(*inputs)`` in evaluation; none without such a layer.

    Of attentive normalization: those of its soft layout (``an.metrics.layouts``), rho, and t, the mean of the absolute
    values; of self-attention gamma. The network's mode, its buffers and all random states stay as they are.
    """
    layer = next((m for m in network.modules() if isinstance(m, AttentiveNorm2d | SelfAttention2d)), None)
    if layer is None:
        return {}
    if isinstance(layer, SelfAttention2d):
        return {"gamma": layer.gamma.item()}
    training, devices = network.training, [layer.rho.device] if layer.rho.is_cuda else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(0)  # for a layer that samples in evaluation
        network.eval()
        layer.keep_layout = True
        network.forward(*inputs)  # not by a call, which would compile it once more for this batch
        network.train(training)
    layout, layer.keep_layout, layer.last_layout = layer.last_layout, False, None
    assert layout is not None, "as keep_layout has it"
    measures = {**layout_measures(layout), "rho": layer.rho.item()}
    return measures | ({"t": layer.t.abs().mean().item()} if layer.self_sampling else {})


def of_networks(**measures: dict[str, float]) -> dict[str, float]:
    """The measures of several networks in one dict, each under its network's name."""
    return {f"{network}_{name}": value for network, of in measures.items() for name, value in of.items()}
