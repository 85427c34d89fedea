"""Does reading feed the device? Images per second from a memory-mapped array, against what an H100 could train on.

    python benchmarks/loading.py --images 20000    # 1 GB, in a temporary folder; freshly written, so in page cache

Then how long that H100 (pauses stand for its steps) waits for a batch: read in turn, and read ahead as training does.

Batches are those of training at scale `paper`: shuffled, gathered, moved to the device as bytes. What training would
consume is an estimate: the operations of a step of row `an`, counted, at an assumed share of the device's peak.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from common import machine, pick_device, report
from torch.utils.flop_counter import FlopCounterMode

from an import params
from an.data.loading import Prepared, ReadAhead, Shuffled, moved
from an.devices import keep_freed_memory
from an.training.generation import AdversarialTraining

PEAK, SHARE = 989e12, 0.5  # bf16 operations per second of an H100 SXM without sparsity; a high share asks for more
CLASSES, TARGET, BATCHES = 1000, 3, 50


def written(folder: Path, count: int, resolution: int) -> Prepared:
    """Random images and labels, the images on disk."""
    rng, file = np.random.default_rng(0), folder / "images.npy"
    array = np.lib.format.open_memmap(file, "w+", np.uint8, (count, resolution, resolution, 3))
    for image in array:
        image[:] = rng.integers(256, size=image.shape, dtype=np.uint8)
    array.flush()
    return Prepared(np.load(file, mmap_mode="r"), rng.integers(CLASSES, size=count), CLASSES, "random")


def operations_per_image(scale: params.Scale) -> float:
    """Floating point operations of a step of row `an` for each real image that it reads."""
    row, batch = params.load_row("an", "generation"), 32
    recipe = scale.recipes[row.recipe].model_copy(update={"batch": batch})
    small = scale.model_copy(update={"recipes": {row.recipe: recipe}})
    images = np.zeros((batch, scale.resolution, scale.resolution, 3), np.uint8)
    job = AdversarialTraining(
        row, small, 0, Prepared(images, np.zeros(batch, np.int64), CLASSES, ""), device=torch.device("cpu")
    )
    with FlopCounterMode(display=False) as counter:
        job.advance(0, False)
    return counter.get_total_flops() / (batch * recipe.discriminator_steps)


def images_per_second(data: Prepared, batch: int, device: torch.device) -> float:
    batches, seconds = Shuffled(len(data.labels), batch, seed=0), []
    for number in range(BATCHES):
        start = time.perf_counter()
        index = batches.indices(number)
        tensors = [moved(array[index], device) for array in (data.images, data.labels)]
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
        assert all(len(tensor) == batch for tensor in tensors)
    return batch / statistics.median(seconds)


def waiting(data: Prepared, batch: int, step: float, *, ahead: bool) -> float:
    """Median milliseconds that a device which computes for ``step`` seconds waits for a batch."""
    batches, waits = Shuffled(len(data.labels), batch, seed=0), []

    def read(number: int) -> np.ndarray:
        return data.images[batches.indices(number)]

    batch_of = ReadAhead(read) if ahead else read
    for number in range(BATCHES):
        began = time.perf_counter()
        batch_of(number)
        waits.append(1000 * (time.perf_counter() - began))
        time.sleep(step)
    return statistics.median(waits)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=20_000)
    count = parser.parse_args().images
    keep_freed_memory()
    scale, device, where = params.load_scale("paper"), pick_device(), machine()
    batch = scale.recipes["ttur"].batch
    with tempfile.TemporaryDirectory() as folder:
        data = written(Path(folder), count, scale.resolution)
        read, operations = images_per_second(data, batch, device), operations_per_image(scale)
        consumed = SHARE * PEAK / operations
        in_turn, ahead = (waiting(data, batch, batch / consumed, ahead=each) for each in (False, True))
    lines = [
        {"what": "read, images per second", "value": read},
        {"what": "operations of a step of an, Gflop per image read", "value": operations / 1e9},
        {"what": "consumed by an H100 (estimate), images per second", "value": consumed},
        {"what": f"ratio, target {TARGET}", "value": read / consumed},
        {"what": "waits for a batch that is read in turn, ms", "value": in_turn},
        {"what": "waits for a batch that was read ahead, ms", "value": ahead},
    ]
    assumed = f"{SHARE:.0%} of an H100's {PEAK / 1e12:.0f} Tflop/s in bf16"
    report(
        "loading",
        lines,
        {"images": count, "batch": batch, "in_page_cache": True, "assumed": assumed},
        where,
    )
    if read < TARGET * consumed:
        print(f"Reading feeds less than {TARGET} times what training consumes: the copy of {batch} images is too slow.")


if __name__ == "__main__":
    main()
