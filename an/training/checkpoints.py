"""Resume points of a training.

A resume point holds all that the rest of a run depends on: networks with their spectral-norm vectors, optimizers, the
random states of torch, CUDA, numpy and python (of every replica), the step, the settings it was made under, and how
long the event file was. The step is also the position in the data: batches are functions of their number.
"""

import random
import sys
from pathlib import Path

import numpy as np
import torch

from ..errors import UserError
from ..weights import load_tensors, save_tensors
from .replicas import Replicas

KEPT = 2  # resume points: the newest, and one to fall back on


def states(scratch: Path) -> list[Path]:
    """The resume points in a scratch folder, newest first."""
    return sorted(scratch.glob("state-*.pt"), reverse=True)


def save_state(scratch: Path, step: int, job, events_offset: int) -> None:
    """Write the resume point of a step; keep the newest two. Every replica calls it, the first one writes."""
    random_states = job.replicas.gather(_random_state(job.device))
    if job.replicas.rank > 0:
        return
    content = {
        "step": step,
        "settings": job.settings,
        "events_offset": events_offset,
        "random": random_states,
        "modules": {name: module.state_dict() for name, module in job.modules.items()},
    }
    save_tensors(scratch / f"state-{step:08d}.pt", content)
    for old in states(scratch)[KEPT:]:
        old.unlink()


def load_state(scratch: Path, job, accept_code: bool = False) -> tuple[int, int]:
    """Restore the newest resume point that is whole; return its step and event offset, (0, 0) without any.

    Raises UserError when it was made under other settings (by other code, unless that is accepted), or when none that
    is there can be read.
    """
    content = _newest_whole(scratch, job.device)
    if content is None:
        return 0, 0
    before = content["settings"] | ({"code": job.settings["code"]} if accept_code else {})
    if changes := differences(before, job.settings):
        of_code = before | {"code": job.settings["code"]} == job.settings
        more = "; or go on with --accept-code if the code's change cannot change the result" if of_code else ""
        raise UserError(
            f"{scratch} holds a run with other settings ({'; '.join(changes)}): delete the folder to train anew, or "
            f"undo the change{more}."
        )
    for name, module in job.modules.items():
        module.load_state_dict(content["modules"][name])
    _restore_random_state(content["random"], job.replicas, job.device)
    return content["step"], content["events_offset"]


def _newest_whole(scratch: Path, device: torch.device) -> dict | None:
    there = states(scratch)
    for path in there:
        try:
            return load_tensors(path, device)
        except UserError as error:
            if path == there[-1]:
                raise
            print(f"{str(error).split(':')[0]}; going on from the one before it.", file=sys.stderr)
    return None


def differences(before: dict, now: dict, prefix: str = "") -> list[str]:
    """The keys at which two nested dicts differ, each with both values."""
    found = []
    for key in sorted(before.keys() | now.keys()):
        old, new = before.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            found += differences(old, new, f"{prefix}{key}.")
        elif old != new:
            found.append(f"{prefix}{key} was {old}, is {new}")
    return found


def _random_state(device: torch.device) -> dict:
    of_numpy = np.random.get_state(legacy=True)
    assert isinstance(of_numpy, tuple)
    kind, keys, position, has_gauss, gauss = of_numpy
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "numpy": (kind, keys.tolist(), position, has_gauss, gauss),
        "python": random.getstate(),
    }


def _restore_random_state(kept: list[dict], replicas: Replicas, device: torch.device) -> None:
    if len(kept) != replicas.count:
        if replicas.rank == 0:
            print(
                f"{replicas.count} replica(s) go on with a run of {len(kept)}: the same run, but not bit for bit.",
                file=sys.stderr,
            )
        return
    state = kept[replicas.rank]
    torch.set_rng_state(state["torch"].cpu())
    if device.type == "cuda" and state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)
    np.random.set_state(state["numpy"])
    random.setstate(state["python"])
