"""How close a completed image is to the truth, by every convention that inpainting papers use.

Images are composited uint8 ``[H, W, 3]`` and masks ``[H, W]``, nonzero where a pixel is missing; scikit-image computes.
The conventions:

    psnr, psnr_hole    of the whole image, and of the missing pixels alone; dB, peak 255
    ssim_gaussian      mean over the channels, Gaussian window of sigma 1.5, population covariance (Wang et al., 2004)
    ssim_volume        MATLAB's ``ssim`` of an RGB array, which it takes for a volume: see ``ssim_volume``
    ssim_gray51        of grey images, uniform window of 51, sample covariance (EdgeConnect)
    mae_unit           mean |a - b| of levels in [0, 1]
    mae_signed         the same in [-1, 1], hence twice mae_unit
    mae_relative       sum |a - b| / sum (a + b) over the RGB levels
    mae_gray_relative  the same of grey images (EdgeConnect)

with ``mae_unit_hole``, ``mae_signed_hole`` and ``mae_relative_hole`` over the missing pixels. An SSIM of the hole is
left out: its windows would reach into known pixels.
"""

import numpy as np
from skimage.color import rgb2gray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from ..data.masks import checked_hole

GAUSSIAN = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
GAUSSIAN_RADIUS = 5  # of that window, in MATLAB (ceil of 3 sigma) as in scikit-image (3.5 sigma, rounded)


def restoration_metrics(completed: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """All metrics of one image. PSNR of equal images is infinite. Raises ValueError for arrays that do not fit."""
    hole = checked_hole(truth, mask)
    if completed.shape != truth.shape or completed.dtype != np.uint8:
        raise ValueError(f"completed is {completed.dtype} {completed.shape}, truth uint8 {truth.shape}")
    gray, gray_truth = rgb2gray(completed), rgb2gray(truth)
    unit, unit_hole = mean_absolute_error(completed, truth), mean_absolute_error(completed[hole], truth[hole])
    return {
        "psnr": psnr(completed, truth),
        "psnr_hole": psnr(completed[hole], truth[hole]),
        "ssim_gaussian": float(structural_similarity(truth, completed, channel_axis=2, **GAUSSIAN)),
        "ssim_volume": ssim_volume(completed, truth),
        "ssim_gray51": ssim_gray(gray, gray_truth, 51),
        "mae_unit": unit,
        "mae_unit_hole": unit_hole,
        "mae_signed": 2 * unit,
        "mae_signed_hole": 2 * unit_hole,
        "mae_relative": relative_error(completed, truth),
        "mae_relative_hole": relative_error(completed[hole], truth[hole]),
        "mae_gray_relative": relative_error(gray, gray_truth),
    }


def mean_restoration_metrics(each: list[dict[str, float]]) -> dict[str, float]:
    """The metrics of each image, averaged over the images, as the paper's authors average."""
    if not each:
        raise ValueError("there are no images to average over")
    return {name: float(np.mean([metrics[name] for metrics in each])) for name in each[0]}


def psnr(completed: np.ndarray, truth: np.ndarray) -> float:
    """In dB, of uint8 arrays of any one shape; infinite when they are equal."""
    with np.errstate(divide="ignore"):
        return float(peak_signal_noise_ratio(truth, completed, data_range=255))


def ssim_volume(completed: np.ndarray, truth: np.ndarray) -> float:
    """SSIM of uint8 ``[H, W, 3]`` as volumes, with the 11x11x11 Gaussian window, as MATLAB's ``ssim(A, ref)`` has it.

    MATLAB replicates the border and averages over every voxel, where scikit-image leaves out a border as wide as the
    window's radius. Padding by that radius first makes the latter the former. The window reaches across all three
    channels; the replicated first and last channel make up the rest of it.
    """
    volumes = (np.pad(image, GAUSSIAN_RADIUS, mode="edge") for image in (truth, completed))
    return float(structural_similarity(*volumes, **GAUSSIAN))


def ssim_gray(completed: np.ndarray, truth: np.ndarray, window: int) -> float:
    """SSIM of grey images ``[H, W]`` in [0, 1] in a uniform window, the largest odd one that fits if it does not."""
    fits = min(window, *(side - (side + 1) % 2 for side in truth.shape))
    return float(structural_similarity(truth, completed, win_size=fits, data_range=1))


def mean_absolute_error(completed: np.ndarray, truth: np.ndarray) -> float:
    """Mean absolute difference of uint8 arrays, as a fraction of 255."""
    return float(np.abs(completed.astype(np.float64) - truth).mean() / 255)


def relative_error(completed: np.ndarray, truth: np.ndarray) -> float:
    """Sum of absolute differences over the sum of both arrays; 0 when both are black."""
    completed, truth = completed.astype(np.float64), truth.astype(np.float64)
    total = (completed + truth).sum()
    return float(np.abs(completed - truth).sum() / total) if total else 0.0
