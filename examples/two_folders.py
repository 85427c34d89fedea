"""Every metric of two sets of images, from Python, as `python -m an evaluate` computes them.

    python examples/two_folders.py [--weights FILE]    # torch-fidelity's Inception; without it, downloaded once

The images: scikit-learn's digits as pictures, the first half against the second.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits

from an.evaluation.folders import evaluate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights")
    weights = parser.parse_args().weights
    images = (load_digits().images[:40] * 15.9).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        for number, image in enumerate(images):
            file = Path(folder, "first" if number < 20 else "second", f"{number:03d}.png")
            file.parent.mkdir(exist_ok=True)
            Image.fromarray(image.repeat(4, 0).repeat(4, 1)).convert("RGB").save(file)
        sides, out = (Path(folder, "first"), Path(folder, "second")), Path(folder, "scores.json")
        evaluate(*sides, json=out, weights=weights, device=torch.device("cpu"))


if __name__ == "__main__":
    main()
