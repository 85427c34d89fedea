"""Pictures as files."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ..data.images import opened
from ..errors import UserError
from ..files import written_whole

DEEP = ("I", "F")  # how Pillow's names of modes of more than 8 bits begin; it would clip them to white


def read_picture(file: str | Path) -> np.ndarray:
    """An image file as it is shown, uint8 ``[H, W, 3]``.

    Raises UserError for one that is unreadable, has more than 8 bits per channel, or is transparent somewhere.
    """
    image = _shown(file)
    if image.mode.startswith(DEEP):
        raise UserError(f"{file} has more than 8 bits per channel: save it with 8.")
    if image.has_transparency_data and np.asarray(image.convert("RGBA"))[..., 3].min() < 255:
        raise UserError(f"{file} is transparent in places: save it without transparency.")
    return np.asarray(image.convert("RGB"))


def read_mask(file: str | Path) -> np.ndarray:
    """A mask's file as it is shown on black, uint8 ``[H, W]``. Raises UserError if unreadable."""
    image = _shown(file)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)
    return np.asarray(image.convert("L"))


def write_png(file: str | Path, image: np.ndarray) -> None:
    with written_whole(file) as temporary:
        Image.fromarray(image).save(temporary, format="PNG")


def _shown(file: str | Path) -> Image.Image:
    """An image file, turned as its camera noted. Raises UserError if unreadable."""
    with opened(file, "picture", "give a PNG or JPEG file") as image:
        return ImageOps.exif_transpose(image)
