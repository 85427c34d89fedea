"""How far the runs of a study are, from their files alone: no server, no scheduler is asked."""

import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import NamedTuple

import click

from . import params
from .layout import Run
from .reporting.commands import external_job

TAIL = 65_536  # bytes at the end of an event file, in which the last step stands
SILENCE = 600  # seconds without an event after which a trainer on another host counts as gone
TASKS = {"generation": "train_gan", "inpainting": "train_inpainting", "recall": "train_recall"}
ORDER = ["trains", "failed", "stopped", "in queue", "waits", "trained", "diverged", "done"]  # as they are listed


class Status(NamedTuple):
    """How far one run is. What is not known, or does not apply, is None."""

    run: Run
    state: str  # one of ORDER
    step: int | None = None
    steps: int | None = None
    rate: float | None = None  # steps a second
    loss: float | None = None  # the first of those that the task writes
    saved: int | None = None  # the step of the newest resume point
    where: str = ""  # host and process of the trainer, or Slurm's number of the job
    log: Path = Path()

    @property
    def seconds_left(self) -> float | None:
        if self.state != "trains" or not self.rate or self.step is None or self.steps is None:
            return None
        return (self.steps - self.step) / self.rate


def statuses(scale_name: str) -> list[Status]:
    """Of every run of a scale. Raises UserError for an unknown scale."""
    scale, found = params.load_scale(scale_name), []
    for name, row in params.load_rows(scale=scale).items():
        apart = scale.evaluation.intra_samples and 1 in row.tables  # intra-FID is measured after the rest
        for seed in scale.seeds_of(name, row):
            run = Run(scale_name, name, seed)
            log = Path("logs", params.base_of(scale_name), TASKS[row.task], f"{name}-{seed}.log")
            found.append(status(run, log, last=run.intra if apart else run.metrics))
    return sorted(found, key=lambda each: ORDER.index(each.state))


def status(run: Run, log: Path, last: Path) -> Status:
    """Of one run, whose training has this log, and which is done when it has its ``last`` result."""
    job = external_job(str(run.training))
    if run.training.exists() and not job:
        report = json.loads(run.training.read_text())
        state = "diverged" if report["status"] == "diverged" else "trained"
        if state == "trained" and last.exists():
            state = "done"
        header, event = _ends(run.events)
        return Status(run, state, report["step"], _steps(header), loss=_loss(event), log=log)
    events = run.scratch / "events.jsonl"
    if not events.exists():
        state = "in queue" if job else "failed" if _failed(log) else "waits"
        return Status(run, state, where=f"job {job}" if job else "", log=log)
    header, event = _ends(events)
    holder = run.scratch / "holder"
    where = re.sub(r"process (\d+) on (.*)", r"\2 \1", holder.read_text()) if holder.exists() else ""
    state = "trains" if _alive(where, events) else "failed" if _failed(log) else "stopped"
    saved = max((int(file.stem.removeprefix("state-")) for file in run.scratch.glob("state-*.pt")), default=None)
    return Status(
        *(run, state, event.get("step", 0), _steps(header), event.get("steps_per_second"), _loss(event), saved),
        where=f"{where}, job {job}" if job else where,
        log=log,
    )


def table(scale_name: str) -> str:
    """The runs of a scale, one a line, in 80 columns; then those that failed with their logs' last words."""
    found = statuses(scale_name)
    counts = [(state, sum(each.state == state for each in found)) for state in ORDER]
    lines = [f"{scale_name}: " + ", ".join(f"{count} {state}" for state, count in counts if count)]
    lines += [f"{'run':24} {'state':8} {'step':>15} {'1/s':>6} {'left':>6} {'loss':>7} {'saved':>7}"]
    for each in found:
        step = "" if each.step is None else f"{each.step}/{each.steps}"
        rate = "" if each.rate is None or each.state != "trains" else f"{each.rate:.3g}"
        left = "" if each.seconds_left is None else span(each.seconds_left)
        loss = "" if each.loss is None else f"{each.loss:.3g}"
        saved = "" if each.saved is None else str(each.saved)
        name = f"{each.run.row} {each.run.seed}"
        lines.append(f"{name:24} {each.state:8} {step:>15} {rate:>6} {left:>6} {loss:>7} {saved:>7}".rstrip())
        if each.state in ("trains", "in queue", "stopped", "failed"):
            lines.append(f"  {each.where}{'; ' if each.where else ''}{each.log}"[:80])
        if each.state == "failed":
            lines.append(f"  {_failed(each.log)}"[:80])
    return "\n".join(lines)


def watch(scale_name: str, seconds: float) -> None:
    """Show the table, as much as the terminal holds, until interrupted."""
    while True:
        click.clear()
        lines = table(scale_name).splitlines()
        click.echo("\n".join(lines[: shutil.get_terminal_size().lines - 2]))
        time.sleep(seconds)


def span(seconds: float) -> str:
    """A time in at most six characters."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.0f} h"


def _ends(events: Path) -> tuple[dict, dict]:
    """The first event of a file and the last of a step, {} for what is not there yet. Long files are not read."""
    with open(events, "rb") as file:
        header = file.readline()
        file.seek(max(file.tell(), events.stat().st_size - TAIL))
        tail = file.read().split(b"\n")
    steps = (line for line in reversed(tail[:-1]) if line.startswith(b'{"kind": "step"'))
    last = next(steps, None)
    return json.loads(header) if header.endswith(b"\n") else {}, json.loads(last) if last else {}


def _steps(header: dict) -> int | None:
    """Of the whole training, from its settings."""
    settings = header.get("settings", {})
    if "recipe" in settings:
        return settings["recipe"]["steps"]
    scale = settings.get("scale", {})
    return scale.get("steps") or scale.get("pretraining_steps", 0) + scale.get("adversarial_steps", 0) or None


def _loss(event: dict) -> float | None:
    names = [name for name in event if name not in ("kind", "time", "step")]
    return event[names[0]] if names else None


def _alive(where: str, events: Path) -> bool:
    host, _, process = where.rpartition(" ")
    if host == os.uname().nodename:
        return Path("/proc", process).exists() if Path("/proc").exists() else _young(events)
    return _young(events)


def _young(events: Path) -> bool:
    return time.time() - events.stat().st_mtime < SILENCE


def _failed(log: Path) -> str:
    """The error that a log ends with, '' for none."""
    lines = log.read_text(errors="replace").splitlines()[-20:] if log.exists() else []
    errors = [line for line in lines if re.match(r"(\w+\.)*\w*Error: ", line)]
    return errors[-1] if errors else ""
