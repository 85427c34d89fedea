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
    row_name: str,
    seed: int,
    *,
    data: str | Path,
    samples: str | Path,  # folder of the completed images, <number>.png
    checkpoints: str | Path,  # folder of the row's, for the generator's checksum
    training: str | Path,  # JSON: what the training run says of itself
    metrics: str | Path,  # receives JSON
) -> None:
    """Compare a row's completed test images with the truth.

    Raises UserError when one is missing or has changed known pixels.
    """
    measured, checkpoint = measure(data, samples), Path(checkpoints) / "generator.pt"
    trained = read_sealed(training, [checkpoint])
    measured["metrics"] |= trained["attention"]
    _write(metrics, {"row": row_name, "seed": seed, **measured}, trained, checkpoint)


def evaluate_control(name: str, *, data: str | Path, samples: str | Path, metrics: str | Path) -> None:
    """The same of completions that need no training."""
    _write(metrics, {"row": name, "seed": None, **measure(data, samples)}, None, None)


def measure(data: str | Path, samples: str | Path) -> dict:
    """Mean metrics of completed test images, the PSNR of each, and the protocol. Raises as ``evaluate_completions``."""
    test = open_heldout_crops(data)
    mask = test.mask[0, 0]
    files = [Path(samples) / f"{number:03d}.png" for number in range(len(test.images))]
    read_sealed(Path(samples) / IMAGES, files)
    completed = [np.asarray(Image.open(file)) for file in files]
    for file, image, truth in zip(files, completed, test.images, strict=True):
        if image.shape != truth.shape or not np.array_equal(image[mask == 0], truth[mask == 0]):
            raise UserError(f"{file} differs from the test image outside the hole: complete the test images again.")
    each = [restoration_metrics(image, truth, mask) for image, truth in zip(completed, test.images, strict=True)]
    return {
        "metrics": mean_restoration_metrics(each),
        "psnr_hole_each": [of["psnr_hole"] for of in each],  # in the order of the test images
        "photographs": test.photographs,  # that they are crops of
        "protocol": {
            "images": len(files),
            "test_sha256": test.sha256,
            "hole": f"central, {int(mask.sum())} of {mask.size} pixels",
            "composited": "uint8, known pixels of the input",
            "averaged": "metrics of each image, then their mean",
        },
    }


def _write(metrics: str | Path, measured: dict, trained: dict | None, checkpoint: Path | None) -> None:
    made = {"commit": provenance.commit(), "device": processor()}
    write_measured(metrics, measured, training=trained, checkpoint=checkpoint, made=made)
