"""ILSVRC 2012's archives: read as torchvision reads them, refused in one sentence, and resumed after kills."""

import io
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
import time
from hashlib import md5
from pathlib import Path

import numpy as np
import psutil
import pytest
from conftest import ROOT
from imagenet_archives import jpeg, meta, tar, write_archives, write_devkit
from PIL import Image

from an.__main__ import main
from an.data import archives as archives_in_tar
from an.data import image_array, imagenet
from an.data.imagenet import DEVKIT, SYNSETS, TRAIN, TRUTH, VALIDATION, archives
from an.data.loading import open_split
from an.data.preparation import SOURCES, write_arrays
from an.data.sources import Source, Split, centre_crop, class_folders
from an.errors import UserError

COLOUR = (200, 90, 40)


def picture(number: int, height: int = 30, width: int = 44) -> np.ndarray:
    """Smooth, so that JPEG keeps it."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows + number, columns + 2 * number, rows + columns], 2).astype(np.uint8)


@pytest.fixture
def packed(tmp_path) -> Path:
    """Three synsets, whose archives do not stand in order; odd files among them, as in the original."""
    plain = np.full((32, 40, 3), COLOUR, np.uint8)
    turned = Image.Exif()
    turned[0x0112] = 6  # "turn by a quarter to see it upright"
    train = {
        "n02105855": {
            "n02105855_2933.JPEG": jpeg(plain, kind="PNG"),
            "n02105855_1.JPEG": jpeg(plain, "CMYK", quality=95),
            "n02105855_10.JPEG": jpeg(plain, "L", quality=95),
            "n02105855_2.JPEG": jpeg(picture(9, 30, 30), exif=turned, quality=95),
        },
        "n01443537": {f"n01443537_{k}.JPEG": jpeg(picture(k)) for k in range(3)},
        "n01440764": {f"n01440764_{k}.JPEG": jpeg(picture(20 + k)) for k in (3, 1, 2)},
    }
    order = ["n01440764", "n02105855", "n01440764", "n01443537"]
    return write_archives(tmp_path / "raw", train, [(name, jpeg(picture(k))) for k, name in enumerate(order)])


def arrays(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.glob("*.npy")}


def test_archives_give_what_torchvision_unpacks(packed, tmp_path, monkeypatch):
    from torchvision.datasets import imagenet as peer

    manifest = write_arrays(archives(packed, 16), "imagenet", 16, tmp_path / "a")
    assert manifest["classes"] == ["n01440764", "n01443537", "n02105855"] and "centred square" in manifest["resize"]
    assert [split["per_class"] for split in manifest["splits"].values()] == [[3, 3, 4], [2, 1, 1]]
    for kind, (name, _) in list(peer.ARCHIVE_META.items()):
        monkeypatch.setitem(peer.ARCHIVE_META, kind, (name, md5((packed / name).read_bytes()).hexdigest()))
    for split, ours in (("train", "train"), ("val", "heldout")):
        theirs = peer.ImageNet(packed, split)
        assert (
            theirs.wnids == manifest["classes"]
            and theirs.targets == np.load(tmp_path / f"a/{ours}_labels.npy").tolist()
        )
        images = np.load(tmp_path / f"a/{ours}_images.npy")
        for (file, _), image in zip(theirs.imgs, images, strict=True):
            assert np.array_equal(centre_crop(Path(file), 16), image)
    write_arrays(class_folders(packed, 16), "imagenet", 16, tmp_path / "b")
    assert arrays(tmp_path / "a") == arrays(tmp_path / "b")
    assert {file.name for file in (tmp_path / "a").iterdir()} == {*arrays(tmp_path / "a"), "manifest.json"}


def test_odd_files_are_decoded_to_their_colours(packed):
    train = archives(packed, 16).splits["train"]
    odd = {item.name: train.image(item) for item in train.items if item.name.startswith("n02105855")}
    for name in ("n02105855_2933.JPEG", "n02105855_1.JPEG"):
        assert np.abs(odd[name].astype(int) - COLOUR).max() <= 3, name
    grey = odd["n02105855_10.JPEG"]
    assert (grey == grey[..., :1]).all() and abs(int(grey[0, 0, 0]) - round(np.dot(COLOUR, (0.299, 0.587, 0.114)))) <= 2
    upright = np.asarray(Image.fromarray(picture(9, 30, 30)).resize((16, 16), Image.Resampling.BILINEAR))
    assert np.abs(odd["n02105855_2.JPEG"].astype(int) - upright).max() <= 8, "not turned"


def refused(packed: Path, capsys) -> str:
    """What the verb says of archives: one sentence, before it draws an image."""
    target = packed.parent / "out"
    words = ["prepare", "--dataset", "imagenet", "--resolution", 16, "--path", packed, "--data", target]
    assert main([str(word) for word in words]) == 1 and not target.exists()
    said = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("listing ")]
    assert len(said) == 1 and said[0].endswith("."), said
    return said[0]


def replaced(content: bytes, entry_type: bytes = tarfile.REGTYPE, name: str = "x.JPEG") -> bytes:
    """A tar with one member of this name and type."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.type, entry.size, entry.linkname = entry_type, len(content), "elsewhere" if not content else ""
        archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()


@pytest.mark.parametrize(
    ("archive", "damage", "message"),
    [
        (
            VALIDATION,
            lambda c: c[:1000],
            "is cut off or damaged (ILSVRC2012_val_00000004.JPEG is cut off): fetch it again.",
        ),
        (VALIDATION, lambda c: c[:700], "is cut off or damaged"),
        (VALIDATION, lambda c: b"<html>", "is cut off or damaged"),
        (VALIDATION, lambda c: c[:-10240] + b"x" * 10240, "is cut off or damaged"),
        (VALIDATION, lambda c: replaced(b"x", name="../x.JPEG"), "'../x.JPEG', which is a link or leads out"),
        (VALIDATION, lambda c: replaced(b"x", name="/x.JPEG"), "'/x.JPEG', which is a link or leads out"),
        (VALIDATION, lambda c: replaced(b"", tarfile.SYMTYPE), "'x.JPEG', which is a link or leads out of its folder"),
        (VALIDATION, lambda c: replaced(b"x"), f"has 1 images and {DEVKIT} the classes of 4"),
        (TRAIN, lambda c: c[: len(c) // 2], "is cut off or damaged"),
        (TRAIN, lambda c: replaced(b"x"), f"{TRAIN} is no tar of a class"),
        (TRAIN, lambda c: replaced(b"x" * 600, name="n1.tar"), f"{TRAIN} is cut off or damaged"),
        (TRAIN, lambda c: tar({"n01440764.tar": tar({})}), f"lacks the class n01443537 of {DEVKIT}"),
        (DEVKIT, lambda c: c[:200], f"{DEVKIT} cannot be read"),
        (DEVKIT, lambda c: b"<html>", f"{DEVKIT} cannot be read"),
    ],
)
def test_a_damaged_archive_is_one_sentence(packed, capsys, archive, damage, message):
    (packed / archive).write_bytes(damage((packed / archive).read_bytes()))
    said = refused(packed, capsys)
    assert archive in said and message in said


@pytest.mark.parametrize("archive", [TRAIN, VALIDATION, DEVKIT])
def test_a_missing_archive_is_one_sentence(packed, capsys, archive):
    (packed / archive).unlink()
    assert f"{archive} is missing: put it beside the other archives" in refused(packed, capsys)


@pytest.mark.parametrize(
    "files",
    [
        {TRUTH: b"1\n"},
        {SYNSETS: b"no MATLAB", TRUTH: b"1\n"},
        {SYNSETS: meta(), TRUTH: b"x\n"},
        {SYNSETS: meta(), TRUTH: b"4\n"},
        {SYNSETS: meta()[:400], TRUTH: b"1\n"},
    ],
)
def test_what_is_no_development_kit_is_one_sentence(packed, capsys, files):
    write_devkit(packed, files)
    assert DEVKIT in refused(packed, capsys)


def test_other_counts_than_those_of_ilsvrc_are_refused(packed, capsys):
    assert "has 3 classes and {'train': 10, 'heldout': 4} images; ILSVRC 2012 has 1000" in refused(packed, capsys)


def test_a_truncated_image_is_named_with_its_archive(tmp_path):
    whole = jpeg(picture(1, 300, 400))
    train = {"n01440764": {"n01440764_7.JPEG": whole[: len(whole) // 2]}, "n01443537": {"n01443537_1.JPEG": whole}}
    packed = write_archives(tmp_path / "raw", train, [("n01440764", whole)])
    with pytest.raises(UserError, match=rf"^n01440764_7\.JPEG of .*{TRAIN} is not a readable image \(image file is tr"):
        write_arrays(archives(packed, 16), "imagenet", 16, tmp_path / "out")


def test_a_disk_that_is_too_small_is_found_before_anything_is_drawn(tmp_path):
    split = Split(np.zeros(10**6, np.int64), [Path("never-read")], centre_crop)
    with pytest.raises(UserError, match=r"out needs 12000000000000\.0 MB, and .* MB free \(No space left on device\)"):
        write_arrays(Source("", "", ["a"], {"train": split}), "imagenet", 2 * 10**6, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_work_is_not_done_twice_unless_its_files_changed(tmp_path, monkeypatch):
    """A bad image after 128 good ones, replaced; then another one of the 128."""
    monkeypatch.setattr(image_array, "SECONDS_BETWEEN_RECORDS", -1)
    for number in range(200):
        for split in ("train", "val"):
            (tmp_path / split / "a").mkdir(parents=True, exist_ok=True)
            (tmp_path / split / "a" / f"{number:03}.jpeg").write_bytes(jpeg(picture(number % 90, 16, 16)))
    bad, out = tmp_path / "train/a/150.jpeg", tmp_path / "out"
    good = bad.read_bytes()
    first = out / ".unfinished/train_images.npy"

    def stopped() -> None:
        bad.write_bytes(good[:100])
        with pytest.raises(UserError, match=r"150\.jpeg is not a readable image"):
            write_arrays(class_folders(tmp_path, 16), "folder", 16, out)
        assert json.loads(Path(f"{first}.json").read_text())["images"] == 128
        np.lib.format.open_memmap(first, "r+")[0] = 7  # which a second drawing would undo
        bad.write_bytes(good)

    stopped()
    write_arrays(class_folders(tmp_path, 16), "folder", 16, out)
    assert (np.load(out / "train_images.npy")[0] == 7).all()
    stopped()
    os.utime(tmp_path / "train/a/000.jpeg", (1, 1))
    write_arrays(class_folders(tmp_path, 16), "folder", 16, out)
    images = open_split(out, "train").images  # the manifest has the checksum of what is there
    assert np.array_equal(images, np.load(out / "heldout_images.npy")) and not (images[0] == 7).all()


PREPARE = """
import sys
from pathlib import Path
from an.data import archives as archives_in_tar
from an.data import image_array, imagenet
from an.data.imagenet import archives
from an.data.loading import open_split
from an.data.preparation import SOURCES, write_arrays
image_array.SECONDS_BETWEEN_RECORDS = 0.1
write_arrays(archives(Path(sys.argv[1]), 32), "imagenet", 32, Path(sys.argv[2]))
"""


def ended(*_) -> None:
    """What a system does that is short of memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def members_or_ended(of) -> list[archives_in_tar.Member]:
    return ended() if isinstance(of, archives_in_tar.Member) else archives_in_tar.members(of)


ENDED = {"listing": (imagenet, "members", members_or_ended), "drawing": (image_array, "_draw", ended)}


@pytest.mark.parametrize("doing", ENDED)
def test_a_process_that_the_system_ends_is_a_sentence(packed, called, monkeypatch, doing):
    monkeypatch.setitem(SOURCES, "imagenet", lambda resolution, path: archives(Path(path), resolution))
    words = ["prepare", "--dataset", "imagenet", "--resolution", 16, "--path", packed, "--data", packed.parent / "out"]
    with monkeypatch.context() as patch:
        patch.setattr(*ENDED[doing])
        done = called(*words)
    said = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert done.returncode == 1 and said == [
        "Error: one of this command's processes was ended by the system, most likely for want of memory: run the same "
        "command again, which goes on."
    ]
    assert called(*words).returncode == 0


def start(packed: Path, out: Path) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", PREPARE, packed, out], cwd=ROOT, stderr=subprocess.DEVNULL)


def recorded(out: Path) -> int:
    """Images of both splits that are on record."""
    return sum(json.loads(file.read_text())["images"] for file in (out / ".unfinished").glob("*.json"))


@pytest.mark.long
def test_killed_at_random_moments_it_ends_with_the_same_bytes(tmp_path):
    encoded = [jpeg(picture(k, 300, 400)) for k in range(40)]
    train = {name: {f"{name}_{k}.JPEG": encoded[k % 40] for k in range(300)} for name in ("n01440764", "n01443537")}
    packed = write_archives(tmp_path / "raw", train, [("n01440764", encoded[k % 40]) for k in range(200)])
    assert start(packed, tmp_path / "straight").wait() == 0
    out, chance, counts = tmp_path / "killed", random.Random(0), [0]
    for _ in range(4):
        job = start(packed, out)
        while job.poll() is None and recorded(out) <= counts[-1]:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.3))
        children = psutil.Process(job.pid).children() if job.poll() is None else []
        job.kill()
        job.wait()
        assert not psutil.wait_procs(children, timeout=60)[1], "its processes end with it"
        counts.append(recorded(out) if (out / ".unfinished").exists() else counts[-1])
    assert start(packed, out).wait() == 0
    assert counts == sorted(counts) and 0 < counts[1] < 800, counts
    assert arrays(out) == arrays(tmp_path / "straight")
    assert (out / "manifest.json").read_text() == (tmp_path / "straight/manifest.json").read_text()
