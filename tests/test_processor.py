"""The instruction set is fixed before the libraries load, and people's own settings stay."""

import os
import subprocess
import sys

import pytest
from conftest import ROOT

from an.processor import AVX2, _described, processor

AVX2_HERE = {"avx2", "fma"} <= set(_described("flags").split())


def computed(**settings: str) -> list[str]:
    """Capability and a digest of random numbers and a product, in a process that the command line's module began."""
    program = (
        "import an.__main__, hashlib, torch; torch.manual_seed(0); x = torch.randn(300, 300); "
        "print(torch.backends.cpu.get_cpu_capability(), hashlib.sha256((x @ x).numpy().tobytes()).hexdigest())"
    )
    without = {name: value for name, value in os.environ.items() if name not in AVX2}
    run = [sys.executable, "-c", program]
    done = subprocess.run(run, cwd=ROOT, env=without | settings, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.slow
@pytest.mark.skipif(not AVX2_HERE, reason="needs a processor with AVX2")
def test_avx2_whatever_the_processor_has():
    fixed = computed()
    assert fixed[0] == "AVX2" and fixed == computed(**AVX2)
    narrow = computed(ATEN_CPU_CAPABILITY="default")
    assert narrow[0] == "DEFAULT" and narrow[1] != fixed[1], "what people set stays, and it matters"


@pytest.mark.slow
def test_one_thread_unless_people_say_otherwise():
    program = (
        "from an.__main__ import main; import os; main(['schema']); print('threads', os.environ['OMP_NUM_THREADS'])"
    )
    without = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    for given, wanted in (({}, "1"), ({"OMP_NUM_THREADS": "3"}, "3")):
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, env=without | given, capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines()[-1] == f"threads {wanted}"


def test_the_processor_has_a_name():
    assert processor()
