"""Networks that turn images into the features and logits all metrics are computed from."""

from pathlib import Path

import numpy as np
import torch

from .. import params
from ..data.loading import to_device
from ..errors import UserError
from ..progress import progress
from ..training import checkpoints
from .classifier import FeatureClassifier


def load_classifier(
    scale: params.Scale, num_classes: int, weights: str | Path, device: torch.device
) -> FeatureClassifier:
    network = FeatureClassifier(scale.evaluation.classifier.channels, num_classes)
    network.load_state_dict(checkpoints.load(weights, device))
    return network.to(device).eval()


@torch.inference_mode()
def extract(
    network: torch.nn.Module, images: np.ndarray, batch: int, device: torch.device, what: str
) -> tuple[np.ndarray, np.ndarray]:
    """Features ``[N, D]`` and logits ``[N, K]``, float32, of uint8 images ``[N, R, R, 3]``.

    Raises UserError when a feature is not finite.
    """
    features, logits = [], []
    for start in progress(range(0, len(images), batch), what):
        f, g = network(to_device(np.array(images[start : start + batch]), device))
        features.append(f.cpu().numpy())
        logits.append(g.cpu().numpy())
    features, logits = np.concatenate(features), np.concatenate(logits)
    if not np.isfinite(features).all():
        raise UserError(f"{what}: the extractor's features are not finite: check its weights and the images.")
    return features, logits
