"""Memory as a count of the tensors that live, the same on every machine."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary


class LiveBytes(TorchDispatchMode):
    """Bytes of the storages made under it that live, and the most that ever did.

    Storages of the tensors ``given`` do not count, nor does what an operator allocates for itself and frees.
    """

    def __init__(self, *given: torch.Tensor):
        super().__init__()
        self.sizes, self.peak = WeakIdKeyDictionary(), 0
        self.given = {tensor.untyped_storage().data_ptr() for tensor in given}

    def live(self) -> int:
        return sum(self.sizes.values())

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage().data_ptr() not in self.given:
                self.sizes[tensor.untyped_storage()] = tensor.untyped_storage().nbytes()
        self.peak = max(self.peak, self.live())
        return out
