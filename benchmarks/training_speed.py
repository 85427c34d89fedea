"""Steps per second of SN-GAN's training at CIFAR's and at ImageNet's size, against mimicry's cGAN-PD.

    python benchmarks/training_speed.py --peer FOLDER    # a checkout of github.com/kwotsin/mimicry

A step is five discriminator updates and one generator update, on both sides with networks of the same widths, the
same batch, labels, device, threads and precision, in one process, one step of each in turn. Ours is
``AdversarialTraining.advance``, which shuffles, gathers and normalizes its uint8 images. The peer's is what its
``Trainer.train`` does in a step, ``train_step`` of both networks with a ``MetricLog``; its data loader, printing,
TensorBoard and checkpoints are left out: its batches lie ready on the device.
"""

import argparse
import importlib
import statistics
import sys
import time
import types
from pathlib import Path

import numpy as np
import torch
from common import machine, report
from torch.utils.flop_counter import FlopCounterMode

from an import params
from an.data.loading import Prepared
from an.devices import keep_freed_memory, pick_device
from an.training.adversarial import AdversarialTraining

# name: scale whose widths are used, peer's module and widths, classes, batch on a CPU and on a GPU
SIZES = {
    "CIFAR, 32x32": ("bench", "cgan_pd_32", "32", {}, 10, 64, 64),
    "ImageNet, 128x128": ("paper", "cgan_pd_128", "128", {"ndf": 1024}, 1000, 4, 64),
}
UPDATES = 5  # of the discriminator in a step


def our_step(scale_name: str, classes: int, batch: int, device: torch.device):
    scale = params.load_scale(scale_name)
    recipe = scale.recipes["sngan"].model_copy(update={"batch": batch, "discriminator_steps": UPDATES})
    # The peer's last linear layer has a bias.
    discriminator = scale.discriminator.model_copy(update={"head_bias": True})
    scale = scale.model_copy(update={"recipes": {"sngan": recipe}, "discriminator": discriminator})
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(UPDATES * batch, scale.resolution, scale.resolution, 3), dtype=np.uint8)
    data = Prepared(images, rng.integers(classes, size=len(images)), classes, "random")
    job = AdversarialTraining(params.load_row("sngan"), scale, 0, data, device)
    steps = iter(range(10**9))
    return lambda: job.advance(next(steps)), job.generator, job.discriminator


def peer_step(folder: Path, module: str, size: str, widths: dict, classes: int, batch: int, device: torch.device):
    nets = importlib.import_module(f"torch_mimicry.nets.cgan_pd.{module}")
    metric_log = importlib.import_module("torch_mimicry.training.metric_log")
    generator = getattr(nets, f"CGANPDGenerator{size}")(classes).to(device)
    discriminator = getattr(nets, f"CGANPDDiscriminator{size}")(classes, **widths).to(device)
    # As its README trains.
    generator_optimizer = torch.optim.Adam(generator.parameters(), 2e-4, betas=(0.0, 0.9))
    discriminator_optimizer = torch.optim.Adam(discriminator.parameters(), 2e-4, betas=(0.0, 0.9))
    real = torch.rand(batch, 3, int(size), int(size), device=device).mul_(2).sub_(1)
    batches = real, torch.randint(classes, (batch,), device=device)

    def step():
        log = metric_log.MetricLog()
        for _ in range(UPDATES):
            discriminator.train_step(batches, generator, discriminator_optimizer, log, device=device)
        generator.train_step(batches, discriminator, generator_optimizer, log, device=device)

    return step, generator, discriminator


def find_peer(folder: Path) -> None:
    """Make the peer's modules importable without the two packages' initialisers that import its metrics and loggers."""
    for name in ("torch_mimicry", "torch_mimicry.training"):
        package = types.ModuleType(name)
        package.__path__ = [str(folder / name.replace(".", "/"))]
        sys.modules[name] = package


def seconds(step, device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--size", choices=["32", "128"])
    arguments = parser.parse_args()
    keep_freed_memory()
    device, where, lines = pick_device(), machine(), []
    find_peer(arguments.peer)
    for name, (scale, module, size, widths, classes, on_cpu, on_gpu) in SIZES.items():
        if arguments.size and size != arguments.size: continue
        batch = on_gpu if device.type == "cuda" else on_cpu
        sides = {
            "ours": our_step(scale, classes, batch, device),
            "mimicry": peer_step(arguments.peer, module, size, widths, classes, batch, device),
        }
        times = {side: [] for side in sides}
        for repeat in range(arguments.repeats+1):
            for side, (step, *_) in sides.items():
                t = seconds(step, device)
                if repeat: times[side].append(t)
        medians = {side: statistics.median(each) for side, each in times.items()}
        for side, (step, generator, discriminator) in sides.items():
            with FlopCounterMode(display=False) as counter:
                step()
            lines.append({"size": name, "side": side, "s": medians[side], "gflop": counter.get_total_flops()/1e9, "ratio": medians["mimicry"]/medians[side],
              "params G": sum(p.numel() for p in generator.parameters()), "D": sum(p.numel() for p in discriminator.parameters())})
    for l in lines: print(l)


if __name__ == "__main__":
    main()
