"""Small archives in the form in which ILSVRC 2012 is published."""

import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from an.data.imagenet import DEVKIT, SYNSETS, TRAIN, TRUTH, VALIDATION

NUMBERS = {"n01443537": 1, "n02105855": 2, "n01440764": 3}  # of synsets in the kit, not in their alphabetical order
FIELDS = ["ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children", "wordnet_height", "num_train_images"]


def jpeg(image: np.ndarray, mode: str = "RGB", kind: str = "JPEG", **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).convert(mode).save(file, kind, **options)
    return file.getvalue()


def tar(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def meta() -> bytes:
    """The kit's table of synsets, with one that has others below it and no images."""
    rows = [(number, name, "a, b", "words", 0, [], 0, 1300) for name, number in NUMBERS.items()]
    rows.append((4, "n00001740", "entity", "all of it", 3, [1, 2, 3], 1, 0))
    table = np.empty((len(rows), 1), dtype=[(name, object) for name in FIELDS])
    for place, row in enumerate(rows):
        table[place, 0] = row
    file = io.BytesIO()
    savemat(file, {"synsets": table})
    return file.getvalue()


def write_archives(root: Path, train: dict[str, dict[str, bytes]], val: list[tuple[str, bytes]]) -> Path:
    """``train`` has files by synset and name; ``val`` the synset and content of each, in the order of their names."""
    root.mkdir(parents=True, exist_ok=True)
    (root / TRAIN).write_bytes(tar({f"{name}.tar": tar(files) for name, files in train.items()}))
    names = [f"ILSVRC2012_val_{number:08d}.JPEG" for number in range(1, len(val) + 1)]
    files = {name: content for name, (_, content) in zip(names, val, strict=True)}
    (root / VALIDATION).write_bytes(tar(dict(reversed(files.items()))))
    write_devkit(root, {SYNSETS: meta(), TRUTH: "".join(f"{NUMBERS[name]}\n" for name, _ in val).encode()})
    return root


def write_devkit(root: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(root / DEVKIT, "w:gz") as kit:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            kit.addfile(entry, io.BytesIO(content))
