"""Several replicas on the CPU (gloo, torchrun): the same training as one process; a dead replica ends the job."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from conftest import ROOT
from kill_and_resume import arguments, finish, steps_done, weights

from an import params
from an.data.crop_preparation import prepare_crops
from an.errors import UserError
from an.tracking.events import read_events
from an.training.replicas import Replicas

pytestmark = pytest.mark.slow

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def share_apart(ours: dict, theirs: dict) -> float:
    """Share of all values that differ by more than rounding."""
    apart = [~torch.isclose(ours[name], theirs[name], rtol=1e-3, atol=1e-4).flatten() for name in theirs]
    return torch.cat(apart).float().mean().item()


@pytest.mark.long
def test_two_replicas_train_as_one_process(digits, tmp_path):
    """20 adversarial steps without batch statistics; the order of sums differs."""
    files = [tmp_path / "one.pt", tmp_path / "two.pt"]
    for command, file in zip(([sys.executable], TORCHRUN), files, strict=True):
        run = [*command, "tests/replica_steps.py", digits, "20", file, "sagan"]
        done = subprocess.run(run, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
    one, two = (torch.load(file, weights_only=True) for file in files)
    # Adam makes a whole step of a gradient that is zero but for rounding, whatever its sign.
    assert share_apart(two, one) < 1e-3
    untrained = tmp_path / "untrained.pt"
    subprocess.run([sys.executable, "tests/replica_steps.py", digits, "0", untrained, "sagan"], cwd=ROOT, check=True)
    assert share_apart(torch.load(untrained, weights_only=True), one) > 0.5, "the tolerance would notice nothing"


@pytest.mark.long
def test_two_replicas_go_on_when_sampling_ends(digits, tmp_path):
    """Parameters that no gradient reaches any more are not waited for; an-bn's discriminator runs twice a step."""
    assert params.load_row("an").attention.sampling_share == params.load_row("an-bn").attention.sampling_share == 0.5
    file = tmp_path / "two.pt"
    run = [*TORCHRUN, "tests/replica_steps.py", digits, "4", file, "an", "an-bn"]
    done = subprocess.run(run, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    weights = torch.load(file, weights_only=True)
    layers = [name.removesuffix("rho") for name in weights if name.endswith(".rho")]
    assert len(layers) == 4
    for layer in layers:
        # rho starts at 0, so the first step, which samples, moves rho alone, and the three that do not sample the rest.
        assert weights[layer + "rho"] != 0 and (weights[layer + "beta"] != 1).any()
        assert (weights[layer + "t"] == 0.1).all(), "a step after the first one sampled"


@pytest.mark.long
def test_two_replicas_train_the_inpainting_row_as_one_process(tmp_path):
    data = tmp_path / "data"
    prepare_crops("photographs", 32, data, test_crops=4)
    one, two, log = tmp_path / "one", tmp_path / "two", tmp_path / "log"
    assert finish(arguments(data, one, "ca"), log) == 0, log.read_text()
    run = [*TORCHRUN, "-m", "an", *arguments(data, two, "ca")]
    done = subprocess.run(run, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert share_apart(weights(two), weights(one)) < 1e-3


def test_a_replica_that_dies_ends_the_job(digits, tmp_path):
    out = tmp_path / "out"
    program = (
        "import time, an.training.generation as a; advance = a.AdversarialTraining.advance; "
        "a.AdversarialTraining.advance = lambda *x: (time.sleep(60 * (x[1] == 1)), advance(*x))[1]; "
        "import sys; from an.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    script = tmp_path / "slow.py"
    script.write_text(program)
    run = [*TORCHRUN, script, *arguments(digits, out)]
    environment = {**ENVIRONMENT, "PYTHONPATH": str(ROOT)}
    job = subprocess.Popen(run, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    holder = out / "scratch/holder"
    while not (out / "scratch/events.jsonl").exists():
        assert job.poll() is None, job.stderr.read()[-3000:]
        time.sleep(0.05)
    os.kill(int(holder.read_text().split()[1]), signal.SIGKILL)
    killed = time.monotonic()
    _, errors = job.communicate()
    assert job.returncode != 0 and time.monotonic() - killed < 60
    assert "exitcode  : -9" in errors or "Signal 9" in errors, errors[-2000:]


def test_a_batch_that_does_not_divide_is_an_error():
    assert Replicas(1, 4).rows(8) == slice(2, 4)
    with pytest.raises(UserError, match="a batch of 8 does not divide among 3 replicas"):
        Replicas(0, 3).rows(8)


@pytest.mark.long
def test_a_launched_job_stops_with_a_checkpoint_and_goes_on(project, digits, tmp_path):
    """What ``--gpus 2`` does, on two CPU replicas: one command holds both, and hands its signal on."""
    out, nano = tmp_path / "out", project / "params/scales/nano.yaml"
    nano.write_text(nano.read_text().replace("steps: 2}", "steps: 60}"))
    script = tmp_path / "launched.py"
    script.write_text(
        "import sys\n"
        "from an.errors import Stopped\n"
        "from an.training.launch import launch\n"
        "try:\n"
        "    launch([0, 1])\n"
        "except Stopped as stop:\n"
        "    sys.exit(stop.status)\n"
    )
    command = [sys.executable, script, *arguments(digits, out)]
    environment = {**ENVIRONMENT, "PYTHONPATH": str(project)}
    job = subprocess.Popen(command, cwd=project, env=environment, stderr=subprocess.PIPE, text=True)
    while steps_done(out) == 0:
        assert job.poll() is None, job.stderr.read()[-3000:]
        time.sleep(0.01)
    job.send_signal(signal.SIGTERM)
    _, errors = job.communicate()
    assert job.returncode == 128 + signal.SIGTERM, errors[-3000:]
    last = read_events(out / "scratch/events.jsonl")[-1]
    assert last["status"] == "interrupted"
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert [event["step"] for event in read_events(out / "events.jsonl") if event["kind"] == "step"] == [*range(1, 61)]
