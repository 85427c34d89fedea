"""The feature network where Inception does not apply: a small classifier of the real training set."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import params, provenance
from ..data.loading import Prepared, Shuffled, open_split, to_device
from ..errors import UserError
from ..progress import progress
from ..seals import write_sealed
from ..weights import save_tensors


class FeatureClassifier(nn.Module):
    """Strided convolutions, global average pooling, one linear layer.

    ``forward(images)``: ``[N, 3, R, R]`` in [-1, 1]; returns features ``[N, channels[-1]]`` and logits
    ``[N, num_classes]``.
    """

    def __init__(self, channels: list[int], num_classes: int):
        super().__init__()
        layers = []
        for inputs, outputs in zip([3, *channels[:-1]], channels, strict=True):
            layers += [
                nn.Conv2d(inputs, outputs, 3, padding=1, stride=2, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(),
            ]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(channels[-1], num_classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(images).mean((2, 3))
        return features, self.head(features)


def train_classifier(
    scale_name: str,
    *,
    data: str | Path,
    classifier: str | Path,  # receives weights
    classifier_report: str | Path,  # receives its accuracy
    device: torch.device,
) -> None:
    """Train on the training split, measure on the held-out split, write weights and a report."""
    scale = params.load_scale(scale_name)
    train, heldout = (open_split(data, split, scale) for split in ("train", "heldout"))
    network = fit_classifier(scale.evaluation.classifier, train, device)
    save_tensors(classifier, network.state_dict())
    accuracy = {"train": measure(network, train, device), "heldout": measure(network, heldout, device)}
    content = {"accuracy": accuracy, "data_sha256": train.sha256}
    write_sealed(classifier_report, content, provenance.made(device), [classifier])


def fit_classifier(settings: params.Classifier, train: Prepared, device: torch.device) -> FeatureClassifier:
    torch.manual_seed(0)
    network = FeatureClassifier(settings.channels, train.num_classes).to(device)
    steps = settings.epochs * len(train.labels) // settings.batch
    if len(train.labels) < settings.batch:
        raise UserError(
            f"the classifier's batch is {settings.batch}, and the training split has {len(train.labels)} images: set a "
            "smaller evaluation.classifier.batch in the scale, or add images."
        )
    optimizer = torch.optim.AdamW(network.parameters(), settings.lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.lr, total_steps=steps)
    batches = Shuffled(len(train.labels), settings.batch, seed=0)
    for step in progress(range(steps), "classifier"):
        index = batches.indices(step)
        _, logits = network(_shifted(to_device(train.images[index], device)))
        loss = F.cross_entropy(logits, torch.from_numpy(train.labels[index]).to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network


@torch.inference_mode()
def measure(network: FeatureClassifier, data: Prepared, device: torch.device, batch: int = 256) -> float:
    """Share of a split's images that the network classifies rightly."""
    network.eval()
    right = 0
    for start in range(0, len(data.labels), batch):
        _, logits = network(to_device(np.array(data.images[start : start + batch]), device))
        right += int(np.sum(logits.argmax(1).cpu().numpy() == data.labels[start : start + batch]))
    return right / len(data.labels)


def _shifted(images: Tensor, most: int = 2) -> Tensor:
    """The batch moved by up to ``most`` pixels each way, edges repeated: augmentation of small training sets."""
    padded = F.pad(images, (most,) * 4, mode="replicate")
    top, left = torch.randint(2 * most + 1, (2,)).tolist()
    return padded[:, :, top : top + images.shape[2], left : left + images.shape[3]]
