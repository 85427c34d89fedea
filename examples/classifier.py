"""AttentiveNorm2d in a classifier of one's own: scikit-learn's digits, one minute on a CPU.

python examples/classifier.py [--steps 400]
"""

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

from an.layers import AttentiveNorm2d


def classifier() -> nn.Sequential:
    """Two convolutions; the layer stands where a batch norm would, between the first one and its activation."""
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3, padding=1), AttentiveNorm2d(channels=32, regions=8), nn.ReLU()),
        *(nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=400)
    steps = parser.parse_args().steps
    torch.manual_seed(0)
    digits = load_digits()
    images, labels = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16, torch.tensor(digits.target)
    train = torch.arange(len(labels)) % 6 > 0
    network = classifier()
    norm = network[1]
    assert isinstance(norm, AttentiveNorm2d)
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for step in range(steps):
        norm.sampling = step < steps // 2  # self-sampling in the first half of the training
        index = torch.nonzero(train)[torch.randint(int(train.sum()), (64,))][:, 0]
        loss = F.cross_entropy(network(images[index]), labels[index]) + 1e-3 * norm.orthogonality_loss()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    network.eval()
    with torch.inference_mode():
        right = (network(images[~train]).argmax(1) == labels[~train]).double().mean().item()
        layout = norm.soft_layout(network[0](images[~train]))  # [N, regions, H, W], sums to 1 over the regions
    print(f"{right:.3f} of the held-out digits are right; rho is {norm.rho.item():+.3f}")
    print(f"pixels by strongest region: {torch.bincount(layout.argmax(1).flatten(), minlength=8).tolist()}")


if __name__ == "__main__":
    main()
