"""Adversarial training of a class-conditional row."""

from pathlib import Path

import torch
import torch.nn.functional as F

from .. import params
from ..data.loading import Prepared, Shuffled, open_split, to_device
from ..models import build_discriminator, build_generator
from ..names import snapshot_name
from . import checkpoints, loop
from .losses import hinge_discriminator, hinge_generator, orthogonality
from .schedule import learning_rate_factor, set_learning_rate


def train(
    row_name: str,
    scale_name: str,
    seed: int,
    data: str | Path,  # folder of prepared arrays
    checkpoint_folder: str | Path,  # receives generator-<k>.pt for every snapshot, and discriminator.pt
    events_file: str | Path,  # receives losses and rates as JSON lines
    scratch: str | Path,  # resume state; a rerun goes on from here
    device: torch.device,
) -> None:
    """Train one row with one seed, from its last resume point if there is one.

    Raises:
        UserError: bad names or data, a folder in use by another trainer, resume state of other parameters, or a
            loss that is not finite (the last good resume point stays).
    """
    row, scale = params.load_row(row_name, "generation"), params.load_scale(scale_name)
    prepared = open_split(data, "train")
    scratch, checkpoint_folder = Path(scratch), Path(checkpoint_folder)
    with loop.held(scratch):
        job = AdversarialTraining(row, scale, seed, prepared, device)
        what, steps = f"{row_name} seed {seed}", job.recipe.steps
        snapshots = scale.snapshot_steps(row)
        loop.run(job, what, steps, snapshots, scale.checkpoint_every, scale.log_every, scratch)
        for number in range(len(snapshots)):
            loop.publish(scratch / snapshot_name(number), checkpoint_folder / snapshot_name(number))
        checkpoints.save(checkpoint_folder / "discriminator.pt", job.discriminator.state_dict())
        loop.publish(scratch / "events.jsonl", Path(events_file))
        loop.clear(scratch)


class AdversarialTraining:
    """The networks, optimizers and data of a run, and the arithmetic of its step (a ``loop.Job``)."""

    def __init__(self, row: params.Row, scale: params.Scale, seed: int, data: Prepared, device: torch.device):
        self.row, self.data, self.device = row, data, device
        self.recipe, self.latent = scale.recipes[row.recipe], scale.generator.latent
        origin = {"seed": seed, "data": data.sha256, "code": loop.training_code()}
        self.settings = params.digest({**params.training_settings(row, scale), **origin})
        self.batches = Shuffled(len(data.labels), self.recipe.batch, seed)
        torch.manual_seed(seed)
        placed = {"device": device, "memory_format": torch.channels_last}
        self.generator = build_generator(row, scale, data.num_classes).to(**placed)
        self.discriminator = build_discriminator(row, scale, data.num_classes).to(**placed)
        self.generator_optimizer = self._adam(self.generator, self.recipe.generator_lr)
        self.discriminator_optimizer = self._adam(self.discriminator, self.recipe.discriminator_lr)
        names = ("generator", "discriminator", "generator_optimizer", "discriminator_optimizer")
        self.modules = {name: getattr(self, name) for name in names}

    def _adam(self, network: torch.nn.Module, lr: float) -> torch.optim.Adam:
        return torch.optim.Adam(network.parameters(), lr, betas=self.recipe.betas, fused=True)

    def advance(self, step: int) -> dict[str, torch.Tensor]:
        """The recipe's discriminator updates, then one of the generator."""
        factor = learning_rate_factor(step, self.recipe.steps, self.recipe.decay_from)
        updates = self.recipe.discriminator_steps
        for number in range(step * updates, (step + 1) * updates):
            discriminator_loss = self.discriminator_step(number, factor)
        return {"generator": self.generator_step(factor), "discriminator": discriminator_loss}

    def fakes(self) -> tuple[torch.Tensor, torch.Tensor]:
        """A batch of generated images and the labels, uniform, they were asked for."""
        z = torch.randn(self.recipe.batch, self.latent, device=self.device)
        labels = torch.randint(self.data.num_classes, (self.recipe.batch,), device=self.device)
        return self.generator(z, labels), labels

    def discriminator_step(self, number: int, factor: float) -> torch.Tensor:
        """One update of the discriminator, on data batch ``number`` and as many fakes, in one pass."""
        index = self.batches.indices(number)
        real = to_device(self.data.images[index], self.device)
        real_labels = torch.from_numpy(self.data.labels[index]).to(self.device)
        with torch.no_grad():
            fake, fake_labels = self.fakes()
        self.discriminator.requires_grad_(True)
        # One pass: one power iteration, and half the launches. Batch statistics (an-bn) mix reals and fakes.
        realness, logits = self.discriminator(torch.cat([real, fake]), torch.cat([real_labels, fake_labels]))
        loss = hinge_discriminator(*realness.split(self.recipe.batch))
        if logits is not None:  # AC-GAN's classifier learns from reals only; Odena's also from fakes
            loss = loss + self.row.classifier_weight * F.cross_entropy(logits[: self.recipe.batch], real_labels)
        lr = factor * self.recipe.discriminator_lr
        return self._update(self.discriminator, self.discriminator_optimizer, loss, lr)

    def generator_step(self, factor: float) -> torch.Tensor:
        """One update of the generator."""
        self.discriminator.requires_grad_(False)
        fake, labels = self.fakes()
        realness, logits = self.discriminator(fake, labels)
        loss = hinge_generator(realness)
        if logits is not None:
            loss = loss + self.row.classifier_weight * F.cross_entropy(logits, labels)
        return self._update(self.generator, self.generator_optimizer, loss, factor * self.recipe.generator_lr)

    def _update(self, network, optimizer, loss: torch.Tensor, lr: float) -> torch.Tensor:
        """Add the orthogonality term, step the optimizer, and return the loss without that term, detached."""
        weight = getattr(self.row.attention, "orthogonality", 0.0)
        (loss + orthogonality(network, weight)).backward()
        set_learning_rate(optimizer, lr)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.detach()
