"""Adversarial steps of rows, on however many replicas torchrun starts; saves weights.

python tests/replica_steps.py DATA STEPS OUT ROW..., alone or under torchrun. Without batch statistics, so that one
process and several do the same arithmetic. Sampling ends, where a row samples, after the first step.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from an import params
from an.data.loading import open_split
from an.training.generation import AdversarialTraining
from an.training.replicas import joined

data, steps, out, *rows = sys.argv[1:]
torch.set_num_threads(1)
device = torch.device("cpu")
with joined(device) as replicas:
    weights = {}
    for name in rows:
        row, scale = params.load_row(name), params.load_scale("nano")
        job = AdversarialTraining(row, scale, 0, open_split(data, "train"), device=device, replicas=replicas)
        for module in job.generator.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()  # running statistics instead of the batch's
        for step in range(int(steps)):
            job.advance(step, False)
        for part, network in (("generator", job.generator), ("discriminator", job.discriminator)):
            states = replicas.gather(dict(network.named_parameters()))
            assert all(torch.equal(state[key], states[0][key]) for state in states for key in state), "replicas differ"
            weights |= {f"{name}.{part}.{key}": value.detach() for key, value in network.state_dict().items()}
    if replicas.rank == 0:
        torch.save(weights, out)
