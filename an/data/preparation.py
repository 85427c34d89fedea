"""From a source to memory-mapped uint8 arrays and a manifest that vouches for them."""

from pathlib import Path

import numpy as np

from ..files import sha256, written_array, written_whole
from ..progress import progress
from ..seals import write_sealed
from .fashion_mnist import fashion_mnist
from .own_images import own_images
from .sources import Source, digits, imagenet

SOURCES = {"digits": digits, "fashion_mnist": fashion_mnist, "folder": own_images, "imagenet": imagenet}


def prepare(dataset: str, resolution: int, folder: str | Path, path: str | None = None) -> dict:
    """Write ``{train,heldout}_{images,labels}.npy`` and ``manifest.json`` into a folder; return the manifest."""
    return write_arrays(SOURCES[dataset](resolution, path), dataset, resolution, Path(folder))


def write_arrays(source: Source, dataset: str, resolution: int, folder: Path) -> dict:
    splits = {}
    for name, split in source.splits.items():
        count = len(split.labels)
        images_file, labels_file = folder / f"{name}_images.npy", folder / f"{name}_labels.npy"
        with written_array(images_file, np.uint8, (count, resolution, resolution, 3)) as array:
            for index, image in enumerate(progress(split.images(), f"preparing {dataset} {name}", total=count)):
                array[index] = image
        with written_whole(labels_file) as temporary, open(temporary, "wb") as file:
            np.save(file, split.labels)
        splits[name] = {
            "count": count,
            "per_class": np.bincount(split.labels, minlength=len(source.classes)).tolist(),
            "sha256": {file.name: sha256(file) for file in (images_file, labels_file)},
        }
    manifest = {
        "dataset": dataset,
        "source": source.name,
        "licence": source.licence,
        "resolution": resolution,
        "classes": source.classes,
        "splits": splits,
    }
    write_sealed(folder / "manifest.json", manifest)
    return manifest
