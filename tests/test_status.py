"""How far a study's runs are, by its files alone."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT
from conftest import an as run_verb

from an import params
from an.layout import Run
from an.reporting.commands import unfinished
from an.status import statuses, table
from an.tracking.events import Events


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(run: Run, step: int, holder: str | None = None, **end) -> None:
    """The files of a training that has come so far, as an.training.loop writes them."""
    events = Events(run.scratch / "events.jsonl")
    settings = {"recipe": {"steps": 1000}}
    events.append("run", row=run.row, settings=settings)
    for each in range(step - 2, step + 1):
        events.append("step", step=each, generator=0.25, steps_per_second=4.0)
    if end:
        events.append("status", step=step, **end)
    events.close()
    (run.scratch / f"state-{step - 1:08d}.pt").touch()
    if holder:
        (run.scratch / "holder").write_text(holder)


def of(run: Run):
    return next(each for each in statuses(run.scale) if each.run == run)


def test_a_training_under_way(study):
    run = Run("nano", "an", 0)
    assert of(run).state == "waits"
    train(run, 500, f"process {os.getpid()} on {os.uname().nodename}")
    found = of(run)
    assert (found.state, found.step, found.steps, found.rate, found.loss) == ("trains", 500, 1000, 4.0, 0.25)
    assert (found.saved, found.seconds_left) == (499, 125.0)
    shown = table("nano")
    assert ["an", "0", "trains", "500/1000", "4", "2", "min", "0.25", "499"] in map(str.split, shown.splitlines())
    assert f"  {os.uname().nodename} {os.getpid()}; logs/nano/train_gan/an-0.log" in shown


def test_a_training_whose_process_is_gone_has_stopped_or_failed(study):
    run = Run("nano", "an", 0)
    train(run, 500, f"process 4194305 on {os.uname().nodename}")  # above the highest number of a process
    assert of(run).state == "stopped" and of(run).seconds_left is None
    log = Path("logs/nano/train_gan/an-0.log")
    log.parent.mkdir(parents=True)
    log.write_text("an seed 0: 500/1000\nError: the disk is full.\n")
    assert of(run).state == "failed" and "  Error: the disk is full." in table("nano")


def test_a_training_on_another_host_runs_while_it_writes(study):
    run = Run("nano", "an", 0)
    train(run, 500, "process 7 on node12")
    assert of(run).state == "trains" and of(run).where == "node12 7"
    hour_ago = time.time() - 3600
    os.utime(run.scratch / "events.jsonl", (hour_ago, hour_ago))
    assert of(run).state == "stopped"


def test_a_job_in_the_queue_has_its_number(study):
    run = Run("nano", "recall-an", 0)
    mark = unfinished(str(run.training))
    mark.parent.mkdir(parents=True)
    mark.write_text(json.dumps({"external_jobid": "4711"}))
    assert of(run).state == "in queue" and of(run).where == "job 4711"


def test_a_run_is_done_when_its_intra_fid_is_measured_too(study):
    """`paper` measures it apart, hours after the rest, of the rows of table 1."""
    for row, results in {"an": ["metrics.json", "intra.json"], "an-n8": ["metrics.json"]}.items():
        run = Run("paper", row, 0)
        run.results.mkdir(parents=True)
        run.training.write_text(json.dumps({"status": "finished", "step": 10}))
        run.events.touch()
        for name in results:
            assert of(run).state == "trained"
            (run.results / name).touch()
        assert of(run).state == "done"


def test_a_finished_study(reproduced, monkeypatch):
    monkeypatch.chdir(reproduced)
    assert {each.state for each in statuses("nano")} == {"done"}
    for each in statuses("nano"):
        assert each.step == each.steps and each.loss is not None
    rows = params.load_rows(scale=params.load_scale("nano"))
    assert table("nano").startswith(f"nano: {len(rows)} done\n")


@pytest.mark.slow
def test_two_hundred_runs_are_shown_within_a_second_in_eighty_columns(study, monkeypatch):
    nano, seeds = params.load_scale("nano"), {"seeds": list(range(10))}
    scale = nano.model_copy(update=seeds | {"recall": nano.recall.model_copy(update=seeds)})
    monkeypatch.setattr(params, "load_scale", lambda name: scale)
    runs = [each.run for each in statuses("nano")]
    assert len(runs) >= 200
    events = Events(study / "events.jsonl")
    events.append("run", settings={"recipe": {"steps": 1_000_000}})
    for step in range(2000):
        events.append("step", step=100 * step, generator=0.25, discriminator=1.5, steps_per_second=4.0)
    events.close()
    for run in runs:
        run.scratch.mkdir(parents=True, exist_ok=True)
        shutil.copy(study / "events.jsonl", run.scratch)
        (run.scratch / "holder").write_text("process 7 on node12")
    began = time.perf_counter()
    shown = table("nano")
    assert time.perf_counter() - began < 1
    assert shown.count("199900/1000000") == len(runs) and max(map(len, shown.splitlines())) <= 80


def test_watching_without_a_terminal_shows_as_much_as_a_usual_one_holds(study):
    command = [sys.executable, "-m", "an", "status", "--scale", "nano", "--watch", "60"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=study, env=environment) as watched:
        shown = [watched.stdout.readline() for _ in range(22)]  # of a terminal of 24 lines
        watched.terminate()
    assert shown[0].startswith("nano: ") and all(shown)


def test_the_verb_refuses_an_unknown_scale(tmp_path):
    done = run_verb(Path.cwd(), "status", "--scale", "nanno")
    assert done.returncode == 1 and "unknown scale 'nanno' (did you mean 'nano'?)" in done.stderr
