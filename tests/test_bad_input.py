"""What people can get wrong ends in one sentence that says what, where and what to do; nothing half-made stays."""

import errno
import os
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import ROOT, copy_project, snakemake
from PIL import Image
from result_files import make_results

from an import files, params
from an.data.crop_preparation import prepare_crops, write_crops
from an.data.images import opened
from an.data.paris_streetview import paris_folder
from an.data.preparation import prepare, write_arrays
from an.data.sources import class_folders
from an.devices import leased
from an.errors import UserError
from an.evaluation.classifier import FeatureClassifier
from an.layout import snapshot_name
from an.models import build_generator, build_inpainting_generator
from an.params.types import LAST_SEED
from an.reporting.render import render
from an.verbs.given import SEED
from an.weights import save_tensors

NANO = ("--scale", "nano")


@pytest.fixture
def refused(called, tmp_path):
    """Call it with a verb's words: it must end with one sentence, which is returned, and leave no new file."""

    def call(*words) -> str:
        before = set(tmp_path.rglob("*"))
        done = called(*words)
        said = done.stderr.strip().splitlines()
        (sentence,) = [line for line in said if line.startswith("Error: ")]
        assert done.returncode != 0 and said[-1] == sentence, said
        assert sentence.endswith(".") and not [line for line in said if "Traceback" in line or "Warning" in line]
        made = [path for path in set(tmp_path.rglob("*")) - before if path.is_file() and path.name != "lock"]
        assert not made
        return sentence

    return call


def train(folder: Path, row: str = "an", *more, **changed) -> list:
    """The words of a training; ``changed`` options by name."""
    options = {"row": row, "scale": "nano", "seed": 0, "data": folder / "data", "checkpoints": folder / "checkpoints"}
    options |= {"events": folder / "events.jsonl", "training": folder / "training.json", "scratch": folder / "scratch"}
    options |= {"gpus": 0} | changed
    return ["train", *(word for name, value in options.items() for word in (f"--{name}", value)), *more]


@pytest.fixture(scope="module")
def textures(tmp_path_factory) -> Path:
    """Prepared textures at nano's size, where it wants photographs."""
    folder = tmp_path_factory.mktemp("textures-32")
    prepare_crops("textures", 32, folder, test_crops=4)
    return folder


@pytest.fixture(scope="module")
def photographs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("photographs-32")
    prepare_crops("photographs", 32, folder, test_crops=4)
    return folder


# 1. Numbers on the command line


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("gpus", -1, "'--gpus': -1 is not in the range x>=0"),
        ("gpus", "one", "'--gpus': 'one' is not a valid integer"),
        ("gpus", 10**30, f"this job needs {10**30} GPU(s) and sees"),
        ("hours", -1, "'--hours': -1.0 is not in the range x>0"),
        ("hours", 0, "'--hours': 0.0 is not in the range x>0"),
        ("hours", "nan", "'--hours': nan is no number of hours"),
        ("hours", "inf", "'--hours': inf is no number of hours"),
        ("seed", -1, "'--seed': -1 is not in the range 0<=x<=4294967294"),
        ("seed", 2**32 - 1, "'--seed': 4294967295 is not in the range"),
        ("seed", 10**30, "is not in the range"),
    ],
)
def test_numbers_out_of_range(refused, tmp_path, option, value, message):
    assert message in refused(*train(tmp_path, "recall-an", **{option: value}))


def test_the_last_seed_is_the_same_on_the_command_line_and_in_params():
    assert SEED.max == LAST_SEED == 2**32 - 2


def test_no_number_of_gpus_waits_for_ever():
    with pytest.raises(UserError, match=r"this job needs -1 GPU\(s\) and sees 2"), leased(-1, 2):
        pass


# 2. Files that claim to be enormous pictures


def png(file: Path, width: int, height: int) -> Path:
    """A few bytes whose header claims a size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    )
    return file


BOMBS = [(60_000, 60_000), (10_000, 10_000)]  # Pillow raises for one, and would only warn of the other
CLAIMS = "claims to have more than 89478485 pixels and is not read: replace it, or make it smaller."


@pytest.mark.parametrize("size", BOMBS)
@pytest.mark.parametrize("which", ["picture", "mask"])
def test_a_bomb_to_complete(refused, tmp_path, size, which):
    files = {name: tmp_path / f"{name}.png" for name in ("picture", "mask")}
    Image.new("RGB", (40, 40)).save(files["picture"])
    png(files[which], *size)
    rest = ("--row", "ca", *NANO, "--checkpoint", tmp_path / "x.pt", "--out", tmp_path / "out.png", "--gpus", 0)
    sentence = refused("complete", files["picture"], "--mask", files["mask"], *rest)
    assert sentence == f"Error: {files[which]} {CLAIMS}"


@pytest.mark.parametrize("size", BOMBS)
def test_a_bomb_to_evaluate(refused, tmp_path, size):
    for number in range(10):
        png(tmp_path / f"samples/{number}.png", *size)
    words = ("--samples", tmp_path / "samples", "--reference", tmp_path / "samples", "--json", tmp_path / "out.json")
    assert refused("evaluate", *words, "--gpus", 0) == f"Error: {tmp_path}/samples/0.png {CLAIMS}"


def test_a_bomb_among_photographs(tmp_path):
    png(tmp_path / "paris_train_original/1.png", *BOMBS[0])
    png(tmp_path / "paris_eval/paris_eval_gt/0.png", *BOMBS[0])
    with pytest.raises(UserError, match=rf"paris_train_original/1\.png {re.escape(CLAIMS)}"):
        write_crops(paris_folder(tmp_path), "paris_streetview", 16, tmp_path / "out", test_crops=1)
    (tmp_path / "paris_train_original/1.png").unlink()
    Image.new("RGB", (28, 16)).save(tmp_path / "paris_train_original/1.png")
    with pytest.raises(UserError, match=rf"paris_eval_gt/0\.png {re.escape(CLAIMS)}"):
        write_crops(paris_folder(tmp_path), "paris_streetview", 16, tmp_path / "out", test_crops=1)
    assert not list((tmp_path / "out").glob("*heldout*"))


def test_a_bomb_among_class_folders(tmp_path):
    png(tmp_path / "train/cat/0.png", *BOMBS[0])
    (tmp_path / "val/cat").mkdir(parents=True)
    with pytest.raises(UserError, match=rf"train/cat/0\.png {re.escape(CLAIMS)}"):
        write_arrays(class_folders(tmp_path, 16), "imagenet", 16, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_a_picture_just_below_the_limit_is_opened(tmp_path):
    with opened(png(tmp_path / "x.png", 9_000, 9_000)) as image:
        assert image.size == (9_000, 9_000)


# 3. Places that cannot be written are found before the work


def unwritable(folder: Path) -> dict[str, tuple[Path, str]]:
    (folder / "file.txt").write_text("")
    (folder / "there").mkdir()
    return {
        "below": (folder / "file.txt/x", f"cannot be written, {folder}/file.txt is no folder: name another place."),
        "folder": (folder / "there", "is a folder: name a file to write."),
    }


@pytest.fixture
def no_work(monkeypatch):
    """Whoever takes a device has begun."""

    def begun(*_):
        raise AssertionError("the work has begun")

    monkeypatch.setattr("an.devices.leased", begun)


@pytest.mark.parametrize("how", ["below", "folder"])
@pytest.mark.parametrize(
    "words",
    [
        ("evaluate", "--samples", "x", "--reference", "x", "--json"),
        ("evaluate", "--samples", "x", "--reference", "x", "--json", "x", "--save-reference"),
        ("complete", "x.png", "--mask", "x.png", "--row", "ca", *NANO, "--checkpoint", "x", "--out"),
        ("figure", 5, "--checkpoint", "x", "--row", "an", "--out"),
        ("time", *NANO, "--timing"),
        ("summarise", *NANO, "--results", "x", "--summary"),
    ],
    ids=lambda words: f"{words[0]}{words[-1]}",
)
def test_a_place_that_cannot_be_written(refused, no_work, tmp_path, words, how):
    place, message = unwritable(tmp_path)[how]
    assert refused(*words, place) == f"Error: {words[-1]} {place} {message}"


@pytest.mark.parametrize("option", ["checkpoints", "training", "events", "scratch"])
def test_a_training_that_could_not_be_written(refused, no_work, tmp_path, option):
    for how, (place, message) in unwritable(tmp_path).items():
        if how == "folder" and option in ("checkpoints", "scratch"):
            continue
        assert refused(*train(tmp_path, "recall-an", **{option: place})) == f"Error: --{option} {place} {message}"


def test_a_read_only_folder(refused, no_work, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda place, mode: False)  # nothing is read-only for root
    sentence = refused("time", *NANO, "--timing", tmp_path / "new/out.json")
    assert f"cannot be written, {tmp_path} is read-only: name another place." in sentence


def test_what_the_system_refuses_later_is_a_sentence_too(refused, tmp_path, monkeypatch):
    make_results(tmp_path / "results")
    monkeypatch.setattr(files, "sync", lambda path: os.open(tmp_path / "gone", os.O_RDONLY))
    words = ("summarise", "--scale", "smoke", "--results", tmp_path / "results", "--summary", tmp_path / "out.json")
    monkeypatch.setattr(params.Scale, "seeds_of", lambda self, name, row: [0])
    assert f"{tmp_path}/gone cannot be used (No such file or directory): see that it is there" in refused(*words)

    def full(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "sync", full)
    assert "a file cannot be written (No space left on device): make room on the disk" in refused(*words)


# 4. Parameters


@pytest.fixture
def edit(tmp_path, monkeypatch):
    """Call it with a file of params/ and a change of its content; the change stands for this test."""
    folder = tmp_path / "params"
    monkeypatch.setattr(params.loading, "FOLDER", folder)

    def changed(file: str, change) -> None:
        for name in ("rows.yaml", "published.yaml", "scales/nano.yaml"):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text((ROOT / "params" / name).read_text())
        content = yaml.safe_load((folder / file).read_text())
        change(content)
        (folder / file).write_text(yaml.safe_dump(content, sort_keys=False))

    return changed


INF, NAN = float("inf"), float("nan")
FAULTS = [
    ("scales/nano.yaml", lambda c: c["recipes"]["ttur"].update(generator_lr=INF), "recipes.ttur.generator_lr' is inf"),
    ("scales/nano.yaml", lambda c: c["recipes"]["ttur"].update(betas=[0.0, NAN]), "recipes.ttur.betas.1' is nan"),
    ("scales/nano.yaml", lambda c: c.update(hours=INF), "key 'hours' is inf"),
    ("scales/nano.yaml", lambda c: c.update(ema=NAN), "key 'ema' is nan"),
    ("scales/nano.yaml", lambda c: c["evaluation"].update(converged_fid=INF), "evaluation.converged_fid' is inf"),
    ("scales/nano.yaml", lambda c: c["inpainting"].update(lr=NAN), "inpainting.lr' is nan"),
    ("scales/nano.yaml", lambda c: c["timing"].update(memory_gb=INF), "timing.memory_gb' is inf"),
    (
        "scales/nano.yaml",
        lambda c: c["evaluation"].update(inception={"samples": 101, "reference": 10}),
        "evaluation: inception.samples exceed samples, of which they are the first",
    ),
    (
        "scales/nano.yaml",
        lambda c: c["evaluation"].update(inception={"samples": 10, "reference": 10}, extractor="inception-2015"),
        "evaluation: inception stands beside the classifier: leave it out where the extractor is Inception",
    ),
    ("rows.yaml", lambda c: c["an"].update(classifier_weight=INF), "key 'an.classifier_weight' is inf"),
    ("rows.yaml", lambda c: c["an"]["attention"].update(temperature=NAN), "key 'an.attention.temperature' is nan"),
    ("published.yaml", lambda c: c["table1"]["an"].update(fid=NAN), "key 'table1.an.fid' is nan"),
    ("scales/nano.yaml", lambda c: c.update(seeds=[0, 1, 0]), "seeds: seed 0 stands more than once"),
    ("scales/nano.yaml", lambda c: c.update(row_seeds={"an": [3, 3]}), "row_seeds.an: seed 3 stands more than once"),
    ("scales/nano.yaml", lambda c: c["recall"].update(seeds=[1, 1]), "recall.seeds: seed 1 stands more than once"),
    ("scales/nano.yaml", lambda c: c.update(seeds=[-1]), "key 'seeds.0' is -1"),
    ("scales/nano.yaml", lambda c: c.update(seeds=[2**32 - 1]), "key 'seeds.0' is 4294967295"),
    ("scales/nano.yaml", lambda c: c["recall"].update(seeds=[10**30]), f"key 'recall.seeds.0' is {10**30}"),
]


@pytest.mark.parametrize(("file", "change", "message"), FAULTS)
def test_numbers_in_params(edit, refused, tmp_path, file, change, message):
    edit(file, change)
    words = {
        "scales/nano.yaml": ("time", *NANO, "--timing", tmp_path / "out", "--gpus", 0),
        "rows.yaml": train(tmp_path),
        "published.yaml": ("table", "--table", 1, *NANO, "--results", tmp_path, "--reports", tmp_path),
    }[file]
    if file == "published.yaml":
        with pytest.raises(UserError, match=re.escape(message)):
            params.load_published()
    else:
        sentence = refused(*words)
        assert message in sentence and f"params/{file}" in sentence


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("scales/nano.yaml", "resolution: 32"),
        ("scales/nano.yaml", "  critic_width: 4"),
        ("rows.yaml", "  losses: paper"),
        ("published.yaml", "table5_sizes: [128, 256, 512, 1024]"),
    ],
)
def test_a_key_that_stands_twice(edit, file, line):
    edit(file, lambda content: None)
    path = params.loading.FOLDER / file
    text = (ROOT / "params" / file).read_text()
    if line not in text:
        line = next(each for each in text.splitlines() if each.startswith(line.split(":")[0]))
    path.write_text(text.replace(f"{line}\n", f"{line}\n{line}\n", 1))
    number = text.splitlines().index(line) + 1
    key = line.split(":")[0].strip()
    load = {"rows.yaml": params.load_rows, "published.yaml": params.load_published}
    with pytest.raises(UserError) as raised:
        load.get(file, lambda: params.load_scale("nano"))()
    said = f"params/{file} is not valid YAML: key '{key}' stands in lines {number} and {number + 1}, keep one of them."
    assert str(raised.value) == said


def test_a_merged_key_may_be_given_again_and_a_file_must_be_text(edit):
    edit("rows.yaml", lambda content: None)
    rows = params.loading.FOLDER / "rows.yaml"
    rows.write_text((ROOT / "params/rows.yaml").read_text())
    assert params.load_row("sagan").tables == {1: "SA-GAN", 2: "SA-GAN"}
    rows.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"params/rows\.yaml is not valid YAML: .*decode"):
        params.load_rows()


# 5. The workflow's --config

SCALES = "params/scales/ has bench, laptop, nano, paper, paper-core, paper-sagan-64, smoke."


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"scael": "paper"}, "--config has an unknown key 'scael' (did you mean 'scale'?): give scale=NAME alone."),
        ({"scale": "nano", "seed": 1}, "--config has an unknown key 'seed': give scale=NAME alone."),
        (
            {"scale": None},
            f"--config scale= names no scale: {SCALES}",
        ),
        (
            {"scale": 5},
            f"--config scale=5 names no scale: {SCALES}",
        ),
    ],
)
def test_config_of_the_workflow(config, message):
    with pytest.raises(UserError) as raised:
        params.scale_name(config)
    assert str(raised.value) == message


def test_a_scale_that_config_names_is_taken():
    assert params.scale_name({}) == "smoke" and params.scale_name({"scale": "nano"}) == "nano"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "message"),
    [("scael=paper", "unknown key 'scael' (did you mean 'scale'?)"), ("scale=", "--config scale= names no scale")],
)
def test_the_workflow_stops_before_any_job(tmp_path, config, message):
    project = copy_project(tmp_path / "project")
    done = snakemake(project, "--dry-run", "--config", config)
    said = [line for line in (done.stdout + done.stderr).splitlines() if message in line]
    assert done.returncode != 0 and len(said) == 1 and "Traceback" not in done.stdout + done.stderr


# 6. A row of another task


def test_a_row_of_another_task(refused, tmp_path, digits):
    seed, gpus, image = ("--seed", 0), ("--gpus", 0), tmp_path / "image.png"
    checkpoint, training = ("--checkpoint", tmp_path / "x.pt"), ("--training", tmp_path / "x.json")
    pixels = np.zeros((40, 40), np.uint8)
    pixels[8:16, 8:16] = 255
    Image.fromarray(pixels).save(image)
    images = ("--images", tmp_path / "x.npy", "--snapshot-images", tmp_path / "y.npy")
    run = ("--row", "ca", *NANO, *seed, "--data", digits, "--checkpoints", tmp_path, *images, *gpus)
    features = ("--classifier", tmp_path / "x.pt", "--features", tmp_path / "x.npy")
    made = ("--metrics", tmp_path / "m.json", "--classes", tmp_path / "c.csv")
    generation = "row 'ca' is of the inpainting task: generation has the rows acgan, sngan, sngan-star, sagan, "
    assert generation in refused("generate", *run)
    assert generation in refused("evaluate-row", *run, *features, *training, *made)
    recall = ("--row", "an", *NANO, *seed, "--checkpoints", tmp_path, *training, "--metrics", tmp_path / "m", *gpus)
    said = refused("evaluate-recall", *recall, "--example", tmp_path / "e")
    assert "row 'an' is of the generation task: recall has the rows recall-none, recall-in, " in said
    inpainting = "row 'an' is of the generation task: inpainting has the rows ca, an-inpainting, ca-wide."
    words = ("--mask", image, "--row", "an", *NANO, *checkpoint, "--out", tmp_path / "out.png", *gpus)
    assert inpainting in refused("complete", image, *words)
    words = ("--row", "an", *NANO, "--data", digits, "--checkpoints", tmp_path, "--samples", tmp_path / "out", *gpus)
    assert inpainting in refused("complete-heldout", *words)
    assert "unknown row 'sagn' (did you mean 'sagan'?)" in refused(*train(tmp_path, "sagn"))


# 7. Results that are missing or no results


def test_a_figure_without_its_material(refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "samples/smoke/controls/truth has no images: run snakemake to make them." in refused("figure", 9)
    Image.new("RGB", (8, 8)).save(png(tmp_path / "samples/smoke/controls/truth/000.png", 8, 8))
    said = refused("figure", 9)
    assert "samples/smoke/controls/input/images.json is missing: run snakemake to make it." in said
    said = refused("figure", 10)
    assert "results/smoke/recall-none/seed-0/example.json is missing: run snakemake to make it." in said


def test_a_table_without_its_results(refused, tmp_path):
    results, smoke = make_results(tmp_path / "results"), ("--scale", "smoke")
    words = ("table", "--table", 1, *smoke, "--results", results, "--reports", tmp_path / "reports")
    explained = ("explain", "table1", "acgan", "fid", *smoke, "--results", results)
    file = results / "acgan/seed-0/metrics.json"
    before = file.read_text()
    for fault, message in (
        (lambda: file.unlink(), f"{file} is missing: run snakemake to make it."),
        (lambda: file.mkdir(), f"{file} cannot be read ("),
        (lambda: (file.rmdir(), file.write_text("{")), f"{file} cannot be read ("),
        (lambda: file.write_bytes(b"\xff\xfe"), f"{file} cannot be read ("),
        (lambda: file.write_text("[]"), f"{file} is not a result: delete it and run the same command again."),
        (lambda: file.write_text(before.replace("fid", "fdi")), f"{file} was changed after it was made: delete it"),
    ):
        fault()
        assert message in refused(*words) and message in refused(*explained)
    file.write_text(before)
    (results / "an/seed-0/classes.csv").unlink()
    (results / "an/seed-0/classes.csv").mkdir()
    said = refused("table", "--table", 2, *smoke, "--results", results, "--reports", tmp_path / "reports")
    assert f"{results}/an/seed-0/classes.csv cannot be used (Is a directory)" in said


def test_tables_that_cannot_be_verified(refused, tmp_path, monkeypatch):
    monkeypatch.setattr(params.Scale, "seeds_of", lambda self, name, row: [0, 1])
    results = make_results(tmp_path / "results")
    for number in (1, 2, 3, 4, 6):
        render(number, "smoke", results, tmp_path / "kept")
    (tmp_path / "own").mkdir()
    file = tmp_path / "own/table1_cells.csv"
    words = ("verify", "--reports", tmp_path / "own", "--kept", tmp_path / "kept")
    assert f"{file} is missing: run snakemake to make it." in refused(*words)
    whole = (tmp_path / "kept/table1_cells.csv").read_text()
    for content in ("", "a,b\n1,2,3\n1\n1,2,3,4\n", whole.replace("acgan,fid,,0,", "acgan,fid,,0,x"), "\0\0"):
        file.write_text(content)
        said = refused(*words)
        assert str(file) in said and "delete it and run snakemake to make it." in said
    file.write_text("row,metric\nan,fid\n")
    assert f"{file} has no column seed: delete it" in refused(*words)
    file.unlink()
    file.mkdir()
    assert f"{file} cannot be read" in refused(*words)


# 8. Prepared data of another kind


@pytest.fixture(scope="module")
def small_digits(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("digits-16")
    prepare("digits", 16, folder)
    return folder


def test_data_of_another_kind(refused, tmp_path, digits, small_digits, photographs, textures):
    wants = "this scale's are digits at 32: name data/digits-32, where the workflow prepares them, or another scale."
    seed, gpus = ("--seed", 0), ("--gpus", 0)
    images = ("--images", tmp_path / "x.npy", "--snapshot-images", tmp_path / "y.npy")
    run = ("--row", "an", *NANO, *seed, "--checkpoints", tmp_path, *images, *gpus)
    made = ("--metrics", tmp_path / "m.json", "--classes", tmp_path / "c.csv", "--training", tmp_path / "t.json")
    classifier, features = ("--classifier", tmp_path / "x.pt"), ("--features", tmp_path / "f.npy")
    report = ("--reference", tmp_path / "r.json")
    for data, holds in ((photographs, "photographs at 32"), (small_digits, "digits at 16")):
        said = f"Error: {data} holds {holds} pixels, and {wants}"
        assert refused(*train(tmp_path, data=data)) == said
        assert refused("generate", *run, "--data", data) == said
        assert refused("evaluate-row", *run, "--data", data, *classifier, *features, *made) == said
        assert refused("reference", *NANO, "--data", data, *classifier, *features, *report, *gpus) == said
        words = ("--data", data, "--classifier", tmp_path / "x.pt", "--classifier-report", tmp_path / "r.json", *gpus)
        assert refused("train-classifier", *NANO, *words) == said
    weights = tmp_path / "generator.pt"
    save_tensors(weights, build_inpainting_generator(params.load_row("ca"), params.load_scale("nano")).state_dict())
    for data, holds in ((digits, "digits"), (textures, "textures")):
        said = f"Error: {data} holds {holds} at 32 pixels, and this scale's are photographs at 32: name data/photo"
        assert refused(*train(tmp_path, "ca", data=data)).startswith(said)
        words = ("--row", "ca", *NANO, "--checkpoints", weights.parent, "--samples", tmp_path / "out", *gpus)
        assert refused("complete-heldout", *words, "--data", data).startswith(said)
    said = refused("complete-controls", *NANO, "--data", digits, "--controls", tmp_path / "out")
    assert f"{digits} holds digits, without heldout_mask.npy: name the folder of other data." in said
    assert f"{tmp_path}/manifest.json is missing" in refused(*train(tmp_path, data=tmp_path))


def test_weights_of_another_number_of_classes(refused, tmp_path, digits):
    scale = params.load_scale("nano")
    for number in range(3):
        weights = build_generator(params.load_row("an"), scale, 7).state_dict()
        save_tensors(tmp_path / snapshot_name(number), weights)
    save_tensors(tmp_path / "classifier.pt", FeatureClassifier(scale.evaluation.classifier.channels, 7).state_dict())
    images = ("--images", tmp_path / "x.npy", "--snapshot-images", tmp_path / "y.npy")
    run = ("--row", "an", *NANO, "--seed", 0, "--data", digits, "--checkpoints", tmp_path, *images, "--gpus", 0)
    said = refused("generate", *run)
    assert f"{snapshot_name(0)} is not of row 'an' at scale 'nano' with 10 classes: name what it was trained" in said
    words = ("--classifier", tmp_path / "classifier.pt", "--features", tmp_path / "f.npy", "--gpus", 0)
    said = refused("reference", *NANO, "--data", digits, *words, "--reference", tmp_path / "r.json")
    assert "classifier.pt is not of this scale's classifier of 10 classes" in said


# 9. Too little memory, a full disk


@pytest.mark.long
def test_a_study_that_needs_more_memory_than_there_is_starts_no_job(project):
    scale = project / "params/scales/nano.yaml"
    scale.write_text(scale.read_text().replace("memory_gb: 0.1", "memory_gb: 5000.0"))
    done = snakemake(project, "--config", "scale=nano")
    sentences = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error: ")]
    assert done.returncode != 0 and len(sentences) == 1 and "Traceback" not in done.stdout + done.stderr
    assert "time_modules of scale nano asks for 5001500 MB of memory, and this machine has" in sentences[0]
    assert not (project / "logs").exists()
    assert snakemake(project, "--dry-run", "--config", "scale=nano").returncode == 0, "looking at the plan needs none"
    said = ["--set-resources", "time_modules:mem_mb=100"]
    done = snakemake(project, "data/digits-32/manifest.json", "--config", "scale=nano", *said)
    assert done.returncode == 0, "who says what it needs is believed"


def test_a_full_disk_before_an_array_is_filled(tmp_path, monkeypatch):
    def full(descriptor, offset, length):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(UserError) as raised, files.written_array(tmp_path / "x.npy", np.float32, (1000, 1000)):
        raise AssertionError("it has begun")
    said = re.escape(f"{tmp_path}/x.npy needs 4.0 MB, and {tmp_path} has ") + r"[\d.]+ MB free \(No space left"
    assert re.match(said, str(raised.value)) and "make room on the disk" in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_a_file_system_without_reservation_is_written_all_the_same(tmp_path, monkeypatch):
    def unable(descriptor, offset, length):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "posix_fallocate", unable)
    for name in ("x.npy", "y.npy"):
        with files.written_array(tmp_path / name, np.uint8, (3, 2)) as array:
            array[:] = 7
        assert np.array_equal(np.load(tmp_path / name), np.full((3, 2), 7))
        monkeypatch.delattr(os, "posix_fallocate", raising=False)


def test_an_array_has_its_blocks_before_it_is_filled(tmp_path):
    with files.written_array(tmp_path / "x.npy", np.uint8, (1_000_000,)):
        (part,) = tmp_path.iterdir()
        assert part.stat().st_blocks * 512 >= 1_000_000


LIMITED = """
import resource, sys
from an.__main__ import main
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_a_limit_on_files_is_met_before_data_is_prepared(tmp_path):
    words = ["prepare", "--dataset", "digits", "--resolution", "16", "--data", str(tmp_path / "data")]
    done = subprocess.run([sys.executable, "-c", LIMITED, *words], cwd=ROOT, capture_output=True, text=True)
    said = done.stderr.strip().splitlines()
    assert done.returncode == 1 and len(said) == 1, done.stderr
    assert "data/train_images.npy needs 1.1 MB" in said[0] and "(File too large): make room on the disk" in said[0]
    assert not list((tmp_path / "data").iterdir())


def test_a_package_that_is_not_installed(refused, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for module in [name for name in sys.modules if name.startswith("an.reporting.figures")]:
        monkeypatch.delitem(sys.modules, module)
    said = refused("figure", 9)
    install = "install this package's extra 'reproduce', or requirements.lock."
    assert said == f"Error: this verb needs matplotlib, which is not installed: {install}"
