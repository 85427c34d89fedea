"""Images per second of feature extraction against torch-fidelity's own loop, and the metrics' differences.

    python benchmarks/extraction.py [--images 640] [--weights FILE]

Both read the same PNG files of coloured digits, on the GPU where there is one. Without --weights the Inception is
randomly initialised, with statistics of the pictures: the arithmetic is the same.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from common import machine, pick_device, report
from PIL import Image
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.utils import create_feature_extractor, get_featuresdict_from_dataset, prepare_input_from_descriptor

from an.evaluation.extraction import extract
from an.evaluation.images import open_images
from an.evaluation.inception import inception_extractor, port
from an.metrics.frechet import frechet_distance

BATCH, SIZE = 64, 128


def pictures(count: int, seed: int, noise: float) -> np.ndarray:
    from sklearn.datasets import load_digits

    rng = np.random.default_rng(seed)
    digits = load_digits().images
    grey = np.kron(digits[rng.integers(len(digits), size=count)], np.ones((1, SIZE // 8, SIZE // 8)))[..., None]
    coloured = grey * rng.uniform(4, 15, (count, 1, 1, 3))
    return (coloured + rng.normal(0, noise, coloured.shape)).clip(0, 255).astype(np.uint8)


def random_weights(file: Path) -> Path:
    """Kaiming convolutions, batch statistics of one batch of pictures."""
    torch.manual_seed(0)
    network = port("2048").train()
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, torch.nn.BatchNorm2d):
            module.reset_parameters()
            module.momentum = 1.0
    head = network.get_submodule("fc")
    assert isinstance(head, torch.nn.Linear)
    head.reset_parameters()
    with torch.no_grad():
        network(torch.from_numpy(pictures(16, 9, 8)).permute(0, 3, 1, 2))
    torch.save(network.state_dict(), file)
    return file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=640, help="of each of two sets")
    parser.add_argument("--weights", type=Path)
    arguments = parser.parse_args()
    where, device = machine(), pick_device()
    cuda = device.type == "cuda"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = arguments.weights or random_weights(folder / "weights.pth")
        for side, seed, noise in (("generated", 0, 20), ("real", 1, 5)):
            (folder / side).mkdir()
            for number, image in enumerate(pictures(arguments.images, seed, noise)):
                Image.fromarray(image).save(folder / side / f"{number:05d}.png")
        settings = {"feature_extractor_weights_path": str(weights), "cuda": cuda, "verbose": False}
        port = create_feature_extractor("inception-v3-compat", ["2048", "logits_unbiased"], **settings)
        ours = inception_extractor(weights, device)
        seconds: dict[str, list[float]] = {"ours": [], "torch-fidelity": []}
        features = {}
        warm = pictures(BATCH, 5, 5)
        extract(ours, warm, BATCH, "warm-up")
        with torch.no_grad():
            port(torch.from_numpy(warm).permute(0, 3, 1, 2).to(device))
        for side in ("generated", "real"):  # the two loops take turns, so that other load on the machine meets both
            start = time.perf_counter()
            features["ours", side], _ = extract(ours, open_images(folder / side), BATCH, side)
            seconds["ours"].append(time.perf_counter() - start)
            start = time.perf_counter()
            descriptor = prepare_input_from_descriptor({"input": str(folder / side)}, verbose=False)
            found = get_featuresdict_from_dataset(descriptor, port, BATCH, cuda, False, False)
            seconds["torch-fidelity"].append(time.perf_counter() - start)
            features["torch-fidelity", side] = found["2048"]
    fid = frechet_distance(features["ours", "generated"], features["ours", "real"], device)
    statistics = [fid_features_to_statistics(features["torch-fidelity", side]) for side in ("generated", "real")]
    theirs = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    rates = {who: arguments.images / float(np.median(taken)) for who, taken in seconds.items()}
    lines = [
        {"loop": "an", "images_per_s": rates["ours"], "fid": fid},
        {"loop": "torch-fidelity", "images_per_s": rates["torch-fidelity"], "fid": theirs},
        {"loop": "ratio, difference", "images_per_s": rates["ours"] / rates["torch-fidelity"], "fid": fid - theirs},
    ]
    about = {
        "images": f"2 x {arguments.images} PNG of {SIZE}x{SIZE}",
        "batch": BATCH,
        "weights": str(arguments.weights.name) if arguments.weights else "randomly initialised",
        "timing": "median of both sets",
    }
    report("extraction", lines, about, where)


if __name__ == "__main__":
    main()
