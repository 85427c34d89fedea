"""What a feature network is to the metrics, and the pass of images through it."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import UserError
from ..files import written_array
from ..progress import progress


@dataclass(frozen=True)
class Extractor:
    """A feature network with all that its numbers depend on."""

    name: str
    forward: Callable[[np.ndarray], tuple[Tensor, Tensor | None]]
    """uint8 ``[N, H, W, 3]`` to features ``[N, D]`` and logits ``[N, K]``; None of a network without classes."""
    sha256: str  # of the weights
    resize: str
    size: int | None = None  # pixels a side of the images it takes; None: any

    def protocol(self, batch: int, device: torch.device) -> dict:
        """What is recorded beside every number, and names the features where they are kept."""
        tf32 = device.type == "cuda" and torch.backends.cudnn.allow_tf32
        return {
            "extractor": self.name,
            "extractor_sha256": self.sha256,
            "resize": self.resize,
            "dtype": f"float32{' (TF32 convolutions)' if tf32 else ''} features, float64 distances",
            "batch": batch,
        }


@torch.inference_mode()
def batches(extractor: Extractor, images, batch: int, what: str) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Features ``[B, D]`` and logits ``[B, K]`` or None, float32, of consecutive uint8 images ``[N, H, W, 3]``.

    ``images`` is an array, or anything with a length whose slices are arrays; the next batch is read while the network
    works on this one. Raises UserError when a feature is not finite.
    """
    slices = [slice(start, start + batch) for start in range(0, len(images), batch)]
    with ThreadPoolExecutor(1) as reader:
        ahead = reader.submit(_read, images, slices[0])
        for following in progress([*slices[1:], None], what):
            current = ahead.result()
            if following is not None:
                ahead = reader.submit(_read, images, following)
            out, classes = extractor.forward(current)
            features, logits = out.cpu().numpy(), None if classes is None else classes.cpu().numpy()
            if not (np.isfinite(features).all() and (logits is None or np.isfinite(logits).all())):
                raise UserError(f"{what}: the extractor's features are not finite: check its weights and the images.")
            yield features, logits


def _read(images, part: slice) -> np.ndarray:
    return np.array(images[part])


def extract(
    extractor: Extractor, images, batch: int, what: str, *, file: str | Path | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Features ``[N, D]`` and logits ``[N, K]`` or None, float32; with ``file`` the features go to that .npy,
    written whole, and come back memory-mapped. Raises UserError when a feature is not finite.
    """
    if file is None:
        features, logits = zip(*batches(extractor, images, batch, what), strict=True)
        return np.concatenate(list(features)), _joined(logits)
    made, kept, start = batches(extractor, images, batch, what), [], 0
    first = next(made)
    with written_array(file, np.float32, (len(images), first[0].shape[1])) as array:
        for features, logits in chain([first], made):
            array[start : start + len(features)] = features
            start += len(features)
            kept.append(logits)
    return np.load(file, mmap_mode="r"), _joined(kept)


def _joined(logits: Sequence[np.ndarray | None]) -> np.ndarray | None:
    there = [part for part in logits if part is not None]
    return np.concatenate(there) if there else None
