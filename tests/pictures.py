"""Pictures to measure, and folders of them."""

from pathlib import Path

import numpy as np
from PIL import Image


def pictures(count, seed, noise):
    """Coloured digits, shifted in brightness."""
    from sklearn.datasets import load_digits

    rng = np.random.default_rng(seed)
    digits = load_digits()
    chosen = rng.choice(len(digits.images), count, replace=False)
    grey = np.kron(digits.images[chosen], np.ones((1, 4, 4)))[..., None] * rng.uniform(4, 15, (count, 1, 1, 3))
    images = (grey + rng.normal(0, noise, grey.shape)).clip(0, 255).astype(np.uint8)
    return images, digits.target[chosen]


def save(folder: Path, images, labels=None) -> Path:
    for number, image in enumerate(images):
        place = folder if labels is None else folder / f"class{labels[number]}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number:05d}.png")
    return folder
