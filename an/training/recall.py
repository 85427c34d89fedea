"""Training of a row of the recall task: supervised, the mean squared error of the colours of the right columns."""

import hashlib
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
from .replicas import ALONE, Replicas, joined, seed_layers
from .schedule import rise_and_fall


def train_recall(
    row_name: str,
    scale_name: str,
    seed: int,
    checkpoint_folder: str | Path,  # receives network.pt
    events_file: str | Path,  # receives losses and rates as JSON lines
    report: str | Path,  # receives how the run ended, as JSON
    scratch: str | Path,  # resume state; a rerun goes on from here
    hours: float | None,  # after which the run stops with a resume point
    device: torch.device,
    accept_code: bool = False,  # go on from a resume point that other code made
) -> None:
    """Train one layer of the recall task with one seed, from its last resume point if there is one.

    Raises:
        Stopped, UserError: as ``generation.train``.
    """
    row, scale = params.load_row(row_name, "recall"), params.load_scale(scale_name)
    steps, every = scale.recall.steps, (scale.recall.checkpoint_every, scale.recall.log_every)
    scratch, about = Path(scratch), {"row": row_name, "task": row.task, "scale": scale_name, "seed": seed}
    with joined(device) as replicas, loop.held(scratch, replicas):
        job = RecallTraining(row, scale, seed, device, replicas)
        outcome = loop.run(job, about, steps, [steps], *every, hours, scratch, accept_code)
        if replicas.rank > 0:
            return
        published = Path(checkpoint_folder) / "network.pt"
        loop.publish(scratch / snapshot_name(0), published)
        loop.conclude(outcome, job, about, [published], Path(events_file), Path(report), scratch)


class RecallTraining:
    """The network, optimizer and images of a run, and the arithmetic of its step (a ``loop.Job``)."""

    def __init__(
        self, row: params.RecallRow, scale: params.Scale, seed: int, device: torch.device, replicas: Replicas = ALONE
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
        self.network = build_recall(row, scale).to(device, memory_format=torch.channels_last)
        self.optimizer = Adam(self.network.parameters(), betas=(0.9, 0.999))
        seed_layers(seed, replicas)
        self.modules = {"network": self.network, "optimizer": self.optimizer}
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
        measures = {}
        if measured:
            gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
            measures = {"lr": lr, "gradient_norm": get_total_norm(gradients)}
        self.optimizer.step(lr)
        return {"recall": loss.detach()}, measures

    def inspect(self) -> dict[str, float]:
        """On the first test images."""
        return of_networks(network=attention_measures(self.network, self.inspected))


def test_images(scale: params.Recall, count: int) -> Recall:
    """The first of the images that every row is tested on."""
    return draw(keys=scale.keys, gap=scale.gap, count=count, seed=TEST, number=0)
