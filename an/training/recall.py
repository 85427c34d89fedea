"""Training of a row of the recall task: supervised, the mean squared error of the colours of the right columns."""

import hashlib
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils import get_total_norm

from .. import params
from ..code import code_digest
from ..data.recall import MARK, TEST, Recall, draw
from ..layout import snapshot_name
from ..models import build_recall
from ..models.attention import sampling_steps, set_sampling
from . import loop
from .adam import Adam
from .inspection import IMAGES, attention_measures, of_networks
from .losses import orthogonality
from .replicas import ALONE, Replicas, seed_layers
from .schedule import rise_and_fall


def train_recall(
    row_name: str,
    scale_name: str,
    seed: int,
    files: loop.Files,
    *,
    device: torch.device,
    **limits,
) -> None:
    """Train one layer of the recall task with one seed; ``limits`` are those of ``loop.train``."""
    row, scale = params.load_row(row_name, "recall"), params.load_scale(scale_name)
    job = partial(RecallTraining, row, scale, seed, device=device)
    loop.train(job, loop.About(row_name, row.task, scale_name, seed), files, device=device, **limits)


class RecallTraining:
    """The network, optimizer and images of a run, and the arithmetic of its step (a ``loop.Job``)."""

    def __init__(
        self, row: params.RecallRow, scale: params.Scale, seed: int, *, device: torch.device, replicas: Replicas = ALONE
    ):
        self.row, self.scale, self.seed = row, scale.recall, seed
        self.device, self.replicas = device, replicas
        test = test_images(self.scale, IMAGES)
        digest = hashlib.sha256(test.images.tobytes() + test.painted.tobytes()).hexdigest()
        origin = {"seed": seed, "data": digest, "code": code_digest("training.recall:train_recall")}
        self.settings = {**params.recall_settings(row, scale), **origin}
        self.inspected = torch.from_numpy(test.images).to(device)
        self.rows = replicas.rows(self.scale.batch)
        torch.manual_seed(seed)
        self.network = build_recall(row, scale).to(device).to(memory_format=torch.channels_last)
        self.optimizer = Adam(self.network.parameters(), betas=(0.9, 0.999))
        seed_layers(seed, replicas)
        self.modules = {"network": self.network, "optimizer": self.optimizer}
        self.steps, self.snapshots_at = self.scale.steps, [self.scale.steps]
        self.checkpoint_every, self.log_every = self.scale.checkpoint_every, self.scale.log_every
        self.sampling_steps = sampling_steps(row.attention, self.scale.steps)
        self.painting = replicas.wrap(self.network, self.sampling_steps < self.scale.steps)

    def advance(self, step: int, measured: bool) -> tuple[dict[str, Tensor], dict[str, Tensor | float]]:
        """One update on one batch of new images."""
        size = {"keys": self.scale.keys, "gap": self.scale.gap, "count": self.scale.batch}
        images, painted = draw(**size, seed=self.seed, number=step)
        images, painted = (torch.from_numpy(array[self.rows]).to(self.device) for array in (images, painted))
        set_sampling(self.network, step < self.sampling_steps)
        outputs = self.painting(images.contiguous(memory_format=torch.channels_last))[..., -MARK:]
        loss = F.mse_loss(outputs, painted)
        weight = getattr(self.row.attention, "orthogonality", 0.0)
        (loss + orthogonality(self.network, weight)).backward()
        lr = self.scale.lr * rise_and_fall(step, self.scale.steps)
        measures: dict[str, Tensor | float] = {}
        if measured:
            gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
            measures = {"lr": lr, "gradient_norm": get_total_norm(gradients)}
        self.optimizer.step(lr)
        return {"recall": loss.detach()}, measures

    def publish(self, scratch: Path, checkpoints: Path) -> list[Path]:
        """The network."""
        loop.publish(scratch / snapshot_name(0), checkpoints / "network.pt")
        return [checkpoints / "network.pt"]

    def inspect(self) -> dict[str, float]:
        """On the first test images."""
        return of_networks(network=attention_measures(self.network, self.inspected))


def test_images(scale: params.Recall, count: int) -> Recall:
    """The first of the images that every row is tested on."""
    return draw(keys=scale.keys, gap=scale.gap, count=count, seed=TEST, number=0)
