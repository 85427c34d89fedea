"""Pictures as files."""

from pathlib import Path

import numpy as np
from PIL import Image

from ..data.images import opened
from ..files import written_whole


def read_picture(file: str | Path, mode: str) -> np.ndarray:
    """An image file as uint8, ``[H, W, 3]`` for mode RGB and ``[H, W]`` for L. Raises UserError if unreadable."""
    with opened(file, "picture", "give a PNG or JPEG file") as image:
        return np.asarray(image.convert(mode))


def write_png(file: str | Path, image: np.ndarray) -> None:
    with written_whole(file) as temporary:
        Image.fromarray(image).save(temporary, format="PNG")
