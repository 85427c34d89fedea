"""Completing a picture of one's own: each hole as the row was trained, at its resolution, and brought up again."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import ndimage

from .. import params
from ..data.masks import checked_hole, composite
from ..errors import UserError
from ..progress import progress
from .inpainting import complete, load_generator
from .pictures import read_mask, read_picture, write_png

TOUCHING = np.ones((3, 3))  # missing pixels are of one hole, also across a corner
MANY = 20  # holes, which take a second


def complete_picture(
    image_file: str | Path,
    mask_file: str | Path,  # white (or any nonzero) where the picture is to be filled
    *,
    row_name: str,
    scale_name: str,
    checkpoint: str | Path,
    out: str | Path,
    device: torch.device,
) -> None:
    """Fill the holes in a user's own picture.

    Raises UserError for a file that cannot be read, a mask of another size, one that is all or nothing, or one that
    leaves nothing known around a hole.
    """
    image, mask = read_picture(image_file), read_mask(mask_file)
    if mask.shape != image.shape[:2]:
        sizes = [f"{a.shape[1]}x{a.shape[0]}" for a in (mask, image)]
        raise UserError(f"mask {mask_file} is {sizes[0]} and {image_file} is {sizes[1]} pixels: make them equal.")
    if not mask.any() or mask.all():
        what = "no missing pixel" if not mask.any() else "no known pixel"
        raise UserError(f"mask {mask_file} leaves {what}: paint white what is to be filled, and only that.")
    generator = load_generator(row_name, scale_name, checkpoint, device)
    resolution = params.load_scale(scale_name).inpainting.resolution
    write_png(out, complete_holes(generator, image, mask, resolution=resolution, device=device))


def complete_holes(
    generator: torch.nn.Module, image: np.ndarray, mask: np.ndarray, *, resolution: int, device: torch.device
) -> np.ndarray:
    """Fill the holes of a picture of any size, each by itself and none guided by another.

    ``image`` uint8 ``[H, W, 3]``; ``mask`` ``[H, W]``, nonzero where a pixel is missing; ``resolution`` is what the
    generator was trained at. Returns uint8 ``[H, W, 3]`` whose known pixels are the image's, bit for bit; a picture
    as in training gets the bits of ``complete``. Raises UserError when a hole has nothing known around it.
    """
    hole, filled = checked_hole(image, mask), image.copy()
    holes = list(_holes(hole))
    for box, inside in progress(holes, "filling holes", shown=len(holes) >= MANY):
        fill = _filled_box(generator, image, hole, box, resolution=resolution, device=device)
        filled[box] = np.where(inside[..., None], fill, filled[box])
    return composite(filled, image, mask)


def _holes(hole: np.ndarray) -> Iterator[tuple[tuple[slice, slice], np.ndarray]]:
    """Each connected hole: its bounding box, and which of the box's pixels are its own."""
    labels, _ = ndimage.label(hole, TOUCHING)
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        yield box, labels[box] == number


def _filled_box(
    generator: torch.nn.Module,
    image: np.ndarray,
    hole: np.ndarray,
    box: tuple[slice, slice],
    *,
    resolution: int,
    device: torch.device,
) -> np.ndarray:
    """What the generator puts into the box around a hole, uint8 ``[height, width, 3]``.

    It sees a square of twice the box's longer side, as in training, reduced to ``resolution``; or, around a smaller
    hole, a square of ``resolution`` as it is: brought up, what is around would not be at the scale of training.
    """
    side = max(resolution, 2 * max(part.stop - part.start for part in box))
    starts = [_start(part, side, length) for part, length in zip(box, hole.shape, strict=True)]
    # Beyond the picture its border is repeated, and is missing where the border is.
    square = np.ix_(*(np.arange(a, a + side).clip(0, n - 1) for a, n in zip(starts, hole.shape, strict=True)))
    small, small_hole = _reduced(image[square], hole[square], resolution)
    if small_hole.all():
        raise UserError(
            f"the mask leaves nothing known around a hole of {box[1].stop - box[1].start}x{box[0].stop - box[0].start} "
            f"pixels, reduced to the {resolution}x{resolution} that the row fills: leave more around it."
        )
    fill = Image.fromarray(complete(generator, small, small_hole, device))
    fill = np.asarray(fill.resize((side, side), Image.Resampling.BICUBIC))
    fill = _fitted(fill, image[square], hole[square], side / resolution)
    return fill[tuple(slice(part.start - a, part.stop - a) for part, a in zip(box, starts, strict=True))]


def _start(part: slice, side: int, length: int) -> int:
    """Where a stretch of ``side`` begins that has ``part`` in its middle, moved into ``length`` where it fits."""
    start, spare = part.start - (side - (part.stop - part.start)) // 2, length - side
    return min(max(start, min(0, spare)), max(0, spare))


def _reduced(image: np.ndarray, hole: np.ndarray, resolution: int) -> tuple[np.ndarray, np.ndarray]:
    """A square picture and its hole at ``resolution``; a cell with any missing pixel is missing.

    The box filter gives each pixel to one cell, so that what a known cell shows is known.
    """
    size = (resolution, resolution)
    small = Image.fromarray(image).resize(size, Image.Resampling.BOX)
    share = Image.fromarray(hole.astype(np.float32)).resize(size, Image.Resampling.BOX)
    return np.asarray(small), np.asarray(share) > 0


def _fitted(fill: np.ndarray, image: np.ndarray, hole: np.ndarray, cell: float) -> np.ndarray:
    """``fill`` plus what the known pixels next to the hole differ from it by, fading within a cell of so many pixels.

    The cells at the hole's edge are filled as a whole, and a fill that was brought up is smooth: without this, its edge
    would show. Nothing changes where the fill equals the known pixels, as it does when it was not brought up.
    """
    known = (~hole).astype(np.float32)[..., None]
    excess = _smooth((image.astype(np.float32) - fill) * known, cell)
    share = np.maximum(_smooth(known, cell), 0.5)  # half is known at a straight edge
    return (fill + excess / share).round().clip(0, 255).astype(np.uint8)


def _smooth(values: np.ndarray, cell: float) -> np.ndarray:
    """``[H, W, C]`` averaged with weights that fall to nothing a cell away; in a time that cells' size leaves alone."""
    size = (2 * int(cell / 2) + 1,) * 2 + (1,)  # odd, to be centred; 1 changes nothing
    return ndimage.uniform_filter(ndimage.uniform_filter(values, size), size)
