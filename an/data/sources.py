"""Where images come from: one function per data set, each returning a Source."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import UserError
from .archives import Member
from .images import opened

CENTRE_CROP = "the largest centred square, bilinear, antialiased (Pillow)"


@dataclass(frozen=True)
class Split:
    labels: np.ndarray  # int64 [N]
    items: np.ndarray | Sequence[Path | Member]  # what the images are made of, in the labels' order
    image: Callable[..., np.ndarray]  # uint8 [R, R, 3], of an item; it may be called in another process


@dataclass(frozen=True)
class Source:
    name: str
    licence: str
    classes: list[str]
    splits: dict[str, Split]  # "train" and "heldout"
    resize: str | None = None  # how images of other sizes came to be R x R, for the manifest


def digits(resolution: int, path: str | None = None) -> Source:
    """The 1,797 handwritten digits that ship with scikit-learn; 30 of each class are held out."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.target))
    rank = np.empty(len(order), dtype=int)  # of each image among its class, in a fixed random order
    for label in range(10):
        members = order[bunch.target[order] == label]
        rank[members] = np.arange(len(members))

    image = partial(_enlarged, resolution=resolution)
    chosen = {"train": np.flatnonzero(rank >= 30), "heldout": np.flatnonzero(rank < 30)}
    return Source(
        name="Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, 1998), as shipped in scikit-learn",
        licence="CC BY 4.0 (UCI Machine Learning Repository)",
        classes=[str(label) for label in range(10)],
        splits={k: Split(bunch.target[v].astype(np.int64), bunch.images[v], image) for k, v in chosen.items()},
    )


def _enlarged(image: np.ndarray, resolution: int) -> np.ndarray:
    grey = Image.fromarray((image * 255 / 16).round().astype(np.uint8))
    return np.asarray(grey.resize((resolution, resolution), Image.Resampling.BICUBIC).convert("RGB"))


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
        splits[split] = labelled_images({name: sorted((folder / name).glob("*.*")) for name in classes}, resolution)
    return Source(f"class folders under {root.name}/", "as the data set's own", classes, splits, CENTRE_CROP)


def labelled_images(classes: Mapping[str, Sequence[Path | Member]], resolution: int) -> Split:
    """A split of image files by class; labels number the classes by name."""
    files = [(label, file) for label, name in enumerate(sorted(classes)) for file in classes[name]]
    labels = np.array([label for label, _ in files], dtype=np.int64)
    return Split(labels, [file for _, file in files], partial(centre_crop, resolution=resolution))


def centre_crop(file: Path | Member, resolution: int) -> np.ndarray:
    """The largest centred square of an image file, resized; uint8 ``[resolution, resolution, 3]``.

    What EXIF says of the camera's orientation is not applied, as in published preparations of ImageNet.
    """
    with opened(file) as image:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        box = (left, top, left + side, top + side)
        # Cropped first: resize's own box argument lets the filter see past the box.
        square = image.convert("RGB").crop(box)
        return np.asarray(square.resize((resolution, resolution), Image.Resampling.BILINEAR))
