"""Adam: torch's own, to the bit, and without importing torch's compiler."""

import subprocess
import sys

import pytest
import torch
from conftest import ROOT

from an.training.adam import Adam


def parameters() -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    made = [torch.randn(shape, generator=generator) for shape in [(8, 3, 3, 3), (5, 7), (4,), ()]]
    made[0] = made[0].contiguous(memory_format=torch.channels_last)  # as the networks' kernels are
    return [torch.nn.Parameter(tensor) for tensor in made]


def give_gradients(of: list[torch.nn.Parameter], step: int) -> None:
    generator = torch.Generator().manual_seed(step + 1)
    for number, parameter in enumerate(of):
        gradient = torch.empty_like(parameter).copy_(torch.randn(parameter.shape, generator=generator))
        parameter.grad = None if (step + number) % 3 == 0 else gradient  # as where a branch rests for a while


def test_it_is_torch_s_to_the_bit_with_parameters_left_out():
    own, torchs = parameters(), parameters()
    adam, reference = Adam(own, (0.5, 0.999)), torch.optim.Adam(torchs, betas=(0.5, 0.999), fused=True)
    for step in range(10):
        for of in (own, torchs):
            give_gradients(of, step)
        reference.param_groups[0]["lr"] = lr = 1e-2 / (step + 1)
        reference.step()
        adam.step(lr)
        assert all(torch.equal(a, b) for a, b in zip(own, torchs, strict=True))
        assert all(parameter.grad is None for parameter in own)


def test_a_restored_one_goes_on_to_the_same_bits():
    straight, resumed = parameters(), parameters()
    adam, first = Adam(straight, (0.0, 0.9)), Adam(resumed, (0.0, 0.9))
    for step in range(6):
        if step == 3:
            state = {name: [t.clone() for t in tensors] for name, tensors in first.state_dict().items()}
            first = Adam(resumed, (0.0, 0.9))
            first.load_state_dict(state)
        for of, optimizer in ((straight, adam), (resumed, first)):
            give_gradients(of, step)
            optimizer.step(1e-3)
    assert all(torch.equal(a, b) for a, b in zip(straight, resumed, strict=True))


STARTS = """
import sys
from an import params
from an.data.loading import open_split
from an.training.generation import AdversarialTraining
import torch
data = open_split(sys.argv[1], "train")
job = AdversarialTraining(params.load_row("an"), params.load_scale("nano"), 0, data, device=torch.device("cpu"))
job.advance(0, True)
print(*(name for name in ("torch._dynamo", "torch._inductor", "sympy") if name in sys.modules))
"""


@pytest.mark.slow
def test_a_training_step_does_not_import_the_compiler(digits):
    """It would take as long as importing torch itself, in each of a study's hundreds of processes."""
    done = subprocess.run([sys.executable, "-c", STARTS, str(digits)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
