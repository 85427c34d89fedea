"""How fast images are prepared: in a second, against a bare loop of as many processes that decodes and resizes.

    python benchmarks/preparation.py

JPEGs of ImageNet's usual size, 500x375, cut from the photographs that ship with scikit-image and scikit-learn; once as
files in a folder, once in a tar of tars, as ImageNet's classes are. The three ways take turns. What preparation does
beside the bare loop: it lists the images, writes and syncs the arrays, keeps a record of how far it came, and takes
their checksum, the longest part, by SHA-256 (which processors with instructions for it take several times as fast).
"""

import argparse
import resource
import shutil
import statistics
import tarfile
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from common import machine, report
from PIL import Image

from an import params
from an.data.image_array import CHUNK, cores
from an.data.imagenet import class_archives
from an.data.photographs import photographs
from an.data.preparation import write_arrays
from an.data.sources import Source, centre_crop, labelled_images

SIZE, QUALITY, TARGET = (500, 375), 90, 0.9
IMAGES_OF_A_CLASS = 250


def write_jpegs(folder: Path, count: int) -> None:
    """Random cuts of photographs, of 500 to 1000 pixels' width where there are so many, resized."""
    rng, sources = np.random.default_rng(0), []
    for photograph in photographs().train:
        with Image.open(photograph.file) as image:
            sources.append(image.convert("RGB"))
    folder.mkdir(parents=True)
    for number in range(count):
        image = sources[rng.integers(len(sources))]
        scale = min(image.width / SIZE[0], image.height / SIZE[1]) * rng.uniform(0.5, 1)
        width, height = (int(scale * side) for side in SIZE)
        left, top = rng.integers(image.width - width + 1), rng.integers(image.height - height + 1)
        box = (int(left), int(top), int(left) + width, int(top) + height)
        cut = image.resize(SIZE, Image.Resampling.BILINEAR, box)
        cut.save(folder / f"{number:06d}.JPEG", quality=QUALITY)


def write_archives(folder: Path, archive: Path) -> None:
    """A tar of one tar for every so many images, in the format that ImageNet's are in."""
    files = sorted(folder.iterdir())
    with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT) as tar:
        for begin in range(0, len(files), IMAGES_OF_A_CLASS):
            inner = archive.with_name(f"n{begin:08d}.tar")
            with tarfile.open(inner, "w", format=tarfile.GNU_FORMAT) as of_class:
                for file in files[begin : begin + IMAGES_OF_A_CLASS]:
                    of_class.add(file, file.name)
            tar.add(inner, inner.name)
            inner.unlink()


def decoded(file: Path, resolution: int) -> None:
    centre_crop(file, resolution)


def bare(folder: Path, resolution: int) -> None:
    with ProcessPoolExecutor(cores()) as pool:
        for _ in pool.map(partial(decoded, resolution=resolution), sorted(folder.iterdir()), chunksize=CHUNK):
            pass


def prepared(list_files: Callable[[], dict[str, list]], resolution: int, out: Path) -> None:
    files = list_files()
    split = labelled_images(files, resolution)
    write_arrays(Source("benchmark", "", list(files), {"train": split}), "benchmark", resolution, out)
    shutil.rmtree(out)


def processor_seconds() -> float:
    """Of this process and of those that it started and that ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=16000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    resolution, where = params.load_scale("paper").resolution, machine()
    with tempfile.TemporaryDirectory() as temporary:
        folder, archive, out = (Path(temporary, name) for name in ("images", "images.tar", "out"))
        write_jpegs(folder, options.images)
        write_archives(folder, archive)
        size = archive.stat().st_size / options.images
        ways = {
            "decode and resize alone": partial(bare, folder, resolution),
            "prepare from a folder": partial(prepared, lambda: {"class": sorted(folder.iterdir())}, resolution, out),
            "prepare from an archive": partial(prepared, lambda: class_archives(archive), resolution, out),
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        processor: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(options.repeats):
            for name, run in ways.items():
                begin, used = time.perf_counter(), processor_seconds()
                run()
                seconds[name].append(time.perf_counter() - begin)
                processor[name].append(processor_seconds() - used)
    alone = "decode and resize alone"
    lines = [
        {
            "what": name,
            "images per second": options.images / statistics.median(seconds[name]),
            f"share, target {TARGET}": statistics.median(
                a / b for a, b in zip(seconds[alone], seconds[name], strict=True)
            ),
            "share by processor time": statistics.median(processor[alone]) / statistics.median(processor[name]),
        }
        for name in ways
    ]
    about = {"resolution": resolution, "processes": cores(), "bytes_per_image": round(size), "in_page_cache": True}
    report("preparation", lines, {**vars(options), **about}, where)


if __name__ == "__main__":
    main()
