"""Intra-FID as it is published: thousands of images of each class, made, seen and forgotten class by class."""

import shutil
from pathlib import Path

import numpy as np
import torch

from .. import params, provenance
from ..code import code_digest
from ..data.loading import open_split
from ..errors import UserError
from ..layout import snapshot_name
from ..metrics.frechet import Moments, frechet_distance
from ..metrics.intra import members
from ..models import Generator, build_generator
from ..progress import progress
from ..sampling.generation import sample_class
from ..seals import FILES, read_sealed, write_sealed
from ..weights import load_weights
from .extraction import Extractor
from .extractors import scale_extractor
from .measured import write_measured
from .reference import open_reference


def evaluate_classes(
    row_name: str,
    scale_name: str,
    seed: int,
    *,
    table2_alone: bool,  # its classes, else every class of the training images
    data: str | Path,
    classifier: str | Path,
    features: str | Path,  # of the training split
    checkpoints: str | Path,  # folder of the row's
    training: str | Path,  # JSON: what the training run says of itself
    class_scratch: str | Path,  # folder: receives each class as soon as it is measured, until all are
    intra_table2: str | Path,  # receives JSON of table 2's classes, or says what is known of them already
    intra: str | Path,  # receives JSON of every class
    device: torch.device,
) -> None:
    """Compute the distance within each class, and their mean; where training diverged, of the last good weights.

    A run that was killed goes on with the classes that it lacks, to the same result. Raises UserError where the scale
    has no ``intra_samples``, or the data lacks a class of table 2.
    """
    row, scale = params.load_row(row_name, "generation"), params.load_scale(scale_name)
    settings, count = scale.evaluation, scale.evaluation.intra_samples
    if count is None:
        raise UserError(f"scale '{scale_name}' has no evaluation.intra_samples: say how many images of each class.")
    train = open_split(data, "train", scale)
    extractor = scale_extractor(scale, train.num_classes, classifier, device)
    extraction = extractor.protocol(settings.batch, device)
    real_features, real_members = open_reference(features, train.sha256, extraction), members(train.labels)
    chosen = settings.table2_classes if table2_alone else list(real_members)
    if unknown := [number for number in chosen if number not in real_members]:
        raise UserError(f"scale '{scale_name}' has class {unknown[0]} in table2_classes, which its data lacks.")

    checkpoint = Path(checkpoints) / snapshot_name(scale.snapshots)
    trained = read_sealed(training, [checkpoint])
    generator = build_generator(row, scale, train.num_classes).to(device)
    load_weights(generator, checkpoint, device, f"row '{row_name}' at scale '{scale_name}'")
    protocol = {
        **extraction,
        "generated": f"{count} of each class",
        "reference": "all training images of the class",
        "reference_sha256": train.sha256,
        "weights": "raw",
    }
    made_from = {
        "seed": seed,
        "settings": params.digest(params.training_settings(row, scale)),
        "checkpoint_sha256": trained[FILES][checkpoint.name],
        "protocol": protocol,
        "code": code_digest("evaluation.intra:evaluate_classes"),
    }

    out = Path(intra_table2 if table2_alone else intra)
    scratch = Path(class_scratch) / out.stem
    known = {} if table2_alone else _known(Path(intra_table2), made_from)
    for number in progress(chosen, f"{row_name} seed {seed}, classes"):
        file = scratch / f"{number}.json"
        if number not in known:
            known |= _known(file, made_from)
        if number not in known:
            real = real_features[real_members[number]]
            distance = class_distance(
                generator, extractor, number, real, seed=seed, count=count, batch=settings.batch, device=device
            )
            known[number] = {"class": number, "generated": count, "real": len(real), "intra_fid": distance}
            write_sealed(file, {"made_from": made_from, "classes": [known[number]]})
    classes = [known[number] for number in sorted(chosen)]
    mean = float(np.mean([each["intra_fid"] for each in classes]))
    write_measured(
        out,
        {
            **{"row": row_name, "scale": scale_name, "seed": seed},
            **{"metrics": {"intra_fid": mean}, "classes": classes, "protocol": protocol, "made_from": made_from},
        },
        training=trained,
        checkpoint=checkpoint,
        made=provenance.made(device),
        settings=made_from["settings"],
    )
    shutil.rmtree(scratch, ignore_errors=True)  # which is not there where all was known


@torch.inference_mode()
def class_distance(
    generator: Generator,
    extractor: Extractor,
    label: int,
    real: np.ndarray,
    *,
    seed: int,
    count: int,
    batch: int,
    device: torch.device,
) -> float:
    """Frechet distance of a class's generated images from its real features ``[N, D]``; at no time are there more
    images than a batch.
    """
    seen = Moments(real.shape[1], device)
    for images in sample_class(generator, label, seed, count=count, batch=batch, device=device):
        seen.add(extractor.forward(images)[0])
    return frechet_distance(seen, real, device)


def _known(file: Path, made_from: dict) -> dict[int, dict]:
    """The classes that a file has, by number; none where it is not there, or of other weights, protocol or code."""
    if not file.exists():
        return {}
    found = read_sealed(file)
    return {each["class"]: each for each in found["classes"]} if found["made_from"] == made_from else {}
