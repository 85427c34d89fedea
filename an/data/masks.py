"""Masks of missing pixels, and pasting what is known over what was filled.

Drawn masks are uint8 ``[1, 1, R, R]``, 1 where a pixel is missing, as the paper writes them.
"""

import numpy as np

STREAM = 2  # keeps the holes' random numbers apart from those of the crops of the same batch


def training_mask(resolution: int, number: int, seed: int) -> np.ndarray:
    """The one hole that all images of batch ``number`` share; a function of (seed, number) alone.

    The rule of DeepFill's ``random_bbox`` and ``bbox2mask``, in proportion to the resolution R: a box of R/2 whose top
    and left are uniform in [0, R/2 - 1] loses 0 to R/16 pixels, drawn once per axis, at *both* of that axis' ends.
    At R = 256: box 128, loss 0 to 16, hole sides 96 to 128; at R = 64: box 32, loss 0 to 4, hole sides 24 to 32.
    Hole sides are even, and the last row and column stay known (DeepFill's upper bound is exclusive).
    """
    rng = np.random.default_rng([seed, number, STREAM])
    box = resolution // 2
    top, left = rng.integers(resolution - box, size=2)
    vertical, horizontal = rng.integers(resolution // 16 + 1, size=2)
    return _hole(
        resolution,
        slice(top + vertical, top + box - vertical),
        slice(left + horizontal, left + box - horizontal),
    )


def central_mask(resolution: int) -> np.ndarray:
    """The test mask: the central square of half the side is missing (128 of 256)."""
    box, start = resolution // 2, resolution // 4
    return _hole(resolution, slice(start, start + box), slice(start, start + box))


def hole_box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """(top, left, height, width) of the square of R/2 around the hole, before it lost pixels at both its ends."""
    box = mask.shape[2] // 2
    corner = []
    for axis in (3, 2):  # any over columns gives rows, and the other way round
        inside = np.flatnonzero(mask[0, 0].any(axis - 2))
        corner.append(int(inside[0] + inside[-1] + 1 - box) // 2)
    return corner[0], corner[1], box, box


def composite(filled: np.ndarray, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """``filled`` where the mask is nonzero, else ``image``, bit for bit; uint8 ``[H, W, 3]``."""
    return np.where(checked_hole(image, mask)[..., None], filled, image)


def checked_hole(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The mask as booleans ``[H, W]``, if it fits a uint8 image and leaves pixels both missing and known."""
    hole = np.asarray(mask) != 0
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or hole.shape != image.shape[:2]:
        raise ValueError(f"an image uint8 [H, W, 3] and a mask [H, W] are needed, got {image.shape} and {hole.shape}")
    if hole.all() or not hole.any():
        raise ValueError("a mask must leave some pixels missing and some known")
    return hole


def _hole(resolution: int, rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros((1, 1, resolution, resolution), np.uint8)
    mask[:, :, rows, columns] = 1
    return mask
