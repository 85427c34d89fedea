"""Intra-FID class by class from a generator's weights: the same numbers as of stored images, bounded, resumable."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from conftest import ROOT
from kill_and_resume import PARAMS, finish, start
from result_files import edit

from an import params
from an.__main__ import main
from an.data.loading import to_device
from an.data.preparation import write_arrays
from an.data.sources import Source, Split
from an.evaluation.classifier import FeatureClassifier
from an.evaluation.extraction import Extractor, extract
from an.evaluation.intra import class_distance
from an.evaluation.reference import extract_reference
from an.metrics.frechet import frechet_distance
from an.models import build_generator
from an.sampling.generation import sample, sample_class
from an.seals import read_sealed, write_sealed
from an.weights import save_tensors

CPU = torch.device("cpu")
ROW, SIZE, BATCH, REAL = "sngan-star", 8, 500, 30
FINISHED = {"key": "k", "status": "finished", "step": 2, "reason": None, "attention": {}}


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A scale of 8x8 images, in a folder of parameters of its own."""
    folder = tmp_path / "params"
    (folder / "scales").mkdir(parents=True)
    for file in ("rows.yaml", "published.yaml"):
        shutil.copy(PARAMS / file, folder / file)
    scale = yaml.safe_load((PARAMS / "scales/nano.yaml").read_text())
    scale |= {"dataset": "folder", "dataset_path": "none", "resolution": SIZE, "attention_resolution": SIZE // 2}
    scale["generator"]["channels"] = [4, 4]
    scale["evaluation"] |= {"intra_samples": 1000, "batch": BATCH, "table2_classes": [2, 1]}
    (folder / "scales/tiny.yaml").write_text(yaml.safe_dump(scale))
    monkeypatch.setattr(params.loading, "FOLDER", folder)
    return folder


def made_generator(classes: int) -> torch.nn.Module:
    torch.manual_seed(0)
    generator = build_generator(params.load_row(ROW, "generation"), params.load_scale("tiny"), classes)
    for _ in range(50):  # until the running statistics let z through
        generator(torch.randn(32, generator.latent), torch.arange(32) % classes)
    return generator.eval()


def made_study(folder: Path, classes: int) -> Path:
    """What the verb reads: images of so many classes, features of them, a generator that somebody trained."""

    random = np.random.default_rng(0)
    splits = {}
    for name, count in (("train", REAL * classes), ("heldout", 2 * classes)):
        labels = np.arange(count) % classes
        images = [random.integers(0, 40 + 200 * label // classes, (SIZE, SIZE, 3), np.uint8) for label in labels]
        splits[name] = Split(labels, np.stack(images), np.asarray)
    write_arrays(Source("noise", "none", [str(k) for k in range(classes)], splits), "folder", SIZE, folder / "data")
    torch.manual_seed(1)
    network = FeatureClassifier(params.load_scale("tiny").evaluation.classifier.channels, classes)
    save_tensors(folder / "classifier.pt", network.state_dict())
    paths = {"features": folder / "features.npy", "inception_features": folder / "none"}
    paths |= {"classifier": folder / "classifier.pt", "reference": folder / "reference.json"}
    extract_reference("tiny", data=folder / "data", **paths, device=CPU)
    save_tensors(folder / "generator-002.pt", made_generator(classes).state_dict())
    write_sealed(folder / "training.json", FINISHED, {"seconds": 1.0}, [folder / "generator-002.pt"])
    return folder


def line(folder: Path, out: str = "out", *more: str) -> list[str]:
    """The verb's command line for a study, whose results go to a folder in it."""
    paths = {"data": "data", "classifier": "classifier.pt", "features": "features.npy", "checkpoints": "."}
    paths |= {"training": "training.json", "class-scratch": f"{out}/scratch"}
    paths |= {"intra": f"{out}/intra.json", "intra-table2": f"{out}/intra-table2.json"}
    options = (word for name, path in paths.items() for word in (f"--{name}", str(folder / path)))
    return ["evaluate-classes", "--row", ROW, "--scale", "tiny", "--gpus", "0", *options, *more]


def random_extractor() -> Extractor:
    torch.manual_seed(0)
    network = FeatureClassifier([8, 16], 10).eval()
    return Extractor("test", lambda images: network(to_device(images, CPU)), "", "none")


@pytest.mark.parametrize("count", [10, 40], ids=["fewer than features", "more than features"])
def test_a_class_is_what_its_stored_images_are(tiny, count):
    """Also where the last batch is not full, and in whatever order classes are asked for."""
    classes, batch, generator, extractor = 5, 16, made_generator(5), random_extractor()
    stored = np.empty((count * classes, SIZE, SIZE, 3), np.uint8)
    sample(generator, np.arange(len(stored)) % classes, 7, batch=batch, out=stored, device=CPU)
    real = np.random.default_rng(0).normal(size=(25, 16)).astype(np.float32)
    for label in (3, 0):
        images = list(sample_class(generator, label, 7, count=count, batch=batch, device=CPU))
        assert max(map(len, images)) <= batch and np.array_equal(np.concatenate(images), stored[label::classes])
        features, _ = extract(extractor, stored[label::classes], batch, "test")
        found = class_distance(generator, extractor, label, real, seed=7, count=count, batch=batch, device=CPU)
        assert found == pytest.approx(frechet_distance(features, real), rel=1e-9)


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the kernel does not say how much memory was used")
def test_memory_and_disk_do_not_grow_with_the_classes(tiny, tmp_path):
    """5,000 images of each of 20 classes: what was used when four were measured is what is used at the end."""
    file, classes = tiny / "scales/tiny.yaml", 20
    file.write_text(file.read_text().replace("intra_samples: 1000", "intra_samples: 5000"))
    folder, log = made_study(tmp_path / "study", classes), tmp_path / "log"
    known, used = folder / "out/scratch/intra", {}
    command = [sys.executable, "-m", "an", *line(folder)]
    with open(log, "w") as out:
        env = {**os.environ, "AN_PARAMS": str(tiny)}
        job = subprocess.Popen(command, cwd=ROOT, env=env, stdout=out, stderr=out)
        while job.poll() is None:
            done = len(list(known.glob("*.json")))
            if peak := re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{job.pid}/status").read_text()):
                used[done] = 1024 * int(peak[1]), sum(size(each) for each in folder.rglob("*"))
            time.sleep(0.05)
    assert job.returncode == 0, log.read_text()
    lines = read_sealed(folder / "out/intra.json")["classes"]
    assert [(each["class"], each["generated"], each["real"]) for each in lines] == [
        (number, 5000, REAL) for number in range(classes)
    ]
    assert not known.exists() and {4, classes - 1} <= used.keys(), used
    memory, disk = (after - before for before, after in zip(used[4], used[classes - 1], strict=True))
    of_class = 5000 * SIZE * SIZE * 3  # bytes of its images
    # Had each of 15 more classes left them: 14 MB. Allocators and libraries alone grow by up to a megabyte meanwhile.
    assert memory < 15 * of_class / 4 and disk < of_class


def size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # put into its place meanwhile
        return 0


@pytest.mark.slow
def test_a_killed_run_goes_on_with_the_classes_that_it_lacks(tiny, tmp_path):
    folder, log = made_study(tmp_path / "study", 12), tmp_path / "log"
    assert finish(line(folder, "straight"), log) == 0, log.read_text()
    job, known = start(line(folder), log), folder / "out/scratch/intra"
    while job.is_alive() and len(list(known.glob("*.json"))) < 2:
        time.sleep(0.005)
    job.kill()
    job.join()
    finished = sorted(known.glob("*.json"))
    assert 2 <= len(finished) < 12 and not (folder / "out/intra.json").exists()
    shutil.copytree(folder / "out", folder / "planted")
    assert finish(line(folder), log) == 0, log.read_text()
    assert (folder / "out/intra.json").read_bytes() == (folder / "straight/intra.json").read_bytes()

    file = folder / "planted/scratch/intra" / finished[0].name
    edit(file, lambda kept: kept["classes"][0].update(intra_fid=12345.0))
    assert finish(line(folder, "planted"), log) == 0
    planted = {each["class"]: each["intra_fid"] for each in read_sealed(folder / "planted/intra.json")["classes"]}
    assert planted.pop(int(file.stem)) == 12345.0, "what is finished is not measured again"
    straight = {each["class"]: each["intra_fid"] for each in read_sealed(folder / "straight/intra.json")["classes"]}
    assert planted.items() <= straight.items()


def test_table_2_s_classes_are_measured_once_and_never_taken_from_other_weights(tiny, tmp_path):
    folder = made_study(tmp_path / "study", 4)
    assert main(line(folder, "out", "--table2")) == 0
    file = folder / "out/intra-table2.json"
    first = read_sealed(file)
    assert [each["class"] for each in first["classes"]] == [1, 2]
    assert first["metrics"]["intra_fid"] == np.mean([each["intra_fid"] for each in first["classes"]])
    edit(file, lambda first: first["classes"][0].update(intra_fid=12345.0))
    assert main(line(folder)) == 0
    every = {each["class"]: each["intra_fid"] for each in read_sealed(folder / "out/intra.json")["classes"]}
    assert list(every) == [0, 1, 2, 3] and every[1] == 12345.0 and every[2] == first["classes"][1]["intra_fid"]
    edit(file, lambda first: first["made_from"].update(checkpoint_sha256="0" * 64))
    assert main(line(folder)) == 0
    again = {each["class"]: each["intra_fid"] for each in read_sealed(folder / "out/intra.json")["classes"]}
    assert again[1] != 12345.0 and {**again, 1: 12345.0} == every


def test_what_cannot_be_measured_is_one_sentence(tiny, tmp_path, capfd):
    folder, file = made_study(tmp_path / "study", 4), tiny / "scales/tiny.yaml"
    scale = yaml.safe_load(file.read_text())
    for change, said in (
        ({"table2_classes": [0, 9]}, "scale 'tiny' has class 9 in table2_classes, which its data lacks."),
        ({"intra_samples": None}, "scale 'tiny' has no evaluation.intra_samples: say how many images of each class."),
    ):
        scale["evaluation"] |= change
        file.write_text(yaml.safe_dump(scale))
        assert main(line(folder, "out", "--table2")) == 1
        assert capfd.readouterr().err.splitlines()[-1] == f"Error: {said}"
    assert not (folder / "out").exists()
