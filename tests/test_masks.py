"""Sizes, places and statistics of the holes."""

import numpy as np
import pytest

from an.data.masks import central_mask, hole_box, training_mask


def hole(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Top, left, height and width; fails unless the mask is one full rectangle of ones."""
    rows, columns = np.flatnonzero(mask[0, 0].any(1)), np.flatnonzero(mask[0, 0].any(0))
    top, left, height, width = rows[0], columns[0], len(rows), len(columns)
    assert set(np.unique(mask)) == {0, 1} and mask.sum() == height * width
    assert mask[0, 0, top : top + height, left : left + width].all()
    return top, left, height, width


@pytest.mark.slow
@pytest.mark.parametrize(("resolution", "box", "loss"), [(256, 128, 16), (128, 64, 8), (64, 32, 4)])
def test_training_holes_have_deepfills_sizes_and_places(resolution, box, loss):
    holes = np.array([hole(training_mask(resolution, number, 0)) for number in range(2000)])
    sizes = holes[:, 2:]
    assert set(np.unique(sizes)) == set(range(box - 2 * loss, box + 1, 2)), "every even size, and no other"
    # What a side lost at its two ends is the same, so the box's own corner is known; it is uniform in [0, box - 1].
    corners = holes[:, :2] - (box - sizes) // 2
    assert corners.min() == 0 and corners.max() == box - 1
    standard_error = box / np.sqrt(12 * len(corners))
    assert abs(corners.mean(0) - (box - 1) / 2).max() < 4 * standard_error
    assert abs(sizes.mean(0) - (box - loss)).max() < 4 * loss * np.sqrt(1 / 3 / len(sizes)) * 1.2
    uncorrelated = np.corrcoef(np.hstack([corners, sizes]).T) - np.eye(4)
    assert abs(uncorrelated).max() < 4.5 / np.sqrt(len(holes))


def test_a_training_mask_is_a_function_of_seed_and_number():
    mask = training_mask(64, 5, 1)
    assert mask.shape == (1, 1, 64, 64) and mask.dtype == np.uint8
    assert np.array_equal(mask, training_mask(64, 5, 1))
    others = [training_mask(64, 6, 1), training_mask(64, 5, 2), training_mask(64, 1, 5)]
    assert not any(np.array_equal(mask, other) for other in others)


@pytest.mark.parametrize("resolution", [64, 256])
def test_the_central_mask_is_half_the_side(resolution):
    quarter = resolution // 4
    assert hole(central_mask(resolution)) == (quarter, quarter, 2 * quarter, 2 * quarter)
    assert central_mask(resolution).shape == (1, 1, resolution, resolution)


@pytest.mark.parametrize("number", range(20))
def test_the_box_around_a_hole_is_the_box_it_was_cut_from(number):
    mask = training_mask(64, number, 3)
    top, left, height, width = hole_box(mask)
    assert (height, width) == (32, 32) and 0 <= top < 32 and 0 <= left < 32
    inner_top, inner_left, inner_height, inner_width = hole(mask)
    assert inner_top - top == top + 32 - (inner_top + inner_height)
    assert inner_left - left == left + 32 - (inner_left + inner_width)
