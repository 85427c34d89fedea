"""The real side of every distance: features of the training set, and the floor that the held-out set marks."""

from pathlib import Path

import numpy as np
import torch

from .. import params
from ..data.loading import open_split
from ..files import sha256, write_json, written_whole
from .extractors import extract, load_classifier
from .frechet import frechet_distance
from .inception_score import inception_score


def extract_reference(
    scale_name: str,
    data: str | Path,
    classifier: str | Path,
    features_file: str | Path,  # receives float32 [N, D] of the training split
    report: str | Path,  # receives the metrics of the held-out images, as if they were generated
    device: torch.device,
) -> None:
    scale = params.load_scale(scale_name)
    train, heldout = open_split(data, "train"), open_split(data, "heldout")
    network = load_classifier(scale, train.num_classes, classifier, device)
    batch = scale.evaluation.batch
    features, _ = extract(network, train.images, batch, device, "reference")
    heldout_features, heldout_logits = extract(network, heldout.images, batch, device, "held-out")
    with written_whole(features_file) as temporary, open(temporary, "wb") as file:
        np.save(file, features)
    floor = {
        "fid": frechet_distance(heldout_features, features),
        "intra_fid": float(np.mean(per_class(heldout_features, heldout.labels, features, train.labels))),
        "inception_score": inception_score(heldout_logits, scale.evaluation.splits),
    }
    counts = {"heldout": len(heldout.labels), "train": len(train.labels)}
    write_json(report, {"heldout_as_generated": floor, "counts": counts, "features_sha256": sha256(features_file)})


def per_class(x: np.ndarray, x_labels: np.ndarray, y: np.ndarray, y_labels: np.ndarray) -> list[float]:
    """Frechet distance between x and y of every class, in the order of class indices."""
    return [frechet_distance(x[x_labels == c], y[y_labels == c]) for c in np.unique(y_labels)]
