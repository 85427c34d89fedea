"""A made-up study as an RO-Crate: what it lists, what it says of how that was made, and what it refuses."""

import contextlib
import json
import shutil
import subprocess

import pytest
from conftest import ROOT
from result_files import MADE, TRAINED, make_results, training, two_seeds

from an import params
from an.__main__ import main
from an.data.crop_preparation import prepare_crops
from an.data.preparation import prepare
from an.files import sha256
from an.layout import Run, Study
from an.reporting.commands import METADATA, _name
from an.seals import write_sealed

SMOKE, SCALE = Study("smoke"), params.load_scale("smoke")
ROWS = params.load_rows(scale=SCALE)
TABLES = [["table", "--table", str(table)] for table in range(1, 7)]
DIVERGED = Run("smoke", "recall-none", 1)
VALIDATOR = ROOT / ".venv-crate/bin/python"
PACK = ["crate", "--scale", "smoke", "--out", "packed"]


@pytest.fixture(scope="module", autouse=True)
def seeds():
    with pytest.MonkeyPatch.context() as patch:
        two_seeds(patch)
        yield


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A folder with the study and, of it, the folder ``packed``."""
    folder = tmp_path_factory.mktemp("study")
    with contextlib.chdir(folder):
        make_results(SMOKE.results)
        prepare(SCALE.dataset, SCALE.resolution, SCALE.data_of("generation"))
        prepare_crops("textures", SCALE.inpainting.resolution, SCALE.data_of("inpainting"), test_crops=2)
        for name, row in ROWS.items():
            for seed in SCALE.seeds_of(name, row):
                run = Run("smoke", name, seed)
                made = {**TRAINED["training"], "events_sha256": sha256(run.events)}
                failed = {"status": "diverged", "reason": "the loss is not finite"} if run == DIVERGED else {}
                write_sealed(run.training, {**training(name, seed), **failed}, made)
        write_sealed(SMOKE.classifier_report, {"accuracy": {"heldout": 1.0}}, MADE)
        for line in [*TABLES, ["summarise"]]:
            assert main(line) == 0
        for name in params.figures_of(SCALE):  # whatever is drawn in them
            SMOKE.figure(name).write_text(name)
            if not name.startswith("table"):
                SMOKE.figure(name).with_suffix(".csv").write_text("x\n1\n")
        SMOKE.page.write_text("<title>The page</title>")
        METADATA.mkdir(parents=True)
        times = {"starttime": 1_000_000_000, "endtime": 1_000_000_060}
        (METADATA / _name(str(Run("smoke", "an", 0).metrics))).write_text(json.dumps(times))
        assert main(PACK) == 0
    return folder


@pytest.fixture
def unpacked(study, tmp_path, monkeypatch):
    """A copy of the study to break, in which the test runs."""
    folder = shutil.copytree(study, tmp_path / "study", ignore=shutil.ignore_patterns("packed"))
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="module")
def entities(study) -> dict[str, dict]:
    graph = json.loads((study / "packed/ro-crate-metadata.json").read_text())["@graph"]
    return {entity["@id"]: entity for entity in graph}


def ids(value) -> list[str]:
    return [entity["@id"] for entity in (value if isinstance(value, list) else [value])]


def refused(capsys) -> str:
    """What the verb says as it refuses, leaving nothing behind."""
    assert main(PACK) == 1
    assert not [file for file in SMOKE.results.parents[1].iterdir() if "packed" in file.name]
    return capsys.readouterr().err


def test_every_file_is_listed_with_its_checksum(study, entities):
    files = {name: entity for name, entity in entities.items() if "File" in entity["@type"]}
    there = {str(file.relative_to(study / "packed")) for file in (study / "packed").rglob("*") if file.is_file()}
    assert there == files.keys() | {"ro-crate-metadata.json"}
    assert {name: sha256(study / "packed" / name) for name in files} == {n: e["sha256"] for n, e in files.items()}
    assert set(ids(entities["./"]["hasPart"])) == files.keys()
    runs = [Run("smoke", name, seed) for name, row in ROWS.items() for seed in SCALE.seeds_of(name, row)]
    assert {str(file) for run in runs for file in (run.training, run.metrics, run.events)} <= there
    assert {str(SMOKE.page), f"{SMOKE.table(1)}.md", "requirements.lock", "params/scales/smoke.yaml"} <= there
    assert not [name for name in there if name.endswith((".pt", ".npy", ".npz"))]


def test_the_root_says_what_an_archive_asks(entities):
    root = entities["./"]
    assert root["name"].endswith("study smoke") and SCALE.description in root["description"]
    assert entities[root["creator"]["@id"]]["name"] == "The an developers"
    assert root["license"]["@id"] == "https://spdx.org/licenses/Apache-2.0"
    assert root["version"] and root["datePublished"]
    assert "https://w3id.org/ro/wfrun/workflow/0.5" in ids(root["conformsTo"])
    assert root["mainEntity"]["@id"] == "workflow/Snakefile"


def test_actions_name_what_ran_on_what_and_what_it_made(entities):
    actions = {name: entity for name, entity in entities.items() if entity["@type"] == "CreateAction"}
    assert set(ids(entities["./"]["mentions"])) == actions.keys()
    for action in actions.values():
        assert all(name in entities for key in ("instrument", "object", "result") for name in ids(action.get(key, [])))
        assert action["instrument"] and action["result"] and action["agent"]

    run = Run("smoke", "an", 1)
    trained, measured = actions[f"#{run.results}/training"], actions[f"#{run.results}/metrics"]
    assert entities[trained["instrument"]["@id"]]["version"] == MADE["commit"]
    assert trained["startTime"] == "1970-01-01T00:16:40+00:00" and trained["endTime"] == "1970-01-01T01:16:55+00:00"
    assert set(ids(trained["object"])) == {f"#{SCALE.data_of('generation')}", "#seed-1"}
    weights = "#checkpoints/smoke/an/seed-1/generator.pt"
    assert set(ids(trained["result"])) == {str(run.training), str(run.events), weights}
    assert entities[weights]["sha256"] == "an1"
    assert weights in ids(measured["object"]) and set(ids(measured["result"])) == {str(run.metrics), str(run.classes)}
    assert {entities[name]["value"] for name in ids(trained["additionalProperty"])} == {MADE["device"], MADE["torch"]}

    failed = actions[f"#{DIVERGED.results}/training"]
    assert failed["actionStatus"].endswith("FailedActionStatus") and failed["error"] == "the loss is not finite"
    assert trained["actionStatus"].endswith("CompletedActionStatus") and "error" not in trained

    assert "endTime" not in measured  # nothing here knows it
    assert actions[f"#{Run('smoke', 'an', 0).results}/metrics"]["endTime"] == "2001-09-09T01:47:40+00:00"
    assert actions["#study"]["endTime"] == "2001-09-09T01:47:40+00:00"
    assert str(SMOKE.page) in ids(actions["#study"]["result"])


def test_data_is_named_by_source_licence_and_manifest(entities):
    data = entities[f"#{SCALE.data_of('generation')}"]
    assert "Handwritten Digits" in data["description"] and data["license"].startswith("CC BY 4.0")
    assert data["subjectOf"]["@id"] == f"{SCALE.data_of('generation')}/manifest.json"


@pytest.mark.parametrize("name", ["metrics.json", "classes.csv", "events.jsonl"])
def test_a_file_that_was_changed_after_its_seal_is_refused(unpacked, capsys, name):
    file = Run("smoke", "an", 0).results / name
    file.write_text(file.read_text().replace("1", "2", 1))
    assert f"{file} was changed after it was made" in refused(capsys)


def test_a_table_that_the_results_do_not_give_is_refused(unpacked, capsys):
    file = SMOKE.table(1).with_suffix(".md")
    file.write_text(file.read_text().replace("1", "2", 1))
    assert f"{file} is not what results/smoke gives" in refused(capsys)


@pytest.mark.parametrize("file", [Run("smoke", "recall-an", 1).training, SMOKE.reference])
def test_a_study_that_is_not_finished_is_refused(unpacked, capsys, file):
    file.unlink()
    assert refused(capsys) == f"Error: {file} is missing: run snakemake to make it.\n"


def test_a_folder_that_is_there_is_left_alone(unpacked, capsys):
    (unpacked / "packed").mkdir()
    assert main(PACK) == 1
    assert "packed is there already" in capsys.readouterr().err
    assert not list((unpacked / "packed").iterdir())


@pytest.mark.slow
@pytest.mark.skipif(not VALIDATOR.exists(), reason="the validator of RO-Crates is not installed: make validator")
def test_the_validator_misses_nothing_but_a_file_that_was_taken_away(study, tmp_path):
    lacking = shutil.copytree(study / "packed", tmp_path / "packed")
    (lacking / SMOKE.page).unlink()
    command = [VALIDATOR, ROOT / "tests/validate_crate.py", lacking, "workflow-run-crate", "REQUIRED"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line)["says"] for line in done.stdout.splitlines()]
    assert len(found) == 1 and f"'{SMOKE.page}' as part of its payload" in found[0]
