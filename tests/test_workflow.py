"""The workflow end to end at nano scale from an empty folder, and what a change reruns."""

import json
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
import yaml
from conftest import ROOT, git, planned, snakemake
from conftest import an as run_verb
from mlflow_server import free_port, kill, start_server

from an import params
from an.__main__ import an
from an.files import sha256
from an.tracking.mlflow_sync import open_client, sync, use_defaults

NANO = ("--config", "scale=nano")
ROWS = params.load_rows(scale=params.load_scale("nano"))
GENERATION = params.load_rows("generation", params.load_scale("nano"))
# Rows of every task, among them all of table 3, and what is made of their runs.
SOME_ROWS = ["sngan", "an", "recall-an", *params.load_rows("inpainting", params.load_scale("nano"))]
SOME = [f"results/nano/{row}/seed-0/metrics.json" for row in SOME_ROWS]
SOME += [f"results/nano/an/seed-0/{name}.json" for name in ("intra", "regions")]
SOME += ["reports/nano/table3.md", "reports/nano/figure9.png"]
OF_MACHINE = re.compile(r"/(timing\.json|table5.*|convergence.*|index\.html)$")  # they tell how long something took


@pytest.fixture(scope="module")
def finished(reproduced, tmp_path_factory):
    """A project whose nano scale ran from an empty folder."""
    return Path(shutil.copytree(reproduced, tmp_path_factory.mktemp("finished") / "project"))


def test_end_to_end(finished):
    for table in (1, 2, 3, 4, 5, 6):
        for kind in (".md", ".csv", ".tex", ".html", "_cells.csv"):
            assert (finished / f"reports/nano/table{table}{kind}").stat().st_size > 100
    one = pd.read_csv(finished / "reports/nano/table1.csv")
    assert list(one["row"]) == ["acgan", "sngan", "sngan-star", "sagan", "an", "an-n1", "an-literal"]
    assert one[["fid", "intra_fid", "inception_score", "iterations", "fid_untrained"]].notna().all(axis=None)
    for table, name in ((1, "intra.json"), (2, "intra-table2.json")):
        cells = pd.read_csv(finished / f"reports/nano/table{table}_cells.csv")
        intra = cells[cells["metric"] == "intra_fid"] if table == 1 else cells
        assert set(intra["file"]) == {f"results/nano/{row}/seed-0/{name}" for row in set(intra["row"])}
    found = json.loads((finished / "results/nano/an/seed-0/intra.json").read_text())
    assert one.set_index("row").at["an", "intra_fid"] == found["metrics"]["intra_fid"] and len(found["classes"]) == 10
    four = pd.read_csv(finished / "reports/nano/table4.csv")
    layers = ["generator_layout_information", "discriminator_effective_regions", "generator_rho"]
    assert len(four) == 10 and four[["fid", "inception_score", *layers]].notna().all(axis=None)
    assert pd.read_csv(finished / "reports/nano/table5.csv")["median_ms"].notna().any()
    three = pd.read_csv(finished / "reports/nano/table3.csv")
    assert list(three["row"]) == ["ca", "an-inpainting", "ca-wide", "mean-colour", "biharmonic"]
    assert three[["psnr", "ssim_volume", "mae_signed"]].notna().all(axis=None)
    six = pd.read_csv(finished / "reports/nano/table6.csv").set_index("row")
    assert list(six.index) == list(params.load_rows("recall")) and six["accuracy"].between(0, 1).all()
    assert six.at["recall-an", "accuracy_sampling"] >= 0 and pd.isna(six.at["recall-an-no-ssr", "accuracy_sampling"])
    index = (finished / "reports/nano/index.html").read_text()
    for figure in (9, 10):
        assert (finished / f"reports/nano/figure{figure}.png").stat().st_size > 1000
        assert f"Figure {figure}" in index
    assert planned(finished) == {}, "a second run has nothing to do"


def made(project: Path) -> list[str]:
    folders = ("data", "checkpoints", "samples", "results", "reports")
    files = [file for folder in folders for file in (project / folder).rglob("*") if file.is_file()]
    return sorted(str(file.relative_to(project)) for file in files)


def content(file: Path):
    """A file of the workflow without times, memory and what else is of the machine."""
    if file.suffix == ".json":
        result = json.loads(file.read_text())
        seal = result.pop("seal", None)
        result.pop("made", None)
        return result, seal and seal["content"]
    if file.name == "events.jsonl":
        of_machine = ("time", "steps_per_second", "host_memory")
        events = [json.loads(line) for line in file.read_text().splitlines()]
        return [{name: value for name, value in event.items() if name not in of_machine} for event in events]
    if file.suffix == ".html":  # its sources say how long each training took
        return re.sub(r"after \d+\.\d s", "", file.read_text())
    return file.read_bytes()


def differing_files(project: Path, other: Path) -> list[str]:
    """What a project has made that differs from the other's."""
    files = [name for name in made(project) if not OF_MACHINE.search(name)]
    return [name for name in files if content(project / name) != content(other / name)]


def test_the_workflow_starts_without_torch():
    """Which takes longer to import than all else that a start does, in every job on a cluster too."""
    imports = re.findall(r"^from an.*", (ROOT / "workflow/rules/common.smk").read_text(), re.MULTILINE)
    program = "\n".join([*imports, "import sys", "assert 'torch' not in sys.modules"])
    assert imports and subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


@pytest.mark.long
def test_two_clones_make_the_same_files(finished, tmp_path):
    """Rows of every task, in another folder and without DVC; a smoke run and `an verify` compare them all."""
    clone = tmp_path / "another" / "folder"
    git(finished, "clone", "--quiet", ".", str(clone))
    done = snakemake(clone, *SOME, *NANO)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    files = made(clone)
    trained = {name.split("/")[2] for name in files if name.startswith("checkpoints/")}
    assert trained == {*SOME_ROWS, "classifier.pt"} and set(files) > set(SOME)
    assert differing_files(clone, finished) == []


def test_explain_names_the_checkpoint_and_the_commands_that_made_a_cell(finished):
    done = run_verb(finished, "explain", "table1", "an", "fid", "--scale", "nano")
    assert done.returncode == 0, done.stderr
    assert sha256(finished / "checkpoints/nano/an/seed-0/generator-002.pt") in done.stdout
    result = json.loads((finished / "results/nano/an/seed-0/metrics.json").read_text())
    assert f"seed 0: {result['metrics']['fid']:.6g}" in done.stdout and result["training"]["key"] in done.stdout
    commands = [line.strip() for line in done.stdout.split("Made by, in this order:\n")[1].splitlines()]
    places = [
        next(place for place, line in enumerate(commands) if line.startswith(f"python -m an {verb} "))
        for verb in ("prepare", "train", "generate", "evaluate-row", "table")
    ]
    assert places == sorted(places) and len(commands) == 7, "the classifier and the reference come in too"
    assert "--row an --scale nano --seed 0" in commands[places[1]] and "&>" not in done.stdout
    refused = run_verb(finished, "explain", "table1", "sagn", "fid", "--scale", "nano")
    assert refused.returncode == 1 and "unknown row 'sagn' (did you mean 'sagan'?)" in refused.stderr


def test_no_rule_writes_what_git_tracks(finished):
    assert git(finished, "status", "--porcelain") == "?? dvc.lock\n"
    assert {"data", "checkpoints", "samples", "results", "reports"} <= {path.name for path in finished.iterdir()}


def test_mlflow_has_a_run_for_each_row_and_seed_and_one_for_each_row(finished, tmp_path, monkeypatch):
    assert not (finished / "mlflow.db").exists(), "nobody asked for a store"
    monkeypatch.chdir(tmp_path)
    use_defaults()
    client, port = open_client(f"sqlite:///{tmp_path}/mlflow.db"), free_port()
    server, shown = start_server(port), []
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    monkeypatch.chdir(finished)
    try:
        for _ in range(3):
            sync("nano")
            runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
            shown.append([run.to_dictionary() for run in runs])
    finally:
        kill(server)
    assert shown[0] == shown[1] == shown[2]
    rows = sorted(ROWS)
    parents = {run.info.run_id: run for run in runs if "mlflow.parentRunId" not in run.data.tags}
    children = [run for run in runs if run.info.run_id not in parents]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert sorted(run.data.tags["row"] for run in parents.values()) == rows
    assert sorted(run.data.tags["row"] for run in children) == rows, "one seed at nano"
    for run in children:
        file = finished / f"results/nano/{run.data.tags['row']}/seed-0/metrics.json"
        metrics = {k: v for k, v in json.loads(file.read_text())["metrics"].items() if v is not None}
        apart = file.with_name("intra.json")
        metrics |= json.loads(apart.read_text())["metrics"] if apart.exists() else {}
        assert metrics.items() <= run.data.metrics.items()
        shown = dict(parents[run.data.tags["mlflow.parentRunId"]].data.metrics)
        assert shown.pop("train/fid", None) == run.data.metrics.get("train/fid"), "the mean of one seed"
        of_task = {"generation": 4, "inpainting": 4, "recall": 2}[(row := params.load_row(run.data.tags["row"])).task]
        lacking = row.task == "generation" and 1 not in row.tables  # intra-FID is of table 1's rows
        assert len(shown) == of_task - lacking, "the main scores, and of how many"
        assert {k: metrics[k] for k in shown if k != "seeds"} | {"seeds": 1} == shown
        report = json.loads((file.parent / "training.json").read_text())
        last = {name: run.data.metrics.get(f"attention/{name}") for name in report["attention"]}
        assert last == report["attention"] and report["attention"].items() <= metrics.items()
        assert sha256(finished / run.data.tags["checkpoint"]) == run.data.tags["checkpoint_sha256"]


def change(project, file, edit):
    path = project / "params" / file
    before = path.read_text()
    content = yaml.safe_load(before)
    edit(content)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return lambda: path.write_text(before)


ROW = ["train_gan", "generate_samples", "evaluate_samples", "render_quality_table", "summarise_scores", "render_index"]
ROW += ["draw_samples", "draw_scores"]
RENDERED = dict.fromkeys(
    ["render_quality_table", "draw_samples", "draw_regions", "draw_scores", "render_index", "all"], 1
)
JOBS_OF_AN_N8 = {rule: 1 for rule in [*ROW, "all"]}


def test_a_row_change_reruns_only_its_own_jobs(finished):
    undo = change(finished, "rows.yaml", lambda c: c["an-n8"]["attention"].update(regions=6))
    try:
        assert planned(finished) == JOBS_OF_AN_N8
    finally:
        undo()


def test_a_label_change_only_renders(finished):
    undo = change(finished, "rows.yaml", lambda c: c["an-n8"].update(tables={4: "another label"}))
    try:
        assert planned(finished) == RENDERED
    finally:
        undo()


def test_another_sample_count_does_not_train_again(finished):
    undo = change(finished, "scales/nano.yaml", lambda c: c["evaluation"].update(samples=120))
    try:
        jobs = planned(finished)
        assert "train_gan" not in jobs
        assert jobs["generate_samples"] == jobs["evaluate_samples"] == len(GENERATION)
    finally:
        undo()


def test_another_mark_of_convergence_only_measures_again(finished):
    undo = change(finished, "scales/nano.yaml", lambda c: c["evaluation"].update(converged_fid=500))
    try:
        jobs = planned(finished)
        assert jobs["evaluate_samples"] == len(GENERATION)
        assert not {"train_gan", "generate_samples", "extract_reference"} & set(jobs)
    finally:
        undo()


@pytest.mark.parametrize(
    ("change_of", "trained"), [({"lr": 1e-3}, {"train_recall": 8}), ({"test_images": 16}, {})], ids=["rate", "images"]
)
def test_the_recall_task_reruns_alone(finished, change_of, trained):
    undo = change(finished, "scales/nano.yaml", lambda c: c["recall"].update(change_of))
    try:
        rendered = dict.fromkeys(["render_recall_table", "draw_recall", "summarise_scores", "render_index", "all"], 1)
        assert planned(finished) == trained | {"evaluate_recall": 8} | rendered
    finally:
        undo()


def test_averaged_weights_stand_beside_raw_ones(finished, tmp_path):
    project = Path(shutil.copytree(finished, tmp_path / "project"))
    change(project, "scales/nano.yaml", lambda c: c.update(ema=0.5))
    done = snakemake(project, "results/nano/an/seed-0/metrics.json", *NANO)
    assert done.returncode == 0, done.stderr[-3000:]
    metrics = json.loads((project / "results/nano/an/seed-0/metrics.json").read_text())["metrics"]
    assert metrics["fid_averaged"] > 0 and metrics["fid_averaged"] != metrics["fid"]


def test_a_code_change_reruns_the_rules_that_use_it(finished):
    file = finished / "an/evaluation/timing.py"
    before = file.read_text()
    try:
        file.write_text(before.replace("    settings = ", "    changed = settings = "))
        jobs = planned(finished)
        assert jobs["time_modules"] == 1 and "train_gan" not in jobs and "generate_samples" not in jobs
        file.write_text(before + "\n# changed\n")
        assert planned(finished) == {}, "a comment is no change"
    finally:
        file.write_text(before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--config", "scale=smoek"), "unknown scale 'smoek' (did you mean 'smoke'?)"),
        (("--config", "scale=paper"), "params/scales/paper.yaml: dataset_path is data/raw/imagenet, which is missing"),
        (("results/nano/sgan/seed-0/metrics.json", *NANO), "sgan"),
    ],
)
def test_bad_input_stops_before_any_job(project, arguments, message):
    done = snakemake(project, *arguments)
    assert done.returncode != 0 and message in done.stdout + done.stderr
    assert not (project / "scratch").exists()


def test_a_misspelled_key_stops_before_any_job(project):
    change(project, "scales/nano.yaml", lambda c: c.update(sead=[0]))
    done = snakemake(project, *NANO)
    assert done.returncode != 0 and "params/scales/nano.yaml: unknown key 'sead' (did you mean" in done.stderr
    assert not (project / "data").exists()


def test_seeds_of_an_unknown_row_stop_before_any_job(project):
    change(project, "scales/nano.yaml", lambda c: c.update(row_seeds={"sagn": [0]}))
    done = snakemake(project, *NANO)
    message = "params/scales/nano.yaml: row_seeds has an unknown row 'sagn' (did you mean 'sagan'?)."
    assert done.returncode != 0 and message in done.stderr and not (project / "data").exists()


def test_a_scale_may_run_some_rows_alone(project):
    change(project, "scales/nano.yaml", lambda c: c.update(rows=["sngan-star", "an", "an-n1"]))
    jobs = planned(project)
    assert jobs["train_gan"] == 3 and jobs["render_quality_table"] == 3 and "render_timing_table" in jobs
    assert not {"train_recall", "prepare_photographs", "complete_controls", "draw_completions", "draw_recall"} & set(
        jobs
    )
    change(project, "scales/nano.yaml", lambda c: c.update(rows=["ca", "an-inpainting", "ca-wide"]))
    assert {"train_gan", "train_classifier", "render_quality_table"}.isdisjoint(planned(project))
    done = run_verb(project, "table", "--table", "1", "--scale", "nano")
    assert done.returncode == 1 and "runs no row of table 1: its tables are 3, 5." in done.stderr
    change(project, "scales/nano.yaml", lambda c: c.update(rows=["an", "sagn"]))
    done = snakemake(project, *NANO)
    assert done.returncode != 0 and "rows has an unknown row 'sagn' (did you mean 'sagan'?)." in done.stderr


@pytest.mark.long
def test_a_table_asks_for_its_own_data_alone(project):
    (project / "data/raw/imagenet").mkdir(parents=True)
    done = snakemake(project, "--dry-run", "reports/paper/table1.md", "--config", "scale=paper")
    assert done.returncode == 0 and "rule prepare_dataset" in done.stdout and "photographs" not in done.stdout
    done = snakemake(project, "--dry-run", "reports/paper/table3.md", "--config", "scale=paper")
    said = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and "inpainting.dataset_path is data/raw/paris_streetview, which is missing" in said


def test_rows_with_seeds_of_their_own_are_run_with_these(project):
    change(project, "scales/nano.yaml", lambda c: c.update(row_seeds={"an": [0, 3], "ca": [2], "recall-an": [1]}))
    done = snakemake(project, "--dry-run", *NANO)
    trained = set(re.findall(r"checkpoints/nano/([\w-]+)/seed-(\d+)/", done.stdout))
    assert {("an", "0"), ("an", "3"), ("sagan", "0"), ("ca", "2"), ("recall-an", "1")} <= trained
    assert len(trained) == len(ROWS) + 1, "figures show the first seed that a row has"


@pytest.mark.long
def test_table_2_waits_for_its_own_classes_alone(project):
    done = snakemake(project, "--dry-run", "reports/nano/table2.md", *NANO)
    jobs = re.findall(r"^ *(?:local)?rule (\w+):", done.stdout, re.MULTILINE)
    assert jobs.count("evaluate_table2") == jobs.count("train_gan") == 3
    assert not {"evaluate_classes", "evaluate_samples", "generate_samples"} & set(jobs)
    done = snakemake(project, "--dry-run", "results/nano/an/seed-0/intra.json", *NANO)
    assert "evaluate_table2" in done.stdout, "whose classes are not measured again"
    done = snakemake(project, "--dry-run", "results/nano/acgan/seed-0/intra.json", *NANO)
    assert "evaluate_classes" in done.stdout and "evaluate_table2" not in done.stdout, "table 2 lacks the row"


def test_rulegraph_reads_as_the_method(project):
    done = snakemake(project, "--rulegraph", *NANO)
    names = {
        line.split('label = "')[1].split('"')[0]: line.split("[")[0].strip()
        for line in done.stdout.splitlines()
        if "label = " in line
    }
    edges = {tuple(part.strip() for part in line.split("->")) for line in done.stdout.splitlines() if "->" in line}
    chain = ["prepare_dataset", "train_gan", "generate_samples", "evaluate_samples", "render_quality_table", "all"]
    for first, second in pairwise(chain):
        assert (names[first], names[second]) in edges, (first, second)


def test_every_verb_has_help(called):
    verbs = {"prepare", "train", "generate", "evaluate", "evaluate-recall", "time", "table", "figure", "complete"}
    assert verbs <= set(an.commands)
    for verb in an.commands:
        done = called(verb, "--help")
        assert done.returncode == 0 and f"Usage: python -m an {verb}" in done.stdout


@pytest.mark.long
def test_every_scale_loads_and_plans(project):
    for name in ("smoke", "bench"):
        assert params.load_scale(name)
        done = snakemake(project, "--dry-run", "--config", f"scale={name}")
        assert done.returncode == 0, done.stderr[-2000:]
