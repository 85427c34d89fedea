"""Event spools and their way into MLflow: real stores and servers, kills, and a real browser."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
from browser import MISSING, browser
from conftest import ROOT, snakemake
from kill_and_resume import start, use_params
from mlflow_server import free_port, kill, start_server
from spool_files import STARTED, attention, evaluated, finished, header, spool, status, steps

from an import params
from an.files import sha256
from an.seals import write_sealed
from an.tracking.mlflow_sync import STATUS, open_client, sync, use_defaults
from an.tracking.mlflow_ui import pages
from an.tracking.spools import read_spools

pytestmark = pytest.mark.slow

use_defaults()
LOG = Path("training.log")


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    open_client(f"sqlite:///{file}")
    return file


@pytest.fixture
def folder(tmp_path, monkeypatch, empty_store) -> Path:
    """A folder to work in, with an empty store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    shutil.copy(empty_store, "mlflow.db")
    return tmp_path


def client():
    return open_client(f"sqlite:///{os.getcwd()}/mlflow.db")


def stored() -> dict:
    """Every run of the store by its key."""
    runs = client().search_runs([experiment.experiment_id for experiment in client().search_experiments()])
    assert len({run.data.tags["key"] for run in runs}) == len(runs), "two runs have one key"
    return {run.data.tags["key"]: run for run in runs}


def history(run, metric: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in client().get_metric_history(run.info.run_id, metric)]


def tables() -> dict[str, list]:
    """Every table of the store, whole."""
    with sqlite3.connect("mlflow.db") as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: sorted(map(repr, database.execute(f'SELECT * FROM "{name}"'))) for name in names}


def points() -> int:
    """How many metric points the store has at this moment."""
    try:
        with sqlite3.connect("mlflow.db", timeout=20) as database:
            return database.execute("SELECT count(*) FROM metrics").fetchone()[0]
    except sqlite3.OperationalError:
        return 0  # not made yet


def assert_all_is_there() -> None:
    """Each spool's steps stand in the store exactly once, with its values."""
    runs, spools = stored(), read_spools("nano")
    for spooled in spools:
        run = runs[spooled.header["key"]]
        for name in spooled.steps[0].keys() - {"kind", "time"}:
            assert history(run, f"train/{name}") == [(event["step"], event[name]) for event in spooled.steps]
        assert run.info.status == STATUS[spooled.status["status"]]
    parents = {spooled.header["parent"] for spooled in spools}
    assert len(runs) == len(spools) + len(parents)


def test_a_run_for_each_row_and_seed_and_a_parent_for_each_row(folder):
    for seed, fid in enumerate([3.0, 5.0]):
        finished("an", seed, metrics={"fid": fid, "intra_fid": 2 * fid, "inception_score": 2.5})
    finished("ca", 0, metrics={"fid": 1.0, "psnr": 20.0})
    assert sync("nano") == f"MLflow at sqlite:///{folder}/mlflow.db has all 3 runs, of 2 rows, of scale nano."
    assert_all_is_there()
    runs = stored()
    first, second = (runs[header("an", seed)["key"]] for seed in (0, 1))
    parent = runs[header("an", 0)["parent"]]
    experiments = {experiment.experiment_id: experiment.name for experiment in client().search_experiments()}
    assert experiments[first.info.experiment_id] == experiments[parent.info.experiment_id] == "generation-nano"
    assert experiments[runs[header("ca", 0)["key"]].info.experiment_id] == "inpainting-nano"
    assert (first.info.run_name, second.info.run_name, parent.info.run_name) == ("seed-0", "seed-1", "AN (ours)")
    assert first.data.tags["mlflow.parentRunId"] == second.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert first.data.metrics["fid"] == 3.0 and history(first, "fid") == [(20, 3.0)]
    assert history(first, "train/fid") == [(0, 23.0), (10, 13.0), (20, 3.0)]
    summary = parent.data.metrics
    assert (summary["seeds"], summary["fid"], summary["intra_fid"], summary["inception_score"]) == (2, 4.0, 8.0, 2.5)
    assert summary["fid_sd"] == pytest.approx(2**0.5) and parent.info.status == "FINISHED"
    assert "train/generator" not in summary
    assert history(parent, "train/fid") == [(0, 24.0), (10, 14.0), (20, 4.0)], "of the mean"
    assert first.data.params["seed"] == "0" and first.data.params["row.attention.regions"] == "16"
    assert parent.data.params["recipe.batch"] == "8"
    tags = first.data.tags
    assert tags["commit"] == "0123456789ab" and tags["dirty"] == "True" and tags["device"] == "CPU, 1 thread(s)"
    assert tags["checkpoint"] == "checkpoints/nano/an/seed-0/generator-002.pt" and tags["checkpoint_sha256"] == "5" * 64
    assert json.loads(tags["protocol"]) == {"extractor": "classifier", "generated": 100}
    (dataset,) = first.inputs.dataset_inputs
    assert dataset.dataset.name == "digits-32" and dataset.dataset.digest == "d" * 32
    artifacts = Path(first.info.artifact_uri)
    assert json.loads((artifacts / "config.json").read_text()) == header("an", 0)
    picture, of_row = (artifacts / "samples.png").read_bytes(), Path(parent.info.artifact_uri)
    assert picture.startswith(b"\x89PNG") and (of_row / "samples.png").read_bytes() == picture, "its first seed's"
    assert (of_row / "fid.png").read_bytes().startswith(b"\x89PNG")
    assert (first.info.start_time, first.info.end_time) == (STARTED * 1000, (STARTED + 21) * 1000)


def ended(head: dict, seconds: float) -> None:
    """Write the report of a training of results/, with what it says of its duration."""
    events = Path("results/nano", head["row"], f"seed-{head['seed']}", "events.jsonl")
    made = {"seconds": seconds, "events_sha256": sha256(events)}
    write_sealed(events.with_name("training.json"), {"key": head["key"]}, made)


def test_a_run_lasts_as_long_as_its_training(folder):
    """Resumed after hours, the training of seed 0 took 30 s; MLflow had seen it before, that of seed 1 it had not."""
    heads = [header("an", seed) for seed in range(2)]
    under_way = spool("scratch", [heads[0], *steps(10)])
    sync("nano")
    under_way.unlink()
    for head in heads:
        resumed = [*steps(10), *steps(20, first=11, started=STARTED + 7200)]
        last = status("finished", 20) | {"time": STARTED + 7230 + 10 * head["seed"]}
        spool("results", [head, *resumed, last])
        ended(head, 30)
    for _ in range(2):
        sync("nano")
        runs = stored()
        spans = [(runs[head["key"]].info.start_time, runs[head["key"]].info.end_time) for head in heads]
        first, second = (tuple((time / 1000) - STARTED for time in span) for span in spans)
        assert (first, second) == ((0, 30), (7210, 7240))
        parent = runs[heads[0]["parent"]].info
        assert (parent.start_time, parent.end_time) == (spans[0][0], spans[1][1]), "from its first to its last"


def test_a_curve_is_drawn_again_when_it_has_changed(folder, monkeypatch):
    drawn = []
    monkeypatch.setattr("an.tracking.mlflow_sync.draw_curve", lambda curves, title: drawn.append(curves) or b"")
    finished("ca", 0, metrics={"psnr": 20.0, "fid": 1.0})
    for seed in range(2):
        finished("an", seed, metrics={"fid": 3.0 + seed})
        for _ in range(2):
            sync("nano")
            assert [len(curves) for curves in drawn if curves[0][20] == 3.0] == [1, 2][: seed + 1]


def test_what_the_attention_layers_do_stands_beside_the_steps(folder):
    """At every resume point, also when the training was resumed from an earlier one; then nothing is sent twice."""
    head, measures = header("an", 0), {"generator_rho": -0.5, "discriminator_layout_information": 0.25}
    spool("scratch", [head, *attention(0, **measures), *steps(10), *attention(10, **measures), *steps(13, first=11)])
    sync("nano")
    run = stored()[head["key"]]
    assert history(run, "attention/generator_rho") == [(0, -0.5), (10, 9.5)]
    resumed = [head, *attention(0, **measures), *steps(10), *attention(10, **measures), *steps(20, first=11)]
    spool("results", [*resumed, *attention(20, **measures), status("finished", 20)])
    evaluated(head, 20, {"fid": 3.0, "generator_rho": 19.5})
    sync("nano")
    run = stored()[head["key"]]
    assert history(run, "attention/generator_rho") == [(0, -0.5), (10, 9.5), (20, 19.5)]
    assert history(run, "attention/discriminator_layout_information") == [(0, 0.25), (10, 10.25), (20, 20.25)]
    assert history(run, "generator_rho") == [(20, 19.5)], "of the evaluated network"
    assert "generator_rho" not in stored()[head["parent"]].data.metrics
    before = tables()
    sync("nano")
    assert tables() == before
    assert_all_is_there()


def test_a_row_of_the_recall_task_is_tracked_like_any_other(folder):
    for seed, accuracy in enumerate([0.5, 0.75]):
        finished("recall-an", seed, metrics={"fid": 0.0, "accuracy": accuracy})
    sync("nano")
    assert_all_is_there()
    runs, head = stored(), header("recall-an", 0)
    run, parent = runs[head["key"]], runs[head["parent"]]
    experiments = {experiment.experiment_id: experiment.name for experiment in client().search_experiments()}
    assert experiments[run.info.experiment_id] == "recall-nano" and parent.info.run_name == "AN"
    assert parent.data.metrics["accuracy"] == 0.625 and parent.data.metrics["seeds"] == 2
    assert run.data.params["scale.keys"] == "2" and run.data.params["row.attention.sampling_share"] == "0.5"
    (dataset,) = run.inputs.dataset_inputs
    assert dataset.dataset.name == "recall", "images that are drawn have a digest and no data set"


def test_a_run_ends_as_its_training_did(folder):
    ends = {"acgan": "finished", "sngan": "interrupted", "sngan-star": "diverged", "sagan": "failed", "an": None}
    expected = ["FINISHED", "KILLED", "FAILED", "FAILED", "RUNNING"]
    for row, end in ends.items():
        spool("results", [header(row, 0), *steps(5), *([status(end, 5, "why")] if end else [])])
    sync("nano")
    runs = stored()
    for key in ("key", "parent"):
        assert [runs[header(row, 0)[key]].info.status for row in ends] == expected
    assert runs[header("sagan", 0)["key"]].data.tags["reason"] == "why"


def test_a_training_that_is_killed_and_resumed_between_syncs_has_each_step_once(folder):
    head = header("an", 0)
    file = spool("scratch", [head, *steps(25)], torn='{"kind": "step", "st')
    sync("nano")
    assert stored()[head["key"]].info.status == "RUNNING"
    spool("scratch", [head, *steps(20), *steps(22, first=21, started=STARTED + 500)])  # from a checkpoint at 20
    sync("nano")
    resumed = [head, *steps(20), *steps(40, first=21, started=STARTED + 500)]
    spool("scratch", [*resumed, status("interrupted", 40)])
    sync("nano")
    assert stored()[head["key"]].info.status == "KILLED"
    file.unlink()
    spool("results", [*resumed, *steps(60, first=41, started=STARTED + 900), status("finished", 60)])
    sync("nano")
    assert_all_is_there()


def test_a_changed_row_is_a_new_run_and_the_old_one_stays(folder):
    old = finished("an", 0, metrics={"fid": 3.0})
    sync("nano")
    new = finished("an", 0, extra=1)  # metrics.json is still that of the old training
    sync("nano")
    runs = stored()
    assert set(runs) == {old["key"], old["parent"], new["key"], new["parent"]}
    assert runs[old["parent"]].data.metrics["fid"] == 3.0 and "fid" not in runs[new["key"]].data.metrics


def test_a_new_evaluation_replaces_what_is_shown(folder):
    head = finished("an", 0, metrics={"fid": 3.0})
    sync("nano")
    evaluated(head, 20, {"fid": 2.0})
    sync("nano")
    runs, before = stored(), tables()
    assert runs[head["key"]].data.metrics["fid"] == runs[head["parent"]].data.metrics["fid"] == 2.0
    sync("nano")
    assert tables() == before


@pytest.mark.long
def test_eight_jobs_and_a_sync_at_once(folder):
    """Five times over. Each job is killed in its middle, and goes on from an earlier checkpoint."""
    job = """
import json, sys, time
from an.tracking.events import Events
file, events = sys.argv[1], json.load(sys.stdin)
spool = Events(file)
def write(chosen):
    for event in chosen:
        spool.append(**event | {"time": time.time()})
        time.sleep(0.002)
write(events[:101])
offset = spool.sync()
write(events[101:131])
spool.close()
spool = Events(file, offset)
write(events[101:])
spool.close()
"""
    for times in range(5):
        jobs = []
        for number in range(8):
            head = header("an", 8 * times + number)
            file = f"scratch/nano/an/seed-{head['seed']}/events.jsonl"
            process = subprocess.Popen([sys.executable, "-c", job, file], stdin=subprocess.PIPE, text=True)
            process.stdin.write(json.dumps([head, *steps(200), status("finished", 200)]))
            process.stdin.close()
            jobs.append(process)
        while any(process.poll() is None for process in jobs):
            sync("nano")
        assert [process.returncode for process in jobs] == [0] * 8
    sync("nano")
    assert len(read_spools("nano")) == 40
    assert_all_is_there()


@pytest.mark.long
def test_two_syncs_at_once_and_syncs_that_are_killed(folder):
    Path("mlflow.db").unlink()  # its making is part of the race
    for seed in range(2):
        finished("an", seed, last=1500, metrics={"fid": 3.0})
    track = [sys.executable, "-m", "an", "track", "--scale", "nano"]
    for _ in range(2):
        before, process = points(), subprocess.Popen(track)
        while points() == before:
            assert process.poll() is None, "the sync ended before it could be killed"
            time.sleep(0.01)
        process.kill()
        process.wait()
    assert points() < 2 * 4 * 1500
    both = [subprocess.Popen(track) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert_all_is_there()


def test_samples_are_read_once(folder, monkeypatch):
    client()  # makes the store
    head = finished("sngan", 0, metrics={"fid": 3.0})
    sync("nano")
    drawn = []
    monkeypatch.setattr("an.tracking.mlflow_sync.sample_grid", lambda header: drawn.append(header) or b"")
    sync("nano")
    assert not drawn
    images = Path("samples/nano/sngan/seed-0/samples.npy")
    np.save(images, np.zeros((100, 32, 32, 3), np.uint8))
    write_sealed(f"{images}.json", {}, files=[images])
    for _ in range(2):  # drawn once, and not again while they stay
        sync("nano")
        assert [header["key"] for header in drawn] == [head["key"]]


@pytest.mark.long
def test_a_server_that_dies_in_the_middle_loses_nothing(folder, digits, monkeypatch):
    """Neither of the training under way, which knows no server, nor of those that have ended."""
    client()  # makes the store
    for seed in range(2):
        finished("sngan", seed, last=1500, metrics={"fid": 3.0})
    port = free_port()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    monkeypatch.setattr(params.loading, "FOLDER", params.loading.FOLDER)
    use_params(folder / "params", steps=100_000, checkpoint_every=1000)
    server = start_server(port)
    named = {"row": "an", "scale": "nano", "seed": 0, "data": digits, "checkpoints": "checkpoints", "gpus": 0}
    named |= {"events": "results/nano/an/seed-0/events.jsonl", "training": "results/nano/an/seed-0/training.json"}
    named |= {"scratch": "scratch/nano/an/seed-0"}
    training = start(["train", *(str(part) for name, value in named.items() for part in (f"--{name}", value))], LOG)
    while len(read_spools("nano")) < 3:
        assert training.is_alive(), LOG.read_text()
    syncing = subprocess.Popen(
        [sys.executable, "-m", "an", "track", "--scale", "nano"], stderr=subprocess.PIPE, text=True
    )
    while points() < 2000:
        assert syncing.poll() is None, syncing.stderr.read()
        time.sleep(0.01)
    assert psutil.Process(training.pid).net_connections() == []
    kill(server)
    _, said = syncing.communicate()
    assert syncing.returncode == 1 and said.startswith(f"Error: MLflow at http://127.0.0.1:{port} does not take")
    assert said.count("\n") == 1

    done = steps_done("an")
    while steps_done("an") < done + 20:
        assert training.is_alive(), LOG.read_text()
        time.sleep(0.01)
    os.kill(training.pid, signal.SIGTERM)
    training.join()
    server = start_server(port)
    try:
        sync("nano")
        assert_all_is_there()
        assert [spooled.status["status"] for spooled in read_spools("nano")].count("interrupted") == 1
        before = tables()
        for _ in range(2):
            sync("nano")
        assert tables() == before
    finally:
        kill(server)


def steps_done(row: str) -> int:
    return sum(len(spooled.steps) for spooled in read_spools("nano") if spooled.header["row"] == row)


@pytest.mark.long
def test_the_pipeline_is_green_though_the_server_never_answers(project, monkeypatch):
    monkeypatch.chdir(project)
    finished("an", 0)
    with socket.socket() as listener:  # takes connections and says nothing
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)
        uri = f"http://127.0.0.1:{listener.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        done = snakemake(project, "data/digits-32/manifest.json", "--config", "scale=nano")
        # Counted, not timed: each waits for the ten seconds of MLFLOW_HTTP_REQUEST_TIMEOUT, on a busy machine too.
        listener.setblocking(False)
        requests = 0
        with suppress(BlockingIOError):
            while listener.accept():
                requests += 1
        assert 1 <= requests <= 2
    assert done.returncode == 0, done.stderr[-2000:]
    assert f"Error: MLflow at {uri} does not take the runs" in done.stderr


@pytest.mark.long
def test_a_failed_pipeline_is_tracked_too_where_there_is_a_store(project, monkeypatch, empty_store):
    monkeypatch.chdir(project)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    finished("an", 0)
    settings = project / "params/scales/nano.yaml"
    settings.write_text(settings.read_text().replace("dataset: digits", "dataset: imagenet\ndataset_path: params"))
    failing = ("data/imagenet-32/manifest.json", "--config", "scale=nano")
    assert snakemake(project, *failing).returncode != 0 and not Path("mlflow.db").exists()
    shutil.copy(empty_store, "mlflow.db")
    done = snakemake(project, *failing)
    assert done.returncode != 0
    assert "MLflow at sqlite:///mlflow.db has all 1 runs" in done.stdout + done.stderr


def test_without_mlflow_the_sync_says_so(folder):
    finished("an", 0)
    program = "import sys; sys.modules['mlflow'] = None; from an.__main__ import main; sys.exit(main(sys.argv[1:]))"
    arguments = ["track", "--scale", "nano"]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "Error: mlflow is not installed here: install requirements.lock to track runs.\n"


def test_the_verbs_import_no_mlflow():
    program = (
        "import sys, an.__main__, an.training.generation, an.sampling.generation; sys.exit('mlflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


def test_an_event_costs_under_a_hundredth_of_a_step(tmp_path):
    """Of a step's smallest part at the smallest scale: one pass through the generator and back."""
    import torch

    from an import params
    from an.models import build_generator
    from an.tracking.events import Events

    generator = build_generator(params.load_row("an"), params.load_scale("nano"), 10)

    def passed(count):
        started = time.perf_counter()
        for _ in range(count):
            generator(torch.randn(8, generator.latent), torch.arange(8)).mean().backward()
        return (time.perf_counter() - started) / count

    def logged(count):
        events = Events(tmp_path / "events.jsonl")
        started = time.perf_counter()
        for event in steps(count):
            events.append(**event)
        return (time.perf_counter() - started) / count

    passed(3)
    assert min(logged(1000) for _ in range(3)) < 0.01 * min(passed(10) for _ in range(3))


def test_a_training_that_began_after_the_sync_has_its_pages_too(folder):
    finished("an", 0)
    uri = os.environ["MLFLOW_TRACKING_URI"]
    assert list(pages(uri, "nano")) == ["runs of generation"]


@pytest.mark.long
@pytest.mark.skipif(bool(MISSING), reason=f"{' and '.join(MISSING)} not installed: no page was looked at")
def test_pages_in_a_real_browser(folder, monkeypatch):
    for row, fid in [("sngan", 5.25), ("sagan", 4.5), ("an", 3.75)]:
        for seed in range(2):
            finished(row, seed, metrics={"fid": fid, "intra_fid": fid + 10, "inception_score": 12 - fid})
    monkeypatch.setenv("BROWSER", f"{sys.executable} -c \"open('opened', 'w').write(__import__('sys').argv[1])\" %s")
    command = [sys.executable, "-m", "an", "ui", "--scale", "nano", "--host", "127.0.0.1", "--port", str(free_port())]
    with open("server.log", "wb") as log:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True)
    try:
        said = {}
        for line in server.stdout:
            what, _, address = line.strip().partition(": ")
            said[what] = address
            if what == "runs of generation":
                break
        assert said, Path("server.log").read_text()
        with browser() as session:
            values = ("5.25", "4.5", "3.75", "15.25", "14.5", "13.75", "6.75", "7.5", "8.25")
            session.open(said["runs of generation"], "SN-GAN", "SA-GAN", "AN (ours)", *values)
            columns = session.run("return [...document.querySelectorAll('[role=columnheader]')].map(c => c.innerText)")
            assert {"Duration", "fid", "fid_sd", "intra_fid", "inception_score"} <= set(columns)
            assert "seed-0" not in session.run("return document.body.innerText"), "rows are folded"
        assert Path("opened").read_text() == said["runs of generation"]
    finally:
        os.killpg(server.pid, signal.SIGINT)
        assert server.wait() == 0


WAYS = {
    "Ctrl-C": lambda make, terminal: os.write(terminal, b"\x03"),
    "make is ended": lambda make, terminal: make.terminate(),
    "the terminal is closed": lambda make, terminal: os.close(terminal),
}


def log_in(terminal: int) -> None:
    os.login_tty(terminal)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which tests under nohup have inherited as ignored


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS)
def test_the_end_of_make_ui_leaves_no_process(folder, monkeypatch, way):
    """In a shell in a terminal of its own, where these signals come from the system."""
    monkeypatch.setenv("BROWSER", "true")
    python = Path(".venv/bin/python")
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    for lock in ("requirements.lock", ".venv/requirements.lock"):  # the second newer: installed
        shutil.copyfile(ROOT / "requirements.lock", lock)
    terminal, slave = os.openpty()
    command = f"make -f {ROOT}/Makefile ui SCALE=nano PORT={free_port()}; true"
    shell = subprocess.Popen(["sh", "-c", command], pass_fds=[slave], preexec_fn=partial(log_in, slave))
    os.close(slave)
    said = b""
    while b"MLflow: http" not in said:
        said += os.read(terminal, 1000)  # an OSError when all who could write have ended
    processes = psutil.Process(shell.pid).children(recursive=True)
    assert len(processes) >= 4, "make, the verb, MLflow and its server"
    WAYS[way](next(process for process in processes if process.name() == "make"), terminal)
    shell.wait()
    while any(alive(process) for process in processes):
        time.sleep(0.1)


def alive(process: psutil.Process) -> bool:
    """Not a zombie either: an orphan's new parent may be slow to ask for its end."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
