"""A training step at smoke's networks, and the layer on large maps, now and at another commit of this repository.

    python benchmarks/step_speed.py --commit d08e29d

Each commit is cloned and works in a process of its own, both with the same torch, instruction set and one thread. They
take their steps in turn, ``--steps`` of them in each of ``--repeats`` rounds, and the medians over rounds are compared.
Sizes and batches of steps are those of smoke now, and of smoke at d08e29d; rows, and the layer's defaults, are what
each commit has under their names. At smoke's size now, two more stand beside them: the networks compiled, which takes a
minute or more and a C++ compiler, and the processor's own widest instructions.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from common import clone, machine, report

from an import processor

ROWS = ("sngan-star", "an")
SIZES = {
    "16x16, batch 32": {"resolution": 16, "generator": [64, 32, 16], "discriminator": [16, 32, 64], "batch": 32},
    "32x32, batch 16": {"resolution": 32, "generator": [64, 32, 16, 8], "discriminator": [8, 16, 32, 64], "batch": 16},
}
NOW = "16x16, batch 32"
COUNTED = (
    "A step is AdversarialTraining.advance: one update of the discriminator and one of the generator, reading its "
    "batch and the generator's forward for it included; logging, checkpoints and starting are not. The layer's "
    "training is forward and backward. speed is the other commit's time by this one's."
)
MAPS = (("training", 128), ("training", 256), ("eval", 128), ("eval", 256))  # the layer's mode, H = W
# A side's process: its work, and a loop that reads how often to do it and answers with the seconds that took.
STEP = """
import json, sys
import numpy, torch
from an import params
from an.data.loading import Prepared
try:
    from an.training.generation import AdversarialTraining
except ImportError:  # where it stood at d08e29d
    from an.training.adversarial import AdversarialTraining
row, size = sys.argv[1], json.loads(sys.argv[2])
scale, side, batch = params.load_scale("smoke"), size["resolution"], size["batch"]
generator = scale.generator.model_copy(update={"channels": size["generator"]})
discriminator = {"channels": size["discriminator"], "downsamples": len(size["discriminator"]) - 1}
recipe = scale.recipes["ttur"].model_copy(update={"batch": batch, "steps": 10**6, "decay_from": None})
scale = scale.model_copy(update={
    "resolution": side, "attention_resolution": side // 2, "generator": generator, "recipes": {"ttur": recipe},
    "discriminator": scale.discriminator.model_copy(update=discriminator), "compile": size.get("compile", False),
})
rng = numpy.random.default_rng(0)
images = rng.integers(256, size=(1500, side, side, 3), dtype=numpy.uint8)
data = Prepared(images, rng.integers(10, size=len(images)), 10, "random")
job = AdversarialTraining(params.load_row(row, "generation"), scale, 0, data, device=torch.device("cpu"))
def work(number):
    job.advance(number, False)
"""
LAYER = """
import sys
import torch
from an.layers import AttentiveNorm2d
mode, side = sys.argv[1], int(sys.argv[2])
torch.manual_seed(0)
layer = AttentiveNorm2d(32).train(mode == "training")
torch.nn.init.ones_(layer.rho)
x = torch.randn(1, 32, side, side, requires_grad=mode == "training")
def work(number):
    with torch.set_grad_enabled(mode == "training"):
        y = layer(x)
    if mode == "training":
        y.backward(x.detach())
"""
LOOP = """
import time
import torch
torch.set_flush_denormal(True)  # as HEAD's command line does
try:
    from an.devices import keep_freed_memory
    keep_freed_memory()  # as its command line does
except ImportError:
    pass
done = 0
for line in sys.stdin:
    started = time.perf_counter()
    for done in range(done, done + int(line)):
        work(done)
    print(time.perf_counter() - started, flush=True)
"""


class Compared(NamedTuple):
    """What one process works on."""

    folder: Path  # with the commit's clone
    program: str
    arguments: tuple[str, ...]
    instructions: dict[str, str] = processor.AVX2


class Side:
    """A process that is compared."""

    def __init__(self, given: Compared):
        environment = {**given.instructions, **os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(given.folder)}
        command = [sys.executable, "-c", given.program + LOOP, *given.arguments]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=given.folder, env=environment, text=True, stdin=pipe, stdout=pipe)

    def seconds(self, steps: int) -> float:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def end(self) -> None:
        self.process.communicate()


def compared(what: str, given: dict[str, Compared], *, steps: int, repeats: int) -> list[dict]:
    """A line for each; the last is the one that the others are compared with."""
    sides = {name: Side(one) for name, one in given.items()}
    for side in sides.values():
        side.seconds(5)  # warms up
    rounds = [{name: side.seconds(steps) / steps for name, side in sides.items()} for _ in range(repeats)]
    for side in sides.values():
        side.end()
    medians = {name: statistics.median(times[name] for times in rounds) for name in sides}
    reference = list(medians.values())[-1]
    return [
        {"what": what, "commit": name, "milliseconds": round(1e3 * median, 2), "speed": round(reference / median, 3)}
        for name, median in medians.items()
    ]


def steps_compared(folders: dict[str, Path], row: str, name: str) -> dict[str, Compared]:
    """A row's step at each commit, and at the size that smoke has now in the other ways that HEAD's could be made."""
    size = SIZES[name]
    given = {commit: Compared(folder, STEP, (row, json.dumps(size))) for commit, folder in folders.items()}
    if name != NOW:
        return given
    head = given["HEAD"]
    compiled = head._replace(arguments=(row, json.dumps({**size, "compile": True})))
    return {"HEAD, compiled": compiled, "HEAD, widest instructions": head._replace(instructions={}), **given}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commit", default="d08e29d", help="to compare HEAD with")
    parser.add_argument("--steps", type=int, default=20, help="in a round")
    parser.add_argument("--repeats", type=int, default=9, help="rounds")
    arguments = parser.parse_args()
    where, lines = machine(), []
    with tempfile.TemporaryDirectory() as folder:
        folders = {commit: Path(folder, commit) for commit in ("HEAD", arguments.commit)}
        for commit, own in folders.items():
            clone(commit, own)
        counts = {"steps": arguments.steps, "repeats": arguments.repeats}
        for name in SIZES:
            for row in ROWS:
                lines += compared(f"step of {row}, {name}", steps_compared(folders, row, name), **counts)
        for mode, side in MAPS:
            given = {commit: Compared(own, LAYER, (mode, str(side))) for commit, own in folders.items()}
            lines += compared(f"layer, {mode}, 32x{side}x{side}", given, **counts)
    about = {"counted": COUNTED, "steps": arguments.steps, "repeats": arguments.repeats}
    report("step_speed", lines, about, where)


if __name__ == "__main__":
    main()
