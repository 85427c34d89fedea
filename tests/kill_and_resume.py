"""Kill training at random moments, resume it each time, and compare with a run that nothing happened to.

python tests/kill_and_resume.py --row an --kills 20      # prints how many tensors differ; exit status 1 when any does
"""

import argparse
import contextlib
import multiprocessing
import os
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
import yaml

from an import params
from an.__main__ import main
from an.training import generation, inpainting, recall  # noqa: F401 - for what is forked below

PARAMS = params.loading.FOLDER
FORK = multiprocessing.get_context("fork")  # a real process each time, without the seconds of importing torch


def use_params(folder: Path, steps: int, checkpoint_every: int = 2, **recipe) -> None:
    """Make ``folder`` a copy of params/ whose nano scale is that long, for this process and those it forks."""
    (folder / "scales").mkdir(parents=True, exist_ok=True)
    for file in ("rows.yaml", "published.yaml"):
        (folder / file).write_text((PARAMS / file).read_text())
    nano = yaml.safe_load((PARAMS / "scales/nano.yaml").read_text())
    for each in nano["recipes"].values():
        each.update(steps=steps, **recipe)
    for part in (nano, nano["inpainting"], nano["recall"]):
        part["checkpoint_every"] = checkpoint_every
    nano["inpainting"].update(pretraining_steps=steps // 2, adversarial_steps=steps // 2)
    nano["recall"]["steps"] = steps
    (folder / "scales/nano.yaml").write_text(yaml.safe_dump(nano))
    params.loading.FOLDER = folder


def arguments(data: Path | None, out: Path, row: str = "an", *more: str) -> list[str]:
    """Of ``python -m an train``; the recall task takes no data."""
    paths = {"data": data} if data else {}
    paths |= {"checkpoints": out, "events": out / "events.jsonl", "training": out / "training.json"}
    named = {"row": row, "scale": "nano", "seed": 0, **paths, "scratch": out / "scratch", "gpus": 0}
    return ["train", *(str(a) for name, value in named.items() for a in (f"--{name}", value)), *more]


def start(command: list[str], log: Path, prepare=None) -> multiprocessing.Process:
    """Run ``python -m an`` with these arguments in a process of its own; ``prepare`` runs there first."""

    def work():
        log.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, 2)
        sys.stdout = sys.stderr = open(2, "w", buffering=1)  # noqa: SIM115 - pytest had put its own in their place
        torch.set_num_threads(1)
        if prepare:
            prepare()
        os._exit(main(command))

    process = FORK.Process(target=work)
    process.start()
    return process


def finish(command: list[str], log: Path, prepare=None) -> int:
    process = start(command, log, prepare)
    process.join(300)
    return process.exitcode


def steps_done(out: Path) -> int:
    events = out / "scratch/events.jsonl"
    return events.read_text().count('"kind": "step"') if events.exists() else 0


def kill_at_random(command: list[str], out: Path, log: Path, kills: int, chance: random.Random, within: float) -> int:
    """Start training and SIGKILL it at a random moment, ``kills`` times; return how many kills met it in a step."""
    met = 0
    for _ in range(kills):
        before = steps_done(out)
        job = start(command, log)
        early = chance.random() < 0.1  # the others let it come as far as a step first
        while not early and steps_done(out) == before and job.is_alive():
            time.sleep(0.005)
        job.join(chance.uniform(0, within))
        if job.is_alive():
            met += steps_done(out) > 0
            job.kill()
        job.join()
    return met


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """Every tensor of the finished run's checkpoints, by file and name."""
    files = sorted(folder.glob("*.pt"))
    return {f"{f.name} {k}": v for f in files for k, v in torch.load(f, weights_only=True).items()}


def differing(first: Path, second: Path) -> list[str]:
    """Names of tensors that are not equal bit for bit."""
    ours, theirs = weights(first), weights(second)
    assert ours and ours.keys() == theirs.keys()
    return [name for name in ours if not torch.equal(ours[name], theirs[name])]


def compare(row: str, kills: int, steps: int, seed: int, folder: Path) -> bool:
    """Train twice, killing the second; print and return whether both ended with the same bits."""
    from an.data.crop_preparation import prepare_crops
    from an.data.preparation import prepare

    params.loading.FOLDER = PARAMS
    data = folder / "data"
    task = params.load_row(row).task
    if task == "inpainting":
        prepare_crops("photographs", 32, data, test_crops=4)
    elif task == "generation":
        prepare("digits", 32, data)
    else:
        data = None
    use_params(folder / "params", steps)
    straight, resumed = folder / "straight", folder / "resumed"
    assert finish(arguments(data, straight, row), folder / "straight.log") == 0
    command, log = arguments(data, resumed, row), folder / "resumed.log"
    met = kill_at_random(command, resumed, log, kills, random.Random(seed), within=0.5)
    assert finish(command, log) == 0, log.read_text()[-2000:]
    wrong = differing(straight, resumed)
    print(f"{row}: {kills} kills, {met} after its first step; {len(wrong)} of {len(weights(straight))} tensors differ")
    return not wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--row", nargs="+", default=["an", "an-inpainting"])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument(
        "--steps", type=int, default=200, help="of the run; it must be long enough to be killed so often"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    options = parser.parse_args()
    same = []
    for name in options.row:
        with tempfile.TemporaryDirectory() as temporary, contextlib.chdir(temporary):
            same.append(compare(name, options.kills, options.steps, options.seed, Path(temporary)))
    sys.exit(not all(same))
