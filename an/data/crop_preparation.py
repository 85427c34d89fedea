"""From photographs, or drawn textures, to the arrays that crops are read from, and a manifest that vouches for them.

train_pixels.npy     uint8 [P, 3]           all training photographs, one after another, row by row
train_table.npy      int64 [rows, 4]        photograph, offset into the pixels, height, width; by photograph
heldout_images.npy   uint8 [M, R, R, 3]     the test crops
heldout_mask.npy     uint8 [1, 1, R, R]     the test mask, 1 where a pixel is missing
"""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import UserError
from ..files import sha256, written_array, written_whole
from ..progress import progress
from ..seals import write_sealed
from .images import opened
from .masks import central_mask
from .paris_streetview import paris_streetview
from .photographs import Photograph, Photographs, photographs
from .textures import TRAIN, texture_arrays

SOURCES = {"photographs": photographs, "paris_streetview": paris_streetview}


def prepare_crops(
    dataset: str, resolution: int, folder: str | Path, *, test_crops: int, path: str | None = None
) -> dict:
    """Write a data set's arrays and ``manifest.json`` into a folder; return the manifest.

    ``test_crops`` are dealt out evenly to the held-out photographs (Paris StreetView: 100, one each); of
    ``textures`` as many are the test's. ``path`` is where ``paris_streetview`` lies. Raises UserError for photographs
    that are missing, unreadable or have no room for them.
    """
    if dataset == "textures":
        return write_textures(resolution, test_crops, Path(folder))
    return write_crops(SOURCES[dataset](path), dataset, resolution, Path(folder), test_crops=test_crops)


def write_textures(resolution: int, test_crops: int, folder: Path) -> dict:
    sums: dict[str, dict[str, str]] = {"train": {}, "heldout": {}}
    for name, array in texture_arrays(resolution, test_crops).items():
        _save(folder / name, array)
        sums[name.partition("_")[0]][name] = sha256(folder / name)
    crops = [{"photograph": f"texture {number}"} for number in range(test_crops)]
    manifest = {
        "dataset": "textures",
        "source": "periodic textures, drawn from numbers by an/data/textures.py",
        "licence": "CC0",
        "resolution": resolution,
        "splits": {
            "train": {"count": TRAIN, "sha256": sums["train"]},
            "heldout": {"count": test_crops, "crops": crops, "sha256": sums["heldout"]},
        },
    }
    write_sealed(folder / "manifest.json", manifest)
    return manifest


def write_crops(source: Photographs, dataset: str, resolution: int, folder: Path, *, test_crops: int) -> dict:
    train = _write_train(source, dataset, resolution, folder)
    heldout = _write_heldout(source, dataset, resolution, folder, test_crops=test_crops)
    manifest = {
        "dataset": dataset,
        "source": source.name,
        "licence": source.licence,
        "resolution": resolution,
        "resize": "bicubic, antialiased (Pillow)",
        "splits": {"train": train, "heldout": heldout},
    }
    write_sealed(folder / "manifest.json", manifest)
    return manifest


def kept_size(width: int, height: int, side: float, resolution: int) -> tuple[int, int]:
    """Width and height at which a photograph is kept: its shorter side becomes ``side * resolution`` pixels.

    Photographs are not enlarged for that, only where they would otherwise be smaller than a crop.
    """
    shorter = min(width, height)
    scale = max(resolution, min(shorter, round(side * resolution))) / shorter
    return round(width * scale), round(height * scale)


def crop_corners(height: int, width: int, count: int, resolution: int) -> list[tuple[int, int]]:
    """Top and left of ``count`` crops, on an even grid that reaches every edge; a single crop is central."""
    rows = max(1, math.isqrt(count))
    columns = math.ceil(count / rows)
    tops, lefts = _even(height - resolution, rows), _even(width - resolution, columns)
    return [(top, left) for top in tops for left in lefts][:count]


def _even(room: int, count: int) -> list[int]:
    return [room // 2] if count == 1 else np.linspace(0, room, count).round().astype(int).tolist()


def _write_train(source: Photographs, dataset: str, resolution: int, folder: Path) -> dict:
    kept = []  # (photograph, width, height)
    for index, photograph in enumerate(source.train):
        with opened(photograph.file) as image:
            size = image.size
        kept += [(index, *s) for s in dict.fromkeys(kept_size(*size, side, resolution) for side in source.train_sides)]
    offsets = np.cumsum([0] + [width * height for _, width, height in kept])
    table = np.array(
        [(index, offset, height, width) for (index, width, height), offset in zip(kept, offsets, strict=False)],
        dtype=np.int64,
    )
    pixels_file, table_file = folder / "train_pixels.npy", folder / "train_table.npy"
    with written_array(pixels_file, np.uint8, (int(offsets[-1]), 3)) as pixels, ThreadPoolExecutor() as pool:

        def write(row: tuple[int, int, int], begin: int, end: int) -> None:
            index, width, height = row
            pixels[begin:end] = _decoded(source.train[index].file, (width, height)).reshape(-1, 3)

        written = pool.map(write, kept, *zip(*pairwise(offsets.tolist()), strict=True))
        for _ in progress(written, f"preparing {dataset} train", total=len(kept)):
            pass
    _save(table_file, table)
    return {
        "count": len(source.train),
        "photographs": [_described(photograph) for photograph in source.train],
        "sha256": {file.name: sha256(file) for file in (pixels_file, table_file)},
    }


def _write_heldout(source: Photographs, dataset: str, resolution: int, folder: Path, *, test_crops: int) -> dict:
    images_file, mask_file = folder / "heldout_images.npy", folder / "heldout_mask.npy"
    places = []
    with written_array(images_file, np.uint8, (test_crops, resolution, resolution, 3)) as array:
        crops = progress(_test_crops(source, resolution, test_crops), f"preparing {dataset} heldout", total=test_crops)
        for index, (crop, place) in enumerate(crops):
            array[index] = crop
            places.append(place)
    _save(mask_file, central_mask(resolution))
    return {
        "count": test_crops,
        "photographs": [_described(photograph) for photograph in source.heldout],
        "crops": places,
        "sha256": {file.name: sha256(file) for file in (images_file, mask_file)},
    }


def _test_crops(source: Photographs, resolution: int, total: int) -> Iterator[tuple[np.ndarray, dict]]:
    each, more = divmod(total, len(source.heldout))
    for index, photograph in enumerate(source.heldout):
        count = each + (index < more)
        with opened(photograph.file) as image:
            size = kept_size(*image.size, source.heldout_side, resolution)
        corners = crop_corners(size[1], size[0], count, resolution)
        if len(set(corners)) < count:
            raise UserError(
                f"{photograph.file.name} has no room for {count} different test crops of {resolution} pixels: "
                f"ask for fewer than {total}."
            )
        pixels = _decoded(photograph.file, size)
        for top, left in corners:
            crop = pixels[top : top + resolution, left : left + resolution]
            yield crop, {"photograph": photograph.file.name, "of": list(size), "top": top, "left": left}


def _decoded(file: Path, size: tuple[int, int]) -> np.ndarray:
    """A photograph in RGB at (width, height); uint8 ``[height, width, 3]``."""
    with opened(file) as image:
        return np.asarray(image.convert("RGB").resize(size, Image.Resampling.BICUBIC))


def _described(photograph: Photograph) -> dict:
    return {
        "file": photograph.file.name,
        "source": photograph.source,
        "author": photograph.author,
        "licence": photograph.licence,
        "sha256": sha256(photograph.file),
    }


def _save(file: Path, array: np.ndarray) -> None:
    with written_whole(file) as temporary, open(temporary, "wb") as opened_file:
        np.save(opened_file, array)
