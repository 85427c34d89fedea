"""The workflow on a real Slurm of one machine: what it makes, and what happens to jobs, nodes and snakemake itself."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import dvc, git, installed
from long_study import LONGER, ROWS, WANTED, long_study, steps, trained_once, wait
from slurm import MISSING, Slurm
from test_workflow import NANO, SOME, SOME_ROWS, differing_files, made

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(bool(MISSING), reason=f"a Slurm of one machine needs slurm-wlm and root; missing: {MISSING}"),
]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    running = Slurm(tmp_path_factory.mktemp("slurm"))
    yield running
    running.stop()


@pytest.fixture
def study(tmp_path) -> Path:
    return long_study(tmp_path / "project")


def snakemake(slurm: Slurm, project: Path, *arguments: str) -> subprocess.Popen:
    """The shipped profile's run; what it says goes to snakemake.log beside the project."""
    environment = {**installed(), "SNAKEMAKE_PROFILE": "workflow/profiles/slurm", "OMP_NUM_THREADS": "1"}
    command = slurm.command(sys.executable, "-m", "snakemake", *arguments, folder=project)
    with open(project.with_suffix(".log"), "ab") as log:
        return subprocess.Popen(command, env=environment, cwd=project, stdout=log, stderr=log)


def finish(run: subprocess.Popen, project: Path) -> str:
    assert run.wait() == 0, project.with_suffix(".log").read_text()[-3000:]
    return project.with_suffix(".log").read_text()


def submitted(project: Path) -> int:
    return project.with_suffix(".log").read_text().count("has been submitted with SLURM jobid")


def test_killed_snakemake_goes_on_by_the_same_command_and_submits_nothing_twice(slurm, tmp_path):
    study = long_study(tmp_path / "project", LONGER)
    first = snakemake(slurm, study, *WANTED)
    wait(lambda: any(steps(study, row) for row in ROWS) or first.poll() is not None)
    first.kill()
    first.wait()
    said = finish(snakemake(slurm, study, *WANTED), study)
    assert "of a run that was killed" in said and submitted(study) == len(ROWS)
    assert all(trained_once(study, row, LONGER) for row in ROWS)
    assert "Nothing to be done" in finish(snakemake(slurm, study, *WANTED), study)


def test_what_jobs_finished_while_no_snakemake_ran_is_kept(slurm, study):
    first = snakemake(slurm, study, *WANTED)
    wait(lambda: submitted(study) == len(ROWS) or first.poll() is not None)
    first.kill()
    first.wait()
    wait(lambda: not slurm.jobs("PENDING", "RUNNING"))
    reports = [study / f"results/long/{row}/seed-0/training.json" for row in ROWS]
    made = [report.stat().st_ino for report in reports]
    said = finish(snakemake(slurm, study, *WANTED), study)
    assert "files that jobs of a killed run finished" in said and submitted(study) == len(ROWS)
    assert [report.stat().st_ino for report in reports] == made
    assert all(trained_once(study, row) for row in ROWS)


def test_cancelled_jobs_and_nodes_that_are_lost_or_drained_cost_no_step(slurm, study):
    run = snakemake(slurm, study, *WANTED)
    wait(lambda: all(steps(study, row) for row in ROWS) or run.poll() is not None)
    slurm.run("scancel", slurm.jobs("RUNNING")[0])
    slurm.kill_node()
    time.sleep(20)
    slurm.start_node()
    slurm.run("scontrol", "update", f"NodeName={slurm.host}", "State=DRAIN", "Reason=test")
    time.sleep(5)
    slurm.run("scontrol", "update", f"NodeName={slurm.host}", "State=RESUME")
    finish(run, study)
    assert all(trained_once(study, row) for row in ROWS)


def test_runs_take_a_job_each_and_make_what_a_local_study_makes(slurm, reproduced, tmp_path):
    """Rows of every task; then one that a whole study lacks, through `dvc repro`."""
    project = tmp_path / "project"
    git(reproduced, "clone", "--quiet", ".", str(project))
    finish(snakemake(slurm, project, *SOME, *NANO), project)
    runs = [path.parent for path in (project / "results/nano").rglob("training.json")]
    assert submitted(project) == len(runs) == len(SOME_ROWS)
    assert differing_files(project, reproduced) == []
    whole = Path(shutil.copytree(reproduced, tmp_path / "whole"))
    shutil.rmtree(whole / "results/nano/recall-an")
    environment = {"SNAKEMAKE_PROFILE": "workflow/profiles/slurm", "OMP_NUM_THREADS": "1"}
    done = dvc(whole, "repro", within=slurm.command, **environment)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert "has been submitted with SLURM jobid" in done.stdout + done.stderr
    assert made(whole) == made(reproduced) and differing_files(whole, reproduced) == []


def test_the_doctor_names_what_this_cluster_lacks(slurm, study):
    def doctor(scale: str) -> tuple[int, str]:
        command = slurm.command(sys.executable, "-m", "an", "doctor", "--scale", scale, folder=study)
        done = subprocess.run(command, env=installed(), capture_output=True, text=True)
        return done.returncode, done.stdout

    status, said = doctor("nano")
    assert status == 0 and "partition all (default): jobs of any time, nodes of 64000 MB with 2 GPUs" in said
    slurm.run("scontrol", "update", "PartitionName=all", "MaxTime=60")
    status, said = doctor("paper")
    slurm.run("scontrol", "update", "PartitionName=all", "MaxTime=UNLIMITED", "Default=NO")
    assert status == 1 and "train_gan asks for 1425 minutes; partition all ends jobs after 60" in said
    status, said = doctor("nano")
    slurm.run("scontrol", "update", "PartitionName=all", "Default=YES")
    assert status == 1 and "no partition is the default: name one of all as slurm_partition" in said
