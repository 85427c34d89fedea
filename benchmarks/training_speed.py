"""Steps per second of SN-GAN's training at CIFAR's and at ImageNet's size, against mimicry's cGAN-PD.

    python benchmarks/training_speed.py --peer FOLDER    # a checkout of github.com/kwotsin/mimicry

A step is five discriminator updates and one generator update. Both sides have networks of the same widths, the same
batch, device, threads and precision, and take their steps in turn in one process; the medians are compared. On a GPU,
a third line adds torch.compile to ours, and the share is that of the rate of a large matrix product in the same run.
"""

import argparse
import importlib
import statistics
import sys
import time
import types
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from common import machine, pick_device, report
from torch.utils.flop_counter import FlopCounterMode

from an import params
from an.data.loading import Prepared
from an.devices import keep_freed_memory
from an.training.generation import AdversarialTraining

COUNTED = {
    "ours": "AdversarialTraining.advance of row sngan: shuffling, gathering and normalizing uint8 images included; "
    "logging and checkpoints are not (overhead.py has them)",
    "mimicry": "what its Trainer.train does in a step: train_step of both networks with their .item() calls, into a "
    "MetricLog, Adam as in its README; its data loader, printing, TensorBoard and checkpoints are left out, its "
    "batches lie ready on the device",
}
UPDATES = 5  # of the discriminator in a step


class Size(NamedTuple):
    name: str
    scale: str  # whose widths are the peer's
    peer: str
    discriminator: dict  # widths of the peer's, where its defaults are not those of the publication
    classes: int
    batch: dict  # by device type


SIZES = (
    Size("CIFAR 32x32", "bench", "32", {}, 10, {"cpu": 64, "cuda": 64}),
    Size("ImageNet 128x128", "paper", "128", {"ndf": 1024}, 1000, {"cpu": 4, "cuda": 64}),
)


def ours(size: Size, device: torch.device) -> tuple[Callable, list[torch.nn.Module]]:
    scale, batch = params.load_scale(size.scale), size.batch[device.type]
    recipe = scale.recipes["sngan"].model_copy(update={"batch": batch, "discriminator_steps": UPDATES})
    discriminator = scale.discriminator.model_copy(update={"head_bias": True})  # as the peer's
    scale = scale.model_copy(update={"recipes": {"sngan": recipe}, "discriminator": discriminator})
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(UPDATES * batch, scale.resolution, scale.resolution, 3), dtype=np.uint8)
    data = Prepared(images, rng.integers(size.classes, size=len(images)), size.classes, "random")
    job = AdversarialTraining(params.load_row("sngan", "generation"), scale, 0, data, device=device)
    numbers = iter(range(recipe.steps))
    return lambda: job.advance(next(numbers), False), [job.generator, job.discriminator]


def mimicry(folder: Path, size: Size, device: torch.device) -> tuple[Callable, list[torch.nn.Module]]:
    for name in ("torch_mimicry", "torch_mimicry.training"):  # without what these two import besides: TensorFlow etc.
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = [str(folder / name.replace(".", "/"))]
    nets = importlib.import_module(f"torch_mimicry.nets.cgan_pd.cgan_pd_{size.peer}")
    metric_log = importlib.import_module("torch_mimicry.training.metric_log")
    generator = getattr(nets, f"CGANPDGenerator{size.peer}")(size.classes).to(device)
    discriminator = getattr(nets, f"CGANPDDiscriminator{size.peer}")(size.classes, **size.discriminator).to(device)
    adam = partial(torch.optim.Adam, lr=2e-4, betas=(0.0, 0.9))
    generator_optimizer, discriminator_optimizer = adam(generator.parameters()), adam(discriminator.parameters())
    batch, side = size.batch[device.type], int(size.peer)
    real = torch.rand(batch, 3, side, side, device=device) * 2 - 1, torch.randint(size.classes, (batch,), device=device)

    def step() -> None:
        log = metric_log.MetricLog()
        for _ in range(UPDATES):
            discriminator.train_step(real, generator, discriminator_optimizer, log, device=device)
        generator.train_step(real, discriminator, generator_optimizer, log, device=device)

    return step, [generator, discriminator]


def seconds(step: Callable, precision: torch.dtype, device: torch.device) -> float:
    _wait(device)
    start = time.perf_counter()
    with torch.autocast(device.type, precision, enabled=precision != torch.float32):
        step()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def matrix_rate(precision: torch.dtype, device: torch.device, side: int = 8192) -> float:
    """Floating point operations per second of a large matrix product; float32 means TF32 here, as in convolutions."""
    torch.backends.cuda.matmul.allow_tf32 = True
    matrix = torch.randn(side, side, device=device, dtype=precision)
    times = [seconds(lambda: matrix @ matrix, torch.float32, device) for _ in range(10)]
    torch.backends.cuda.matmul.allow_tf32 = False
    return 2 * side**3 / statistics.median(times)


def compare(size: Size, peer: Path, precision: torch.dtype, *, device: torch.device, repeats: int) -> list[dict]:
    sides = {"mimicry": mimicry(peer, size, device), "ours": ours(size, device)}
    if device.type == "cuda":
        sides["ours, compiled"] = step, networks = ours(size, device)
        for network in networks:
            network.compile()
    times: dict[str, list[float]] = {side: [] for side in sides}
    for number in range(-3, repeats) if device.type == "cuda" else range(-1, repeats):
        for side, (step, _) in sides.items():
            elapsed = seconds(step, precision, device)
            if number >= 0:  # else warming up
                times[side].append(elapsed)
    # On a CPU, convolutions are faster than a matrix product, which is then no measure of what they could reach.
    rate, lines = matrix_rate(precision, device) if device.type == "cuda" else None, []
    for side, (_, networks) in sides.items():
        median, flops = statistics.median(times[side]), _flops(sides[side.split(",")[0]][0])
        lines.append(
            {
                "size": size.name,
                "side": side,
                "precision": str(precision).removeprefix("torch."),
                "steps_per_second": 1 / median,
                "ratio": statistics.median(times["mimicry"]) / median,
                # Reals and fakes of each discriminator update, and the generator update's.
                "images_per_second": (2 * UPDATES + 1) * size.batch[device.type] / median,
                "gflop_per_step": flops / 1e9,
                "share_of_matrix_rate": rate and flops / median / rate,
                "generator_parameters": sum(p.numel() for p in networks[0].parameters()),
                "discriminator_parameters": sum(p.numel() for p in networks[1].parameters()),
            }
        )
    return lines


def _flops(step: Callable) -> int:
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", type=Path, required=True, help="a checkout of github.com/kwotsin/mimicry")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    keep_freed_memory()  # for both sides
    device, where = pick_device(), machine()
    precisions = [torch.float32, torch.bfloat16] if device.type == "cuda" else [torch.float32]
    cases = [(size, precision) for size in SIZES for precision in precisions]
    lines = [
        line
        for size, precision in cases
        for line in compare(size, arguments.peer, precision, device=device, repeats=arguments.repeats)
    ]
    batches = {size.name: size.batch[device.type] for size in SIZES}
    report("training_speed", lines, {"counted": COUNTED, "batch": batches, "repeats": arguments.repeats}, where)


if __name__ == "__main__":
    main()
