"""What rules ask for, against what the jobs of a finished study used."""

import re
from pathlib import Path

import pytest
from conftest import ROOT, snakemake

from an import params
from an.layout import Run, Study
from an.needs import PROCESS, RULES, needs
from an.planning.asked import OF_RUNS, asked, minutes, trainings_memory


def test_every_rule_that_may_be_submitted_asks_for_what_it_needs():
    rules = "".join(file.read_text() for file in (ROOT / "workflow/rules").glob("*.smk"))
    blocks = re.split(r"(?m)^(?=rule |use rule )", rules)
    named = {re.match(r"(?:use )?rule (?:\w+ as )?(\w+)", block)[1]: block for block in blocks if "rule" in block[:9]}
    submitted = {name for name, block in named.items() if "shell:" in block or block.startswith("use")}
    submitted -= {name for name, block in named.items() if "localrule: True" in block}
    assert submitted == RULES.keys()
    for name in submitted:
        assert f'**needs("{name}", SCALE)._asdict()' in named[name]


@pytest.mark.parametrize("scale", sorted(file.stem for file in (ROOT / "params/scales").glob("*.yaml")))
def test_every_scale_asks_for_what_a_machine_can_have(scale):
    for rule in RULES:
        asked = needs(rule, params.load_scale(scale))
        assert 15 <= asked.runtime < 48 * 60 and PROCESS <= asked.mem_mb < 256_000 and 0 < asked.disk_mb < 500_000
        assert asked.gpu <= params.load_scale(scale).gpus


def test_a_training_with_a_time_limit_has_time_to_stop_by_itself():
    scale = params.load_scale("paper")
    for rules in OF_RUNS.values():
        assert needs(rules[0], scale).runtime > 60 * scale.hours


def test_jobs_of_the_nano_study_used_no_more_than_they_ask_for(reproduced, monkeypatch):
    monkeypatch.chdir(reproduced)
    scale, took, memory = params.load_scale("nano"), minutes("nano"), trainings_memory("nano")
    assert RULES.keys() <= took.keys() and memory.keys() == {"train_gan", "train_inpainting", "train_recall"}
    for rule in RULES:
        assert took[rule] < needs(rule, scale).runtime
    for rule, most in memory.items():
        assert PROCESS / 10 < most < needs(rule, scale).mem_mb
    for name, row in params.load_rows(scale=scale).items():
        run = Run("nano", name, 0)
        trained, *measured = OF_RUNS[row.task]
        assert 0 < size(run.checkpoints) < needs(trained, scale).disk_mb
        assert size(run.samples) < needs(measured[0], scale).disk_mb
    assert size(Path(scale.data_folder)) < needs("prepare_dataset", scale).disk_mb
    assert size(Path(scale.inpainting.data_folder)) < needs("prepare_photographs", scale).disk_mb
    assert size(Study("nano").features.parent) < needs("extract_reference", scale).disk_mb
    assert size(Study("nano").controls) < needs("complete_controls", scale).disk_mb
    for line in asked("nano").splitlines()[2:]:
        assert len(line) <= 80 and line.split()[-2] != "-", "all of it ran"


def size(folder: Path) -> float:
    """MB of a folder's files."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def test_snakemake_asks_for_it(project):
    done = snakemake(project, "--dry-run", "--config", "scale=nano")
    asked = needs("train_classifier", params.load_scale("nano"))
    block = done.stdout[done.stdout.index("rule train_classifier:") :].split("\n\n")[0]
    assert f"runtime={asked.runtime}" in block and f"mem_mb={asked.mem_mb}" in block
