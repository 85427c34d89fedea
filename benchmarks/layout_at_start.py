"""How sharp the soft layout is before any training, by tau and by the networks' width.

    python benchmarks/layout_at_start.py

Networks of row ``an`` as they start, of scales whose width at the layer differs: a generator on random latents, its
batch normalization's running estimates brought to what its batches have, and a discriminator on crops of scikit-image's
astronaut. A pixel's logits grow with tau and with the length of its features, which grows with their number, so that a
tau that is flat in a small network need not be in a large one.
"""

import numpy as np
import torch
from common import machine, report
from skimage.data import astronaut

from an import params
from an.data.loading import to_device
from an.models import build
from an.models.attention import attentive_norms
from an.training.inspection import attention_measures

TAUS, IMAGES = (0.1, 0.2, 0.5), 8
PASSES = 50  # of which each moves the running estimates by a tenth
CLASSES = {"smoke": 10, "laptop": 10, "paper": 1000}


def main() -> None:
    where, lines = machine(), []
    for name, classes in CLASSES.items():
        torch.manual_seed(0)
        generator, discriminator = build("an", name, classes)
        resolution = params.load_scale(name).resolution
        labels = torch.arange(IMAGES) % classes
        crops = [astronaut()[64 * k :][:resolution, 128 : 128 + resolution] for k in range(IMAGES - 2)]
        images = to_device(np.stack(crops), torch.device("cpu"))
        with torch.no_grad():
            for _ in range(PASSES):
                generator(torch.randn(IMAGES, generator.latent), labels)
        networks = {
            "generator": (generator, torch.randn(IMAGES, generator.latent), labels),
            "discriminator": (discriminator, images, labels[: len(images)]),
        }
        for network, (of, *inputs) in networks.items():
            (layer,) = attentive_norms(of)
            for tau in TAUS:
                layer.temperature = tau
                found = attention_measures(of, *inputs)
                measures = {key: found[key] for key in ("layout_information", "effective_regions")}
                lines.append({"scale": name, "network": network, "channels": layer.channels, "tau": tau, **measures})
    report("layout_at_start", lines, {"row": "an", "seed": 0, "images": IMAGES, "passes": PASSES}, where)


if __name__ == "__main__":
    main()
