"""Images per second of CPU time through Inception in the forms it can take: folded normalization, memory layout.

    OMP_NUM_THREADS=1 ONEDNN_MAX_CPU_ISA=AVX2 python benchmarks/inception.py [--repeats 7]

AVX2 is what the command line has oneDNN compute with; without that setting it takes its own choice. The forms take
turns, so that other load on the machine meets all of them. The weights are random, the arithmetic is the same.
"""

import argparse
import os
import statistics
import time

import torch
from common import machine, report

from an.evaluation.inception import folded, port

BATCH = 16


def network(fold: bool, layout: torch.memory_format) -> torch.nn.Module:
    torch.manual_seed(0)
    made = port("2048")
    for module in made.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.BatchNorm2d | torch.nn.Linear):
            module.reset_parameters()
    return (folded(made) if fold else made).to(memory_format=layout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    repeats, where = parser.parse_args().repeats, machine()
    layouts = {"channels first": torch.contiguous_format, "channels last": torch.channels_last}
    forms = {(fold, name): network(fold, layout) for fold in (False, True) for name, layout in layouts.items()}
    images = torch.randint(0, 256, (BATCH, 3, 64, 64), dtype=torch.uint8)
    seconds: dict[tuple[bool, str], list[float]] = {form: [] for form in forms}
    with torch.inference_mode():
        for turn in range(1 + repeats):
            for form, made in forms.items():
                start = time.process_time()
                made(images)
                if turn:  # the first warms up
                    seconds[form].append(time.process_time() - start)
    lines = [
        {"normalization": "folded" if fold else "by itself", "layout": layout, "images_per_cpu_s": BATCH / middle}
        for (fold, layout), taken in seconds.items()
        for middle in [statistics.median(taken)]
    ]
    isa = os.environ.get("ONEDNN_MAX_CPU_ISA", "its own choice")
    report("inception", lines, {"batch": BATCH, "repeats": repeats, "timing": "median", "onednn": isa}, where)


if __name__ == "__main__":
    main()
