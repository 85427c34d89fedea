"""Trainers of one run take turns: a second one waits for the first, and takes its result for its own."""

import sys
from pathlib import Path

from filelock import FileLock, Timeout

from .. import params
from ..code import code_digest
from ..errors import Stopped, UserError
from ..seals import FILES, read_sealed
from .stopping import TIME_IS_UP

ENTRIES = {
    "generation": "training.generation:train",
    "inpainting": "training.inpainting:train_inpainting",
    "recall": "training.recall:train_recall",
}


def waited(scratch: Path, hours: float | None = None) -> bool:
    """Wait while another trainer holds a scratch folder; whether one did.

    Two are started where a job outlives the Snakemake that started it. Raises Stopped when it still holds the folder
    after ``hours``, which are the time that this job has.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    lock, holder = FileLock(scratch / "lock"), scratch / "holder"
    try:
        with lock.acquire(timeout=0):
            return False
    except Timeout:
        who = holder.read_text() if holder.exists() else "another process"
    print(f"{scratch} is in use by {who}: waiting for its end.", file=sys.stderr)
    try:
        with lock.acquire(timeout=3600 * hours if hours else -1, poll_interval=1):
            return True
    except Timeout:
        raise Stopped(f"{scratch} is still in other hands ({who}); the same command goes on.", TIME_IS_UP) from None


def has_result(row_name: str, scale_name: str, seed: int, *, training: Path, checkpoints: Path) -> bool:
    """Whether a run's result is there and whole, of today's row, scale and code. Its data are those that it names."""
    row, scale = params.load_row(row_name), params.load_scale(scale_name)
    try:
        report = read_sealed(training)
        read_sealed(training, [checkpoints / name for name in report[FILES]])
    except UserError:
        return False
    origin = {"seed": seed, "data": report["data"], "code": code_digest(ENTRIES[row.task])}
    settings = {**params.run_settings(row, scale), **origin}
    return report["key"] == f"{row_name}/seed-{seed}@{params.digest(settings)}"
