"""Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017): 28x28 grey pictures of ten kinds of clothes."""

import gzip
import math
import zlib
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import UserError
from .sources import Source, Split

DOWNLOADED = Path("data/raw")
SIDE, MARGIN = 28, 2  # of the pictures in pixels; with the margin they are 32, as those of CIFAR-10
FILES = {"train": ("train", 60_000), "heldout": ("t10k", 10_000)}
DEBIAN = "/usr/share/datasets/fashion-mnist"


def fashion_mnist(resolution: int, path: str | None = None) -> Source:
    """Fashion-MNIST with a black margin, resized where ``resolution`` is not 32.

    ``path`` has the four files of its publication, packed by gzip or not, as in Debian's package dataset-fashion-mnist;
    without it torchvision downloads them once. Raises UserError for a file that is missing or not what it should be.
    """
    from torchvision.datasets import FashionMNIST

    folder = Path(path) if path else downloaded()
    splits = {}
    for split, (name, count) in FILES.items():
        images = read_idx(folder / f"{name}-images-idx3-ubyte", (count, SIDE, SIDE))
        labels = read_idx(folder / f"{name}-labels-idx1-ubyte", (count,)).astype(np.int64)
        if (np.bincount(labels, minlength=10) != count // 10).any():
            raise UserError(f"{folder} has other labels than Fashion-MNIST, a tenth of each: replace its files.")
        splits[split] = Split(labels, images, partial(_resized, resolution=resolution))
    return Source("Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017)", "MIT", list(FashionMNIST.classes), splits)


def downloaded() -> Path:
    """The folder of torchvision's download, which its checksums vouch for."""
    from torchvision.datasets import FashionMNIST

    try:
        return Path(FashionMNIST(DOWNLOADED, download=True).raw_folder)
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"Fashion-MNIST could not be downloaded ({' '.join(str(error).split())}): install Debian's package "
            f"dataset-fashion-mnist, or fetch its files elsewhere, and name their folder as dataset_path ({DEBIAN})."
        ) from None


def read_idx(file: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The bytes of a file in MNIST's format, packed by gzip (``file``.gz) or not; UserError where they are not so."""
    packed = file.with_name(f"{file.name}.gz")
    found = packed if packed.exists() else file
    header = np.array([8 << 8 | len(shape), *shape], ">i4").tobytes()
    try:
        with gzip.open(found) if found == packed else open(found, "rb") as opened:
            content = opened.read(len(header) + math.prod(shape) + 1)
    except FileNotFoundError:
        raise UserError(f"{packed} is missing: name a folder that has Fashion-MNIST's four files.") from None
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{found} cannot be read ({error}): replace it.") from None
    if content[: len(header)] != header or len(content) != len(header) + math.prod(shape):
        raise UserError(f"{found} is not what Fashion-MNIST has under this name, bytes of shape {shape}: replace it.")
    return np.frombuffer(content, np.uint8, offset=len(header)).reshape(shape)


def _resized(image: np.ndarray, resolution: int) -> np.ndarray:
    grey = Image.fromarray(np.pad(image, MARGIN))
    return np.asarray(grey.resize((resolution, resolution), Image.Resampling.BICUBIC).convert("RGB"))
