"""Where images come from: one function per data set, each returning a Source."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import UserError
from .images import opened


@dataclass(frozen=True)
class Split:
    labels: np.ndarray  # int64 [N]
    images: Callable[[], Iterator[np.ndarray]]  # uint8 [R, R, 3], in the labels' order


@dataclass(frozen=True)
class Source:
    name: str
    licence: str
    classes: list[str]
    splits: dict[str, Split]  # "train" and "heldout"


def digits(resolution: int, path: str | None = None) -> Source:
    """The 1,797 handwritten digits that ship with scikit-learn; 30 of each class are held out."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.target))
    rank = np.empty(len(order), dtype=int)  # of each image among its class, in a fixed random order
    for label in range(10):
        members = order[bunch.target[order] == label]
        rank[members] = np.arange(len(members))

    def images(chosen: np.ndarray) -> Iterator[np.ndarray]:
        for image in bunch.images[chosen]:
            grey = Image.fromarray((image * 255 / 16).round().astype(np.uint8))
            yield np.asarray(grey.resize((resolution, resolution), Image.Resampling.BICUBIC).convert("RGB"))

    chosen = {"train": np.flatnonzero(rank >= 30), "heldout": np.flatnonzero(rank < 30)}
    return Source(
        name="Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, 1998), as shipped in scikit-learn",
        licence="CC BY 4.0 (UCI Machine Learning Repository)",
        classes=[str(label) for label in range(10)],
        splits={k: Split(bunch.target[v].astype(np.int64), partial(images, v)) for k, v in chosen.items()},
    )


def imagenet(resolution: int, path: str | None = None) -> Source:
    """ILSVRC 2012 from ``path``: ``train/<synset>/*.JPEG`` and ``val/<synset>/*.JPEG``, checked for its counts."""
    assert path is not None, "ImageNet does not come with this project"
    source = class_folders(Path(path), resolution)
    counts = {name: len(split.labels) for name, split in source.splits.items()}
    if (len(source.classes), counts) != (1000, {"train": 1_281_167, "heldout": 50_000}):
        raise UserError(
            f"{path} has {len(source.classes)} classes and {counts} images; ILSVRC 2012 has 1000 classes, "
            "1281167 training and 50000 validation images: complete the folder that dataset_path names."
        )
    return source


def class_folders(root: Path, resolution: int) -> Source:
    """Any data set of the form ``train/<class>/<image>``, ``val/<class>/<image>``; centre crop, bilinear resize."""
    for folder in (root / "train", root / "val"):
        if not folder.is_dir():
            raise UserError(f"{folder} is missing: set dataset_path in params/scales/ to the folder that holds it.")
    classes = sorted(p.name for p in (root / "train").iterdir() if p.is_dir())
    splits = {}
    for split, folder in (("train", root / "train"), ("heldout", root / "val")):
        unknown = {p.name for p in folder.iterdir() if p.is_dir()} - set(classes)
        if unknown:
            raise UserError(f"{folder} has classes that train/ lacks, e.g. {min(unknown)}: use the same class folders.")
        files = [(label, p) for label, name in enumerate(classes) for p in sorted((folder / name).glob("*.*"))]
        labels = np.array([label for label, _ in files], dtype=np.int64)
        splits[split] = Split(labels, partial(decode_all, [p for _, p in files], resolution))
    return Source(f"class folders under {root.name}/", "as the data set's own", classes, splits)


def decode_all(files: list[Path], resolution: int) -> Iterator[np.ndarray]:
    """``centre_crop`` of each file, in their order, on all cores."""
    with ProcessPoolExecutor() as pool:
        yield from pool.map(partial(centre_crop, resolution=resolution), files, chunksize=64)


def centre_crop(file: Path, resolution: int) -> np.ndarray:
    """The largest centred square of an image file, resized; uint8 ``[resolution, resolution, 3]``."""
    with opened(file) as image:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        box = (left, top, left + side, top + side)
        # Cropped first: resize's own box argument lets the filter see past the box.
        square = image.convert("RGB").crop(box)
        return np.asarray(square.resize((resolution, resolution), Image.Resampling.BILINEAR))
