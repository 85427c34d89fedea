"""Where a number comes from: the commit, the device, the version of all data."""

import hashlib
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

PACKAGE = Path(__file__).resolve().parent
DVC_LOCK = PACKAGE.parent / "dvc.lock"


def commit() -> str:
    """The checkout's commit, with "-dirty" when tracked files differ from it; "unknown" outside git."""
    command = ["git", "-C", str(PACKAGE), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def made(device: "torch.device") -> dict[str, str]:
    """What made a result, other than its inputs: the commit, the device and torch."""
    import torch

    from .devices import describe

    return {"commit": commit(), "device": describe(device), "torch": torch.__version__}


def dvc_lock_digest() -> str | None:
    """A short digest of the dvc.lock beside the package, which names the version of all data; None without one."""
    return hashlib.sha256(DVC_LOCK.read_bytes()).hexdigest()[:16] if DVC_LOCK.exists() else None
