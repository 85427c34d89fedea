"""Images to evaluate: a folder of image files, or an array file; checked, read batch by batch."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np

from ..data.images import ENDINGS, opened
from ..errors import UserError
from ..files import sha256


class ImageFolder:
    """The image files under a folder, sorted by path; its slices are uint8 ``[N, H, W, 3]``, decoded on all cores.

    Where every file lies in a subfolder, the first level of folders are the classes, and ``labels`` their places.
    """

    def __init__(self, root: Path):
        self.root = root
        self.files = sorted(p for p in root.rglob("*") if p.suffix.lower() in ENDINGS and p.is_file())
        if not self.files:
            raise UserError(f"{root} holds no images ({', '.join(sorted(ENDINGS))}): name the folder that does.")
        self.size = _decoded(self.files[0]).shape
        self._pool = ThreadPoolExecutor(os.cpu_count())

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, part: slice) -> np.ndarray:
        return np.stack(list(self._pool.map(self._checked, self.files[part])))

    def _checked(self, file: Path) -> np.ndarray:
        image = _decoded(file)
        if image.shape != self.size:
            raise UserError(
                f"{file} has {image.shape[1]}x{image.shape[0]} pixels, {self.files[0].name} {self.size[1]}x"
                f"{self.size[0]}: bring all images of {self.root} to one size, in the way your protocol says."
            )
        return image

    @cached_property
    def classes(self) -> list[str] | None:
        parts = [p.relative_to(self.root).parts for p in self.files]
        return sorted({p[0] for p in parts}) if all(len(p) > 1 for p in parts) else None

    @property
    def labels(self) -> np.ndarray | None:
        if self.classes is None:
            return None
        place = {name: number for number, name in enumerate(self.classes)}
        return np.array([place[p.relative_to(self.root).parts[0]] for p in self.files])

    @cached_property
    def sha256(self) -> str:
        """Of all names and contents."""
        digest = hashlib.sha256()
        for file, content in zip(self.files, self._pool.map(sha256, self.files), strict=True):
            digest.update(f"{file.relative_to(self.root).as_posix()}\0{content}\0".encode())
        return digest.hexdigest()


class ImageArray:
    """A memory-mapped .npy file of uint8 images ``[N, H, W, 3]``."""

    labels = classes = None

    def __init__(self, file: Path):
        try:
            self._array = np.load(file, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise UserError(f"{file} is not a readable .npy file ({error}): save it with numpy.save.") from None
        if self._array.dtype != np.uint8 or self._array.ndim != 4 or self._array.shape[-1] != 3:
            raise UserError(f"{file} holds {self._array.dtype} of shape {self._array.shape}: save uint8 [N, H, W, 3].")
        self.size = self._array.shape[1:]
        self._file = file

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, part: slice) -> np.ndarray:
        return self._array[part]

    @cached_property
    def sha256(self) -> str:
        return sha256(self._file)


def open_images(path: str | Path, least: int = 2) -> ImageFolder | ImageArray:
    """A folder or an .npy file. Raises UserError when it is missing, is neither, or has fewer than ``least`` images."""
    path = Path(path)
    if path.is_dir():
        images = ImageFolder(path)
    elif path.suffix == ".npy" and path.exists():
        images = ImageArray(path)
    else:
        what = "is neither a folder nor an .npy file" if path.exists() else "is missing"
        raise UserError(f"{path} {what}: name a folder of images or an .npy file of uint8 images [N, H, W, 3].")
    if len(images) < least:
        raise UserError(f"{path} has {len(images)} image(s), the metrics need at least {least}: add images.")
    return images


def read_labels(file: str | Path, count: int) -> np.ndarray:
    """Integer labels ``[count]`` from an .npy file or from text with one number a line.

    Raises UserError when they cannot be read, are no whole numbers from 0, or are not as many as the images.
    """
    try:
        labels = np.load(file) if Path(file).suffix == ".npy" else np.loadtxt(file, dtype=np.int64, ndmin=1)
    except (OSError, ValueError) as error:
        raise UserError(f"{file} holds no labels ({error}): write one whole number a line, or an .npy file.") from None
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer) or (labels < 0).any():
        raise UserError(f"{file} holds {labels.dtype} of shape {labels.shape}: labels are whole numbers [N] from 0.")
    if len(labels) != count:
        raise UserError(f"{file} has {len(labels)} labels for {count} images: give each image one, in their order.")
    return labels.astype(np.int64)


def _decoded(file: Path) -> np.ndarray:
    with opened(file) as image:
        return np.asarray(image.convert("RGB"))
