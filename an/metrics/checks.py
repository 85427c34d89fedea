"""What every comparison of features asks of them."""

import numpy as np
import torch
from torch import Tensor

from ..errors import UserError


def same_dimensions(x: int, y: int) -> None:
    """Raise UserError unless two sets of features have the same number of dimensions."""
    if x != y:
        raise UserError(f"features of {x} and {y} dimensions cannot be compared: use one extractor.")


def finite(values: Tensor) -> Tensor:
    """The values. Raises UserError when one is not finite."""
    if not torch.isfinite(values).all():
        raise UserError("features are not finite: check the images and the extractor's weights.")
    return values


def as_float64(features: np.ndarray | Tensor, device: torch.device) -> Tensor:
    """Features on the device, in float64."""
    if isinstance(features, np.ndarray):
        # Copied where read-only, as memory-mapped features are, which torch does not know.
        features = torch.from_numpy(np.require(features, requirements="W"))
    return features.to(device).double()
