import gc
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from an.__main__ import main  # before torch loads: it fixes the instruction set

import torch  # isort: skip

from an.data.preparation import prepare  # isort: skip

ROOT = Path(__file__).resolve().parents[1]
torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first, so that none ends alone; then slow ones that do without ``reproduced``.

    A file's tests stay in one process. Tests of ``reproduced`` are long; tests in a working copy of the project are
    slow, and so is all that is long.
    """
    for item in items:
        if "reproduced" in item.fixturenames:
            item.add_marker(pytest.mark.long)
        if "project" in item.fixturenames or item.get_closest_marker("long"):
            item.add_marker(pytest.mark.slow)
    waiting = {item.path for item in items if "reproduced" in item.fixturenames}
    slow = {item.path for item in items if item.get_closest_marker("slow")} - waiting
    longest = [{Path(__file__).with_name(name)} for name in ("test_dvc.py", "test_slurm.py", "test_workflow.py")]
    turns = [*longest, slow, waiting]
    items.sort(key=lambda item: next((turn for turn, files in enumerate(turns) if item.path in files), len(turns)))


def pytest_xdist_auto_num_workers() -> int:
    """A process more than there are cores: tests often wait, for servers, Slurm and what they have killed."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(autouse=True)
def as_before():
    """Denormal numbers count again after a verb ran in this process; Hypothesis draws none without them."""
    yield
    torch.set_flush_denormal(False)


def pytest_sessionfinish() -> None:
    gc.unfreeze()  # verbs that ran in this process froze what was there, which some libraries' exits complain of


@pytest.fixture
def called(capsys, monkeypatch):
    """Call it with a verb's words, as ``an`` below but in this process, which has imported all that takes seconds."""
    monkeypatch.setattr("an.devices.keep_freed_memory", lambda: None)  # it holds for the rest of a process

    def call(*words) -> subprocess.CompletedProcess:
        capsys.readouterr()
        status = main([str(word) for word in words])
        return subprocess.CompletedProcess(words, status, *capsys.readouterr())

    return call


@pytest.fixture(scope="session")
def digits(tmp_path_factory) -> Path:
    """Prepared digits at 32x32."""
    folder = tmp_path_factory.mktemp("digits-32")
    prepare("digits", 32, folder)
    return folder


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """A randomly initialised Inception in the port's own format, its statistics those of a batch of pictures."""
    from pictures import pictures
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    from an.evaluation.inception import port

    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        torch.manual_seed(0)
        patch.setattr(FeatureExtractorInceptionV3, "INPUT_IMAGE_SIZE", 75)
        network = port("2048").train()
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(module.weight)
            elif isinstance(module, torch.nn.BatchNorm2d):
                module.reset_parameters()
                module.momentum = 1.0
        torch.nn.init.normal_(network.fc.weight, std=0.05)
        torch.nn.init.zeros_(network.fc.bias)
        with torch.no_grad():
            network(torch.from_numpy(pictures(64, 99, 8)[0]).permute(0, 3, 1, 2))
    file = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.save(network.state_dict(), file)
    return file


@pytest.fixture
def small(monkeypatch):
    """Inception resizes to 75 instead of 299 pixels, for both sides of a comparison: a sixteenth of the work."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    monkeypatch.setattr(FeatureExtractorInceptionV3, "INPUT_IMAGE_SIZE", 75)


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


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=tests", "-c", "user.email=tests@example.com"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory, worker_id) -> Path:
    """A fresh clone in which `dvc repro` made the nano scale from nothing, one for all processes that test.

    Tests work in copies of it and leave it alone.
    """
    base = tmp_path_factory.getbasetemp()
    project = (base if worker_id == "master" else base.parent) / "reproduced"
    with FileLock(f"{project}.lock"):
        if not project.exists():
            reproduce(copy_project(project.with_name("reproducing"))).rename(project)
    return project


def reproduce(project: Path) -> Path:
    record_nano(project)
    git(project, "init", "--quiet")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "The project, at nano scale")
    done = dvc(project, "repro")
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return project


def record_nano(project: Path) -> None:
    """The one-line edit of dvc.yaml that makes another scale the one that git records."""
    path, line = project / "dvc.yaml", "scale: smoke, params/scales/smoke.yaml"
    assert line in path.read_text()
    path.write_text(path.read_text().replace(line, line.replace("smoke", "nano")))


def an(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """Run ``python -m an`` in a working copy."""
    command = [sys.executable, "-m", "an", *map(str, arguments)]
    env = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=env)


def example(name: str, *arguments) -> str:
    """Run one of examples/; what it printed."""
    command = [sys.executable, ROOT / "examples" / name, *map(str, arguments)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "snakemake", *arguments, "--cores", "all", "--resources", "gpu=4"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=installed())


def dvc(folder: Path, *arguments: str, within=None, **environment: str) -> subprocess.CompletedProcess:
    """Run DVC in a working copy; what it remembers of files stays inside, in .dvc/tmp.

    ``within`` wraps the command line, as ``Slurm.command`` does.
    """
    env = {**installed(), "DVC_SITE_CACHE_DIR": str(folder / ".dvc/tmp/site"), **environment}
    command = [sys.executable, "-m", "dvc", *arguments]
    command = within(*command, folder=folder) if within else command
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=env)


def installed() -> dict[str, str]:
    """An environment in which the commands beside this Python are found."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def planned(project: Path, scale: str = "nano") -> dict[str, int]:
    """Jobs by rule that a dry run would start."""
    done = snakemake(project, "--dry-run", "--config", f"scale={scale}")
    assert done.returncode == 0, done.stderr[-3000:]
    if "Nothing to be done" in done.stdout + done.stderr:
        return {}
    lines = iter((done.stdout + done.stderr).splitlines())
    for line in lines:
        if line.startswith("job ") and line.split() == ["job", "count"]:
            break
    next(lines)
    jobs = {}
    for line in lines:
        parts = line.split()
        if len(parts) != 2 or parts[0] == "total":
            break
        jobs[parts[0]] = int(parts[1])
    return jobs
