"""A snakemake that was killed on this machine: the same command goes on, and trains nothing twice."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import installed
from long_study import LONGER, long_study, steps, trained_once, wait

pytestmark = pytest.mark.long
ROW = "recall-an"
REPORT = f"results/long/{ROW}/seed-0/training.json"


@pytest.fixture
def study(tmp_path) -> Path:
    return long_study(tmp_path / "project")


def start(study: Path, *more: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "snakemake", f"results/long/{ROW}/seed-0/metrics.json", *more]
    command += ["--cores", "1", "--config", "scale=long"]
    with open(study.with_suffix(".log"), "ab") as log:
        return subprocess.Popen(command, cwd=study, env=installed(), stdout=log, stderr=log)


def kill_while_it_trains(study: Path) -> None:
    run = start(study)
    wait(lambda: steps(study, ROW) > 0 or run.poll() is not None)
    run.kill()
    run.wait()


def finish(run: subprocess.Popen, study: Path) -> str:
    assert run.wait() == 0, study.with_suffix(".log").read_text()[-3000:]
    return study.with_suffix(".log").read_text()


def test_a_trainer_that_outlives_its_snakemake_is_waited_for(tmp_path):
    study = long_study(tmp_path / "project", steps=LONGER)
    kill_while_it_trains(study)
    finish(start(study), study)
    assert trained_once(study, ROW, steps=LONGER)
    assert f"{ROW} seed 0 has been trained meanwhile." in (study / f"logs/long/train_recall/{ROW}-0.log").read_text()
    assert "Nothing to be done" in finish(start(study), study)


def test_what_a_trainer_finished_after_its_snakemake_died_is_kept(study):
    kill_while_it_trains(study)
    wait((study / REPORT).exists)
    wait(lambda: not (study / f"scratch/long/{ROW}/seed-0/events.jsonl").exists())
    made = (study / REPORT).stat().st_ino
    assert "files that jobs of a killed run finished" in finish(start(study), study)
    assert (study / REPORT).stat().st_ino == made and trained_once(study, ROW)


def test_what_other_code_finished_is_made_again(study):
    kill_while_it_trains(study)
    wait((study / REPORT).exists)
    wait(lambda: not (study / f"scratch/long/{ROW}/seed-0/events.jsonl").exists())
    made = (study / REPORT).stat().st_ino
    scale = study / "params/scales/long.yaml"
    scale.write_text(scale.read_text().replace("lr: 0.005", "lr: 0.004"))
    assert "code or parameters changed" in finish(start(study), study)
    assert (study / REPORT).stat().st_ino != made


def test_a_run_of_another_host_is_named_and_its_lock_stays(study):
    kill_while_it_trains(study)
    (mine,) = (study / ".snakemake/runs").iterdir()
    mine.rename(mine.with_name("elsewhere-4711"))
    assert start(study).wait() != 0
    said = study.with_suffix(".log").read_text()
    assert "may be under way in this folder: elsewhere-4711 (host-process)" in said and "--unlock" in said
    assert list((study / ".snakemake/locks").iterdir())


def test_two_snakemakes_at_a_time_refuse_each_other_as_ever(study):
    first = start(study)
    wait(lambda: steps(study, ROW) > 0 or first.poll() is not None)
    assert start(study).wait() != 0
    assert "--unlock" in study.with_suffix(".log").read_text()
    finish(first, study)
    assert trained_once(study, ROW) and not list((study / ".snakemake/runs").iterdir())
