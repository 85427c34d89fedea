"""Spatial associative recall: images made from a number, on which only a long-range layer can do better than chance.

In the left columns stand cues, each a key's mark with one of eight colours; in the right columns stand the same keys
without their colours. What is wanted of a network is to paint every mark on the right in the colour of its cue.
Which key stands in which rows is drawn anew for every image and side, so position tells nothing.
"""

from typing import NamedTuple

import numpy as np

MARK = 3  # columns of a mark
ROWS = 2  # rows of a mark
COLOURS = 8  # the corners of the colour cube
TEST = 2**32 - 1  # the seed of test images; those of training are smaller


class Recall(NamedTuple):
    """Images and what is to be painted. H = 2 * keys rows, W = gap + 6 columns."""

    images: np.ndarray  # float32 [N, keys + 3, H, W]: a plane a key, 1 on its marks; red, green, blue, -1 or 1 on cues
    painted: np.ndarray  # float32 [N, 3, H, 3]: the colours wanted in the right columns, -1 or 1


def draw(*, keys: int, gap: int, count: int, seed: int, number: int) -> Recall:
    """``count`` images, a function of the other arguments; ``gap`` is the number of columns between cues and marks."""
    rng = np.random.default_rng([seed, number])
    places = rng.permuted(np.tile(np.arange(keys), (2, count, 1)), axis=2)  # the key in each place, left and right
    colour = rng.integers(COLOURS, size=(count, keys))  # of each key
    rgb = (2 * (colour[..., None] >> np.arange(3) & 1) - 1).astype(np.float32)  # [N, keys, 3]
    marks = np.eye(keys, dtype=np.float32)[places]  # [2, N, place, key]
    images = np.zeros((count, keys + 3, ROWS * keys, gap + 2 * MARK), np.float32)
    left, right = (np.repeat(side.transpose(0, 2, 1), ROWS, axis=2)[..., None] for side in marks)
    images[:, :keys, :, :MARK], images[:, :keys, :, -MARK:] = left, right
    cues, painted = (np.repeat((side @ rgb).transpose(0, 2, 1), ROWS, axis=2)[..., None] for side in marks)
    images[:, keys:, :, :MARK] = cues
    return Recall(images, np.repeat(painted, MARK, axis=3))
