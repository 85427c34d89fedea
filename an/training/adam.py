"""Adam as one fused kernel over all parameters.

torch.optim.Adam(fused=True) computes the same, to the bit, but first imports torch's compiler, which takes as long as
importing torch, and sorts its parameters anew in every step.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

EPS = 1e-8


class Adam:
    """Adam (Kingma and Ba 2015) with bias correction; a parameter without gradient is left out of a step.

    Parameters are float32 on one device. ``state_dict`` has their moments and counts of steps, in their order.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], betas: tuple[float, float]):
        self.parameters, self.betas = list(parameters), betas
        self.means = [torch.zeros_like(p, memory_format=torch.preserve_format) for p in self.parameters]
        self.squares = [torch.zeros_like(p, memory_format=torch.preserve_format) for p in self.parameters]
        self.steps = [torch.zeros((), device=p.device) for p in self.parameters]

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """One update from the parameters' gradients, which it then drops."""
        moved = [k for k, parameter in enumerate(self.parameters) if parameter.grad is not None]
        if not moved:
            return
        parameters, means, squares, steps = (
            [of_all[k] for k in moved] for of_all in (self.parameters, self.means, self.squares, self.steps)
        )
        torch._foreach_add_(steps, 1)
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        beta1, beta2 = self.betas
        switches: dict[str, Any] = {"weight_decay": 0.0, "eps": EPS, "amsgrad": False, "maximize": False}
        torch._fused_adam_(
            parameters, gradients, means, squares, [], steps, lr=lr, beta1=beta1, beta2=beta2, **switches
        )
        for parameter in parameters:
            parameter.grad = None

    def state_dict(self) -> dict[str, list[Tensor]]:
        return {"means": self.means, "squares": self.squares, "steps": self.steps}

    def load_state_dict(self, state: dict[str, list[Tensor]]) -> None:
        for name, own in self.state_dict().items():
            torch._foreach_copy_(own, state[name])
