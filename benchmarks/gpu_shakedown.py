"""All that only a GPU can show, on one of them, in under 20 minutes: run it before the full study.

    python benchmarks/gpu_shakedown.py            # writes results/gpu_shakedown.json
    python benchmarks/gpu_shakedown.py --small --folder FOLDER    # a rehearsal: tiny networks, 5 steps, any device

Images are random, in place of ImageNet's: rates and memory are the study's, scores mean nothing. A part that fails says
why and the others go on; the exit status is then 1. It needs what a training needs (docs/full-study.md) and pytest.
"""

import argparse
import math
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import attention_cost
import numpy as np
import torch
from common import RESULTS, ROOT, machine, pick_device, report

from an import params
from an.data.loading import Prepared
from an.devices import keep_freed_memory, peak_memory
from an.layers import attentive_norm_analytic as analytic
from an.layers.attentive_norm_products import Parameters
from an.tracking.events import read_events
from an.training import checkpoints, loop
from an.training.generation import AdversarialTraining

ROWS, CLASSES = ("an", "sagan"), 1000
ABOUT = loop.About(row="an", task="generation", scale="paper", seed=0)
WARM_UP = 10  # steps, in which torch.compile compiles
ROUNDS = 20
TESTS = "tests/test_attentive_norm_triton.py"
PATIENCE = 300  # that a killed training may take to come so far


def job_of(row: str, small: bool, **changes) -> AdversarialTraining:
    """A row's training of `paper` (of `nano`, small) on random images."""
    scale = params.load_scale("nano" if small else "paper").model_copy(update=changes)
    rng, count = np.random.default_rng(0), 4 * scale.recipes["ttur"].batch
    images = rng.integers(256, size=(count, scale.resolution, scale.resolution, 3), dtype=np.uint8)
    data = Prepared(images, rng.integers(CLASSES, size=count), CLASSES, "random")
    return AdversarialTraining(params.load_row(row, "generation"), scale, 0, data, device=pick_device())


def train(row: str, small: bool) -> dict:
    """Steps with self-sampling, then some without, as the second half of a training has them."""
    job, steps, warm_up = job_of(row, small), 5 if small else 500, 2 if small else WARM_UP
    device, began, finite = job.device, time.perf_counter(), True
    for step in range(steps):
        if step == warm_up:
            compiled = _seconds(began, device)
            began = time.perf_counter()
        losses, _ = job.advance(step, False)
        if step % 50 == 0 or step == steps - 1:
            finite &= all(math.isfinite(float(loss)) for loss in losses.values())
    rate = (steps - warm_up) / _seconds(began, device)
    late = range(int(job.steps) - warm_up, int(job.steps))
    for step in late:
        losses, _ = job.advance(step, False)
        finite &= all(math.isfinite(float(loss)) for loss in losses.values())
    memory = peak_memory(device)
    return {
        "ok": finite,
        "steps": steps,
        "steps_per_second": rate,
        "real_images_per_second": rate * job.recipe.batch * job.recipe.discriminator_steps,
        "seconds_to_compile": compiled,
        "peak_gb": max(memory.values()) / 1e9 if device.type == "cpu" else memory["gpu_memory"] / 1e9,
        **{name: value for name, value in job.inspect().items() if name.endswith(("information", "gamma"))},
    }


def _seconds(began: float, device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def kernels(channels: int, dtype: torch.dtype, small: bool) -> dict:
    """The layer's Triton path against its default path, of the forward pass.

    Of the tolerance: a sum of C products in float32 errs by C * 2^-24 at most, four of them stand one behind another
    (logits, values, moments, gains), and softmax makes an absolute error of the logits a relative one. A result in
    bfloat16 is rounded once by either path, by 2^-9 each.
    """
    if not torch.cuda.is_available():
        return {"ok": True, "left_out": "needs CUDA"}
    count, regions, side = (2, 16, 32) if small else (64, 16, 64)
    draw = partial(torch.randn, device="cuda", generator=torch.Generator("cuda").manual_seed(0))
    x = (draw(count, channels, side * side) + 3).to(dtype)
    logits = draw(count, regions, channels) / channels**0.5, draw(count, regions, 1)
    value = draw(channels, channels) / channels**0.5
    given = Parameters(*logits, value, None, draw(regions, channels), draw(regions, channels), draw(1), 1e-5)
    used = analytic._has_kernels(x, given)
    ours, default = (forward(x, given)[0].float() for forward in (analytic._fused_forward, analytic._forward))
    largest = (logits[0] @ x.float() + logits[1]).abs().max().item()
    tolerance = 4 * channels * 2**-24 * max(largest, 1) + (2**-8 if dtype == torch.bfloat16 else 0)
    error = ((ours - default).norm() / default.norm()).item()
    times = [_median(partial(forward, x, given)) for forward in (analytic._forward, analytic._fused_forward)]
    return {
        "ok": used and error < tolerance,
        "error": error,
        "tolerance": tolerance,
        "speed_ratio": times[0] / times[1],
    }


def _median(work: Callable[[], object]) -> float:
    work()
    return float(np.median([attention_cost.seconds(work) for _ in range(ROUNDS)]))


def cost(small: bool) -> list[dict]:
    """The measurement of attention_cost.py."""
    attention_cost.check()
    if small:
        attention_cost.SIZES, attention_cost.ROUNDS = (16,), 1
    dtypes = (torch.float32,) if small else (torch.float32, torch.bfloat16)
    return [
        {"ok": True, **line}
        for dtype in dtypes
        for training in (False, True)
        for line in attention_cost.compare(dtype, training, 20)
    ]


def tests() -> dict:
    """Those of the layer that are for CUDA alone."""
    command = [sys.executable, "-m", "pytest", "-q", "-o", "addopts=", "-k", "on_cuda", TESTS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    last = (done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or [""])[-1]
    return {"ok": done.returncode == 0, "said": last}


def kill_and_resume(small: bool) -> dict:
    """A training that is killed after a resume point and started again goes on from there and ends."""
    steps = 8 if small else 60
    with TemporaryDirectory() as folder:
        scratch = Path(folder)
        context = multiprocessing.get_context("spawn")
        first = context.Process(target=train_in, args=(scratch, small, 10**6))
        first.start()
        deadline = time.monotonic() + PATIENCE
        while len(checkpoints.states(scratch)) < 2 and first.is_alive() and time.monotonic() < deadline:
            time.sleep(0.05)
        killed = first.is_alive()
        first.kill()
        first.join()
        saved = max(int(state.stem.removeprefix("state-")) for state in checkpoints.states(scratch))
        second = context.Process(target=train_in, args=(scratch, small, saved + steps))
        second.start()
        second.join(PATIENCE)
        kinds = [event["kind"] for event in read_events(scratch / "events.jsonl")]
        finished = second.exitcode == 0 and "resumed" in kinds
        return {"ok": killed and finished, "killed_after": saved, "went_on_for": steps}


def train_in(scratch: Path, small: bool, steps: int) -> None:
    """Train until a step; the learning rate stays that of the whole training."""
    torch.set_num_threads(1)
    job = job_of("an", small, compile=False)
    job.steps, job.snapshots_at = steps, []
    job.checkpoint_every, job.log_every = (1, 1) if small else (10, 10)
    loop.run(job, ABOUT, scratch)


def attempted(part: str, work: Callable[[], dict | list[dict]]) -> list[dict]:
    """The part's lines; what went wrong, of one that failed."""
    print(f"{part} ...", flush=True)
    try:
        lines = work()
    except Exception as error:
        lines = {"ok": False, "error": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"}
    return [{"part": part, **line} for line in (lines if isinstance(lines, list) else [lines])]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--small", action="store_true", help="a rehearsal of this script, on any device")
    parser.add_argument("--folder", type=Path, default=RESULTS, help="that receives gpu_shakedown.json")
    arguments = parser.parse_args()
    small, where, began = arguments.small, machine(), time.perf_counter()
    if not (small or torch.cuda.is_available()):
        parser.error("this machine has no GPU that torch can use: --small rehearses the script")
    keep_freed_memory()
    parts: dict[str, Callable[[], dict | list[dict]]] = {f"training, {row}": partial(train, row, small) for row in ROWS}
    for channels in (64, 128):
        for dtype in (torch.float32, torch.bfloat16):
            parts[f"kernels, {channels} channels, {dtype}"] = partial(kernels, channels, dtype, small)
    parts["kill and resume"] = partial(kill_and_resume, small)
    if not small:
        parts["tests"] = tests
    parts["attention cost"] = partial(cost, small)
    lines = [line for part, work in parts.items() for line in attempted(part, work)]
    about = {"images": "random, in place of ImageNet's", "small": small, "seconds": time.perf_counter() - began}
    report("gpu_shakedown", lines, about, where, folder=arguments.folder)
    return int(not all(line["ok"] for line in lines))


if __name__ == "__main__":
    sys.exit(main())
