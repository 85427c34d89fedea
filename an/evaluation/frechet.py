"""The Frechet distance between two sets of features, in float64 and without the square root of a product."""

import numpy as np

from ..errors import UserError


def frechet_distance(x: np.ndarray, y: np.ndarray) -> float:
    """``|mu_x - mu_y|^2 + tr(C_x + C_y - 2 (C_x C_y)^(1/2))`` of features ``[N, D]`` and ``[M, D]``.

    Means and unbiased covariances are taken in float64. The trace of the root is the nuclear norm of
    ``X Y^T / sqrt((N - 1)(M - 1))`` for centred features, which is exact when covariances are rank-deficient;
    with many samples the equal, then cheaper, symmetric form ``tr((R C_y R)^(1/2)), R = C_x^(1/2)`` is used.

    Raises:
        UserError: fewer than 2 samples, different D, or features that are not finite.
    """
    x, y = _checked(x, "the first"), _checked(y, "the second")
    if x.shape[1] != y.shape[1]:
        raise UserError(f"features of {x.shape[1]} and {y.shape[1]} dimensions cannot be compared: use one extractor.")
    few = x.shape[0] * y.shape[0] * min(x.shape[0], y.shape[0]) < 2 * x.shape[1] ** 3
    if not few:
        return frechet_from_moments(*moments(x), *moments(y))
    mean_x, mean_y = x.mean(0), y.mean(0)
    x, y = (x - mean_x) / np.sqrt(len(x) - 1), (y - mean_y) / np.sqrt(len(y) - 1)
    root_trace = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    traces = np.square(x).sum() + np.square(y).sum()
    return float(max(np.square(mean_x - mean_y).sum() + traces - 2 * root_trace, 0.0))


def moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean ``[D]`` and unbiased covariance ``[D, D]`` of features ``[N, D]``, float64."""
    features = np.asarray(features, dtype=np.float64)
    mean = features.mean(0)
    centred = features - mean
    return mean, centred.T @ centred / (len(features) - 1)


def frechet_from_moments(mean_x: np.ndarray, cov_x: np.ndarray, mean_y: np.ndarray, cov_y: np.ndarray) -> float:
    """The distance from two means ``[D]`` and covariances ``[D, D]``."""
    values, vectors = np.linalg.eigh(cov_x)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    root_trace = np.sqrt(np.linalg.eigvalsh(root @ cov_y @ root).clip(0)).sum()
    distance = np.square(mean_x - mean_y).sum() + np.trace(cov_x) + np.trace(cov_y) - 2 * root_trace
    return float(max(distance, 0.0))


def _checked(features: np.ndarray, which: str) -> np.ndarray:
    features = np.asarray(features, dtype=np.float64)
    if features.ndim != 2 or len(features) < 2:
        raise UserError(f"{which} features have shape {features.shape}: at least 2 samples [N, D] are needed.")
    if not np.isfinite(features).all():
        raise UserError(f"{which} features are not finite: check the images and the extractor's weights.")
    return features
