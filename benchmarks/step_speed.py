"""Images per second of a training step at smoke's networks, now and at another commit of this repository.

    python benchmarks/step_speed.py --commit d08e29d

Each commit is cloned and works in a process of its own, both with the same torch, instruction set and one thread. They
take their steps in turn, ``--steps`` of them in each of ``--repeats`` rounds, and the medians over rounds are compared.
Sizes and batches are those of smoke now, and of smoke at d08e29d; rows are what each commit has under their names.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from common import ROOT, machine, report

from an import processor

ROWS = ("sngan-star", "an")
SIZES = {
    "16x16, batch 32": {"resolution": 16, "generator": [64, 32, 16], "discriminator": [16, 32, 64], "batch": 32},
    "32x32, batch 16": {"resolution": 32, "generator": [64, 32, 16, 8], "discriminator": [8, 16, 32, 64], "batch": 16},
}
COUNTED = (
    "AdversarialTraining.advance: one update of the discriminator and one of the generator, reading its batch and the "
    "generator's forward for it included; logging, checkpoints and starting are not. Images are the batch's reals."
)
# A side's process: it reads a number of steps a line and answers with the seconds they took.
WORKER = """
import sys, time
import numpy, torch
from an import params
from an.data.loading import Prepared
try:
    from an.training.generation import AdversarialTraining
except ImportError:  # where it stood at d08e29d
    from an.training.adversarial import AdversarialTraining
try:
    from an.devices import keep_freed_memory
    keep_freed_memory()  # as its `train` does
except ImportError:
    pass
row, size = sys.argv[1], eval(sys.argv[2])
scale, side, batch = params.load_scale("smoke"), size["resolution"], size["batch"]
generator = scale.generator.model_copy(update={"channels": size["generator"]})
discriminator = {"channels": size["discriminator"], "downsamples": len(size["discriminator"]) - 1}
recipe = scale.recipes["ttur"].model_copy(update={"batch": batch, "steps": 10**6, "decay_from": None})
scale = scale.model_copy(update={
    "resolution": side, "attention_resolution": side // 2, "generator": generator, "recipes": {"ttur": recipe},
    "discriminator": scale.discriminator.model_copy(update=discriminator),
})
rng = numpy.random.default_rng(0)
images = rng.integers(256, size=(1500, side, side, 3), dtype=numpy.uint8)
data = Prepared(images, rng.integers(10, size=len(images)), 10, "random")
job = AdversarialTraining(params.load_row(row, "generation"), scale, 0, data, device=torch.device("cpu"))
done = 0
for line in sys.stdin:
    started = time.perf_counter()
    for done in range(done, done + int(line)):
        job.advance(done, False)
    print(time.perf_counter() - started, flush=True)
"""


def started(folder: Path, row: str, size: dict) -> subprocess.Popen:
    """A side's process, in its checkout."""
    environment = {**processor.AVX2, **os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", WORKER, row, repr(size)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, env=environment, text=True, **pipes)


def seconds(side: subprocess.Popen, steps: int) -> float:
    side.stdin.write(f"{steps}\n")
    side.stdin.flush()
    return float(side.stdout.readline())


def compared(folders: dict[str, Path], row: str, name: str, *, steps: int, repeats: int) -> list[dict]:
    """A line for each commit."""
    with ExitStack() as stack:
        sides = {commit: stack.enter_context(started(folder, row, SIZES[name])) for commit, folder in folders.items()}
        for side in sides.values():
            seconds(side, 5)  # warms up
        rounds = [{commit: seconds(side, steps) / steps for commit, side in sides.items()} for _ in range(repeats)]
        for side in sides.values():
            side.stdin.close()
    medians = {commit: statistics.median(times[commit] for times in rounds) for commit in sides}
    return [
        {
            "size": name,
            "row": row,
            "commit": commit,
            "milliseconds": round(1e3 * median, 2),
            "images_per_second": round(SIZES[name]["batch"] / median, 1),
            "ratio": round(medians[list(folders)[-1]] / median, 3),
        }
        for commit, median in medians.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commit", default="d08e29d", help="to compare HEAD with")
    parser.add_argument("--steps", type=int, default=20, help="in a round")
    parser.add_argument("--repeats", type=int, default=9, help="rounds")
    arguments = parser.parse_args()
    where, lines = machine(), []
    with tempfile.TemporaryDirectory() as folder:
        folders = {commit: Path(folder, commit) for commit in ("HEAD", arguments.commit)}
        for commit, clone in folders.items():
            subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
            subprocess.run(["git", "-C", clone, "checkout", "--quiet", commit], check=True)
        for name in SIZES:
            for row in ROWS:
                lines += compared(folders, row, name, steps=arguments.steps, repeats=arguments.repeats)
    about = {"counted": COUNTED, "steps": arguments.steps, "repeats": arguments.repeats}
    report("step_speed", lines, about, where)


if __name__ == "__main__":
    main()
