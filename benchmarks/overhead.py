"""How much of a training run's time is not its steps: logging, progress and checks; checkpoints are counted apart.

    python benchmarks/overhead.py

At scale `smoke`, row `sngan`: the cheapest step, so the largest share. ``loop.run`` and a bare loop of ``advance`` take
turns; within the run, the time in ``advance`` and in writing resume points is taken, and what is left is overhead.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from common import machine, report

from an import params
from an.data.loading import open_split
from an.data.preparation import prepare
from an.devices import keep_freed_memory
from an.training import checkpoints, loop
from an.training.generation import AdversarialTraining

STEPS, REPEATS = 100, 7
ABOUT = loop.About(row="sngan", task="generation", scale="smoke", seed=0)


class Stopwatch:
    """A function that adds up the seconds it takes."""

    def __init__(self, function: Callable):
        self.function, self.seconds = function, 0.0

    def __call__(self, *arguments):
        start = time.perf_counter()
        result = self.function(*arguments)
        self.seconds += time.perf_counter() - start
        return result


def main() -> None:
    torch.set_num_threads(1)  # as the workflow runs it at this scale
    keep_freed_memory()
    where, scale = machine(), params.load_scale("smoke")
    checkpoints.save_state = saving = Stopwatch(checkpoints.save_state)
    times: dict[str, list[float]] = {"bare loop": [], "run": [], "checkpoints": [], "overhead": []}
    with tempfile.TemporaryDirectory() as folder:
        prepare("digits", scale.resolution, folder)
        row, data = params.load_row("sngan", "generation"), open_split(folder, "train")
        job = AdversarialTraining(row, scale, 0, data, device=torch.device("cpu"))
        job.steps, job.snapshots_at = STEPS, []
        job.advance = advance = Stopwatch(job.advance)  # type: ignore[method-assign]
        for number in range(REPEATS + 1):
            advance.seconds = saving.seconds = 0.0
            start = time.perf_counter()
            scratch = Path(folder, f"scratch-{number}")
            scratch.mkdir()
            loop.run(job, ABOUT, scratch)
            run = time.perf_counter() - start
            parts = {"run": run, "checkpoints": saving.seconds, "overhead": run - advance.seconds - saving.seconds}
            start = time.perf_counter()
            for step in range(STEPS):
                job.advance(step, False)
            parts["bare loop"] = time.perf_counter() - start
            if number:  # the first warms up
                for part, seconds in parts.items():
                    times[part].append(seconds)
    medians = {part: statistics.median(seconds) for part, seconds in times.items()}
    lines = [
        {"part": part, "seconds": seconds, "share_of_run": seconds / medians["run"]}
        for part, seconds in medians.items()
    ]
    report("overhead", lines, {"steps": STEPS, "repeats": REPEATS, "row": "sngan", "scale": "smoke"}, where)


if __name__ == "__main__":
    main()
