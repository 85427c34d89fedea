"""``an evaluate``: all metrics of a folder or array of images against another, for any model's samples."""

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from .. import provenance
from ..devices import describe
from ..errors import UserError
from ..files import write_json
from ..metrics.frechet import frechet_distance, moments
from ..metrics.intra import check_classes, intra_means, intra_protocols, members
from .extraction import Extractor, batches, extract
from .extractors import named_extractor
from .images import ImageArray, ImageFolder, open_images, read_labels
from .reference import source
from .scores import feature_metrics, feature_protocol, fid_by_count, logit_metrics, real_side
from .statistics import cached_features, load_statistics, save_statistics

BATCH, SPLITS = 64, 10
LEAST = 10  # images on each side: ten splits of the inception score, six neighbours, five parts of the extrapolation
USUAL = 50_000  # samples behind most published FIDs
Images = ImageFolder | ImageArray


def evaluate(
    samples: str | Path,
    reference: str | Path,  # images, or an .npz of mu and sigma, which allows FID alone
    *,
    json: str | Path,  # receives metrics, FID by sample count, intra-FID of every class, protocol, provenance
    device: torch.device,
    labels: str | Path | None = None,
    reference_labels: str | Path | None = None,
    extractor: str = "inception",  # or another of extractors.NAMES
    scale: str = "smoke",  # whose classifier, where that is the extractor
    weights: str | Path | None = None,  # of the extractor, in place of those found
    save_reference: str | Path | None = None,  # receives the reference's .npz
    cache: str | Path | None = None,  # folder that keeps the reference's features
) -> dict:
    """Compute, print and write every metric the inputs allow; returns what is written.

    Intra-FID is computed where both sides have labels, from a file or from class folders.

    Raises:
        UserError: for images, labels, statistics or weights that cannot be used; nothing is written then.
    """
    statistics_given = Path(reference).suffix == ".npz"
    if statistics_given and (save_reference or reference_labels or labels):
        raise UserError(f"{reference} holds statistics, without images or classes: give the images as --reference.")
    generated = open_images(samples, LEAST)
    real = None if statistics_given else open_images(reference, LEAST)
    given = (labels, reference_labels)
    classes = None if real is None else _labels([(samples, generated), (reference, real)], *given)
    network = named_extractor(extractor, weights, scale, device)
    for path, images in ((samples, generated), (reference, real)):
        _check_size(network, path, images)
    protocol = network.protocol(BATCH, device)
    if statistics_given:
        # Statistics of another extractor are refused before the long pass over the samples.
        features, _ = next(batches(network, generated[:LEAST], BATCH, str(samples)))
        moments_given, made_from = load_statistics(reference, protocol, features.shape[1])

    Path(json).parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=Path(json).parent, prefix=".features-") as folder:
        features, logits = extract(network, generated, BATCH, str(samples), file=Path(folder) / "samples.npy")
        if real is None:
            real_features, side = None, moments_given
        else:
            real_features = cached_features(network, real, protocol, str(reference), folder=cache or folder)
            side = real_side(real_features, device)
            made_from = source(real.sha256, protocol)
            if save_reference:
                save_statistics(save_reference, moments(real_features, device), made_from)
        result = {
            **_measure(features, logits, side, real_features=real_features, classes=classes, device=device),
            "protocol": {
                **protocol,
                **_counts(generated, real, side),
                "reference_sha256": made_from.get("data_sha256"),
                "reference_key": made_from.get("key"),
                "inception_score_splits": None if logits is None else SPLITS,
                **({} if real_features is None else feature_protocol(features, real_features)),
            },
            "provenance": {
                "commit": provenance.commit(),
                "device": describe(device),
                "torch": torch.__version__,
                "samples": str(samples),
                "reference": str(reference),
            },
        }
        del features, real_features, side
    write_json(json, result)
    _print(result, len(generated))
    return result


def _labels(
    sides: list[tuple[str | Path, Images]], labels: str | Path | None, reference_labels: str | Path | None
) -> tuple[np.ndarray, np.ndarray] | None:
    """Labels of both sides, or None where neither file nor folders give any."""
    (samples, generated), (reference, real) = sides
    left = generated.labels if labels is None else read_labels(labels, len(generated))
    right = real.labels if reference_labels is None else read_labels(reference_labels, len(real))
    if labels is not None and right is None:
        raise UserError(f"{reference} has no classes for {labels}: use class folders or give --reference-labels.")
    if reference_labels is not None and left is None:
        raise UserError(f"{samples} has no classes for {reference_labels}: use class folders or give --labels.")
    if left is None or right is None:
        return None
    if labels is None and reference_labels is None and generated.classes != real.classes:
        raise UserError(f"{samples} and {reference} have different class folders: use the same names in both.")
    check_classes(members(left), members(right), (labels or samples, reference_labels or reference))
    return left, right


def _check_size(network: Extractor, path: str | Path, images: Images | None) -> None:
    """Raise UserError when the network takes no images of their size."""
    size = network.size
    if images is not None and size is not None and images.size[:2] != (size, size):
        raise UserError(
            f"{path} has images of {images.size[1]}x{images.size[0]} pixels, this classifier takes {size}x{size}: name "
            "the --scale whose classifier takes them, or another --extractor."
        )


def _measure(features, logits, side, *, real_features, classes, device) -> dict:
    fid = frechet_distance(features, side, device)
    counts, limit = fid_by_count(features, side, fid, device)
    metrics = {"fid": fid, "fid_infinity": limit, **logit_metrics(logits, SPLITS)}
    result = {"metrics": metrics, "fid_by_count": counts}
    if real_features is not None:
        metrics |= feature_metrics(features, real_features, device)
    if classes is not None:
        by_class = intra_protocols(features, classes[0], real_features, classes[1], device=device)
        metrics |= {"intra_fid": float(by_class["intra_fid"].mean()), **intra_means(by_class)}
        result["classes"] = by_class.to_dict("records")
    return result


def _counts(generated: Images, real: Images | None, side) -> dict:
    count = len(real) if real is not None else side.count
    return {
        "generated": len(generated),
        "generated_sha256": generated.sha256,
        "generated_size": list(generated.size[:2]),
        "reference": count if np.isfinite(count) else "statistics without a count",
    }


def _print(result: dict, count: int) -> None:
    width = max(map(len, result["metrics"]))
    for name, value in result["metrics"].items():
        print(f"{name:<{width}}  {value:.6g}")
    if count < USUAL:
        print(f"FID of {count} samples is larger than of {USUAL}: compare it at equal counts.", file=sys.stderr)
