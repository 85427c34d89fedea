"""Completing images with a hole: the held-out crops of the data set, and a user's own picture."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from .. import params
from ..data.crops import open_heldout_crops
from ..data.loading import to_bytes, to_device
from ..data.masks import composite
from ..errors import UserError
from ..layout import IMAGES
from ..models import build_inpainting_generator
from ..progress import progress
from ..seals import write_sealed
from ..weights import load_weights
from .pictures import read_picture, write_png

STRIDE = 8  # the network halves a picture twice, and contextual attention once more


def load_generator(row_name: str, scale_name: str, checkpoint: str | Path, device: torch.device) -> torch.nn.Module:
    """The trained generator of an inpainting row, in evaluation mode. Raises UserError when the weights do not fit."""
    row, scale = params.load_row(row_name, "inpainting"), params.load_scale(scale_name)
    generator = build_inpainting_generator(row, scale)
    load_weights(generator, checkpoint, device, f"row '{row_name}' at scale '{scale_name}'")
    return generator.to(device).eval()


@torch.inference_mode()
def complete(generator: torch.nn.Module, image: np.ndarray, mask: np.ndarray, device: torch.device) -> np.ndarray:
    """Fill the hole of one picture of any size.

    ``image`` uint8 ``[H, W, 3]``; ``mask`` ``[H, W]``, nonzero where a pixel is missing. Returns uint8 ``[H, W, 3]``
    whose known pixels are the image's, bit for bit.
    """
    height, width = mask.shape
    padding = (0, -width % STRIDE, 0, -height % STRIDE)
    hole = F.pad(torch.from_numpy((mask != 0).astype(np.float32))[None, None].to(device), padding)
    picture = F.pad(to_device(np.array(image)[None], device), padding, mode="replicate")
    _, filled = generator(picture * (1 - hole), hole)
    return composite(to_bytes(filled)[0, :height, :width], image, mask)


def complete_heldout(
    row_name: str, scale_name: str, data: str | Path, checkpoint: str | Path, folder: str | Path, device: torch.device
) -> None:
    """Complete every test crop of the prepared data; write them as ``<folder>/<number>.png``."""
    generator = load_generator(row_name, scale_name, checkpoint, device)
    test = open_heldout_crops(data, params.load_scale(scale_name).inpainting)
    files = [Path(folder) / f"{number:03d}.png" for number in range(len(test.images))]
    for file, image in zip(files, progress(test.images, f"completing with {row_name}"), strict=True):
        write_png(file, complete(generator, image, test.mask[0, 0], device))
    write_sealed(Path(folder) / IMAGES, {}, files=files)


def complete_picture(
    image_file: str | Path,
    mask_file: str | Path,  # white (or any nonzero) where the picture is to be filled
    row_name: str,
    scale_name: str,
    checkpoint: str | Path,
    out: str | Path,
    device: torch.device,
) -> None:
    """Fill a hole in a user's own picture.

    Raises UserError for a file that cannot be read, a mask of another size, or one that is all or nothing.
    """
    image, mask = read_picture(image_file, "RGB"), read_picture(mask_file, "L")
    if mask.shape != image.shape[:2]:
        sizes = [f"{a.shape[1]}x{a.shape[0]}" for a in (mask, image)]
        raise UserError(f"mask {mask_file} is {sizes[0]} and {image_file} is {sizes[1]} pixels: make them equal.")
    if not mask.any() or mask.all():
        what = "no missing pixel" if not mask.any() else "no known pixel"
        raise UserError(f"mask {mask_file} leaves {what}: paint white what is to be filled, and only that.")
    generator = load_generator(row_name, scale_name, checkpoint, device)
    write_png(out, complete(generator, image, mask, device))
