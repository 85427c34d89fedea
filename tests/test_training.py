"""The training loop: exact resume, clean refusals, what it imports, what the losses are."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
import yaml
from conftest import ROOT, an

from an.data.crop_preparation import prepare_crops
from an.tracking import read_events
from an.training.losses import hinge_discriminator, hinge_generator, orthogonality


def arguments(digits, out, row="an", scratch=None):
    paths = {"data": digits, "checkpoints": out, "events": out / "events.jsonl", "scratch": scratch or out / "scratch"}
    named = {"row": row, "scale": "nano", "seed": 0, **paths}
    return ["train", *(str(a) for name, value in named.items() for a in (f"--{name}", value))]


def longer(project, steps: int, **recipe) -> None:
    path = project / "params/scales/nano.yaml"
    content = yaml.safe_load(path.read_text())
    for each in content["recipes"].values():
        each.update(steps=steps, **recipe)
    content["inpainting"].update(pretraining_steps=steps // 2, adversarial_steps=steps // 2)
    path.write_text(yaml.safe_dump(content))


def weights(folder):
    files = sorted(folder.glob("*.pt"))
    return {f"{f.name} {k}": v for f in files for k, v in torch.load(f, weights_only=True).items()}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs-32")
    prepare_crops("photographs", 32, 4, folder)
    return folder


@pytest.mark.parametrize("row", ["an", "acgan", "an-inpainting"])
def test_killed_and_resumed_equals_straight_bit_for_bit(project, digits, photographs, tmp_path, row):
    longer(project, 26)
    if row == "an-inpainting":
        digits = photographs
    straight, resumed = tmp_path / "straight", tmp_path / "resumed"
    assert an(project, *arguments(digits, straight, row)).returncode == 0
    command = [sys.executable, "-m", "an", *arguments(digits, resumed, row)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    kills = 0
    for _ in range(3):
        job = subprocess.Popen(command, cwd=project, env=environment, stderr=subprocess.DEVNULL)
        before = steps_done(resumed)
        while job.poll() is None and steps_done(resumed) < before + 5:
            time.sleep(0.01)
        if job.poll() is None:
            job.send_signal(signal.SIGKILL)
            kills += 1
        job.wait()
    assert kills >= 2, "the run ended before it could be killed: make it longer"
    assert an(project, *arguments(digits, resumed, row)).returncode == 0
    ours, theirs = weights(resumed), weights(straight)
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)

    def losses(folder):
        return [{k: v for k, v in e.items() if k != "steps_per_second"} for e in read_events(folder / "events.jsonl")]

    assert losses(resumed) == losses(straight) and len(losses(straight)) == 26


def steps_done(out):
    events = out / "scratch/events.jsonl"
    return len(events.read_text().splitlines()) if events.exists() else 0


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_state(project, digits, tmp_path):
    longer(project, 20, generator_lr=1e38, discriminator_lr=1e38)
    out = tmp_path / "out"
    done = an(project, *arguments(digits, out))
    assert done.returncode == 1 and "a loss is not finite" in done.stderr.splitlines()[-1]
    assert not list(out.glob("*.pt")), "no result is declared"
    if (state := out / "scratch/state.pt").exists():
        kept = torch.load(state, weights_only=True)
        tensors = [t for m in ("generator", "discriminator") for t in kept["modules"][m].values()]
        assert all(torch.isfinite(t).all() for t in tensors)


def test_an_interrupted_run_does_not_go_on_under_other_parameters(project, digits, tmp_path):
    longer(project, 200)
    out = tmp_path / "out"
    job = subprocess.Popen(
        [sys.executable, "-m", "an", *arguments(digits, out)], cwd=project, stderr=subprocess.DEVNULL
    )
    while not (out / "scratch/state.pt").exists():
        time.sleep(0.01)
    job.kill()
    job.wait()
    longer(project, 4)
    done = an(project, *arguments(digits, out))
    assert done.returncode == 1 and "was trained with other parameters" in done.stderr


def test_a_finished_run_is_trained_anew_when_asked_again(project, digits, tmp_path):
    out = tmp_path / "out"
    assert an(project, *arguments(digits, out)).returncode == 0
    assert {file.name for file in (out / "scratch").iterdir()} <= {"lock"}
    before = (out / "discriminator.pt").read_bytes()
    longer(project, 4)
    assert an(project, *arguments(digits, out)).returncode == 0
    assert len(read_events(out / "events.jsonl")) == 4 and (out / "discriminator.pt").read_bytes() != before


def test_an_unknown_row_or_scale_is_one_sentence(project, digits, tmp_path):
    done = an(project, *arguments(digits, tmp_path / "out", row="sagn"))
    assert done.returncode == 1 and done.stderr.startswith("Error: unknown row 'sagn' (did you mean 'sagan'?)")
    assert len(done.stderr.splitlines()) == 1 and not (tmp_path / "out").exists()


def test_a_second_trainer_is_told_who_holds_the_folder(digits, tmp_path, project):
    from filelock import FileLock

    out = tmp_path / "out"
    (out / "scratch").mkdir(parents=True)
    (out / "scratch/holder").write_text("process 1234 on node7")
    with FileLock(out / "scratch/lock"):
        done = an(project, *arguments(digits, out))
    assert done.returncode == 1 and "in use by process 1234 on node7" in done.stderr


def test_a_wrong_checksum_stops_before_training(project, digits, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for file in digits.iterdir():
        (data / file.name).write_bytes(file.read_bytes())
    (data / "train_labels.npy").write_bytes(b"damaged")
    done = an(project, *arguments(data, tmp_path / "out"))
    assert done.returncode == 1 and "train_labels.npy differs from its manifest" in done.stderr
    assert not (tmp_path / "out/scratch/state.pt").exists()


def test_training_runs_without_the_heavy_packages(digits, tmp_path):
    """Everything but torch, numpy and light packages is blocked from import."""
    heavy = "mlflow dvc snakemake pandas matplotlib sklearn scipy skimage torchvision torch_fidelity PIL psutil"
    out = tmp_path / "out"
    program = f"""
import sys
sys.modules.update(dict.fromkeys({heavy.split()!r}))  # None there makes the import fail
from an.__main__ import main
sys.exit(main({arguments(digits, out)!r}))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (out / "discriminator.pt").exists()


def test_a_checkpoint_with_code_in_it_is_not_run(tmp_path):
    from an.errors import UserError
    from an.training import checkpoints

    class Evil:
        def __reduce__(self):
            return (os.system, (f"touch {tmp_path}/executed",))

    torch.save({"modules": Evil()}, tmp_path / "state.pt")
    with pytest.raises(UserError, match="cannot be read"):
        checkpoints.load(tmp_path / "state.pt")
    assert not (tmp_path / "executed").exists()


def test_hinge_losses():
    real, fake = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-2.0, 0.0, 0.5])
    assert hinge_discriminator(real, fake).item() == pytest.approx((0 + 0.5 + 2) / 3 + (0 + 1 + 1.5) / 3)
    assert hinge_generator(fake).item() == pytest.approx(0.5)


def test_orthogonality_is_trained_where_the_row_asks_for_it(project, digits, tmp_path):
    """A huge weight drives W W^T to I; weight 0 leaves the term out of the gradient."""
    from an.models import build

    generator, _ = build("an", "nano", 10)
    layer = next(m for m in generator.modules() if hasattr(m, "orthogonality_loss"))
    assert orthogonality(generator, 0.0) == 0.0
    assert orthogonality(generator, 2.0).item() == pytest.approx(2 * layer.orthogonality_loss().item(), rel=1e-3)


def test_learning_rate_falls_linearly_to_zero():
    from an.training.schedule import learning_rate_factor

    assert [learning_rate_factor(step, 10, 6) for step in range(10)] == [1.0] * 7 + [0.75, 0.5, 0.25]
    assert learning_rate_factor(9, 10, None) == 1.0


def test_events_are_json_lines(project, digits, tmp_path):
    out = tmp_path / "out"
    an(project, *arguments(digits, out))
    lines = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2]
    assert all(isinstance(line["generator"], float) for line in lines)
