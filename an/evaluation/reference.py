"""The real side of every distance: features of the training set, and the floor that the held-out set marks."""

from pathlib import Path

import numpy as np
import torch

from .. import params, provenance
from ..data.loading import Prepared, open_split
from ..errors import UserError
from ..metrics.frechet import frechet_distance
from ..metrics.inception_score import inception_score
from ..metrics.intra import per_class
from ..seals import read_sealed, write_sealed
from .extraction import extract
from .extractors import inception_beside, scale_extractor
from .scores import inception_metrics, real_side


def extract_reference(
    scale_name: str,
    *,
    data: str | Path,
    classifier: str | Path,
    features: str | Path,  # receives float32 [N, D] of the training split, and beside it a .json of their source
    inception_features: str | Path,  # receives the same of those that Inception sees, where the scale has it see some
    reference: str | Path,  # receives the metrics of the held-out images, as if they were generated
    device: torch.device,
) -> None:
    """Extract them."""
    scale = params.load_scale(scale_name)
    train, heldout = (open_split(data, split, scale) for split in ("train", "heldout"))
    extractor = scale_extractor(scale, train.num_classes, classifier, device)
    batch = scale.evaluation.batch
    extracted, _ = extract(extractor, train.images, batch, "reference", file=features)
    made_from = source(train.sha256, extractor.protocol(batch, device))
    write_sealed(f"{features}.json", made_from, files=[features])
    heldout_features, heldout_logits = extract(extractor, heldout.images, batch, "held-out")
    by_class = per_class(heldout_features, heldout.labels, extracted, train.labels, device=device)
    floor = {
        "fid": frechet_distance(heldout_features, real_side(extracted, device), device),
        "intra_fid": float(np.mean(by_class)),
    }
    if heldout_logits is not None:
        floor["inception_score"] = inception_score(heldout_logits, scale.evaluation.splits)
    if counts := scale.evaluation.inception:
        floor |= _floor_by_inception(scale, counts, train, heldout, file=inception_features, device=device)
    of_splits = {"heldout": len(heldout.labels), "train": len(train.labels)}
    write_sealed(reference, {"heldout_as_generated": floor, "counts": of_splits}, provenance.made(device))


def _floor_by_inception(
    scale: params.Scale,
    counts: params.Inception,
    train: Prepared,
    heldout: Prepared,
    *,
    file: str | Path,
    device: torch.device,
) -> dict:
    """Metrics of held-out images on Inception's features; those of the training images go to the file."""
    network, protocol = inception_beside(scale, counts, device)
    real_images, images = (
        split.images[np.sort(np.random.default_rng(0).permutation(len(split.labels))[:count])]
        for split, count in ((train, counts.reference), (heldout, counts.samples))
    )
    real, _ = extract(network, real_images, protocol["batch"], "reference, Inception", file=file)
    write_sealed(f"{file}.json", source(train.sha256, protocol), files=[file])
    features, _ = extract(network, images, protocol["batch"], "held-out, Inception")
    return inception_metrics(features, real, device) | {"inception_samples": len(features)}


def source(data_sha256: str, protocol: dict) -> dict:
    """All that reference features depend on, and a key that differs as soon as one part does."""
    parts = {"data_sha256": data_sha256, **protocol}
    return {"key": params.digest(parts), **parts}


def open_reference(features_file: str | Path, data_sha256: str, protocol: dict) -> np.ndarray:
    """Memory-mapped reference features. Raises UserError unless they come from this data, extractor and protocol."""
    expected = source(data_sha256, protocol)
    found = read_sealed(f"{features_file}.json", [features_file])
    differing = sorted(name for name in expected if name != "key" and found.get(name) != expected[name])
    if differing:
        raise UserError(
            f"{features_file} comes from another {', '.join(differing)}: delete it and extract the reference again."
        )
    return np.load(features_file, mmap_mode="r")
