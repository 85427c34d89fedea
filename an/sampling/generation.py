"""Generation of evaluation images, each from a random seed of its own."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from .. import params
from ..data.loading import open_split, to_bytes
from ..errors import UserError
from ..files import written_array
from ..layout import AVERAGED, snapshot_name
from ..models import Generator, build_generator
from ..progress import progress
from ..seals import write_sealed
from ..weights import load_tensors, load_weights

CLASSES_OF = "blocks.0.norm1.scale.weight"  # a generator's table with a row for each class


def latent(seed: int, index: int, size: int) -> torch.Tensor:
    """z of image ``index``: the same whatever the batch size, device or number of images."""
    # numpy hashes the pair; torch's CPU generator keeps only 32 bits of a seed.
    return torch.from_numpy(np.random.default_rng([seed, index]).standard_normal(size, dtype=np.float32))


@torch.inference_mode()
def sample(
    generator: Generator,
    labels: np.ndarray,
    seed: int,
    *,
    batch: int,
    out: np.ndarray,
    device: torch.device,
    what: str = "generating",
) -> None:
    """Fill ``out``, uint8 ``[N, R, R, 3]``, with image i made from label i and random seed (seed, i).

    Every forward pass has the same batch size (the last one is padded), so that an image depends on nothing but
    its label and seed.
    """
    generator.eval()
    for start in progress(range(0, len(labels), batch), what):
        index = np.arange(start, start + batch) % len(labels)
        images = _pass(generator, labels[index], index, seed, device=device)
        out[start : start + batch] = images[: len(out) - start]


@torch.inference_mode()
def sample_class(
    generator: Generator, label: int, seed: int, *, count: int, batch: int, device: torch.device
) -> Iterator[np.ndarray]:
    """A class's first ``count`` images, uint8 ``[B, R, R, 3]`` with B at most ``batch``: those that ``generate`` makes
    of it where it makes as many of each, whatever other classes are asked for.
    """
    generator.eval()
    for start in range(0, count, batch):
        index = np.arange(start, start + batch) % count
        numbers = index * generator.num_classes + label
        yield _pass(generator, np.full(batch, label), numbers, seed, device=device)[: count - start]


def _pass(
    generator: Generator, labels: np.ndarray, numbers: np.ndarray, seed: int, *, device: torch.device
) -> np.ndarray:
    """Images ``[B, R, R, 3]`` of labels ``[B]``, each from random seed (seed, its number)."""
    z = torch.stack([latent(seed, number, generator.latent) for number in numbers.tolist()]).to(device)
    return to_bytes(generator(z, torch.from_numpy(labels).to(device)))


def load_generator(row_name: str, scale_name: str, checkpoint: str | Path, device: torch.device) -> Generator:
    """A row's generator in evaluation mode, for as many classes as its checkpoint has."""
    row, scale = params.load_row(row_name, "generation"), params.load_scale(scale_name)
    table, of = load_tensors(checkpoint).get(CLASSES_OF), f"row '{row_name}' at scale '{scale_name}'"
    if not isinstance(table, torch.Tensor) or table.ndim != 2:
        raise UserError(f"checkpoint {checkpoint} is not of a generator: name one of {of}.")
    generator = build_generator(row, scale, len(table)).to(device).eval()
    load_weights(generator, checkpoint, device, of)
    return generator


def first_images(
    row_name: str, scale_name: str, checkpoint: str | Path, device: torch.device, *, of_each: int
) -> tuple[np.ndarray, int]:
    """So many images of each class by a generator's file, uint8 ``[N, R, R, 3]``, and the number of its classes."""
    scale = params.load_scale(scale_name)
    generator = load_generator(row_name, scale_name, checkpoint, device)
    labels = np.arange(of_each * generator.num_classes) % generator.num_classes
    images = np.empty((len(labels), scale.resolution, scale.resolution, 3), np.uint8)
    sample(generator, labels, 0, batch=scale.evaluation.batch, out=images, device=device)
    return images, generator.num_classes


def generate(
    row_name: str,
    scale_name: str,
    seed: int,
    *,
    data: str | Path,  # that the row was trained on, for the number of its classes
    checkpoints: str | Path,  # folder of the row's
    images: str | Path,  # receives uint8 [samples, R, R, 3], image i of label i mod classes; its .json vouches
    snapshot_images: str | Path,  # receives uint8 [snapshots + 1, snapshot_samples, R, R, 3], from step 0 to the last
    averaged_images: str | Path,  # receives what images does, by averaged weights, where the scale has them
    device: torch.device,
) -> None:
    """Make the images that a trained row is evaluated on, and those of its snapshots along training."""
    row, scale = params.load_row(row_name, "generation"), params.load_scale(scale_name)
    num_classes = open_split(data, "train", scale).num_classes
    generator = build_generator(row, scale, num_classes).to(device)
    counts, size = scale.evaluation, (scale.resolution, scale.resolution, 3)

    def fill(weights: str, out: np.ndarray) -> None:
        of = f"row '{row_name}' at scale '{scale_name}' with {num_classes} classes"
        load_weights(generator, Path(checkpoints) / weights, device, of)
        labels = np.arange(len(out)) % num_classes
        what = f"{row_name} seed {seed}, {weights}"
        sample(generator, labels, seed, batch=counts.batch, out=out, device=device, what=what)

    def write(file: str | Path, weights: list[str], shape: tuple[int, ...]) -> None:
        with written_array(file, np.uint8, (*shape, *size)) as array:
            for each, out in zip(weights, array.reshape(len(weights), -1, *size), strict=True):
                fill(each, out)

    snapshots = [snapshot_name(number) for number in range(scale.snapshots + 1)]
    write(snapshot_images, snapshots, (len(snapshots), counts.snapshot_samples))
    write(images, snapshots[-1:], (counts.samples,))
    if scale.ema:
        write(averaged_images, [AVERAGED], (counts.samples,))
    about = {"row": row_name, "scale": scale_name, "seed": seed}
    made = [images, snapshot_images, *([averaged_images] if scale.ema else [])]
    write_sealed(f"{images}.json", about, files=made)
