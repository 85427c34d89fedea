"""The training engine: exact resume, clean ends, divergence, refusals, what it imports, what the losses are."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time

import pytest
import torch
from conftest import ROOT, an
from kill_and_resume import arguments, differing, finish, kill_at_random, start, steps_done, use_params, weights

from an import params
from an.data.crop_preparation import prepare_crops
from an.data.loading import open_split
from an.tracking.events import read_events
from an.training import checkpoints, loop
from an.training.adam import Adam
from an.training.generation import AdversarialTraining
from an.training.losses import hinge_discriminator, hinge_generator, orthogonality
from an.weights import load_tensors

pytestmark = pytest.mark.slow


@pytest.fixture
def longer(tmp_path, monkeypatch):
    """Call it to have the nano scale train for so many steps, with other settings of its recipes."""
    monkeypatch.setattr(params.loading, "FOLDER", params.loading.FOLDER)
    return lambda steps, every=2, **recipe: use_params(tmp_path / "params", steps, every, **recipe)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs-32")
    prepare_crops("photographs", 32, folder, test_crops=4)
    return folder


@pytest.mark.parametrize(
    "row",
    [
        *("an", "recall-an"),
        pytest.param("acgan", marks=pytest.mark.long),
        pytest.param("an-inpainting", marks=pytest.mark.long),
    ],
)
def test_killed_at_random_and_resumed_equals_straight_bit_for_bit(longer, digits, photographs, tmp_path, row):
    longer(30)
    data = {"an-inpainting": photographs, "recall-an": None}.get(row, digits)
    straight, resumed, log = tmp_path / "straight", tmp_path / "resumed", tmp_path / "log"
    assert finish(arguments(data, straight, row), log) == 0, log.read_text()[-2000:]
    command = arguments(data, resumed, row)
    met = kill_at_random(command, resumed, log, kills=5, chance=random.Random(0), within=0.2)
    assert met >= 2, "the run was over before it could be killed: make it longer"
    assert finish(command, log) == 0, log.read_text()[-2000:]
    assert not differing(straight, resumed)
    assert numbers(resumed) == numbers(straight) and len(numbers(straight)) == 30
    assert numbers(resumed, "attention") == numbers(straight, "attention")


def numbers(folder, kind="step") -> list[dict]:
    """The steps, or other events, of an event file without what depends on the clock and the machine."""
    changing = ("time", "steps_per_second", "host_memory")
    chosen = [event for event in read_events(folder / "events.jsonl") if event["kind"] == kind]
    return [{k: v for k, v in event.items() if k not in changing} for event in chosen]


def test_killed_while_it_writes_checkpoints(longer, digits, tmp_path):
    """Every step writes one and each kill waits for a half-written file, so that it falls into the writing."""
    longer(12, every=1)
    straight, resumed, log = tmp_path / "straight", tmp_path / "resumed", tmp_path / "log"
    assert finish(arguments(digits, straight), log) == 0
    command, torn = arguments(digits, resumed), 0
    for _ in range(8):
        job = start(command, log)
        while job.is_alive() and not list((resumed / "scratch").glob(".state-*.part")):
            pass
        job.kill()
        job.join()
        torn += bool(list((resumed / "scratch").glob(".state-*.part")))
    assert torn >= 2, "no kill fell into the writing of a checkpoint"
    assert finish(command, log) == 0, log.read_text()[-2000:]
    assert not differing(straight, resumed)
    assert {file.name for file in (resumed / "scratch").iterdir()} == {"lock"}


def test_a_damaged_checkpoint_falls_back_to_the_one_before(longer, digits, tmp_path):
    longer(12)
    straight, resumed, log = tmp_path / "straight", tmp_path / "resumed", tmp_path / "log"
    assert finish(arguments(digits, straight), log) == 0
    interrupted(arguments(digits, resumed), resumed, log)
    newest, _ = checkpoints.states(resumed / "scratch")
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    assert finish(arguments(digits, resumed), log) == 0
    assert f"{newest} cannot be read (wrong checksum)" in log.read_text() and "the one before it" in log.read_text()
    assert not differing(straight, resumed)


def interrupted(command, out, log, steps: int = 5, signals=(signal.SIGTERM,), prepare=None) -> int:
    """Start a run, send it signals after some steps, and return its exit code."""
    job = start(command, log, prepare)
    while job.is_alive() and steps_done(out) < steps:
        time.sleep(0.005)
    for number in signals:
        if job.is_alive():
            os.kill(job.pid, number)
    job.join(60)
    return job.exitcode


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_with_a_checkpoint_of_the_last_step(longer, digits, tmp_path, number, status):
    longer(400, every=1000)
    out, log = tmp_path / "out", tmp_path / "log"
    assert interrupted(arguments(digits, out), out, log, signals=[number]) == status
    done = read_events(out / "scratch/events.jsonl")[-1]
    assert done["kind"] == "status" and done["status"] == "interrupted" and 5 <= done["step"] < 400
    assert load_tensors(checkpoints.states(out / "scratch")[0])["step"] == done["step"]
    assert log.read_text().splitlines()[-1].endswith("the same command goes on from there.")
    assert not list(out.glob("*.pt"))


def test_resume_points_lie_no_further_apart_than_some_minutes(longer, digits, tmp_path):
    def soon():
        loop.MINUTES = 0.002

    longer(4000, every=4000)  # a snapshot, after 2,000 steps, comes with a resume point too
    out, log = tmp_path / "out", tmp_path / "log"
    job = start(arguments(digits, out), log, soon)
    while job.is_alive() and steps_done(out) < 30:
        time.sleep(0.005)
    job.kill()
    job.join()
    assert 0 < load_tensors(checkpoints.states(out / "scratch")[0])["step"] < 2000


def test_a_second_signal_stops_at_once(longer, digits, tmp_path):
    longer(400, every=1000)

    def slow():
        advance = AdversarialTraining.advance
        AdversarialTraining.advance = lambda *a: (time.sleep(0.4), advance(*a))[1]

    out, log = tmp_path / "out", tmp_path / "log"
    job = start(arguments(digits, out), log, slow)
    while job.is_alive() and steps_done(out) < 1:
        time.sleep(0.005)
    os.kill(job.pid, signal.SIGTERM)
    while job.is_alive() and "a second signal stops at once" not in log.read_text():
        time.sleep(0.005)
    os.kill(job.pid, signal.SIGTERM)
    job.join(60)
    assert job.exitcode == -signal.SIGTERM
    assert [load_tensors(path)["step"] for path in checkpoints.states(out / "scratch")] == [0]


def test_the_time_limit_stops_and_the_next_start_goes_on(longer, digits, tmp_path):
    longer(12)
    straight, resumed, log = tmp_path / "straight", tmp_path / "resumed", tmp_path / "log"
    assert finish(arguments(digits, straight), log) == 0
    limited = arguments(digits, resumed, "an", "--hours", "1e-9")
    assert [finish(limited, log) for _ in range(11)] == [124] * 11, "one step each time"
    assert finish(limited, log) == 0
    assert not differing(straight, resumed)


def test_a_full_disk_is_an_error_and_the_checkpoint_before_it_loads(longer, digits, tmp_path):
    longer(12)
    straight, full, log = tmp_path / "straight", tmp_path / "full", tmp_path / "log"
    assert finish(arguments(digits, straight), log) == 0

    def limit():
        """After the first resume point no file may grow beyond 100 KB, of which such a point has several."""
        save = checkpoints.save_state

        def then_full(*arguments):
            save(*arguments)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

        checkpoints.save_state = then_full

    assert finish(arguments(digits, full), log, limit) == 1
    assert "cannot be written" in log.read_text() and "make room on the disk" in log.read_text().splitlines()[-1]
    assert [load_tensors(path)["step"] for path in checkpoints.states(full / "scratch")] == [0]
    assert not list((full / "scratch").glob(".*.part")) and not list(full.glob("*.pt"))
    assert finish(arguments(digits, full), log) == 0
    assert not differing(straight, full)


@pytest.mark.parametrize("row", ["an", "an-inpainting"])
def test_a_diverged_run_ends_with_its_last_good_weights(longer, digits, photographs, tmp_path, row, monkeypatch):
    def explode():
        step = Adam.step

        def exploding(self, lr):
            self.calls = getattr(self, "calls", 0) + 1
            step(self, 1e38 if self.calls == 5 else lr)

        Adam.step = exploding

    longer(12)
    out, log = tmp_path / "out", tmp_path / "log"
    assert finish(arguments(photographs if row == "an-inpainting" else digits, out, row), log, explode) == 0
    report = json.loads((out / "training.json").read_text())
    assert report["status"] == "diverged" and report["step"] == 4 and "finite" in report["reason"]
    assert read_events(out / "events.jsonl")[-1]["status"] == "diverged"
    assert all(torch.isfinite(tensor).all() for tensor in weights(out).values())
    assert f"{row} seed 0 diverged at step" in log.read_text()
    if row == "an":
        assert len(list(out.glob("generator-*.pt"))) == 3, "the pipeline goes on with every file it declared"


def test_a_collapsed_generator_is_a_diverged_run(longer, digits, tmp_path):
    def collapse():
        made = AdversarialTraining.__init__

        def collapsed(self, *arguments, **named):
            made(self, *arguments, **named)
            torch.nn.init.zeros_(self.generator.to_rgb.weight)

        AdversarialTraining.__init__ = collapsed

    longer(12, generator_lr=1e-30)
    out, log = tmp_path / "out", tmp_path / "log"
    assert finish(arguments(digits, out, "sngan"), log, collapse) == 0
    report = json.loads((out / "training.json").read_text())
    assert report["status"] == "diverged" and report["reason"] == "all generated images are alike"


def test_a_checkpoint_of_other_settings_is_refused_by_key(longer, digits, tmp_path):
    longer(400)
    out, log = tmp_path / "out", tmp_path / "log"
    interrupted(arguments(digits, out), out, log)
    longer(400, batch=4)
    assert finish(arguments(digits, out), log) == 1
    assert "holds a run with other settings (recipe.batch was 8, is 4)" in log.read_text().splitlines()[-1]
    longer(400)
    assert finish([*arguments(digits, out), "--seed", "1"], log) == 1
    assert "(seed was 0, is 1)" in log.read_text().splitlines()[-1]


def test_a_finished_run_is_trained_anew_when_asked_again(longer, digits, tmp_path):
    out, log = tmp_path / "out", tmp_path / "log"
    longer(2)
    assert finish(arguments(digits, out), log) == 0
    assert {file.name for file in (out / "scratch").iterdir()} == {"lock"}
    before = weights(out)
    longer(4)
    assert finish(arguments(digits, out), log) == 0
    assert len(numbers(out)) == 4 and any(not torch.equal(before[k], v) for k, v in weights(out).items())


def test_lower_precision_trains_the_same_networks(digits):
    """bfloat16 keeps weights, losses and optimizers in float32 and comes near float32's first losses."""
    losses = {}
    for precision in ("float32", "bfloat16"):
        scale = params.load_scale("nano").model_copy(update={"precision": precision})
        data = open_split(digits, "train")
        job = AdversarialTraining(params.load_row("an"), scale, 0, data, device=torch.device("cpu"))
        losses[precision], _ = job.advance(0, False)
        assert all(p.dtype == torch.float32 for p in job.generator.parameters())
    for name, loss in losses["bfloat16"].items():
        assert loss.dtype == torch.float32
        assert 0 < abs(loss - losses["float32"][name]) < 0.05 * abs(losses["float32"][name]), "near, and not the same"


def test_every_random_state_is_kept(longer, digits, tmp_path):
    import numpy as np

    longer(2)
    job = AdversarialTraining(
        params.load_row("an"), params.load_scale("nano"), 0, open_split(digits, "train"), device=torch.device("cpu")
    )

    def draw():
        return [
            torch.rand(3).tolist(),
            np.random.rand(3).tolist(),
            [random.random() for _ in range(3)],
            job.draws.normal(2, 3).tolist(),
        ]

    checkpoints.save_state(tmp_path, 7, job, 11)
    first = draw()
    assert draw() != first
    assert checkpoints.load_state(tmp_path, job) == (7, 11)
    assert draw() == first


def test_an_unknown_row_or_scale_is_one_sentence(called, digits, tmp_path):
    done = called(*arguments(digits, tmp_path / "out", row="sagn"))
    assert done.returncode == 1 and done.stderr.startswith("Error: unknown row 'sagn' (did you mean 'sagan'?)")
    assert len(done.stderr.splitlines()) == 1 and not (tmp_path / "out").exists()


def test_a_second_trainer_waits_for_the_first_and_takes_its_result(longer, digits, tmp_path):
    longer(60)
    out, logs = tmp_path / "out", [tmp_path / "first", tmp_path / "second"]
    command = arguments(digits, out)
    first = start(command, logs[0])
    while not (out / "scratch/events.jsonl").exists():
        assert first.is_alive(), logs[0].read_text()
    second = start(command, logs[1])
    for job in (first, second):
        job.join()
    assert first.exitcode == second.exitcode == 0, logs[1].read_text()
    assert f"in use by process {first.pid} on" in logs[1].read_text()
    assert "an seed 0 has been trained meanwhile." in logs[1].read_text()
    assert len(numbers(out)) == 60


def test_a_trainer_that_waited_for_one_that_was_killed_goes_on(longer, digits, tmp_path):
    longer(30)
    out, log = tmp_path / "out", tmp_path / "log"
    command = arguments(digits, out)
    first = start(command, log)
    while steps_done(out) < 4:
        assert first.is_alive(), log.read_text()
    second = start(command, log)
    while "waiting for its end" not in log.read_text():
        assert first.is_alive() and second.is_alive(), log.read_text()
    first.kill()
    second.join()
    assert second.exitcode == 0 and "meanwhile" not in log.read_text()
    assert [step["step"] for step in numbers(out)] == list(range(1, 31))


def test_waiting_ends_with_the_time_that_a_trainer_has(digits, tmp_path, project):
    from filelock import FileLock

    out = tmp_path / "out"
    (out / "scratch").mkdir(parents=True)
    (out / "scratch/holder").write_text("process 1234 on node7")
    with FileLock(out / "scratch/lock"):
        done = an(project, *arguments(digits, out), "--hours", 0.0005)
    assert done.returncode == 124 and "still in other hands (process 1234 on node7)" in done.stderr


def test_a_result_of_other_settings_is_not_taken_for_ones_own(longer, digits, tmp_path):
    from an.training.turns import has_result

    longer(2)
    out, log = tmp_path / "out", tmp_path / "log"
    assert finish(arguments(digits, out), log) == 0, log.read_text()
    files = {"training": out / "training.json", "checkpoints": out}
    assert has_result("an", "nano", 0, **files)
    assert not has_result("an", "nano", 1, **files) and not has_result("sagan", "nano", 0, **files)
    longer(4)
    assert not has_result("an", "nano", 0, **files)
    longer(2)
    (out / "generator-001.pt").write_bytes(b"damaged")
    assert not has_result("an", "nano", 0, **files)


def test_a_wrong_checksum_stops_before_training(called, digits, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for file in digits.iterdir():
        (data / file.name).write_bytes(file.read_bytes())
    (data / "train_labels.npy").write_bytes(b"damaged")
    done = called(*arguments(data, tmp_path / "out"))
    assert done.returncode == 1 and "train_labels.npy differs from its manifest" in done.stderr
    assert not list(tmp_path.rglob("*.pt"))


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

    class Evil:
        def __reduce__(self):
            return (os.system, (f"touch {tmp_path}/executed",))

    torch.save({"modules": Evil()}, tmp_path / "state.pt")
    with pytest.raises(UserError, match="cannot be read"):
        load_tensors(tmp_path / "state.pt")
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


def test_events_tell_what_ran_each_step_and_how_it_ended(longer, digits, tmp_path):
    longer(2)
    out = tmp_path / "out"
    assert finish(arguments(digits, out), tmp_path / "log") == 0
    header, *events, last = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    steps = [event for event in events if event["kind"] == "step"]
    assert {event["kind"] for event in events} == {"step", "attention"}
    assert header["kind"] == "run" and header["settings"]["recipe"]["steps"] == 2 and header["row"] == "an"
    assert header["key"].startswith("an/seed-0@") and header["parent"].startswith("an@")
    assert [step["step"] for step in steps] == [1, 2] and last["status"] == "finished"
    measured = {"generator", "discriminator", "generator_lr", "discriminator_lr", "diversity", "host_memory"}
    measured |= {"generator_gradient_norm", "discriminator_gradient_norm", "steps_per_second"}
    assert all(measured <= step.keys() and all(isinstance(step[k], (int, float)) for k in measured) for step in steps)
    report = json.loads((out / "training.json").read_text())
    assert report["key"] == header["key"] and report["status"] == "finished" and report["step"] == 2


@pytest.mark.parametrize("row", ["an", "sagan", "sngan", "an-inpainting", "ca", "recall-an", "recall-none"])
def test_events_tell_at_every_resume_point_what_the_attention_layers_do(longer, digits, photographs, tmp_path, row):
    longer(6, every=4)
    out = tmp_path / "out"
    data = {"generation": digits, "inpainting": photographs, "recall": None}[params.load_row(row).task]
    assert finish(arguments(data, out, row), tmp_path / "log") == 0, (tmp_path / "log").read_text()[-2000:]
    events = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    told = [event for event in events if event["kind"] == "attention"]
    of_layout = {"layout_information", "effective_regions", "regions_used", "regions_winning", "rho", "t"}
    networks, measures = {
        **dict.fromkeys(("sngan", "ca", "recall-none"), ((), ())),
        "sagan": (("generator", "discriminator"), {"gamma"}),
        "an": (("generator", "discriminator"), of_layout),
        "an-inpainting": (("generator",), of_layout),
        "recall-an": (("network",), of_layout),
    }[row]
    names = {f"{network}_{measure}" for network in networks for measure in measures}
    assert all(event.keys() == {"kind", "time", "step", *names} for event in told)
    last = json.loads((out / "training.json").read_text())["attention"]
    assert last.keys() == names
    if names:
        points = [0, 3, 4, 6] if len(networks) == 2 else [0, 4, 6]  # a row of generators has snapshots too
        assert [event["step"] for event in told] == points
        assert last.items() <= told[-1].items() and not last.items() <= told[0].items()
    else:
        assert told == []
