"""From a source to memory-mapped uint8 arrays and a manifest that vouches for them.

.unfinished/    beside them while they are made, with how far that came: the same command goes on from there
"""

import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from errno import ENOSPC
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from ..code import code_digest
from ..errors import UserError
from ..files import no_room, sha256, written_whole
from ..seals import digest, write_sealed
from .fashion_mnist import fashion_mnist
from .image_array import write_images
from .imagenet import imagenet
from .own_images import own_images
from .sources import Source, digits

SOURCES = {"digits": digits, "fashion_mnist": fashion_mnist, "folder": own_images, "imagenet": imagenet}
UNFINISHED = ".unfinished"
SECONDS_FOR_A_KILLED_ONE = 10  # until its processes are gone


def prepare(dataset: str, resolution: int, folder: str | Path, path: str | None = None) -> dict:
    """Write ``{train,heldout}_{images,labels}.npy`` and ``manifest.json`` into a folder; return the manifest.

    Killed at any moment, the same call goes on to the same bytes.
    """
    return write_arrays(SOURCES[dataset](resolution, path), dataset, resolution, Path(folder))


def write_arrays(source: Source, dataset: str, resolution: int, folder: Path) -> dict:
    shapes = {name: (len(split.labels), resolution, resolution, 3) for name, split in source.splits.items()}
    with _unfinished(folder) as parts:
        _check_room(folder, parts, sum(map(math.prod, shapes.values())))
        sums = {}
        for name, split in source.splits.items():
            key = digest({"shape": shapes[name], "code": code_digest("data.preparation:prepare")})
            part, called = parts / f"{name}_images.npy", folder / f"{name}_images.npy"
            what = f"preparing {dataset} {name}"
            sums[name] = write_images(part, split, shapes[name], key=key, called=called, what=what)
        manifest = {
            "dataset": dataset,
            "source": source.name,
            "licence": source.licence,
            "resolution": resolution,
            **({"resize": source.resize} if source.resize else {}),
            "classes": source.classes,
            "splits": _put_in_place(source, sums, folder),
        }
        write_sealed(folder / "manifest.json", manifest)
        shutil.rmtree(parts)
    return manifest


def _put_in_place(source: Source, sums: dict[str, str], folder: Path) -> dict:
    """Move finished arrays to their names, write the labels beside them, and describe both for the manifest."""
    splits = {}
    for name, split in source.splits.items():
        images, labels = folder / f"{name}_images.npy", folder / f"{name}_labels.npy"
        os.replace(folder / UNFINISHED / images.name, images)
        with written_whole(labels) as temporary, open(temporary, "wb") as file:
            np.save(file, split.labels)
        splits[name] = {
            "count": len(split.labels),
            "per_class": np.bincount(split.labels, minlength=len(source.classes)).tolist(),
            "sha256": {images.name: sums[name], labels.name: sha256(labels)},
        }
    return splits


@contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    """The folder of unfinished arrays, for one process alone; it stays where there is something to go on from."""
    parts = folder / UNFINISHED
    parts.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(parts / "lock", timeout=SECONDS_FOR_A_KILLED_ONE):
            try:
                yield parts
            finally:
                if not any(parts.glob("*.json")):
                    shutil.rmtree(parts, ignore_errors=True)
    except Timeout:
        raise UserError(
            f"another process prepares {folder}: wait for its end and run the same command again."
        ) from None


def _check_room(folder: Path, parts: Path, needed: int) -> None:
    """Raise UserError where the arrays will not fit, before hours are spent on the first of them."""
    there = sum(file.stat().st_blocks * 512 for file in parts.glob("*.npy"))
    if shutil.disk_usage(folder).free < needed - there:
        raise no_room(folder, needed - there, os.strerror(ENOSPC))
