"""Completions that need no training: controls that every inpainting row is compared with."""

from pathlib import Path

import numpy as np
from skimage.restoration import inpaint_biharmonic

from ..data.crops import open_heldout_crops
from ..data.masks import checked_hole, composite
from ..layout import IMAGES
from ..progress import progress
from ..seals import write_sealed
from .pictures import write_png


def complete_controls(data: str | Path, controls: str | Path) -> None:
    """Write what needs no training, as PNG: the truth, the input, and the trivial completions.

    ``<controls>/{truth,input,mean-colour,biharmonic}/<number>.png``.
    """
    test = open_heldout_crops(data)
    mask = test.mask[0, 0]
    for number, image in enumerate(progress(test.images, "completing controls")):
        image = np.array(image)
        made = {
            "truth": image,
            "input": np.where(mask[..., None] != 0, np.uint8(255), image),
            "mean-colour": mean_colour(image, mask),
            "biharmonic": biharmonic(image, mask),
        }
        for name, picture in made.items():
            write_png(Path(controls) / name / f"{number:03d}.png", picture)
    for name in made:
        files = [Path(controls) / name / f"{number:03d}.png" for number in range(len(test.images))]
        write_sealed(Path(controls) / name / IMAGES, {}, files=files)


def mean_colour(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A control: the hole filled with the known pixels' mean colour, rounded; composited uint8 ``[H, W, 3]``."""
    known = image[~checked_hole(image, mask)]
    return composite(known.mean(0).round().astype(np.uint8), image, mask)


def biharmonic(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A strong control: the hole filled by the biharmonic equation, rounded; composited uint8 ``[H, W, 3]``."""
    smooth = inpaint_biharmonic(image / 255, checked_hole(image, mask), channel_axis=2)
    return composite((smooth * 255).round().clip(0, 255).astype(np.uint8), image, mask)
