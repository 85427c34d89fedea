"""The kernel distance (KID): unbiased squared MMD under the cubic polynomial kernel, over random subsets."""

import numpy as np
import torch
from torch import Tensor

from ..errors import UserError
from .checks import as_float64, finite, same_dimensions
from .frechet import CPU

SUBSETS, SIZE, SEED = 100, 1000, 2020  # torch-fidelity's protocol


def kernel_distance(x: np.ndarray, y: np.ndarray, size: int = SIZE, device: torch.device = CPU) -> tuple[float, float]:
    """Mean and standard deviation over 100 subsets of ``size`` of features ``[N, D]`` and ``[M, D]``, in float64.

    The kernel is ``(<a, b> / D + 1)^3``. Subsets are drawn without replacement, as torch-fidelity draws them, so that
    the same features give the same number. The mean may fall below 0: it is unbiased.

    Raises:
        UserError: fewer than ``size`` or 2 samples, different D, or features that are not finite.
    """
    same_dimensions(x.shape[1], y.shape[1])
    if not 2 <= size <= min(len(x), len(y)):
        raise UserError(
            f"the kernel distance over subsets of {size} needs as many samples, and at least 2, not {len(x)} and "
            f"{len(y)}: add images or use smaller subsets."
        )
    draw = np.random.RandomState(SEED)
    values = []
    for _ in range(SUBSETS):
        a, b = (as_float64(side[draw.choice(len(side), size, replace=False)], device) for side in (x, y))
        values.append(finite(_squared_mmd(a, b)).item())
    return float(np.mean(values)), float(np.std(values))


def _squared_mmd(a: Tensor, b: Tensor) -> Tensor:
    size = len(a)
    within = sum((kernel.sum() - kernel.trace()) / (size * (size - 1)) for kernel in (_cubic(a, a), _cubic(b, b)))
    return within - 2 * _cubic(a, b).mean()


def _cubic(a: Tensor, b: Tensor) -> Tensor:
    return ((a / a.shape[1]) @ b.T).add_(1).pow_(3)  # the small matrix is divided, not the large one
