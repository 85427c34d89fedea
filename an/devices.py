"""Which device a job computes on, which GPUs it has taken, and how its memory behaves."""

import ctypes
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from .errors import UserError
from .processor import processor

LOCKS = Path(tempfile.gettempdir()) / f"an-gpus-{os.getuid()}"
# What a scheduler sets in its jobs: there CUDA_VISIBLE_DEVICES is the job's own, and its numbers may be any GPU's.
JOB_OF_A_SCHEDULER = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID")


@contextmanager
def leased(count: int | None = None, present: int | None = None, folder: Path = LOCKS) -> Iterator[list[int]]:
    """Take ``count`` free GPUs of this machine (None: one, if there is any) and give them back at the end.

    Yields their numbers among those that this process sees, none for the CPU. A GPU is taken by a lock on a file, which
    the kernel frees when its process dies. Waits while fewer than ``count`` are free, holding none. Where people have
    set CUDA_VISIBLE_DEVICES, these are the GPUs that jobs share; where a scheduler has, nothing is taken: its first
    ``count`` devices are the job's.

    Args:
        present: number of GPUs on the machine; counted when None.
        folder: of the lock files.

    Raises:
        UserError: when the machine, or what the scheduler gave, has fewer than ``count``.
    """
    present = torch.cuda.device_count() if present is None else present
    count = min(1, present) if count is None else count
    if not 0 <= count <= present:
        raise UserError(
            f"this job needs {count} GPU(s) and sees {present}: set gpus in the scale's file to what there is (0 for "
            "the CPU)."
        )
    scheduled = "CUDA_VISIBLE_DEVICES" in os.environ and any(name in os.environ for name in JOB_OF_A_SCHEDULER)
    if count == 0 or scheduled or "WORLD_SIZE" in os.environ:
        yield list(range(count))
        return
    folder.mkdir(parents=True, exist_ok=True)
    told = False
    while True:
        with ExitStack() as locks:
            taken = _take(count, present, folder, locks)
            if len(taken) == count:
                yield taken
                return
        if not told:
            print(f"Waiting until {count} of {present} GPUs are free.", file=sys.stderr)
            told = True
        time.sleep(1)


def names(present: int) -> list[str]:
    """What CUDA_VISIBLE_DEVICES calls the GPUs that this process sees: numbers on the machine, or UUIDs."""
    exported = os.environ.get("CUDA_VISIBLE_DEVICES")
    return [name.strip() for name in exported.split(",")][:present] if exported else [str(n) for n in range(present)]


def _take(count: int, present: int, folder: Path, locks: ExitStack) -> list[int]:
    taken = []
    for number, name in enumerate(names(present)):
        with suppress(Timeout):
            locks.enter_context(FileLock(folder / f"gpu-{name}.lock").acquire(timeout=0))
            taken.append(number)
        if len(taken) == count:
            break
    return taken


def chosen(gpus: list[int]) -> torch.device:
    """This process's device among those taken for its job: the CPU without any, else by its number under torchrun."""
    if not gpus:
        return torch.device("cpu")
    device = torch.device("cuda", gpus[int(os.environ.get("LOCAL_RANK", 0))])
    torch.cuda.set_device(device)
    return device


def describe(device: torch.device) -> str:
    """A short, stable name of the device for result files."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{processor()}, {torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} thread(s)"


def peak_memory(device: torch.device) -> dict[str, int]:
    """The most memory this process has used so far, in bytes: of the host, and of its GPU where it has one."""
    unit = 1 if sys.platform == "darwin" else 1024
    peak = {"host_memory": unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}
    return peak | ({"gpu_memory": torch.cuda.max_memory_allocated(device)} if device.type == "cuda" else {})


def flush_denormals() -> None:
    """Have the processor take numbers under 1e-38 for 0: a sharp softmax makes many, and they compute very slowly."""
    torch.set_flush_denormal(True)


def keep_freed_memory() -> None:
    """Have the C allocator reuse large freed blocks, as CUDA's caching allocator does.

    glibc gives every block over 32 MB back to the kernel when it is freed; the page faults of taking it again then
    cost several times the arithmetic of an elementwise operation. Other C libraries are left as they are.
    """
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        if hasattr(library, "gnu_get_libc_version"):
            m_trim_threshold, m_mmap_max = -1, -4
            library.mallopt(m_mmap_max, 0)
            library.mallopt(m_trim_threshold, -1)  # never
