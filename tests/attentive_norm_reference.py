"""Attentive normalization written straight from the paper's equations 1-6: slow, with loops over images and regions."""

import torch


def positions_drawn(layer, x: torch.Tensor) -> torch.Tensor:
    """The pooled positions ``[N, n]`` that the layer draws next, found by drawing them from the same random state."""
    state = torch.get_rng_state()
    height, width = -(-x.shape[2] // 2), -(-x.shape[3] // 2)
    scores = torch.rand(x.shape[0], height * width)
    if height * width >= layer.regions:
        position = scores.topk(layer.regions, dim=1).indices
    else:
        position = torch.randint(height * width, (x.shape[0], layer.regions))
    torch.set_rng_state(state)
    return position


def attentive_norm(layer, x: torch.Tensor, positions: torch.Tensor | None) -> torch.Tensor:
    """Equations 2-6 for one layer's parameters. ``positions`` is None where the branch is off (t = 0)."""
    images = []
    for k in range(x.shape[0]):
        height, width = x.shape[2:]
        pixels = x[k].reshape(layer.channels, -1).T  # [P, C]
        f = pixels @ layer.entities.weight[:, :, 0, 0].T  # [P, n]
        raw = f
        if positions is not None:
            keys = torch.nn.functional.max_pool2d(layer.key(x[k : k + 1]), 2, ceil_mode=True)[0].flatten(1).T
            query = layer.query(x[k : k + 1])[0].flatten(1).T  # [P, C/8]
            correlation = torch.stack([query @ keys[i] for i in positions[k]], dim=1)  # equation 2: [P, n]
            raw = layer.t * correlation + f  # equation 3
        layout = torch.softmax(layer.temperature * raw, dim=1)  # equation 4
        v = pixels if layer.value is None else layer.value(x[k : k + 1])[0].flatten(1).T
        xbar = torch.zeros_like(v)
        for i in range(layer.regions):
            s = layout[:, i : i + 1]
            if layer.moments == "weighted":
                mean = (s * v).sum(0) / s.sum()
                std = ((s * (v - mean) ** 2).sum(0) / s.sum()).sqrt()
            else:
                mean = (s * v).mean(0)
                std = ((s * v - mean) ** 2).mean(0).sqrt()
            alpha, beta = torch.zeros(()), torch.ones(())
            if layer.affine == "region":
                alpha, beta = layer.alpha[i], layer.beta[i]
            elif layer.affine == "shared":
                alpha, beta = layer.alpha, layer.beta
            xbar = xbar + ((v - mean) / (std + layer.eps) * beta + alpha) * s  # equation 5
        images.append((layer.rho * xbar + pixels).T.reshape(1, layer.channels, height, width))  # equation 6
    return torch.cat(images)
