"""How inpainting reads prepared photographs: random crops for training, fixed crops and one mask for tests."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from .loading import Shuffled, checked_manifest

STREAM = 1  # keeps the crops' random numbers apart from those of the holes of the same batch


@dataclass(frozen=True)
class TrainingPhotographs:
    pixels: np.ndarray  # uint8 [P, 3], memory-mapped: every photograph row by row, one after another
    table: np.ndarray  # int64 [rows, 4]: photograph, offset, height, width; one row per size a photograph is kept at
    resolution: int
    sha256: str  # of the pixels file

    @cached_property
    def first_rows(self) -> np.ndarray:
        """Where each photograph's rows begin in the table, int64 ``[photographs + 1]``."""
        return np.searchsorted(self.table[:, 0], np.arange(self.table[-1, 0] + 2))

    def random_crops(self, number: int, batch: int, seed: int, augment: bool = False) -> np.ndarray:
        """The batch with this number (from 0): uint8 ``[batch, R, R, 3]``, a function of (seed, number) alone.

        Photographs come in the order of ``Shuffled``, so that none is left out of an epoch; the size at which each is
        taken, and the crop's place in it, are uniform. With ``augment``, meant for few photographs, each crop is
        also mirrored, turned, negated and has its channels exchanged at random.
        """
        photographs = Shuffled(len(self.first_rows) - 1, batch, seed).indices(number)
        rng = np.random.default_rng([seed, number, STREAM])
        rows = rng.integers(self.first_rows[photographs], self.first_rows[photographs + 1])
        _, offsets, heights, widths = self.table[rows].T
        tops = rng.integers(heights - self.resolution + 1)
        lefts = rng.integers(widths - self.resolution + 1)
        crops = np.empty((batch, self.resolution, self.resolution, 3), np.uint8)
        for crop, offset, height, width, top, left in zip(crops, offsets, heights, widths, tops, lefts, strict=True):
            image = self.pixels[offset : offset + height * width].reshape(height, width, 3)
            crop[:] = image[top : top + self.resolution, left : left + self.resolution]
            if augment:
                crop[:] = _augmented(crop, rng)
        return crops


def _augmented(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One of the square's eight symmetries, one of the channels' six orders, and a negative every other time."""
    turned = np.rot90(crop[:, :: rng.choice([1, -1])], int(rng.integers(4)))[..., rng.permutation(3)]
    return 255 - turned if rng.integers(2) else turned


@dataclass(frozen=True)
class HeldoutCrops:
    images: np.ndarray  # uint8 [M, R, R, 3], memory-mapped
    mask: np.ndarray  # uint8 [1, 1, R, R], 1 where a pixel is missing
    photographs: list[str]  # of each crop, the file name of its photograph
    sha256: dict[str, str]  # of both files, by name


def open_training_photographs(folder: str | Path, wanted=None) -> TrainingPhotographs:
    """Open the training split; ``wanted``, if given, is the inpainting part of the scale whose data it must be.

    Raises UserError when it is not, or a file is missing or is not what the manifest says.
    """
    folder = Path(folder)
    manifest = checked_manifest(folder, "train", ("pixels", "table"), wanted)
    return TrainingPhotographs(
        pixels=np.load(folder / "train_pixels.npy", mmap_mode="r"),
        table=np.load(folder / "train_table.npy"),
        resolution=manifest["resolution"],
        sha256=manifest["splits"]["train"]["sha256"]["train_pixels.npy"],
    )


def open_heldout_crops(folder: str | Path, wanted=None) -> HeldoutCrops:
    """Open the held-out split, as ``open_training_photographs`` does the other."""
    folder = Path(folder)
    split = checked_manifest(folder, "heldout", ("images", "mask"), wanted)["splits"]["heldout"]
    return HeldoutCrops(
        images=np.load(folder / "heldout_images.npy", mmap_mode="r"),
        mask=np.load(folder / "heldout_mask.npy"),
        photographs=[crop["photograph"] for crop in split["crops"]],
        sha256=split["sha256"],
    )
