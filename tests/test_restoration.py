"""Restoration metrics against scikit-image, slow loops and numbers worked out by hand; the trivial completions."""

import math

import numpy as np
import pytest
from scipy.ndimage import correlate1d
from skimage.color import rgb2gray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from an.data.masks import central_mask, composite
from an.metrics.restoration import mean_restoration_metrics, relative_error, restoration_metrics, ssim_volume
from an.sampling.controls import biharmonic, mean_colour


@pytest.fixture
def pair():
    """A smooth truth, a noisy completion of its central hole, and the mask."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:64, :72]
    truth = np.stack([rows * 3, columns * 3, (rows + columns)], 2).astype(np.uint8)
    mask = np.zeros((64, 72), np.uint8)
    mask[16:48, 20:52] = 1
    noisy = (truth + rng.normal(0, 20, truth.shape)).clip(0, 255).astype(np.uint8)
    return composite(noisy, truth, mask), truth, mask


def test_metrics_are_scikit_images(pair):
    completed, truth, mask = pair
    metrics = restoration_metrics(completed, truth, mask)
    assert metrics["psnr"] == pytest.approx(peak_signal_noise_ratio(truth, completed))
    gaussian = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    channels = [structural_similarity(truth[..., c], completed[..., c], **gaussian) for c in range(3)]
    assert metrics["ssim_gaussian"] == pytest.approx(np.mean(channels))
    gray = structural_similarity(rgb2gray(truth), rgb2gray(completed), win_size=51, data_range=1)
    assert metrics["ssim_gray51"] == pytest.approx(gray)
    assert all(type(value) is float for value in metrics.values())


def test_ssim_volume_is_matlabs_formula(pair):
    """MATLAB's ssim.m written out: 11-tap Gaussian on three axes, replicated border, mean of the whole map."""
    a, b = (image.astype(float) for image in pair[:2])
    taps = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))

    def smooth(volume):
        for axis in range(3):
            volume = correlate1d(volume, taps / taps.sum(), axis, mode="nearest")
        return volume

    mean_a, mean_b = smooth(a), smooth(b)
    var_a, var_b, cov = smooth(a * a) - mean_a**2, smooth(b * b) - mean_b**2, smooth(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * cov + c2) / (var_a + var_b + c2)
    assert ssim_volume(*pair[:2]) == pytest.approx((luminance * structure).mean(), abs=1e-9)


def test_metrics_worked_out_by_hand():
    """A grey truth of level 100, its quarter of missing pixels completed at 130."""
    truth = np.full((64, 64, 3), 100, np.uint8)
    mask = central_mask(64)[0, 0]
    metrics = restoration_metrics(composite(np.full_like(truth, 130), truth, mask), truth, mask)
    assert metrics["psnr"] == pytest.approx(10 * math.log10(255**2 / (30**2 / 4)))
    assert metrics["psnr_hole"] == pytest.approx(10 * math.log10(255**2 / 30**2))
    assert metrics["mae_unit"] == pytest.approx(30 / 255 / 4)
    assert metrics["mae_unit_hole"] == pytest.approx(30 / 255)
    assert metrics["mae_signed"] == pytest.approx(2 * 30 / 255 / 4)
    assert metrics["mae_signed_hole"] == pytest.approx(2 * 30 / 255)
    assert metrics["mae_relative"] == pytest.approx((30 / 4) / (100 + 107.5))
    assert metrics["mae_relative_hole"] == pytest.approx(30 / 230)
    assert metrics["mae_gray_relative"] == pytest.approx((30 / 4) / (100 + 107.5))


def test_ssim_of_two_flat_images_is_its_luminance_term():
    a, b = np.full((64, 64, 3), 100, np.uint8), np.full((64, 64, 3), 130, np.uint8)
    mask = central_mask(64)[0, 0]
    metrics = restoration_metrics(b, a, mask)
    expected = (2 * 100 * 130 + 2.55**2) / (100**2 + 130**2 + 2.55**2)
    for name in ("ssim_gaussian", "ssim_volume", "ssim_gray51"):
        assert metrics[name] == pytest.approx(expected, abs=1e-6), name


def test_equal_images_and_windows_that_do_not_fit(pair):
    _, truth, _ = pair
    small, mask = truth[:32, :48], central_mask(32)[0, 0]
    metrics = restoration_metrics(small[:, :32], small[:, :32], mask)
    assert metrics["psnr"] == metrics["psnr_hole"] == math.inf
    assert all(metrics[name] == pytest.approx(1) for name in metrics if name.startswith("ssim"))
    assert all(metrics[name] == 0 for name in metrics if name.startswith("mae"))
    other = 255 - small[:, :32]
    capped = structural_similarity(rgb2gray(small[:, :32]), rgb2gray(other), win_size=31, data_range=1)
    assert restoration_metrics(other, small[:, :32], mask)["ssim_gray51"] == pytest.approx(capped)
    black = np.zeros((2, 3), np.uint8)
    assert relative_error(black, black) == 0


def test_the_average_is_over_images(pair):
    completed, truth, mask = pair
    twice_wrong = composite(255 - completed, truth, mask)
    each = [restoration_metrics(image, truth, mask) for image in (completed, twice_wrong)]
    mean = mean_restoration_metrics(each)
    assert mean == {name: pytest.approx((each[0][name] + each[1][name]) / 2) for name in each[0]}
    with pytest.raises(ValueError, match="no images"):
        mean_restoration_metrics([])


@pytest.mark.parametrize("complete", [mean_colour, biharmonic])
def test_trivial_completions_keep_known_pixels_and_see_no_missing_ones(pair, complete):
    image, _, mask = pair
    before = image.copy()
    filled = complete(image, mask)
    assert filled.dtype == np.uint8 and filled.shape == image.shape and np.array_equal(image, before)
    assert np.array_equal(filled[mask == 0], image[mask == 0])
    hidden = image.copy()
    hidden[mask == 1] = 255 - hidden[mask == 1]
    assert np.array_equal(complete(hidden, mask), filled)


def test_trivial_completions_by_hand(pair):
    _, truth, mask = pair
    plain = np.full((64, 64, 3), (10, 20, 30), np.uint8)
    plain[:16] = (50, 20, 33)  # a quarter of all pixels, a third of the known ones
    filled = mean_colour(plain, central_mask(64)[0, 0])
    assert filled[32, 32].tolist() == [round(10 + 40 / 3), 20, 31]
    error = biharmonic(truth, mask)[mask == 1].astype(int) - truth[mask == 1]
    assert abs(error).max() <= 1, "a plane solves the biharmonic equation"


def test_arrays_that_do_not_fit_are_refused(pair):
    completed, truth, mask = pair
    for bad in (np.zeros_like(mask), np.ones_like(mask)):
        with pytest.raises(ValueError, match="some pixels missing and some known"):
            mean_colour(truth, bad)
    with pytest.raises(ValueError, match="a mask"):
        biharmonic(truth, mask[:-1])
    with pytest.raises(ValueError, match="a mask"):
        restoration_metrics(completed / 255, truth / 255, mask)
    with pytest.raises(ValueError, match="completed is"):
        restoration_metrics(completed[:-1], truth, mask)
