"""What every training job shares: its scratch folder, resume, snapshots, events, progress, the finiteness check."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import torch
from filelock import FileLock, Timeout

from ..errors import UserError
from ..files import written_whole
from ..names import snapshot_name
from ..progress import progress
from ..provenance import code_digest
from ..tracking import Events
from . import checkpoints


class Job(Protocol):
    """What is trained: its state and the arithmetic of a step."""

    device: torch.device
    settings: str  # digest of everything that determines the result
    modules: dict  # networks and optimizers by name; "generator" is the network that snapshots keep

    def advance(self, step: int) -> dict[str, torch.Tensor]:
        """Do step number ``step`` (from 0) and return its losses, detached scalars."""


def training_code() -> str:
    """Digest of the code that a resume point was made by, so that no run goes on under other code."""
    return code_digest("layers", "models", "training", "data/loading.py", "data/crops.py", "data/masks.py")


@contextmanager
def held(scratch: Path) -> Iterator[None]:
    """Hold a scratch folder. Raises UserError, saying who holds it, when another trainer does."""
    scratch.mkdir(parents=True, exist_ok=True)
    lock, holder = FileLock(scratch / "lock"), scratch / "holder"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        who = holder.read_text() if holder.exists() else "another process"
        raise UserError(f"{scratch} is in use by {who}: wait for it or stop it.") from None
    with lock:
        holder.write_text(f"process {os.getpid()} on {os.uname().nodename}")
        yield


def run(
    job: Job,
    what: str,  # for progress and errors
    steps: int,
    snapshot_steps: list[int],  # after how many steps the generator is kept, in order
    checkpoint_every: int,
    log_every: int,
    scratch: Path,  # receives state.pt, generator-<k>.pt and events.jsonl
) -> None:
    """Train to the last step, from the resume point in ``scratch`` if there is one.

    Raises UserError when the resume point is of other parameters, or when a loss is not finite; the last good resume
    point then stays.
    """
    state = scratch / "state.pt"
    first, offset = checkpoints.load_state(state, job.modules, job.settings, job.device)
    events = Events(scratch / "events.jsonl", offset)
    snapshots = {step: scratch / snapshot_name(number) for number, step in enumerate(snapshot_steps)}
    if first == 0 and 0 in snapshots:
        checkpoints.save(snapshots[0], job.modules["generator"].state_dict())
    finite = torch.ones((), dtype=torch.bool, device=job.device)
    started = time.perf_counter()
    bar = progress(range(first, steps), what, initial=first, total=steps)
    for index in bar:
        losses = job.advance(index)
        finite &= torch.isfinite(torch.stack(list(losses.values()))).all()
        step = index + 1
        kept = step in snapshots or step % checkpoint_every == 0 or step == steps
        if kept or step % log_every == 0:
            if not finite.item():  # the only wait for the device, here and in the line below
                events.close()
                raise UserError(
                    f"training {what} stopped at step {step}: a loss is not finite; the last good state stays in "
                    f"{scratch}: lower the recipe's learning rates in params/scales/."
                )
            values = {name: loss.item() for name, loss in losses.items()}
            rate = (step - first) / (time.perf_counter() - started)
            events.append(step=step, **values, steps_per_second=round(rate, 3))
            bar.set_postfix(values, refresh=False)
        if step in snapshots:
            checkpoints.save(snapshots[step], job.modules["generator"].state_dict())
        if kept:
            checkpoints.save_state(state, step, job.modules, job.settings, events.sync())
    events.close()


def publish(source: Path, target: Path) -> None:
    """Copy a finished file out of scratch, whole or not at all."""
    with written_whole(target) as temporary:
        shutil.copyfile(source, temporary)


def clear(scratch: Path) -> None:
    """Forget a finished run: whoever trains it again, after a change of code or parameters, must start anew."""
    for file in scratch.iterdir():
        if file.name != "lock":
            file.unlink()
