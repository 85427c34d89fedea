"""Prepared arrays, their manifest, and how they are read."""

import gzip
import hashlib
import json
import os
import threading

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from an.data.fashion_mnist import FILES, fashion_mnist
from an.data.imagenet import imagenet
from an.data.loading import ReadAhead, Shuffled, open_split, to_bytes, to_device
from an.data.preparation import write_arrays
from an.data.sources import Source, class_folders
from an.errors import UserError
from an.files import LARGE, sha256, written_whole
from an.layout import CHECKSUMS


def test_digits_manifest_and_split(digits):
    manifest = json.loads((digits / "manifest.json").read_text())
    train, heldout = open_split(digits, "train"), open_split(digits, "heldout")
    assert (len(train.labels), len(heldout.labels)) == (1497, 300) and train.num_classes == 10
    assert train.images.shape == (1497, 32, 32, 3) and train.images.dtype == np.uint8
    assert isinstance(train.images, np.memmap)
    assert manifest["splits"]["heldout"]["per_class"] == [30] * 10
    assert sum(manifest["splits"]["train"]["per_class"]) == 1497
    assert manifest["licence"] and manifest["source"]
    assert manifest["splits"]["train"]["sha256"]["train_images.npy"] == sha256(digits / "train_images.npy")


def test_every_digit_is_in_exactly_one_split_with_its_label(digits):
    """Block means of the enlarged images are the original pixels, up to the resampling."""
    bunch = load_digits()
    originals = bunch.images.reshape(1797, 64) * 255 / 16
    seen = []
    for split in ("train", "heldout"):
        data = open_split(digits, split)
        small = data.images[..., 0].reshape(-1, 8, 4, 8, 4).mean((2, 4)).reshape(-1, 64)
        nearest = np.array([np.square(originals - image).sum(1).argmin() for image in small])
        assert (bunch.target[nearest] == data.labels).mean() > 0.999
        seen.append(set(nearest))
    assert not seen[0] & seen[1] and len(seen[0] | seen[1]) > 1750


def test_preparing_twice_gives_the_same_bytes(digits, tmp_path):
    from an.data.preparation import prepare

    prepare("digits", 32, tmp_path)
    assert (tmp_path / "manifest.json").read_text() == (digits / "manifest.json").read_text()


@pytest.mark.parametrize("damage", ["change", "remove", "manifest"])
def test_damaged_arrays_are_refused(digits, tmp_path, damage):
    for file in digits.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    path = tmp_path / ("manifest.json" if damage == "manifest" else "train_images.npy")
    if damage == "change":
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    else:
        path.unlink()
    with pytest.raises(UserError, match=path.name):
        open_split(tmp_path, "train")


def test_shuffled_batches_cover_every_epoch_and_need_no_state():
    batches = Shuffled(count=10, batch=4, seed=3)
    drawn = np.concatenate([batches.indices(k) for k in range(5)])
    assert sorted(drawn[:10]) == sorted(drawn[10:]) == list(range(10))
    assert drawn[:10].tolist() != drawn[10:].tolist()
    assert np.array_equal(Shuffled(10, 4, 3).indices(4), drawn[16:])
    assert not np.array_equal(Shuffled(10, 4, 4).indices(0), drawn[:4])
    assert len(Shuffled(3, 8, 0).indices(0)) == 8


def test_what_is_read_ahead_is_what_is_asked_for():
    """In turn and out of it; the next is there before it is asked for; what cannot be read is an error when it is."""
    read, third = [], threading.Event()

    def slowly(number):
        read.append(number)
        if number == 3:
            third.set()
        if number == 9:
            raise OSError("gone")
        return number * number

    batches = ReadAhead(slowly)
    assert [batches(number) for number in (0, 1, 2)] == [0, 1, 4]
    assert third.wait() and read == [0, 1, 2, 3]
    assert [batches(number) for number in (7, 8, 3)] == [49, 64, 9]
    with pytest.raises(OSError, match="gone"):
        batches(9)


def test_bytes_survive_the_way_to_the_device_and_back():
    images = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    on_device = to_device(images, torch.device("cpu"))
    assert on_device.shape == (1, 3, 16, 16) and on_device.min() == -1 and on_device.max() == 1
    assert np.array_equal(to_bytes(on_device), images)


@pytest.fixture
def folders(tmp_path):
    """A small data set in ImageNet's form."""
    for split, count in (("train", 3), ("val", 1)):
        for label, name in enumerate(["n01440764", "n01443537"]):
            folder = tmp_path / split / name
            folder.mkdir(parents=True)
            for k in range(count):
                image = np.full((40, 72, 3), 100 * label + k, dtype=np.uint8)
                image[:, :16] = image[:, -16:] = 255  # outside the central square
                Image.fromarray(image).save(folder / f"{name}_{k}.JPEG", quality=100)
    return tmp_path


def test_class_folders(folders, tmp_path):
    manifest = write_arrays(class_folders(folders, 16), "imagenet", 16, tmp_path / "out")
    train = open_split(tmp_path / "out", "train")
    assert manifest["classes"] == ["n01440764", "n01443537"] and train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert [image.mean().round() for image in train.images] == [0, 1, 2, 100, 101, 102]


def test_class_folders_faults_name_the_file(folders, tmp_path):
    with pytest.raises(UserError, match="ILSVRC 2012 has 1000 classes"):
        imagenet(16, str(folders))
    with pytest.raises(UserError, match="missing: set dataset_path"):
        imagenet(16, str(folders / "nowhere"))
    broken = folders / "train/n01440764/n01440764_0.JPEG"
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(UserError, match=r"n01440764_0\.JPEG is not a readable image"):
        write_arrays(class_folders(folders, 16), "imagenet", 16, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*images*")), "nothing half-written stays"
    (folders / "val/n99999999").mkdir()
    with pytest.raises(UserError, match="n99999999"):
        class_folders(folders, 16)


@pytest.fixture
def clothes(tmp_path):
    """Fashion-MNIST's files with other pictures: the k-th is grey level k mod 251, of class k mod 10."""
    for name, count in FILES.values():
        grey = (np.arange(count) % 251).astype(np.uint8)
        for kind, content in (("images-idx3", grey[:, None, None].repeat(28, 1).repeat(28, 2)), ("labels-idx1", grey)):
            values = content if kind == "images-idx3" else (np.arange(count) % 10).astype(np.uint8)
            header = bytes([0, 0, 8, values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape)
            (tmp_path / f"{name}-{kind}-ubyte.gz").write_bytes(gzip.compress(header + values.tobytes(), 1))
    return tmp_path


def test_fashion_mnist(clothes):
    source = fashion_mnist(32, str(clothes))
    assert {name: len(split.labels) for name, split in source.splits.items()} == {"train": 60_000, "heldout": 10_000}
    assert source.classes[9] == "Ankle boot" and source.splits["heldout"].labels[:12].tolist() == [*range(10), 0, 1]
    second = image_of(source, "heldout", 1)
    assert second.shape == (32, 32, 3) and (second[2:-2, 2:-2] == 1).all() and second.sum() == 28 * 28 * 3
    assert image_of(fashion_mnist(16, str(clothes)), "train", 0).shape == (16, 16, 3)
    packed = clothes / "t10k-images-idx3-ubyte.gz"
    packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    unpacked = fashion_mnist(32, str(clothes))
    assert [image_of(unpacked, "heldout", k).max() for k in range(2)] == [0, 1]


def image_of(source: Source, split: str, number: int) -> np.ndarray:
    return source.splits[split].image(source.splits[split].items[number])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.unlink(), "is missing: name a folder that has Fashion-MNIST's four files"),
        (lambda file: file.write_bytes(file.read_bytes()[:30]), "cannot be read"),
        (lambda file: file.write_bytes(b"<html>"), "cannot be read"),
        (lambda file: file.write_bytes(gzip.compress(b"<html>")), "is not what Fashion-MNIST has under this name"),
        (lambda file: file.write_bytes(file.read_bytes() + gzip.compress(b"more")), "is not what Fashion-MNIST has"),
        (
            lambda file: file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes())[:8] + bytes(10_000))),
            "has other labels than Fashion-MNIST",
        ),
    ],
)
def test_what_is_not_fashion_mnist_is_one_sentence(clothes, damage, message):
    damage(clothes / "t10k-labels-idx1-ubyte.gz")
    with pytest.raises(UserError, match=message):
        fashion_mnist(32, str(clothes))


@pytest.mark.slow
def test_a_large_file_is_read_once_and_again_when_it_changes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "large"
    with open(file, "wb") as opened:
        opened.truncate(LARGE)  # without blocks on the disk
    checksum, stat = sha256(file), file.stat()
    assert checksum == hashlib.sha256(bytes(LARGE)).hexdigest()
    with open(file, "r+b") as opened:
        opened.write(b"x")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert sha256(file.rename(tmp_path / "renamed")) == checksum, "not read again"
    with open(tmp_path / "renamed", "r+b") as opened:
        opened.write(b"x")
    assert sha256(tmp_path / "renamed") != checksum
    file.write_bytes(b"x")
    assert sha256(file) == hashlib.sha256(b"x").hexdigest() and len(list(CHECKSUMS.iterdir())) == 1


def test_written_whole_leaves_the_old_file_when_interrupted(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), written_whole(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
