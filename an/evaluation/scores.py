"""All metrics of two sets of features, and how FID depends on the number of samples."""

import numpy as np
import torch

from ..metrics.frechet import BLOCK, Moments, frechet_distance, moments
from ..metrics.inception_score import inception_score
from ..metrics.kernel import SIZE, SUBSETS, kernel_distance
from ..metrics.manifold import manifold_metrics

MANIFOLD_SAMPLES = 50_000  # of each side at most: distances grow with their product
FRACTIONS = (0.2, 0.4, 0.6, 0.8, 1.0)  # of the samples, behind the extrapolation


def real_side(features: np.ndarray, device: torch.device) -> np.ndarray | Moments:
    """Reference features as the side of many distances: their moments, where these have full rank, are taken once."""
    return moments(features, device) if len(features) > features.shape[1] else features


def real_halves(features: np.ndarray, device: torch.device) -> list[np.ndarray | Moments]:
    """Two halves of the reference features, drawn at random: one to choose by, one to score on."""
    order = np.random.default_rng(0).permutation(len(features))
    return [_rows(features, part, device) for part in np.array_split(order, 2)]


def logit_metrics(logits: np.ndarray | None, splits: int) -> dict[str, float]:
    """The inception score over splits and over all; neither of an extractor without logits."""
    if logits is None:
        return {}
    return {
        "inception_score": inception_score(logits, splits),
        "inception_score_1_split": inception_score(logits, 1),
    }


def feature_metrics(features: np.ndarray, real: np.ndarray, device: torch.device) -> dict[str, float]:
    """Kernel distance, precision, recall, density and coverage."""
    kid, kid_sd = kernel_distance(features, real, min(SIZE, len(features), len(real)), device)
    return {
        "kid": kid,
        "kid_sd": kid_sd,
        **manifold_metrics(_at_most(features), _at_most(real), device),
    }


def inception_metrics(features: np.ndarray, real: np.ndarray, device: torch.device) -> dict[str, float]:
    """FID and ``feature_metrics`` of Inception's features, named apart from those of a scale's own extractor."""
    measured = {"fid": frechet_distance(features, real_side(real, device), device)}
    measured |= feature_metrics(features, real, device)
    return {f"{name}_inception": value for name, value in measured.items()}


def feature_protocol(features: np.ndarray, real: np.ndarray) -> dict:
    """What ``feature_metrics`` does to features of these shapes."""
    counts = [min(MANIFOLD_SAMPLES, len(side)) for side in (features, real)]
    return {
        "kid": f"unbiased, cubic kernel, {SUBSETS} subsets of {min(SIZE, len(features), len(real))}",
        "precision_recall": f"3 nearest neighbours (density, coverage: 5), {counts[0]} generated, {counts[1]} real",
    }


def fid_by_count(
    features: np.ndarray, real: np.ndarray | Moments, fid: float, device: torch.device
) -> tuple[list[dict], float]:
    """FID of random parts of the samples, and the value that a line in 1/N reaches at infinitely many.

    FID falls with the number of samples about as 1/N (Chong and Forsyth 2020), so that numbers taken at different
    counts compare only there. ``fid`` is that of all samples.
    """
    order = np.random.default_rng(0).permutation(len(features))
    points = []
    for fraction in FRACTIONS:
        count = round(fraction * len(features))
        part = fid if count == len(features) else frechet_distance(_rows(features, order[:count], device), real, device)
        points.append({"samples": count, "fid": part})
    inverse = [1 / point["samples"] for point in points]
    _, limit = np.polyfit(inverse, [point["fid"] for point in points], 1)
    return points, float(limit)


def _rows(features: np.ndarray, places: np.ndarray, device: torch.device) -> np.ndarray | Moments:
    """Some rows of features that may be memory-mapped; as moments, block by block, where these have full rank."""
    places = np.sort(places)
    if len(places) <= features.shape[1]:
        return features[places]
    out = Moments(features.shape[1], device)
    for start in range(0, len(places), BLOCK):
        out.add(features[places[start : start + BLOCK]])
    return out


def _at_most(features: np.ndarray) -> np.ndarray:
    if len(features) <= MANIFOLD_SAMPLES:
        return features
    return features[np.sort(np.random.default_rng(0).permutation(len(features))[:MANIFOLD_SAMPLES])]
