"""A study of three recall rows, each of which trains for long enough to have something happen to it."""

import time
from pathlib import Path

import yaml
from conftest import copy_project

from an.tracking.events import read_events

ROWS = ["recall-an", "recall-in", "recall-none"]
STEPS = 800
LONGER = 4000  # so that a training is still at work when a second snakemake has begun
WANTED = ["reports/long/table6.md", "--config", "scale=long"]


def long_study(project: Path, steps: int = STEPS) -> Path:
    copy_project(project)
    scale = yaml.safe_load((project / "params/scales/nano.yaml").read_text())
    scale["rows"] = ROWS
    scale["recall"].update(steps=steps, checkpoint_every=steps // 40)
    (project / "params/scales/long.yaml").write_text(yaml.safe_dump(scale))
    return project


def steps(project: Path, row: str) -> int:
    """How far a training is, by its events."""
    files = [project / folder / f"long/{row}/seed-0/events.jsonl" for folder in ("scratch", "results")]
    return max([file.read_text().count('"kind": "step"') for file in files if file.exists()], default=0)


def trained_once(project: Path, row: str, steps: int = STEPS) -> bool:
    """Whether a finished training did each of its steps, and none of them twice."""
    events = read_events(project / f"results/long/{row}/seed-0/events.jsonl")
    return [event["step"] for event in events if event["kind"] == "step"] == list(range(1, steps + 1))


def wait(true) -> None:
    while not true():
        time.sleep(0.2)
