"""All metrics of one trained row and seed, from one feature pass over its images."""

from pathlib import Path

import numpy as np
import torch

from .. import params, provenance
from ..data.loading import open_split
from ..files import written_whole
from ..layout import snapshot_name
from ..metrics.frechet import frechet_distance
from ..metrics.inception_score import inception_score
from ..metrics.intra import intra_means, intra_protocols
from ..seals import read_sealed
from .extractors import extract, scale_extractor
from .measured import write_measured
from .reference import open_reference
from .scores import feature_metrics, feature_protocol, fid_by_count, real_halves, real_side


def evaluate_row(
    row_name: str,
    scale_name: str,
    seed: int,
    data: str | Path,
    classifier: str | Path,
    reference: str | Path,  # features of the training split
    checkpoint_folder: str | Path,  # of the row, for the last generator's checksum
    training_file: str | Path,  # JSON: what the training run says of itself
    samples_file: str | Path,
    snapshots_file: str | Path,
    averaged_file: str | Path | None,  # images by averaged weights, where the scale has them
    metrics_file: str | Path,  # receives JSON: metrics, curve, protocol, training, provenance
    classes_file: str | Path,  # receives CSV: intra-FID of every class
    device: torch.device,
) -> None:
    """Compute them; of a run that diverged, the last good generator's, and the curve up to that step."""
    row, scale = params.load_row(row_name, "generation"), params.load_scale(scale_name)
    train = open_split(data, "train", scale)
    extractor = scale_extractor(scale, train.num_classes, classifier, device)
    batch, what = scale.evaluation.batch, f"{row_name} seed {seed}"
    extraction = extractor.protocol(batch, device)
    real_features = open_reference(reference, train.sha256, extraction)
    real, halves = real_side(real_features, device), real_halves(real_features, device)

    checkpoint = Path(checkpoint_folder) / snapshot_name(scale.snapshots)
    training = read_sealed(training_file, [checkpoint])
    read_sealed(f"{samples_file}.json", filter(None, [samples_file, snapshots_file, averaged_file]))
    samples = np.load(samples_file, mmap_mode="r")
    features, logits = extract(extractor, samples, batch, what)
    labels = np.arange(len(samples)) % train.num_classes
    by_class = intra_protocols(features, labels, real_features, train.labels, device)

    curve = []
    snapshots = np.load(snapshots_file, mmap_mode="r")
    for step, images in zip(scale.snapshot_steps(row), snapshots, strict=True):
        if step > training["step"]:  # it diverged; this and later snapshots repeat the last good generator
            break
        snapshot_features, _ = extract(extractor, images, batch, f"{what}, step {step}")
        distances = [frechet_distance(snapshot_features, side, device) for side in (real, *halves)]
        curve.append({"step": step, **dict(zip(("fid", "fid_first_half", "fid_second_half"), distances, strict=True))})
    best = min(curve, key=lambda point: point["fid_first_half"])

    fid = frechet_distance(features, real, device)
    counts, limit = fid_by_count(features, real, fid, device)
    # The classes that Inception's logits stand for are not numbered as the data's.
    right = float((logits.argmax(1) == labels).mean()) if extractor.name == "classifier" else None
    metrics = {
        "fid": fid,
        "intra_fid": float(by_class["intra_fid"].mean()),
        "inception_score": inception_score(logits, scale.evaluation.splits),
        "iterations": next((p["step"] for p in curve if p["fid"] <= scale.evaluation.converged_fid), None),
        "iterations_best": best["step"],
        "fid_best": best["fid_second_half"],  # chosen on the other half
        "fid_last": curve[-1]["fid_second_half"],
        "fid_untrained": curve[0]["fid"],
        "label_accuracy": right,
        "fid_infinity": limit,
        "inception_score_1_split": inception_score(logits, 1),
        **feature_metrics(features, real_features, device),
        **intra_means(by_class),
        **training["attention"],
    }
    if averaged_file:
        averaged_features, averaged_logits = extract(extractor, np.load(averaged_file, mmap_mode="r"), batch, what)
        averaged = intra_protocols(averaged_features, labels, real_features, train.labels, device)
        metrics |= {
            "fid_averaged": frechet_distance(averaged_features, real, device),
            "intra_fid_averaged": float(averaged["intra_fid"].mean()),
            "inception_score_averaged": inception_score(averaged_logits, scale.evaluation.splits),
        }
    with written_whole(classes_file) as temporary:
        by_class.to_csv(temporary, index=False)
    protocol = {
        **extraction,
        "generated": len(samples),
        "generated_per_snapshot": snapshots.shape[1],
        "reference": f"all {len(real_features)} training images",
        "reference_sha256": train.sha256,
        "inception_score_splits": scale.evaluation.splits,
        "converged_fid": scale.evaluation.converged_fid,
        "best": "the snapshot nearest to one half of the reference, scored on the other half",
        "intra_fid": f"mean over {len(by_class)} classes, {len(samples) // len(by_class)} generated each",
        "weights": "raw; averaged where a metric says so" if averaged_file else "raw",
        **feature_protocol(features, real_features),
    }
    measured = {
        **{"row": row_name, "scale": scale_name, "seed": seed},
        **{"metrics": metrics, "curve": curve, "fid_by_count": counts, "protocol": protocol},
    }
    made, settings = provenance.made(device), params.digest(params.training_settings(row, scale))
    write_measured(metrics_file, measured, training, checkpoint, made, (classes_file,), settings=settings)
