"""One's own images: from a folder to a data set, a scale, and finished tables."""

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import ROOT, an, snakemake
from pictures import pictures, save

from an import params
from an.data.own_images import own_images
from an.data.own_scale import write_own_scale
from an.errors import UserError
from an.params import loading
from an.sampling.pictures import write_png


@pytest.fixture
def digits(tmp_path) -> Path:
    """Coloured digits in ten class folders, and a licence."""
    folder = save(tmp_path / "my digits", *pictures(200, 0, 5))
    (folder / "LICENSE").write_text("CC BY 4.0\n\nmore\n")
    return folder


@pytest.fixture
def scales(tmp_path, monkeypatch) -> Path:
    """A copy of params/ to write into."""
    folder = Path(shutil.copytree(ROOT / "params", tmp_path / "params"))
    monkeypatch.setattr(loading, "FOLDER", folder)
    return folder / "scales"


def test_a_tenth_of_each_class_is_held_out_and_no_image_is_in_both(digits):
    source = own_images(16, str(digits))
    per_class = Counter(file.parent.name for file in digits.rglob("*.*"))
    assert source.classes == sorted(per_class) and source.licence == "CC BY 4.0"
    held = Counter(source.splits["heldout"].labels.tolist())
    assert all(held[k] == max(1, round(0.1 * per_class[name])) for k, name in enumerate(source.classes))
    images = {name: [split.image(file).tobytes() for file in split.items] for name, split in source.splits.items()}
    assert sum(map(len, images.values())) == 200 == len({*images["train"], *images["heldout"]})
    again = own_images(16, str(digits)).splits["heldout"]
    assert again.items == source.splits["heldout"].items, "always the same"


def test_a_folder_without_classes_is_one_class(tmp_path):
    for number, image in enumerate(pictures(20, 0, 5)[0]):
        write_png(tmp_path / f"{number:02d}.png", image)
    source = own_images(32, str(tmp_path))
    assert source.classes == ["images"] and len(source.splits["heldout"].labels) == 2
    assert source.licence.startswith("not stated")
    first = source.splits["train"].image(source.splits["train"].items[0])
    assert first.shape == (32, 32, 3) and first.dtype == np.uint8


def test_train_and_val_are_the_splits_where_there_are_such(tmp_path):
    for split, count, seed in (("train", 30, 0), ("val", 20, 1)):
        images, labels = pictures(count, seed, 5)
        save(tmp_path / split, images, labels % 2)
    source = own_images(16, str(tmp_path))
    assert source.classes == ["class0", "class1"]
    assert [len(source.splits[name].labels) for name in ("train", "heldout")] == [30, 20]


def test_folders_that_are_no_data_set_are_refused(tmp_path, digits):
    with pytest.raises(UserError, match="is no folder"):
        own_images(16, str(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no images"):
        own_images(16, str(tmp_path / "empty"))
    write_png(digits / "beside.png", pictures(1, 0, 0)[0][0])
    with pytest.raises(UserError, match=r"has images in folders and beside them, e\.g\. beside\.png"):
        own_images(16, str(digits))
    (digits / "beside.png").unlink()
    write_png(digits / "rare/one.png", pictures(1, 0, 0)[0][0])
    with pytest.raises(UserError, match=r"class rare of .* has a single image"):
        own_images(16, str(digits))


def test_a_scale_of_one_s_own_images_has_the_sizes_of_another(digits, scales):
    said = write_own_scale("mine", digits, "laptop")
    assert "200 images of 10 classes" in said and said.endswith("make reproduce SCALE=mine")
    mine, laptop = params.load_scale("mine"), params.load_scale("laptop")
    assert mine.dataset_path == str(digits) and mine.data_folder == "data/my-digits-32"
    assert mine.generator == laptop.generator and mine.recipes == laptop.recipes and set(mine.rows) == set(laptop.rows)
    assert params.tables_of(mine) == [1, 2, 4, 5] and "9" not in params.figures_of(mine)
    with pytest.raises(UserError, match="is there already"):
        write_own_scale("mine", digits, "laptop")
    with pytest.raises(UserError, match="a scale's name has small letters"):
        write_own_scale("My$(scale)", digits, "laptop")
    assert len(list(scales.glob("m*.yaml"))) == 1


def test_without_classes_inception_measures(tmp_path, scales):
    for number, image in enumerate(pictures(20, 0, 5)[0]):
        write_png(tmp_path / f"one/{number:02d}.png", image)
    write_own_scale("mine", tmp_path / "one", "laptop")
    mine = params.load_scale("mine")
    assert mine.evaluation.extractor == "inception-2015" and mine.evaluation.inception is None
    assert mine.evaluation.table2_classes == [0]


@pytest.mark.long
def test_from_a_folder_to_tables_and_page_by_two_commands(project, digits):
    nano = project / "params/scales/nano.yaml"  # of two rows, for the time of it
    nano.write_text(yaml.safe_dump({**yaml.safe_load(nano.read_text()), "rows": ["sngan-star", "an"]}))
    done = an(project, "init", "mine", "--images", digits, "--like", "nano")
    assert done.returncode == 0, done.stderr
    done = snakemake(project, "--config", "scale=mine")
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    manifest = json.loads((project / "data/my-digits-32/manifest.json").read_text())
    assert manifest["licence"] == "CC BY 4.0" and manifest["splits"]["train"]["count"] == 180
    page = (project / "reports/mine/index.html").read_text()
    assert "200 images of my digits at 32x32" in page
    for name in ("table1.md", "table2.md", "table4.md", "figure1.png", "figure5.png", "convergence.svg"):
        assert (project / "reports/mine" / name).exists()
