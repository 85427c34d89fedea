"""The package as pip installs it, without its optional dependencies, used from another folder."""

import os
import subprocess
import sys
import sysconfig
from importlib.metadata import distribution, distributions
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from packaging.requirements import Requirement
from PIL import Image

from an import params
from an.models.build import build_inpainting_generator
from an.weights import save_tensors

pytestmark = pytest.mark.long

LAYER = """
import torch
from an.layers import AttentiveNorm2d
print(AttentiveNorm2d(8)(torch.ones(1, 8, 4, 4)).shape)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """An environment that has the wheel and what it requires, and runs a command in an empty folder."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT], check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
    (packages,) = (folder / "env/lib").glob("python*/site-packages")
    subprocess.run([*pip, "install", "--no-deps", "--target", folder / "an", wheel], check=True)
    (packages / "an.pth").write_text(str(folder / "an"))
    for name in required(folder / "an"):
        for file in distribution(name).files:
            top = packages / file.parts[0]
            if file.parts[0] not in ("..", "__pycache__") and not top.exists():
                top.symlink_to(distribution(name).locate_file(file.parts[0]))
    (folder / "empty").mkdir()

    def run(*words, **environment) -> subprocess.CompletedProcess:
        command = [folder / "env/bin/python", *map(str, words)]
        env = {**os.environ, **environment}
        return subprocess.run(command, cwd=folder / "empty", capture_output=True, text=True, env=env)

    return run


def required(target: Path) -> set[str]:
    """Names of all that the package in ``target`` requires, without its extras."""
    (package,) = distributions(path=[str(target)])
    names, waiting = set(), list(package.requires)
    while waiting:
        requirement = Requirement(waiting.pop())
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if wanted and requirement.name not in names:
            names.add(requirement.name)
            waiting += distribution(requirement.name).requires or []
    return names


def test_the_layer(installed):
    done = installed("-c", LAYER)
    assert done.returncode == 0 and "torch.Size([1, 8, 4, 4])" in done.stdout, done.stderr


def test_the_command_line_and_its_parameters(installed):
    done = installed("-m", "an", "--help")
    assert done.returncode == 0 and "Images of your own" in done.stdout, done.stderr
    assert '"rows.yaml"' in installed("-m", "an", "schema").stdout
    refused = installed("-m", "an", "train", "--row", "sagn")
    assert refused.returncode == 1 and "unknown row 'sagn' (did you mean 'sagan'?)" in refused.stderr


@pytest.mark.parametrize(
    ("words", "lacks"),
    [
        (["explain", "table1", "an", "fid"], "pandas"),
        (["evaluate", "--samples", "a", "--reference", "b", "--json", "c"], "threadpoolctl"),
        (["complete", "a.png", "--mask", "b.png", "--row", "ca", "--out", "c.png"], "PIL"),
    ],
)
def test_a_verb_names_the_package_that_it_lacks(installed, words, lacks):
    done = installed("-m", "an", *words)
    needs = f"Error: this verb needs {lacks}, which is not installed: install this package's extra 'reproduce'"
    assert done.returncode == 1 and done.stderr.startswith(needs) and done.stderr.count("\n") == 1


def test_with_the_optional_dependencies_verbs_work_or_name_the_file_that_they_lack(installed, tmp_path):
    everything = {"PYTHONPATH": sysconfig.get_path("purelib")}
    network = build_inpainting_generator(params.load_row("ca"), params.load_scale("nano"))
    save_tensors(tmp_path / "ca.pt", network.state_dict())
    grey = np.random.default_rng(0).integers(256, size=(48, 40, 3), dtype=np.uint8)
    Image.fromarray(grey).save(tmp_path / "a.png")
    mask = np.zeros((48, 40), np.uint8)
    mask[10:20, 10:30] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    weights = ["--row", "ca", "--scale", "nano", "--checkpoint", tmp_path / "ca.pt", "--out", tmp_path / "out.png"]
    done = installed(
        "-m", "an", "complete", tmp_path / "a.png", "--mask", tmp_path / "mask.png", *weights, **everything
    )
    assert done.returncode == 0, done.stderr
    filled = np.asarray(Image.open(tmp_path / "out.png"))
    assert (filled[mask == 0] == grey[mask == 0]).all() and (filled[mask > 0] != grey[mask > 0]).any()

    explained = installed("-m", "an", "explain", "table1", "an", "fid", **everything)
    assert explained.returncode == 1 and "results/smoke/acgan/seed-0/metrics.json is missing" in explained.stderr
    np.save(tmp_path / "images.npy", np.zeros((10, 8, 8, 3), np.uint8))
    both = ["--samples", tmp_path / "images.npy", "--reference", tmp_path / "images.npy", "--json", tmp_path / "o.json"]
    evaluated = installed("-m", "an", "evaluate", *both, "--weights", tmp_path / "none.pth", **everything)
    assert evaluated.returncode == 1 and "none.pth is missing" in evaluated.stderr
    assert explained.stderr.count("\n") == evaluated.stderr.count("\n") == 1
