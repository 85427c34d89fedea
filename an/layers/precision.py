"""Arithmetic that stays in float32 under autocast."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def without_autocast(x: Tensor) -> AbstractContextManager:
    """Autocast switched off on x's device, where it has any; ``meta``, on which people count parameters, has none."""
    kind = x.device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()


def at_least_float32(x: Tensor) -> Tensor:
    """x, or x in float32 where its precision is lower."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
