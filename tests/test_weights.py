"""Files of tensors: equal bytes for equal tensors, whoever writes them; nothing but data is read."""

import subprocess
import sys

import pytest
from conftest import ROOT

from an.weights import load_tensors

WRITE = """
import sys, torch
from an.weights import save_tensors
generator = torch.Generator().manual_seed(0)
tensors = {"b": torch.randn(3, 4, generator=generator), "a": torch.arange(5)}
tensors["view"] = tensors["b"].T  # shares its memory
save_tensors(sys.argv[1], {"step": 3, "modules": tensors})
"""


@pytest.mark.slow
def test_two_processes_write_the_same_bytes_for_the_same_tensors(tmp_path):
    for name in ("one.pt", "two/other-name.pt"):
        subprocess.run([sys.executable, "-c", WRITE, tmp_path / name], cwd=ROOT, check=True)
    first, second = (tmp_path / name for name in ("one.pt", "two/other-name.pt"))
    assert first.read_bytes() == second.read_bytes()
    content = load_tensors(first)
    assert content["step"] == 3 and content["modules"]["view"].T.equal(content["modules"]["b"])
