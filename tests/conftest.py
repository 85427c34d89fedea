import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from an.data.preparation import prepare

ROOT = Path(__file__).resolve().parents[1]
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def digits(tmp_path_factory) -> Path:
    """Prepared digits at 32x32."""
    folder = tmp_path_factory.mktemp("digits-32")
    prepare("digits", 32, folder)
    return folder


def copy_project(target: Path) -> Path:
    """A working copy of what git would hand to a newcomer, without its history."""
    files = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(["git", *files], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


@pytest.fixture
def project(tmp_path) -> Path:
    return copy_project(tmp_path / "project")


def an(folder: Path, *arguments: str, timeout: int = 300, **environment: str) -> subprocess.CompletedProcess:
    """Run ``python -m an`` in a working copy."""
    command = [sys.executable, "-m", "an", *map(str, arguments)]
    env = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=timeout, env=env)


def snakemake(folder: Path, *arguments: str, timeout: int = 300) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "snakemake", *arguments, "--cores", "all", "--resources", "gpu=4"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=timeout, env=env)
