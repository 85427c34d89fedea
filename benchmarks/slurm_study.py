"""Does the workflow waste a cluster's time? The nano study's tables 1 to 5 through Slurm, now and at another commit.

    python benchmarks/slurm_study.py --commit d08e29d    # as root, with slurm-wlm; on an idle machine

Each commit is cloned beside the other and runs with the profile that it ships, one after the other, on a Slurm of this
machine alone (tests/slurm.py). d08e29d made one job of each step, and its profile needed squeue named to end at all.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import ROOT, clone, machine, report

sys.path.insert(0, str(ROOT / "tests"))
from slurm import MISSING, Slurm

TABLES = [f"reports/nano/table{number}.md" for number in range(1, 6)]


def measured(slurm: Slurm, commit: str, folder: Path) -> dict:
    """Seconds, jobs and submissions of a run in a new clone."""
    clone(commit, folder)
    command = [sys.executable, "-m", "snakemake", *TABLES, "--config", "scale=nano"]
    command += ["--slurm-status-command", "squeue"]
    environment = {**os.environ, "SNAKEMAKE_PROFILE": "workflow/profiles/slurm", "OMP_NUM_THREADS": "1"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    started = time.perf_counter()
    command = slurm.command(*command, folder=folder)
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    said = done.stdout + done.stderr
    if done.returncode:
        sys.exit(f"{commit} failed: {said[-2000:]}")
    steps = next(line.split()[2] for line in reversed(said.splitlines()) if "steps (100%) done" in line)
    return {
        "commit": commit,
        "seconds": round(time.perf_counter() - started, 1),
        "jobs": int(steps),
        "submissions": said.count("has been submitted with SLURM jobid"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commit", default="d08e29d", help="to compare HEAD with")
    arguments = parser.parse_args()
    if MISSING:
        sys.exit(f"a Slurm of one machine needs slurm-wlm and root; missing: {', '.join(MISSING)}.")
    where = machine()
    with tempfile.TemporaryDirectory() as folder:
        slurm = Slurm(Path(folder, "slurm"))
        try:
            lines = [measured(slurm, commit, Path(folder, commit)) for commit in ("HEAD", arguments.commit)]
        finally:
            slurm.stop()
    lines[0]["ratio"] = round(lines[0]["seconds"] / lines[1]["seconds"], 3)
    report("slurm_study", lines, {"targets": TABLES}, where)


if __name__ == "__main__":
    main()
