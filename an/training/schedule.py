"""Learning rates along training."""

import math


def learning_rate_factor(step: int, steps: int, decay_from: int | None) -> float:
    """1 until ``decay_from``, then linearly to 0 at the last step; always 1 without it."""
    if decay_from is None or step < decay_from:
        return 1.0
    return (steps - step) / (steps - decay_from)


def rise_and_fall(step: int, steps: int, rise: float = 0.3) -> float:
    """From 1/25 along a cosine to 1 after the share ``rise`` of all steps, then along another to 0 (Smith 2018)."""
    position = (step + 0.5) / steps
    if position < rise:
        return 1 / 25 + (1 - 1 / 25) * (1 - math.cos(math.pi * position / rise)) / 2
    return (1 + math.cos(math.pi * (position - rise) / (1 - rise))) / 2
