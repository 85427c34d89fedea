"""Precision, recall, density and coverage: whether samples lie among the data's neighbourhoods, and the other way."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ..errors import UserError
from .checks import as_float64, finite, same_dimensions
from .frechet import CPU

PRECISION_NEIGHBOURS, DENSITY_NEIGHBOURS = 3, 5  # Kynkaanniemi et al. 2019; Naeem et al. 2020
ENTRIES = 2**24  # of a block of distances


def manifold_metrics(generated: np.ndarray, real: np.ndarray, device: torch.device = CPU) -> dict[str, float]:
    """Improved precision and recall, density and coverage of features ``[N, D]`` and ``[M, D]``, in float64.

    A neighbourhood is the ball around a feature that reaches its 3rd (density and coverage: 5th) nearest neighbour of
    its own set. Precision is the share of generated features inside a real one's ball, recall the other way; density
    is the mean number of real balls around a generated feature over 5, coverage the share of real balls that hold one.
    Distances are made block by block: memory grows with N + M, not with N * M.

    Raises:
        UserError: too few samples to have neighbours, different D, or features that are not finite.
    """
    same_dimensions(generated.shape[1], real.shape[1])
    needed = max(PRECISION_NEIGHBOURS, DENSITY_NEIGHBOURS) + 1
    if min(len(generated), len(real)) < needed:
        raise UserError(
            f"precision and coverage need at least {needed} samples on each side, not {len(generated)} and "
            f"{len(real)}: add images."
        )
    generated, real = (finite(as_float64(side, device)) for side in (generated, real))
    centre = real.mean(0)  # distances keep more digits near the origin
    generated, real = generated - centre, real - centre

    radii_generated, radii_real = _squared_radii(generated), _squared_radii(real)
    precise, balls = [], []
    recalled = torch.zeros(len(real), dtype=torch.bool, device=device)
    nearest = torch.full((len(real),), torch.inf, dtype=torch.float64, device=device)
    start = 0
    for distances in _squared_distances(generated, real):
        stop = start + len(distances)
        precise.append((distances <= radii_real[:, 0]).any(1))
        balls.append((distances < radii_real[:, 1]).sum(1))
        recalled |= (distances <= radii_generated[start:stop, :1]).any(0)
        nearest = torch.minimum(nearest, distances.amin(0))
        start = stop
    return {
        "precision": torch.cat(precise).double().mean().item(),
        "recall": recalled.double().mean().item(),
        "density": torch.cat(balls).double().mean().item() / DENSITY_NEIGHBOURS,
        "coverage": (nearest < radii_real[:, 1]).double().mean().item(),
    }


def _squared_radii(features: Tensor) -> Tensor:
    """Squared distances ``[N, 2]`` to the 3rd and the 5th nearest other feature."""
    most = max(PRECISION_NEIGHBOURS, DENSITY_NEIGHBOURS) + 1
    nearest = [d.topk(most, dim=1, largest=False).values for d in _squared_distances(features, features)]
    # Nearest of all, at place 0, is the feature itself.
    return torch.cat(nearest)[:, [PRECISION_NEIGHBOURS, DENSITY_NEIGHBOURS]]


def _squared_distances(x: Tensor, y: Tensor) -> Iterator[Tensor]:
    """Blocks ``[B, M]`` of consecutive rows of x against all of y."""
    norms = y.square().sum(1)
    for rows in x.split(max(1, ENTRIES // len(y))):
        yield torch.addmm(norms + rows.square().sum(1, keepdim=True), rows, y.T, alpha=-2).clamp_(min=0)
