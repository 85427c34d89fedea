"""Periodic textures, drawn from numbers: pictures whose missing part stands elsewhere in them, exactly.

Each repeats a tile of its own. A fill that only goes on smoothly from the edge of the hole fails beyond half a period;
one that copies from where the pattern is known need not. All are mixed of the same two colours, so that what a network
has to learn is where to copy from, and not which colours there are.
"""

import numpy as np

from .masks import central_mask

TRAIN = 1000  # pictures
PERIODS = (5, 8)  # the shortest and the longest side of a tile, in pixels
MARGIN = 8  # by which a training picture is larger than a crop: a tile's crops then begin anywhere in it
COLOURS = np.array([(250, 220, 60), (20, 30, 120)])


def texture(number: int, side: int) -> np.ndarray:
    """Texture ``number``: uint8 ``[side, side, 3]``, two colours and what lies between them.

    Rows of tiles lie below each other with a shift of the texture's own.
    """
    rng = np.random.default_rng([number])
    height, width = rng.integers(*PERIODS, size=2, endpoint=True)
    shift = rng.integers(width)
    tile = rng.random((height, width))
    for axis in (0, 1, 0, 1):  # smooth, across the tile's edges too
        tile = tile + (np.roll(tile, 1, axis) + np.roll(tile, -1, axis)) / 2
    share = (tile - tile.min()) / np.ptp(tile)
    rows, columns = np.indices((side, side)) + rng.integers(PERIODS[1], size=2)[:, None, None]
    chosen = share[rows % height, (columns + rows // height * shift) % width]
    return (COLOURS[0] + chosen[..., None] * (COLOURS[1] - COLOURS[0])).round().astype(np.uint8)


def texture_arrays(resolution: int, test_crops: int) -> dict[str, np.ndarray]:
    """The arrays of ``crop_preparation``, by file name.

    The test's are the first ``test_crops`` textures, training's the next ``TRAIN``.
    """
    side = resolution + MARGIN
    return {
        "train_pixels.npy": np.concatenate([texture(test_crops + k, side).reshape(-1, 3) for k in range(TRAIN)]),
        "train_table.npy": np.array([(k, k * side**2, side, side) for k in range(TRAIN)], dtype=np.int64),
        "heldout_images.npy": np.stack([texture(number, resolution) for number in range(test_crops)]),
        "heldout_mask.npy": central_mask(resolution),
    }
