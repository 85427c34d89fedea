"""Which device a job computes on, and how its memory behaves."""

import ctypes
import sys

import torch


def pick_device() -> torch.device:
    """The first visible CUDA device, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def describe(device: torch.device) -> str:
    """A short, stable name of the device for result files."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} thread(s)"


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
            library.mallopt(m_trim_threshold, 2**31 - 1)
