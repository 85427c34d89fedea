"""Learning rates along training."""

import torch


def learning_rate_factor(step: int, steps: int, decay_from: int | None) -> float:
    """1 until ``decay_from``, then linearly to 0 at the last step; always 1 without it."""
    if decay_from is None or step < decay_from:
        return 1.0
    return (steps - step) / (steps - decay_from)


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr
