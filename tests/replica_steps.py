"""Adversarial steps of a network without batch statistics, on however many replicas torchrun starts; saves weights.

python tests/replica_steps.py DATA STEPS OUT, alone or under torchrun.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from an import params
from an.data.loading import open_split
from an.training.adversarial import AdversarialTraining
from an.training.replicas import joined

data, steps, out = sys.argv[1:]
torch.set_num_threads(1)
device = torch.device("cpu")
with joined(device) as replicas:
    row, scale = params.load_row("sagan"), params.load_scale("nano")
    job = AdversarialTraining(row, scale, 0, open_split(data, "train"), device, replicas)
    for module in job.generator.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()  # running statistics instead of the batch's
    for step in range(int(steps)):
        job.advance(step, False)
    if replicas.rank == 0:
        torch.save({**job.generator.state_dict(), **job.discriminator.state_dict()}, out)
