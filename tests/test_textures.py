"""Textures: what is missing stands elsewhere in the picture, training shows other ones, and the bits are the same."""

import hashlib

import numpy as np
import pytest

from an.data.crop_preparation import prepare_crops
from an.data.crops import open_heldout_crops, open_training_photographs
from an.data.textures import MARGIN, PERIODS, TRAIN, texture
from an.metrics.restoration import psnr
from an.sampling.controls import biharmonic, mean_colour


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("textures-32")
    prepare_crops("textures", 32, folder, test_crops=16)
    return folder


def copied(image: np.ndarray, mask: np.ndarray) -> np.ndarray | None:
    """The hole filled from one period's distance, if a period that fits the known pixels leads out of the hole."""
    hole = mask != 0
    for down in range(PERIODS[1] + 1):
        for right in range(-PERIODS[1], PERIODS[1] + 1) if down else range(PERIODS[0], PERIODS[1] + 1):
            if (down and down < PERIODS[0]) or not fits(image, hole, down, right):
                continue
            filled, missing = image.copy(), hole.copy()
            for _ in range(4):  # the hole is 16 wide, a period at least 5
                for sign in (1, -1):
                    known = np.roll(missing, (sign * down, sign * right), (0, 1)) < missing
                    filled[known] = np.roll(filled, (sign * down, sign * right), (0, 1))[known]
                    missing &= ~known
            if not missing.any():
                return filled
    return None


def fits(image: np.ndarray, hole: np.ndarray, down: int, right: int) -> bool:
    """Whether known pixels at this distance from each other agree, without the border that rolling brings in."""
    far, far_hole = np.roll(image, (down, right), (0, 1)), np.roll(hole, (down, right), (0, 1))
    inside = np.zeros_like(hole)
    inside[down:, max(0, right) : hole.shape[1] + min(0, right)] = True
    both = inside & ~hole & ~far_hole
    return both.sum() > 100 and bool((image[both] == far[both]).all())


def test_copying_completes_a_texture_exactly_and_smooth_fills_do_not(prepared):
    test = open_heldout_crops(prepared)
    mask, hole = test.mask[0, 0], test.mask[0, 0] != 0
    for image in test.images:
        spoilt = np.where(mask[..., None], 255, image).astype(np.uint8)
        assert np.array_equal(copied(spoilt, mask), image)
        for control in (mean_colour, biharmonic):
            assert psnr(control(spoilt, mask)[hole], image[hole]) < 25


def test_training_shows_other_textures_at_places_of_their_own(prepared):
    test, train = open_heldout_crops(prepared), open_training_photographs(prepared)
    assert test.images.shape == (16, 32, 32, 3) and len(train.table) == TRAIN
    crops = train.random_crops(3, 8, 0)
    assert crops.shape == (8, 32, 32, 3) and len(np.unique(crops.reshape(8, -1), axis=0)) == 8
    seen = {picture.tobytes() for picture in train.pixels.reshape(TRAIN, -1)}
    assert len(seen) == TRAIN
    shown = {texture(number, 32 + MARGIN).tobytes() for number in range(16)}
    assert len(shown) == 16 and not shown & seen
    with pytest.raises(ValueError, match="read-only"):
        test.images[0] = 0


def test_the_same_bits_anywhere():
    drawn = b"".join(texture(number, 32).tobytes() for number in range(100))
    assert hashlib.sha256(drawn).hexdigest() == "c6a2ff6918eb6bc7bc7c250bb5bfe0e409580367eea7db3f1c759d7a4a7c3e7f"
