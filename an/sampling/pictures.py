"""Pictures as files."""

from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import UserError
from ..files import written_whole


def read_picture(file: str | Path, mode: str) -> np.ndarray:
    """An image file as uint8, ``[H, W, 3]`` for mode RGB and ``[H, W]`` for L. Raises UserError if unreadable."""
    try:
        with Image.open(file) as image:
            return np.asarray(image.convert(mode))
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{file} is not a readable picture ({error}): give a PNG or JPEG file.") from None


def write_png(file: str | Path, image: np.ndarray) -> None:
    with written_whole(file) as temporary:
        Image.fromarray(image).save(temporary, format="PNG")
