"""Figures 1 and 7: generated images by class, each row's from the same random seeds."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from ... import params
from ...layout import Run
from ...seals import read_sealed
from ..results import first_labels
from .drawing import OURS, PAGE_WIDTH, Drawn, bare, tiles

MANY = 10  # classes, beyond which only table 2's are shown
ACROSS, OF_EACH = 12, 2  # images of a class in figure 1, and of each row in figure 7
REAL = "real images"
SHORT = 3  # letters of a class's name that stand above two images


def figure1(scale_name: str) -> Drawn:
    """The paper's row, or the scale's first: a line for each class. Raises UserError when images are missing."""
    scale = params.load_scale(scale_name)
    names = list(params.load_rows("generation", scale))
    name = OURS if OURS in names else names[0]
    drawn = samples_by_class(scale_name, generated(scale_name, name), name)
    drawn.figure.axes[0].set_title(first_labels("generation", scale_name)[name])
    return drawn


def samples_by_class(scale_name: str, images: np.ndarray, name: str, titles: list[str] | None = None) -> Drawn:
    """Images ``[N, R, R, 3]``, of which image i has label i mod the number of classes, as a line for each class."""
    titles = titles or class_names(scale_name)
    shown = shown_classes(scale_name, len(titles))
    across = min(ACROSS, len(images) // len(titles))
    indices = [[number + k * len(titles) for k in range(across)] for number in shown]
    sheet = tiles(np.stack([images[line] for line in indices]), gap=_gap(images))
    figure, axis = _sheet(sheet)
    axis.set_yticks(_middles(len(shown), sheet.shape[0]), [titles[number] for number in shown])
    lines = [
        {"row": name, "class": titles[c], "image": i} for c, line in zip(shown, indices, strict=True) for i in line
    ]
    return Drawn(figure, pd.DataFrame(lines))


def figure7(scale_name: str) -> Drawn:
    """Every row: two images of each class. Raises UserError when images are missing."""
    titles, labels = class_names(scale_name), first_labels("generation", scale_name)
    shown = shown_classes(scale_name, len(titles))
    of_each = min(OF_EACH, params.load_scale(scale_name).evaluation.samples // len(titles))
    indices = [number + k * len(titles) for number in shown for k in range(of_each)]
    pictures = {name: generated(scale_name, name)[indices] for name in labels}
    first = real_images(scale_name, shown, of_each)
    sheet = tiles(np.stack([first, *pictures.values()]), gap=_gap(first))
    figure, axis = _sheet(sheet)
    axis.set_yticks(_middles(len(pictures) + 1, sheet.shape[0]), [REAL, *labels.values()])
    axis.xaxis.tick_top()
    turned = {"rotation": 30, "ha": "left"} if max(map(len, titles)) > SHORT else {}
    axis.set_xticks(_middles(len(shown), sheet.shape[1]), [titles[number] for number in shown], **turned)
    lines = [{"row": name, "class": titles[i % len(titles)], "image": i} for name in pictures for i in indices]
    return Drawn(figure, pd.DataFrame(lines))


def generated(scale_name: str, name: str) -> np.ndarray:
    """A row's images, of its first seed, once their checksum was found right."""
    scale = params.load_scale(scale_name)
    run = Run(scale_name, name, scale.seeds_of(name, params.load_row(name))[0])
    read_sealed(f"{run.images}.json", [run.images])
    return np.load(run.images, mmap_mode="r")


def real_images(scale_name: str, shown: list[int], of_each: int) -> np.ndarray:
    """The first training images of each class."""
    folder = Path(params.load_scale(scale_name).data_of("generation"))
    images, labels = np.load(folder / "train_images.npy", mmap_mode="r"), np.load(folder / "train_labels.npy")
    return images[np.concatenate([np.flatnonzero(labels == number)[:of_each] for number in shown])]


def class_names(scale_name: str) -> list[str]:
    folder = Path(params.load_scale(scale_name).data_of("generation"))
    return [name.split(",")[0] for name in read_sealed(folder / "manifest.json")["classes"]]


def shown_classes(scale_name: str, num_classes: int) -> list[int]:
    chosen = params.load_scale(scale_name).evaluation.table2_classes
    return list(range(num_classes)) if num_classes <= MANY else [c for c in chosen if c < num_classes]


def _gap(images: np.ndarray) -> int:
    return max(1, images.shape[-2] // 16)


def _sheet(sheet: np.ndarray):
    height, width = sheet.shape[:2]
    figure, axis = plt.subplots(figsize=(PAGE_WIDTH, PAGE_WIDTH * 0.86 * height / width + 0.4), layout="constrained")
    axis.imshow(sheet, interpolation="nearest")
    bare(axis)
    axis.tick_params(length=0)
    return figure, axis


def _middles(count: int, length: int) -> list[float]:
    return [(k + 0.5) * length / count for k in range(count)]
