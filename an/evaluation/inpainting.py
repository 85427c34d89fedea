"""Metrics of completed test images (table 3)."""

from pathlib import Path

import numpy as np
from PIL import Image

from .. import provenance
from ..data.crops import open_heldout_crops
from ..errors import UserError
from ..layout import IMAGES
from ..metrics.restoration import mean_restoration_metrics, restoration_metrics
from ..processor import processor
from ..seals import read_sealed
from .measured import write_measured


def evaluate_completions(
    name: str,  # of the row or control
    seed: int | None,  # None for a control
    data: str | Path,
    folder: str | Path,  # of the completed images, <number>.png
    checkpoint: str | Path | None,  # of the row, for its checksum; None for a control
    training_file: str | Path | None,  # JSON: what the row's training run says of itself; None for a control
    metrics_file: str | Path,
) -> None:
    """Compare completed test images with the truth.

    Raises UserError when one is missing or has changed known pixels.
    """
    test, folder = open_heldout_crops(data), Path(folder)
    mask = test.mask[0, 0]
    files = [folder / f"{number:03d}.png" for number in range(len(test.images))]
    read_sealed(folder / IMAGES, files)
    completed = [np.asarray(Image.open(file)) for file in files]
    for file, image, truth in zip(files, completed, test.images, strict=True):
        if image.shape != truth.shape or not np.array_equal(image[mask == 0], truth[mask == 0]):
            raise UserError(f"{file} differs from the test image outside the hole: complete the test images again.")
    protocol = {
        "images": len(files),
        "test_sha256": test.sha256,
        "hole": f"central, {int(mask.sum())} of {mask.size} pixels",
        "composited": "uint8, known pixels of the input",
        "averaged": "metrics of each image, then their mean",
    }
    checkpoint = Path(checkpoint) if checkpoint else None
    training = read_sealed(training_file, [checkpoint]) if training_file else None
    each = [restoration_metrics(image, truth, mask) for image, truth in zip(completed, test.images, strict=True)]
    metrics = mean_restoration_metrics(each) | (training or {}).get("attention", {})
    measured = {"row": name, "seed": seed, "metrics": metrics, "protocol": protocol}
    measured["psnr_hole_each"] = [of["psnr_hole"] for of in each]  # in the order of the test images
    write_measured(metrics_file, measured, training, checkpoint, {"commit": provenance.commit(), "device": processor()})
