"""What every training job shares: its scratch folder, resume, clean ends, snapshots, events, divergence."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from signal import SIGTERM
from typing import NamedTuple, Protocol

import torch
from filelock import FileLock, Timeout
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from .. import params, provenance
from ..devices import peak_memory
from ..errors import Stopped, UserError
from ..files import sha256, written_whole
from ..layout import snapshot_name
from ..progress import progress
from ..seals import write_sealed
from ..tracking.events import Events, read_events
from ..weights import save_tensors
from . import checkpoints
from .replicas import Replicas, joined
from .stopping import Stop

MINUTES = 10  # after which a training writes a resume point, however many steps apart they are meant to be
KEEP = 1  # among what replicas agree on, below all exit statuses of a stop
ALIKE = 0.05  # grey levels: generated images that differ less than this have collapsed to one


class Job(Protocol):
    """What is trained: its state and the arithmetic of a step."""

    device: torch.device
    replicas: Replicas
    settings: dict  # everything that determines the result
    modules: dict  # by name, what a resume point keeps
    steps: int
    snapshots_at: list[int]  # after how many steps the network is kept, in order
    checkpoint_every: int  # steps between resume points, which are also written every MINUTES
    log_every: int

    @property
    def network(self) -> nn.Module:
        """The one of the modules that snapshots keep."""

    def advance(self, step: int, measured: bool) -> tuple[dict[str, Tensor], dict[str, Tensor | float]]:
        """Do step number ``step`` (from 0); return its losses and, where ``measured``, what else is worth a line.

        ``diversity`` among the latter is the standard deviation over a generated batch, in grey levels, averaged over
        pixels.
        """

    def inspect(self) -> dict[str, float]:
        """What the attention layers do in evaluation (``inspection``); depends on the state alone and leaves it."""

    def publish(self, scratch: Path, checkpoints: Path) -> list[Path]:
        """Put the finished run's weights into ``checkpoints``, snapshots from ``scratch``; return the files."""


class About(NamedTuple):
    """Which run this is: for its event file, progress and errors."""

    row: str
    task: str
    scale: str
    seed: int

    def __str__(self) -> str:
        return f"{self.row} seed {self.seed}"


class Files(NamedTuple):
    """Where a training writes."""

    checkpoints: Path  # folder that receives the weights
    events: Path  # receives losses and rates as JSON lines
    training: Path  # receives how the run ended, as JSON
    scratch: Path  # folder of resume state; a rerun goes on from here


def train(
    job_of: Callable[..., Job],
    about: About,
    files: Files,
    *,
    device: torch.device,
    hours: float | None = None,  # after which the run stops with a resume point; None: no limit
    accept_code: bool = False,  # go on from a resume point that other code made; the event file then says so
) -> None:
    """Train a run, from its last resume point if there is one, and publish what came out.

    Raises:
        Stopped: after a signal or at the time limit, with a resume point of the last step done.
        UserError: a folder in use by another trainer, a resume point of other settings, or a full disk.
    """
    files = Files(*map(Path, files))
    with joined(device) as replicas, held(files.scratch, replicas):
        job = job_of(replicas=replicas)
        outcome = run(job, about, files.scratch, hours=hours, accept_code=accept_code)
        if replicas.rank == 0:
            conclude(outcome, job, about, files)


@contextmanager
def held(scratch: Path, replicas: Replicas) -> Iterator[None]:
    """Hold a scratch folder (the first replica does). Raises UserError, saying who holds it, when another does."""
    if replicas.rank > 0:
        yield
        return
    scratch.mkdir(parents=True, exist_ok=True)
    lock, holder = FileLock(scratch / "lock"), scratch / "holder"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        who = holder.read_text() if holder.exists() else "another process"
        raise UserError(f"{scratch} is in use by {who}: wait for it or stop it.") from None
    with lock:
        holder.write_text(f"process {os.getpid()} on {os.uname().nodename}")
        for torn in scratch.glob(".*.part"):  # of a writer that was killed
            torn.unlink()
        yield


def run(job: Job, about: About, scratch: Path, *, hours: float | None = None, accept_code: bool = False) -> dict:
    """Train to the last step, from the newest resume point in ``scratch``; return how it ended.

    ``scratch`` receives state-<step>.pt, generator-<k>.pt and events.jsonl. A run diverges when a loss or weight is not
    finite, or when all generated images are alike (``ALIKE``). It then ends with the weights of its last good resume
    point, which also stand for the snapshots it did not reach.
    """
    first_replica = job.replicas.rank == 0
    snapshots = {step: scratch / snapshot_name(number) for number, step in enumerate(job.snapshots_at)}
    started = time.perf_counter()
    with Stop(hours) as stop:
        first, offset = checkpoints.load_state(scratch, job, accept_code)
        record = _open_events(scratch / "events.jsonl", offset, job, about) if first_replica else None
        bar = progress(range(first, job.steps), str(about), initial=first, total=job.steps, shown=first_replica)
        keep = partial(_keep, scratch, job, snapshots=snapshots, events=record)
        if offset == 0:  # there is no resume point, not even of step 0
            keep(0, inspected=True)
        reached, reason = _go(job, bar, first, stop=stop, record=record, keep=keep)
    if reason is None and reached < job.steps:
        _end(record, "interrupted", reached, None)
        status = stop.status() or 128 + SIGTERM  # which another replica may have had
        raise Stopped(f"stopped {about} after step {reached}; the same command goes on from there.", status)
    status, last = "finished", job.steps
    if reason is not None:
        status, last = "diverged", _go_back(scratch, job, snapshots, reached, accept_code=accept_code)
        if first_replica:
            ends = f"it ends with the weights of step {last}"
            print(f"{about} diverged at step {reached} ({reason}); {ends}.", file=sys.stderr)
    _end(record, status, last, reason)
    return {"status": status, "step": last, "reason": reason, "seconds": round(time.perf_counter() - started, 1)}


def _go(
    job: Job,
    bar,  # over the step numbers from ``first`` on
    first: int,
    *,
    stop: Stop,
    record: Events | None,
    keep: Callable[..., None],
) -> tuple[int, str | None]:
    """Do steps until the last, a divergence or a stop; return the last step done and why it diverged, if it did."""
    step, started, last_kept = first, time.perf_counter(), time.perf_counter()
    finite = torch.ones((), dtype=torch.bool, device=job.device)
    for step, index in enumerate(bar, start=first + 1):
        logged, due = step % job.log_every == 0 or step == job.steps, step % job.checkpoint_every == 0
        losses, measures = job.advance(index, logged)
        finite &= torch.isfinite(torch.stack(list(losses.values()))).all()
        lapsed = time.perf_counter() - last_kept > 60 * MINUTES
        asked = job.replicas.highest(stop.status() or KEEP * lapsed)
        stopped, snapshot = asked > KEEP, step in job.snapshots_at
        kept = snapshot or due or step == job.steps or asked >= KEEP
        if logged or kept:  # the only waits for the device
            values = {name: float(value) for name, value in (losses | measures).items()}
            reason = _divergence(finite, values, job.modules if kept else {})
            if job.replicas.highest(reason is not None):
                return step, reason or "another replica diverged"
        if logged and record:
            rate = (step - first) / (time.perf_counter() - started)
            record.append("step", step=step, **values, steps_per_second=round(rate, 3), **peak_memory(job.device))
            bar.set_postfix({name: values[name] for name in losses}, refresh=False)
        if kept:
            keep(step, inspected=snapshot or due)
            last_kept = time.perf_counter()
        if stopped:
            break
    return step, None


def conclude(outcome: dict, job: Job, about: About, files: Files) -> None:
    """Publish weights, events and how the run ended, then forget the run: it is trained anew when asked again.

    The report vouches for the weights.
    """
    published = job.publish(files.scratch, files.checkpoints)
    with written_whole(files.events) as temporary:
        shutil.copyfile(files.scratch / "events.jsonl", temporary)
    header, *events = read_events(files.events)
    origin = {**_origin(job, about), **{name: header[name] for name in ("key", "parent", "code")}}
    accepted = [event["code"] for event in events if event["kind"] == "accepted"]
    made = provenance.made(job.device) | {"seconds": outcome.pop("seconds"), "events_sha256": sha256(files.events)}
    content = {**origin, **outcome, "accepted_code": accepted, "attention": job.inspect()}
    write_sealed(files.training, content, made, published)
    for file in files.scratch.iterdir():
        if file.name != "lock":
            file.unlink()


def publish(source: Path, target: Path) -> None:
    """Copy a finished file out of scratch, whole or not at all."""
    with written_whole(target) as temporary:
        shutil.copyfile(source, temporary)


def _origin(job: Job, about: About) -> dict:
    """Which run this is; the key names all that determines its result."""
    origin = {name: job.settings[name] for name in ("data", "code")}
    without_seed = {name: value for name, value in job.settings.items() if name != "seed"}
    return {
        "key": f"{about.row}/seed-{about.seed}@{params.digest(job.settings)}",
        "parent": f"{about.row}@{params.digest(without_seed)}",
        **origin,
        "replicas": job.replicas.count,
    }


def _open_events(path: Path, offset: int, job: Job, about: About) -> Events:
    events = Events(path, offset)
    if offset == 0:
        settings = {k: v for k, v in job.settings.items() if k not in ("seed", "data", "code")}
        events.append("run", **about._asdict(), settings=settings, **_origin(job, about), **provenance.made(job.device))
        return events
    events.append("resumed")  # what follows is not of the time before it
    made_by = [event["code"] for event in read_events(path) if event["kind"] in ("run", "accepted")]
    if made_by[-1] != job.settings["code"]:
        events.append("accepted", code=job.settings["code"], before=made_by[-1], commit=provenance.commit())
    return events


def _end(events: Events | None, status: str, step: int, reason: str | None) -> None:
    if events:
        events.append("status", status=status, step=step, reason=reason)
        events.close()


def _divergence(finite: Tensor, values: dict[str, float], modules: dict) -> str | None:
    if not finite.item():
        return "a loss is not finite"
    for name, module in modules.items():
        if isinstance(module, nn.Module) and not get_total_norm(module.parameters()).isfinite().item():
            return f"a weight of the {name} is not finite"
    if values.get("diversity", ALIKE) < ALIKE:
        return "all generated images are alike"
    return None


def _keep(
    scratch: Path, job: Job, step: int, *, snapshots: dict[int, Path], events: Events | None, inspected: bool
) -> None:
    if step in snapshots and job.replicas.rank == 0:
        save_tensors(snapshots[step], job.network.state_dict())
    if inspected and events and (measures := job.inspect()):
        events.append("attention", step=step, **measures)
    checkpoints.save_state(scratch, step, job, events.sync() if events else 0)


def _go_back(scratch: Path, job: Job, snapshots: dict[int, Path], step: int, *, accept_code: bool) -> int:
    """Restore the last good resume point and let it stand for the snapshots from ``step`` on; return its step."""
    last, _ = checkpoints.load_state(scratch, job, accept_code)
    if job.replicas.rank == 0:
        for reached, path in snapshots.items():
            if reached >= step:
                save_tensors(path, job.network.state_dict())
    return last
