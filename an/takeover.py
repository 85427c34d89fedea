"""A run of the workflow that was killed, taken over by the next one in its folder: lock, cluster jobs, results.

Every run holds a lock file, which the kernel frees when its process ends, however it ends. A run that is found gone so
leaves three things. Snakemake's own locks are removed. Jobs that it had in Slurm's queue are waited for. What these
made meanwhile, and Snakemake has no record of, is recorded as theirs.
"""

import atexit
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from filelock import FileLock, Timeout

from . import params
from .acceptance import snakemake
from .errors import UserError, last_words
from .files import sha256, write_json
from .layout import TRAINING
from .reporting.commands import record, unfinished

SNAKEMAKE = Path(".snakemake")
RUNS = SNAKEMAKE / "runs"
OF_SNAKEMAKE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")  # how its jobs are named
SECONDS_BETWEEN_LOOKS = 5


def begin_run(scale_name: str) -> None:
    """Say that this process runs the workflow in the working folder, after taking over what runs that are gone left.

    A run on another host cannot be known to be gone: where it holds Snakemake's lock, a line says who it is, and
    Snakemake refuses. Raises UserError when a run that is gone may have jobs on a cluster that does not answer.
    """
    mine = RUNS / f"{os.uname().nodename}-{os.getpid()}"
    mine.mkdir(parents=True, exist_ok=True)
    lock = FileLock(mine / "lock")
    lock.acquire()
    write_json(mine / "about.json", {"scale": scale_name, "sources": sources()})
    atexit.register(_end_run, mine, lock)
    others = [folder for folder in RUNS.iterdir() if folder != mine]
    gone = [folder for folder in others if _is_gone(folder)]
    if len(gone) == len(others):
        for folder in gone:
            _take_over(folder)
    elif (SNAKEMAKE / "locks").exists():
        names = ", ".join(folder.name for folder in others if folder not in gone)
        print(f"A run of the workflow may be under way in this folder: {names} (host-process).", file=sys.stderr)


def sources() -> str:
    """A digest of all that says what a job computes and how: the package, the workflow, the parameters."""
    root = Path(__file__).resolve().parents[1]
    files = [file for folder in ("an", "workflow", "params") for file in sorted((root / folder).rglob("*.*"))]
    return params.digest({str(f.relative_to(root)): sha256(f) for f in files if f.suffix in (".py", ".smk", ".yaml")})


def _end_run(folder: Path, lock: FileLock) -> None:
    lock.release()
    shutil.rmtree(folder, ignore_errors=True)


def _is_gone(folder: Path) -> bool:
    if folder.name.rpartition("-")[0] != os.uname().nodename:
        return False
    try:
        with FileLock(folder / "lock").acquire(timeout=0):
            return True
    except Timeout:
        return False


def _take_over(folder: Path) -> None:
    if not (folder / "about.json").exists():  # gone before it did anything
        shutil.rmtree(folder)
        return
    about = json.loads((folder / "about.json").read_text())
    began = (folder / "about.json").stat().st_mtime  # by the clock of the file system, which also dates its results
    outputs = {line for file in SNAKEMAKE.glob("locks/*.output.lock") for line in file.read_text().splitlines()}
    _wait_for_jobs()
    shutil.rmtree(SNAKEMAKE / "locks", ignore_errors=True)
    shutil.rmtree(folder)
    finished = sorted(file for file in outputs if _finished_unrecorded(file, began))
    if not finished:
        return
    if about["sources"] == sources():
        print(f"Recording {len(finished)} files that jobs of a killed run finished.", file=sys.stderr)
        snakemake(about["scale"], finished, "--touch", "--force")
    else:
        print(
            f"Making {len(finished)} files again: jobs of a killed run finished them, and code or parameters changed.",
            file=sys.stderr,
        )
        for file in finished:
            write_json(unfinished(file), {"external_jobid": None})


def _wait_for_jobs() -> None:
    told: set[str] = set()
    while jobs := _jobs():
        if not jobs <= told:
            print(f"Waiting for Slurm's jobs {', '.join(sorted(jobs))}, of a run that was killed.", file=sys.stderr)
            told |= jobs
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _jobs() -> set[str]:
    """Jobs of this folder's runs that run or wait in Slurm."""
    submitted = any((SNAKEMAKE / "slurm_logs").rglob("*")) if (SNAKEMAKE / "slurm_logs").exists() else False
    if not submitted or not shutil.which("squeue"):
        return set()
    listed = subprocess.run(["squeue", "--me", "--noheader", "--format=%i|%j|%Z"], capture_output=True, text=True)
    if listed.returncode:
        raise UserError(
            "a run that was killed may have jobs on the cluster, and squeue does not answer "
            f"({last_words(listed.stderr)}): run the same command again when it does."
        )
    jobs = (line.split("|", 2) for line in listed.stdout.splitlines())
    return {number for number, name, folder in jobs if OF_SNAKEMAKE.search(name) and Path(folder) == Path.cwd()}


def _finished_unrecorded(file: str, began: float) -> bool:
    """Whether a job of a run that began then finished a file, after which the run could not record it any more.

    A job that Slurm ran says so itself: Snakemake's marker of an unfinished file is gone. A training that ran on this
    machine says so by its report, which it writes last.
    """
    path = Path(file)
    if not path.exists() or path.stat().st_mtime < began:
        return False
    if unfinished(file).exists() and path.name != TRAINING:
        return False
    made = record(file)
    return not made or made["endtime"] < began
