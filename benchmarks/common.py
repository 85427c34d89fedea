"""What the benchmarks share: the machine's description, medians, a table and a JSON file beside it."""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

Result = TypeVar("Result")

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks/results"
sys.path.insert(0, str(ROOT))

from an import provenance  # noqa: E402


def machine() -> dict:
    """Processor, threads, memory, load and versions: what a timing depends on."""
    names = [line for line in _cpuinfo() if line.startswith("model name")]
    return {
        "processor": names[0].split(":", 1)[1].strip() if names else platform.processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1),
        "load_at_start": os.getloadavg()[0],
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "commit": provenance.commit(),
    }


def pick_device() -> torch.device:
    """The first CUDA device, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def timed(run: Callable[[], Result], repeats: int) -> tuple[float, Result]:
    """Median wall-clock seconds and the last result."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = run()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), result


def clone(commit: str, folder: Path) -> None:
    """This repository at a commit, in a new folder."""
    subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
    subprocess.run(["git", "-C", folder, "checkout", "--quiet", commit], check=True)


def measured(name: str) -> list[dict]:
    """The lines of an earlier ``report``, for scripts that go on where they were stopped; none without a file."""
    file = RESULTS / f"{name}.json"
    return json.loads(file.read_text())["lines"] if file.exists() else []


def report(name: str, lines: list[dict], about: dict, where: dict, *, folder: Path = RESULTS) -> None:
    """Print lines as a table and write them to ``<name>.json`` in the folder."""
    columns = list(dict.fromkeys(key for line in lines for key in line))
    cells = [columns, *([_cell(line.get(c)) for c in columns] for line in lines)]
    widths = [max(len(row[k]) for row in cells) for k in range(len(columns))]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    file = folder / f"{name}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"lines": lines, "about": about, "machine": where}, indent=1) + "\n")


def _cell(value) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _cpuinfo() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text().splitlines() if file.exists() else []
