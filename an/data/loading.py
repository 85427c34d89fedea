"""How training and evaluation read prepared arrays: memory-mapped, checked, batched, normalized on the device."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from ..errors import UserError
from ..files import sha256
from ..seals import read_sealed

Batch = TypeVar("Batch")


@dataclass(frozen=True)
class Prepared:
    """One split of a prepared data set."""

    images: np.ndarray  # uint8 [N, R, R, 3], memory-mapped
    labels: np.ndarray  # int64 [N]
    num_classes: int
    sha256: str  # of the images file


def open_split(folder: str | Path, split: str, wanted=None) -> Prepared:
    """Open ``train`` or ``heldout``, which must be the data set and resolution of the scale ``wanted``, if given.

    Raises UserError when they are not, or a file is missing or is not what the manifest says.
    """
    folder = Path(folder)
    manifest = checked_manifest(folder, split, ("images", "labels"), wanted)
    return Prepared(
        images=np.load(folder / f"{split}_images.npy", mmap_mode="r"),
        labels=np.load(folder / f"{split}_labels.npy"),
        num_classes=len(manifest["classes"]),
        sha256=manifest["splits"][split]["sha256"][f"{split}_images.npy"],
    )


def checked_manifest(folder: Path, split: str, arrays: tuple[str, ...], wanted=None) -> dict:
    """The manifest of prepared data, once every file of the split has the checksum it states; else UserError.

    ``arrays`` are what the split must have; ``wanted`` is a scale or its inpainting part, whose data it must be.
    """
    if not (folder / "manifest.json").exists():
        raise UserError(f"{folder}/manifest.json is missing: run 'python -m an prepare' or snakemake first.")
    manifest = read_sealed(folder / "manifest.json")
    _check_kind(folder, manifest, split, arrays=arrays, wanted=wanted)
    for name, expected in manifest["splits"][split]["sha256"].items():
        if not (folder / name).exists():
            raise UserError(f"{folder / name} is missing: delete {folder} and prepare the data again.")
        if sha256(folder / name) != expected:
            raise UserError(f"{folder / name} differs from its manifest: delete {folder} and prepare the data again.")
    return manifest


def _check_kind(folder: Path, manifest: dict, split: str, *, arrays: tuple[str, ...], wanted) -> None:
    dataset, resolution = manifest.get("dataset"), manifest.get("resolution")
    if wanted and (dataset, resolution) != (wanted.dataset, wanted.resolution):
        raise UserError(
            f"{folder} holds {dataset} at {resolution} pixels, and this scale's are {wanted.dataset} at "
            f"{wanted.resolution}: name {wanted.data_folder}, where the workflow prepares them, or another scale."
        )
    there = manifest.get("splits", {}).get(split, {}).get("sha256", {})
    for name in arrays:
        if f"{split}_{name}.npy" not in there:
            raise UserError(f"{folder} holds {dataset}, without {split}_{name}.npy: name the folder of other data.")


class Shuffled:
    """Endless shuffled batches, each a function of its number alone, so that resuming needs no saved position.

    Epoch e is the permutation that (seed, e) seeds; a batch may span two epochs, and no image is left out.
    """

    def __init__(self, count: int, batch: int, seed: int):
        self.count, self.batch, self.seed = count, batch, seed
        self._epochs: dict[int, np.ndarray] = {}

    def indices(self, number: int) -> np.ndarray:
        """Image indices, int64 ``[batch]``, of the batch with this number (from 0)."""
        epochs, offsets = np.divmod(np.arange(number * self.batch, (number + 1) * self.batch), self.count)
        self._epochs = {e: self._epochs[e] if e in self._epochs else self._permutation(e) for e in np.unique(epochs)}
        return np.concatenate([self._epochs[e][offsets[epochs == e]] for e in np.unique(epochs)])

    def _permutation(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([self.seed, int(epoch)]).permutation(self.count)


class ReadAhead(Generic[Batch]):
    """What ``read(number)`` returns, of numbers that are asked for in turn: while one is used, a thread reads the next.

    A device so waits for no images (benchmarks/loading.py).
    """

    def __init__(self, read: Callable[[int], Batch]):
        self.read, self.thread = read, ThreadPoolExecutor(1)
        self.ahead: tuple[int, Future[Batch]] | None = None

    def __call__(self, number: int) -> Batch:
        """Raises what ``read`` raises for this number."""
        if self.ahead is None or self.ahead[0] != number:
            self.ahead = (number, self.thread.submit(self.read, number))
        batch = self.ahead[1].result()
        self.ahead = (number + 1, self.thread.submit(self.read, number + 1))
        return batch


def to_device(images: np.ndarray, device: torch.device) -> Tensor:
    """Writable uint8 ``[N, H, W, 3]`` to float32 ``[N, 3, H, W]`` in [-1, 1]; moved as bytes, scaled on the device."""
    return moved(images, device).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def moved(array: np.ndarray, device: torch.device) -> Tensor:
    """A writable array as a tensor on a device; CUDA copies it while the host goes on."""
    tensor = torch.from_numpy(array)
    # From memory that is not pinned, the host would wait for all the device still has to do before the copy.
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


def to_bytes(images: Tensor) -> np.ndarray:
    """Images ``[N, 3, H, W]`` in [-1, 1] to uint8 ``[N, H, W, 3]``, rounded to the nearest grey level."""
    levels = images.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
    return levels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
