"""Photographs: their split, their prepared arrays, and how crops are drawn from them."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from an.data import paris_streetview as paris
from an.data.crop_preparation import crop_corners, kept_size, prepare_crops, write_crops
from an.data.crops import open_heldout_crops, open_training_photographs
from an.data.masks import central_mask
from an.data.photographs import HELDOUT, TRAIN, photographs
from an.errors import UserError
from an.files import sha256


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs-64")
    prepare_crops("photographs", 64, folder, test_crops=8)
    return folder


def test_the_split_is_by_photograph():
    source = photographs()
    train, heldout = ([p.file.name for p in photos] for photos in (source.train, source.heldout))
    assert len(set(train)) == len(train) == 11 and len(set(heldout)) == len(heldout) == 4
    assert not set(train) & set(heldout)
    contents = [sha256(photo.file) for photo in source.train + source.heldout]
    assert len(set(contents)) == 15, "no photograph under two names"
    for package, entries in [*TRAIN.items(), *HELDOUT.items()]:
        assert package in ("scikit-image", "scikit-learn") and all(author and licence for _, author, licence in entries)


def test_no_held_out_crop_is_seen_in_training(prepared):
    """The best correlation of test crops with any place of any training photograph; a training crop finds itself."""
    train, test = open_training_photographs(prepared), open_heldout_crops(prepared)
    crops = np.concatenate([test.images[::2], [train.pixels[9216:25600].reshape(128, 128, 3)[4:68, 8:72]]])
    crops = standardized(crops[:, ::2, ::2].mean(3).reshape(5, -1))
    best = np.zeros(5)
    for _, offset, height, width in train.table:
        image = train.pixels[offset : offset + height * width].reshape(height, width, 3).mean(2)
        windows = np.lib.stride_tricks.sliding_window_view(image, (64, 64))[::4, ::4, ::2, ::2].reshape(-1, 1024)
        best = np.maximum(best, (standardized(windows) @ crops.T / 1024).max(0))
    assert best[:4].max() < 0.8 and best[4] == pytest.approx(1)


def standardized(rows: np.ndarray) -> np.ndarray:
    return (rows - rows.mean(1, keepdims=True)) / rows.std(1, keepdims=True).clip(1)


def test_manifest_vouches_for_every_array(prepared):
    manifest = json.loads((prepared / "manifest.json").read_text())
    assert manifest["dataset"] == "photographs" and manifest["resolution"] == 64
    train, heldout = manifest["splits"]["train"], manifest["splits"]["heldout"]
    assert (train["count"], heldout["count"], len(heldout["photographs"])) == (11, 8, 4)
    for photo in train["photographs"] + heldout["photographs"]:
        assert photo["source"] and photo["author"] and photo["licence"] and len(photo["sha256"]) == 64
    checked = train["sha256"] | heldout["sha256"]
    assert set(checked) == {file.name for file in prepared.iterdir()} - {"manifest.json"}
    assert all(sha256(prepared / name) == expected for name, expected in checked.items())
    assert os.sep not in "".join(photo["file"] for photo in train["photographs"]), "no path of this machine"


def test_preparing_twice_gives_the_same_bytes(prepared, tmp_path):
    prepare_crops("photographs", 64, tmp_path, test_crops=8)
    assert (tmp_path / "manifest.json").read_text() == (prepared / "manifest.json").read_text()


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_damaged_arrays_are_refused(prepared, tmp_path, split):
    for file in prepared.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    path = tmp_path / {"train": "train_table.npy", "heldout": "heldout_mask.npy"}[split]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    opens = {"train": open_training_photographs, "heldout": open_heldout_crops}
    with pytest.raises(UserError, match=f"{path.name} differs from its manifest"):
        opens.pop(split)(tmp_path)
    opens.popitem()[1](tmp_path)


def test_test_crops_are_the_places_the_manifest_names(prepared):
    test = open_heldout_crops(prepared)
    assert test.images.shape == (8, 64, 64, 3) and test.images.dtype == np.uint8
    assert np.array_equal(test.mask, central_mask(64))
    files = {photo.file.name: photo.file for photo in photographs().heldout}
    places = json.loads((prepared / "manifest.json").read_text())["splits"]["heldout"]["crops"]
    assert [files[name].name for name in test.photographs] == [place["photograph"] for place in places]
    for image, place in zip(test.images, places, strict=True):
        whole = Image.open(files[place["photograph"]]).convert("RGB").resize(place["of"], Image.Resampling.BICUBIC)
        box = (place["left"], place["top"], place["left"] + 64, place["top"] + 64)
        assert np.array_equal(image, np.asarray(whole.crop(box))) and min(place["of"]) == 128


def test_random_crops_are_a_function_of_seed_and_number(prepared):
    train = open_training_photographs(prepared)
    assert isinstance(train.pixels, np.memmap)
    crops = train.random_crops(7, 5, 3)
    assert crops.shape == (5, 64, 64, 3) and crops.dtype == np.uint8
    train.random_crops(8, 5, 3)
    assert np.array_equal(crops, open_training_photographs(prepared).random_crops(7, 5, 3))
    assert not np.array_equal(crops, train.random_crops(7, 5, 4))
    assert not np.array_equal(crops, train.random_crops(8, 5, 3))


@pytest.fixture
def streets(tmp_path):
    """A small folder of Paris StreetView's form. Training pixels say photograph, row and column."""
    root = tmp_path / "paris"
    (root / "paris_train_original").mkdir(parents=True)
    (root / "paris_eval/paris_eval_gt").mkdir(parents=True)
    for k in range(3):
        rows, columns = np.mgrid[:16, :28]
        image = np.stack([np.full_like(rows, k), rows, columns], 2).astype(np.uint8)
        # PNG content under the data set's suffix: lossless, and decoded by content all the same.
        Image.fromarray(image).save(root / f"paris_train_original/{k}.JPG", format="PNG")
    for k in range(2):
        Image.fromarray(np.full((14, 14, 3), 50 * k + 20, np.uint8)).save(root / f"paris_eval/paris_eval_gt/{k:03}.png")
    (root / "paris_train_original/.DS_Store").write_text("no image")
    return root


def test_random_crops_are_exact_and_reach_everywhere(streets, tmp_path):
    write_crops(paris.paris_folder(streets), "paris_streetview", 8, tmp_path / "small", test_crops=2)
    write_crops(paris.paris_folder(streets), "paris_streetview", 16, tmp_path / "out", test_crops=2)
    assert open_training_photographs(tmp_path / "small").table.tolist() == [[k, k * 112, 8, 14] for k in range(3)]
    train = open_training_photographs(tmp_path / "out")
    crops = np.concatenate([train.random_crops(number, 6, 0) for number in range(100)])
    assert np.array_equal(crops[..., 1], np.broadcast_to(np.arange(16)[:, None], (600, 16, 16))), "the whole height"
    lefts = crops[:, 0, 0, 2]
    assert np.array_equal(crops[..., 2] - lefts[:, None, None], np.broadcast_to(np.arange(16), (600, 16, 16)))
    assert np.unique(lefts, return_counts=True)[0].tolist() == list(range(13))
    assert np.bincount(lefts).min() > 600 / 13 / 2
    drawn = crops[:, 0, 0, 0]
    assert all(sorted(epoch) == [0, 1, 2] for epoch in drawn.reshape(-1, 3)), "each photograph once per epoch"


def test_paris_test_images_are_enlarged_whole(streets, tmp_path):
    manifest = prepare_with_counts(streets, tmp_path / "out")
    test = open_heldout_crops(tmp_path / "out")
    assert test.images.shape == (2, 16, 16, 3) and test.photographs == ["000.png", "001.png"]
    assert [int(image.max()) for image in test.images] == [int(image.min()) for image in test.images] == [20, 70]
    assert manifest["splits"]["train"]["count"] == 3


def prepare_with_counts(root, folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paris, "TRAIN", 3)
        patch.setattr(paris, "HELDOUT", 2)
        return prepare_crops("paris_streetview", 16, folder, test_crops=2, path=str(root))


def test_paris_faults_say_how_to_get_it(streets, tmp_path):
    with pytest.raises(UserError, match=r"has 3 training and 2 test images where .* 14900 and 100: .* by e-mail"):
        paris.paris_streetview(str(streets))
    with pytest.raises(UserError, match=r"paris_train_original is missing or has no images: .* by e-mail"):
        paris.paris_streetview(str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="dataset_path is not set"):
        paris.paris_streetview(None)
    with pytest.raises(UserError, match=r"000\.png has no room for 2 different test crops .* fewer than 4"):
        write_crops(paris.paris_folder(streets), "paris_streetview", 16, tmp_path / "out", test_crops=4)
    broken = streets / "paris_train_original/1.JPG"
    broken.write_bytes(broken.read_bytes()[:50])
    with pytest.raises(UserError, match=r"1\.JPG is not a readable image"):
        write_crops(paris.paris_folder(streets), "paris_streetview", 16, tmp_path / "other", test_crops=2)
    assert not list((tmp_path / "other").glob("*")), "nothing half-written stays"


def test_kept_sizes_and_crop_places():
    assert kept_size(600, 400, 2, 64) == (192, 128)
    assert kept_size(451, 300, 2, 256) == (451, 300), "never enlarged for the scene's sake"
    assert kept_size(227, 227, 1, 256) == (256, 256), "enlarged where smaller than a crop"
    assert kept_size(936, 537, 1, 256) == (446, 256)
    assert crop_corners(128, 192, 4, 64) == [(0, 0), (0, 128), (64, 0), (64, 128)]
    assert crop_corners(128, 192, 1, 64) == [(32, 64)]
    assert crop_corners(128, 192, 3, 64) == [(32, 0), (32, 64), (32, 128)]
