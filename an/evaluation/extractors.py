"""Which network measures: the one that a scale names, or that `an evaluate` is told."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .. import params
from ..data.loading import to_device
from ..errors import UserError
from ..files import sha256
from ..layout import Study
from ..weights import load_tensors, load_weights
from .classifier import FeatureClassifier
from .efficientnet import efficientnet_extractor, efficientnet_file
from .extraction import Extractor
from .inception import inception_extractor, inception_file
from .packaged import Missing

INCEPTION_BATCH = 64  # images at most: the largest map of one, 64 channels of 147x147, takes 5.5 MB


def load_classifier(
    scale: params.Scale, num_classes: int, weights: str | Path, device: torch.device
) -> FeatureClassifier:
    network = FeatureClassifier(scale.evaluation.classifier.channels, num_classes)
    load_weights(network, weights, device, f"this scale's classifier of {num_classes} classes")
    return network.to(device).eval()


def classifier_extractor(scale: params.Scale, num_classes: int, weights: str | Path, device: torch.device) -> Extractor:
    """The pipeline's own classifier of the real training set."""
    network = load_classifier(scale, num_classes, weights, device)

    def forward(images: np.ndarray) -> tuple[Tensor, Tensor]:
        return network(to_device(images, device))

    return Extractor("classifier", forward, sha256(weights), "none", scale.resolution)


def scale_extractor(scale: params.Scale, num_classes: int, classifier: str | Path, device: torch.device) -> Extractor:
    """The extractor that a scale names. Raises UserError when its weights are missing or not the ones named."""
    settings = scale.evaluation
    if settings.extractor == "classifier":
        return classifier_extractor(scale, num_classes, classifier, device)
    return inception_extractor(settings.inception_weights, device, settings.inception_sha256)


def inception_beside(scale: params.Scale, counts: params.Inception, device: torch.device) -> tuple[Extractor, dict]:
    """The Inception that measures beside a scale's own extractor, and the protocol of the real features it makes."""
    settings = scale.evaluation
    network = inception_extractor(settings.inception_weights, device, settings.inception_sha256)
    reference = f"{counts.reference} training images drawn at random, all where there are fewer"
    return network, {**network.protocol(min(settings.batch, INCEPTION_BATCH), device), "reference": reference}


NAMES = ("inception", "efficientnet-lite0", "classifier")


def named_extractor(name: str, weights: str | Path | None, scale_name: str, device: torch.device) -> Extractor:
    """One of ``NAMES``; the classifier is a scale's. ``weights`` is a file to take in place of what is found.

    Raises UserError when there are no weights, and says which other extractors there are.
    """
    try:
        if name == "inception":
            return inception_extractor(weights, device)
        if name == "classifier":
            return _classifier(scale_name, weights or Study(scale_name).classifier, device)
        if weights:
            raise UserError(f"--weights {weights} is not for {name}, which has those of its package: leave it out.")
        return efficientnet_extractor(device)
    except Missing as missing:
        files = (inception_file(), efficientnet_file(), Study(scale_name).classifier)
        there = [other for other, file in zip(NAMES, files, strict=True) if file and file.exists() and other != name]
        others = " and ".join(f"--extractor {other}" for other in there) or "no other extractor"
        raise UserError(f"{str(missing).removesuffix('.')}; this machine has {others}.") from None


def _classifier(scale_name: str, weights: str | Path, device: torch.device) -> Extractor:
    scale = params.load_scale(scale_name)
    if not Path(weights).exists():
        raise Missing(f"{weights} is missing: run snakemake to make it, or name the classifier's file with --weights.")
    tensors = load_tensors(weights)
    classes = len(tensors["head.bias"]) if "head.bias" in tensors else 1  # of other weights, which are then refused
    return classifier_extractor(scale, classes, weights, device)
