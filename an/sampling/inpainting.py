"""Completing images with a hole: the held-out crops of the data set."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from .. import params
from ..data.crops import open_heldout_crops
from ..data.loading import to_bytes, to_device
from ..data.masks import composite
from ..layout import IMAGES
from ..models import build_inpainting_generator
from ..progress import progress
from ..seals import write_sealed
from ..weights import load_weights
from .pictures import write_png

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
    row_name: str,
    scale_name: str,
    *,
    data: str | Path,
    checkpoints: str | Path,  # folder of the row's
    samples: str | Path,  # folder that receives <number>.png
    device: torch.device,
) -> None:
    """Complete every test crop of the prepared data."""
    generator = load_generator(row_name, scale_name, Path(checkpoints) / "generator.pt", device)
    test = open_heldout_crops(data, params.load_scale(scale_name).inpainting)
    files = [Path(samples) / f"{number:03d}.png" for number in range(len(test.images))]
    for file, image in zip(files, progress(test.images, f"completing with {row_name}"), strict=True):
        write_png(file, complete(generator, image, test.mask[0, 0], device))
    write_sealed(Path(samples) / IMAGES, {}, files=files)
