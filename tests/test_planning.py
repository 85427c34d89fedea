"""What a study takes, told before it runs."""

import json
import subprocess
import sys

import pytest
import torch
import yaml
from conftest import ROOT, planned, snakemake

from an import params
from an.planning.asked import jobs_of
from an.planning.cost import cost
from an.planning.counted import operations, training_operations
from an.planning.measured import job_of


@pytest.mark.parametrize(
    "name", ["acgan", "sngan", "sngan-star", "sagan", "ca", "recall-none", "recall-sa", "recall-ca"]
)
def test_counted_operations_are_those_of_a_training(name):
    row, nano = params.load_row(name), params.load_scale("nano")
    job = job_of(row, nano, torch.device("cpu"))
    done = sum(operations(lambda step=step: job.advance(step, False)) for step in range(job.steps))
    assert training_operations(row, nano) == done > 0


@pytest.mark.parametrize("name", ["an", "an-literal", "an-inpainting", "recall-an"])
def test_attentive_normalization_is_counted_as_plain_products(name):
    """Not its sampling of pixels, nor its loss, which in these tiny networks are a part that counts."""
    row, nano = params.load_row(name), params.load_scale("nano")
    job = job_of(row, nano, torch.device("cpu"))
    done = sum(operations(lambda step=step: job.advance(step, False)) for step in range(job.steps))
    assert 0.8 * done < training_operations(row, nano) < 1.25 * done


def test_every_job_of_the_workflow_is_planned():
    nano = params.load_scale("nano")
    assert jobs_of(nano) == {
        **dict.fromkeys(("prepare_dataset", "prepare_photographs", "train_classifier", "extract_reference"), 1),
        **dict.fromkeys(("complete_controls", "time_modules"), 1),
        "evaluate_controls": 2,
        **dict.fromkeys(
            ("train_gan", "generate_samples", "evaluate_samples"), len(params.load_rows("generation", nano))
        ),
        **dict.fromkeys(("train_inpainting", "complete_heldout", "evaluate_completions"), 3),
        **dict.fromkeys(("train_recall", "evaluate_recall"), len(params.load_rows("recall"))),
        "look_at_regions": 2,
        "evaluate_table2": 3,
        "evaluate_classes": 7,
    }


@pytest.mark.long
def test_the_page_of_the_full_study_shows_its_plan(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    lines = cost("paper", cores=1).splitlines()
    missing = [line for line in lines if line.startswith("missing here: ")]
    assert "missing here: 1 GPU(s), of which this machine has 0" in missing
    assert any("Inception's weights with logits, for IS" in line for line in missing)
    assert "missing here: imagenet at data/raw/imagenet" in missing and max(map(len, lines)) <= 100
    shown = "\n".join(f"    {line}".rstrip() for line in lines if line not in missing)
    assert f"\n\n{shown}\n\n" in (ROOT / "docs/full-study.md").read_text()


@pytest.mark.long
def test_a_study_that_this_machine_can_run_is_timed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = cost("nano", cores=1).splitlines()
    total = next(line.split() for line in lines if line.startswith("all"))
    assert float(total[2]) > 0.01 and any(line.startswith("on 1 core: ") for line in lines)
    assert not any(line.startswith("missing") for line in lines)


@pytest.mark.long
def test_the_shakedown_of_a_gpu_runs_in_small(tmp_path):
    command = [sys.executable, "benchmarks/gpu_shakedown.py", "--small", "--folder", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "gpu_shakedown.json").read_text())
    parts = {line["part"].split(",")[0] for line in found["lines"]}
    assert parts == {"training", "kernels", "kill and resume", "attention cost"} and found["about"]["small"]
    assert found["machine"]["torch"] == torch.__version__


@pytest.mark.long
def test_a_tier_trains_what_the_whole_scale_then_leaves_alone(project):
    tier = {"base": "nano", "description": "two rows of nano", "rows": ["sngan-star", "an"], "seeds": [0]}
    (project / "params/scales/nano-core.yaml").write_text(yaml.safe_dump(tier))
    done = snakemake(project, "trained", "--config", "scale=nano-core")
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert not (project / "checkpoints/nano-core").exists()
    rest = planned(project, "nano")
    assert rest["train_gan"] == len(params.load_rows("generation", params.load_scale("nano"))) - 2
    assert not {"prepare_dataset", "train_classifier"} & rest.keys()
    of_tier = planned(project, "nano-core")
    assert "train_gan" not in of_tier and of_tier["evaluate_samples"] == 2 and of_tier["render_quality_table"] == 3
