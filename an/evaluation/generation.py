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
from ..metrics.intra import intra_means, intra_protocols, per_class
from ..seals import read_sealed
from .extraction import extract
from .extractors import inception_beside, scale_extractor
from .measured import write_measured
from .reference import open_reference
from .scores import (
    feature_metrics,
    feature_protocol,
    fid_by_count,
    inception_metrics,
    logit_metrics,
    real_halves,
    real_side,
)


def evaluate_row(
    row_name: str,
    scale_name: str,
    seed: int,
    *,
    data: str | Path,
    classifier: str | Path,
    features: str | Path,  # of the training split
    inception_features: str | Path,  # of those of it that Inception sees, where the scale has it see some
    checkpoints: str | Path,  # folder of the row's, for the last generator's checksum
    training: str | Path,  # JSON: what the training run says of itself
    images: str | Path,
    snapshot_images: str | Path,
    averaged_images: str | Path,  # by averaged weights, where the scale has them
    metrics: str | Path,  # receives JSON: metrics, curve, protocol, training, provenance
    classes: str | Path,  # receives CSV: intra-FID of every class
    device: torch.device,
) -> None:
    """Compute them; of a run that diverged, the last good generator's, and the curve up to that step."""
    row, scale = params.load_row(row_name, "generation"), params.load_scale(scale_name)
    train = open_split(data, "train", scale)
    extractor = scale_extractor(scale, train.num_classes, classifier, device)
    batch, what = scale.evaluation.batch, f"{row_name} seed {seed}"
    extraction = extractor.protocol(batch, device)
    real_features = open_reference(features, train.sha256, extraction)
    real, halves = real_side(real_features, device), real_halves(real_features, device)

    checkpoint = Path(checkpoints) / snapshot_name(scale.snapshots)
    trained = read_sealed(training, [checkpoint])
    read_sealed(f"{images}.json", [images, snapshot_images, *([averaged_images] if scale.ema else [])])
    samples = np.load(images, mmap_mode="r")
    sampled, logits = extract(extractor, samples, batch, what)
    labels = np.arange(len(samples)) % train.num_classes
    by_class = intra_protocols(sampled, labels, real_features, train.labels, device=device)

    curve = []
    snapshots = np.load(snapshot_images, mmap_mode="r")
    for step, generated in zip(scale.snapshot_steps(row), snapshots, strict=True):
        if step > trained["step"]:  # it diverged; this and later snapshots repeat the last good generator
            break
        snapshot_features, _ = extract(extractor, generated, batch, f"{what}, step {step}")
        distances = [frechet_distance(snapshot_features, side, device) for side in (real, *halves)]
        curve.append({"step": step, **dict(zip(("fid", "fid_first_half", "fid_second_half"), distances, strict=True))})
    best = min(curve, key=lambda point: point["fid_first_half"])

    fid = frechet_distance(sampled, real, device)
    counts, limit = fid_by_count(sampled, real, fid, device)
    # The classes that Inception's logits stand for are not numbered as the data's.
    right = None
    if logits is not None and extractor.name == "classifier":
        right = float((logits.argmax(1) == labels).mean())
    intra, intra_protocol = {}, None  # where intra_samples say so, evaluate_classes has it, of more images
    if scale.evaluation.intra_samples is None:
        intra = {"intra_fid": float(by_class["intra_fid"].mean())}
        intra_protocol = f"mean over {len(by_class)} classes, {len(samples) // len(by_class)} generated each"
    measured = {
        "fid": fid,
        **intra,
        **logit_metrics(logits, scale.evaluation.splits),
        "iterations": next((p["step"] for p in curve if p["fid"] <= scale.evaluation.converged_fid), None),
        "iterations_best": best["step"],
        "fid_best": best["fid_second_half"],  # chosen on the other half
        "fid_last": curve[-1]["fid_second_half"],
        "fid_untrained": curve[0]["fid"],
        "label_accuracy": right,
        "fid_infinity": limit,
        **feature_metrics(sampled, real_features, device),
        **intra_means(by_class),
        **trained["attention"],
    }
    if scale.ema:
        averaged_features, averaged_logits = extract(extractor, np.load(averaged_images, mmap_mode="r"), batch, what)
        measured["fid_averaged"] = frechet_distance(averaged_features, real, device)
        if intra:
            averaged = per_class(averaged_features, labels, real_features, train.labels, device=device)
            measured["intra_fid_averaged"] = float(np.mean(averaged))
        if averaged_logits is not None:
            measured["inception_score_averaged"] = inception_score(averaged_logits, scale.evaluation.splits)
    beside: dict = {}
    if counts_beside := scale.evaluation.inception:
        network, beside = inception_beside(scale, counts_beside, device)
        real_seen = open_reference(inception_features, train.sha256, beside)
        seen, _ = extract(network, samples[: counts_beside.samples], beside["batch"], f"{what}, Inception")
        measured |= inception_metrics(seen, real_seen, device)
        beside = {"inception": {**beside, "generated": len(seen), **feature_protocol(seen, real_seen)}}
    with written_whole(classes) as temporary:
        by_class.to_csv(temporary, index=False)
    protocol = {
        **extraction,
        "generated": len(samples),
        "generated_per_snapshot": snapshots.shape[1],
        "reference": f"all {len(real_features)} training images",
        "reference_sha256": train.sha256,
        "inception_score_splits": None if logits is None else scale.evaluation.splits,
        "converged_fid": scale.evaluation.converged_fid,
        "best": "the snapshot nearest to one half of the reference, scored on the other half",
        "intra_fid": intra_protocol,
        "weights": "raw; averaged where a metric says so" if scale.ema else "raw",
        **feature_protocol(sampled, real_features),
        **beside,
    }
    write_measured(
        metrics,
        {
            **{"row": row_name, "scale": scale_name, "seed": seed},
            **{"metrics": measured, "curve": curve, "fid_by_count": counts, "protocol": protocol},
        },
        training=trained,
        checkpoint=checkpoint,
        made=provenance.made(device),
        files=[classes],
        settings=params.digest(params.training_settings(row, scale)),
    )
