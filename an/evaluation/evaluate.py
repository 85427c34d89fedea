"""All metrics of one trained row and seed, from one feature pass over its images."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from .. import params, provenance
from ..data.loading import open_split
from ..devices import describe
from ..files import sha256, write_json, written_whole
from ..names import snapshot_name
from .extractors import extract, load_classifier
from .frechet import frechet_distance
from .inception_score import inception_score
from .reference import per_class

CONVERGED = 1.02  # table 1's iterations: the first snapshot whose FID is within 2 % of the best


def evaluate(
    row_name: str,
    scale_name: str,
    seed: int,
    data: str | Path,
    classifier: str | Path,
    reference: str | Path,  # features of the training split
    checkpoint_folder: str | Path,  # of the row, for the last generator's checksum
    samples_file: str | Path,
    snapshots_file: str | Path,
    metrics_file: str | Path,  # receives JSON: metrics, curve, protocol, provenance
    classes_file: str | Path,  # receives CSV: intra-FID of every class
    device: torch.device,
) -> None:
    row, scale = params.load_row(row_name, "generation"), params.load_scale(scale_name)
    train = open_split(data, "train")
    network = load_classifier(scale, train.num_classes, classifier, device)
    real = np.load(reference)
    batch, what = scale.evaluation.batch, f"{row_name} seed {seed}"

    samples = np.load(samples_file, mmap_mode="r")
    features, logits = extract(network, samples, batch, device, what)
    labels = np.arange(len(samples)) % train.num_classes
    by_class = per_class(features, labels, real, train.labels)

    curve = []
    snapshots = np.load(snapshots_file, mmap_mode="r")
    for step, images in zip(scale.snapshot_steps(row), snapshots, strict=True):
        snapshot_features, _ = extract(network, images, batch, device, f"{what}, step {step}")
        curve.append({"step": step, "fid": frechet_distance(snapshot_features, real)})
    best = min(point["fid"] for point in curve)

    metrics = {
        "fid": frechet_distance(features, real),
        "intra_fid": float(np.mean(by_class)),
        "inception_score": inception_score(logits, scale.evaluation.splits),
        "iterations": next(point["step"] for point in curve if point["fid"] <= CONVERGED * best),
        "fid_untrained": curve[0]["fid"],
        "label_accuracy": float((logits.argmax(1) == labels).mean()),
    }
    with written_whole(classes_file) as temporary:
        pd.DataFrame({"class": range(len(by_class)), "intra_fid": by_class}).to_csv(temporary, index=False)
    protocol = {
        "extractor": "classifier",
        "extractor_sha256": sha256(classifier),
        "generated": len(samples),
        "generated_per_snapshot": snapshots.shape[1],
        "reference": f"all {len(real)} training images",
        "reference_sha256": train.sha256,
        "inception_score_splits": scale.evaluation.splits,
        "intra_fid": f"mean over {len(by_class)} classes, {len(samples) // len(by_class)} generated each",
        "weights": "raw",
        "dtype": "float32 features, float64 distances",
        "resize": "none",
        "batch": batch,
    }
    write_json(
        metrics_file,
        {
            "row": row_name,
            "scale": scale_name,
            "seed": seed,
            "metrics": metrics,
            "curve": curve,
            "protocol": protocol,
            "provenance": {
                "commit": provenance.commit(),
                "settings": params.digest(params.training_settings(row, scale)),
                "checkpoint_sha256": sha256(Path(checkpoint_folder) / snapshot_name(scale.snapshots)),
                "device": describe(device),
                "torch": torch.__version__,
            },
        },
    )
