"""Adversarial training of a class-conditional row."""

from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils import get_total_norm
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from .. import params
from ..code import code_digest
from ..data.loading import Prepared, ReadAhead, Shuffled, moved, open_split, to_device
from ..layout import AVERAGED, snapshot_name
from ..models import build_discriminator, build_generator
from ..models.attention import sampling_steps, set_sampling
from ..models.spectral import settle
from ..weights import save_tensors
from . import loop
from .adam import Adam
from .inspection import IMAGES, attention_measures, of_networks
from .losses import hinge_discriminator, hinge_generator, orthogonality
from .replicas import ALONE, Draws, Replicas, seed_layers
from .schedule import learning_rate_factor


def train(
    row_name: str,
    scale_name: str,
    seed: int,
    files: loop.Files,
    *,
    data: str | Path,  # folder of prepared arrays
    device: torch.device,
    **limits,
) -> None:
    """Train one class-conditional row with one seed; ``limits`` are those of ``loop.train``."""
    row, scale = params.load_row(row_name, "generation"), params.load_scale(scale_name)
    job = partial(AdversarialTraining, row, scale, seed, open_split(data, "train", scale), device=device)
    loop.train(job, loop.About(row_name, row.task, scale_name, seed), files, device=device, **limits)


class AdversarialTraining:
    """The networks, optimizers and data of a run, and the arithmetic of its step (a ``loop.Job``)."""

    def __init__(
        self,
        row: params.Row,
        scale: params.Scale,
        seed: int,
        data: Prepared,
        *,
        device: torch.device,
        replicas: Replicas = ALONE,
    ):
        self.row, self.data, self.device, self.replicas = row, data, device, replicas
        self.recipe, self.latent = scale.recipes[row.recipe], scale.generator.latent
        origin = {"seed": seed, "data": data.sha256, "code": code_digest("training.generation:train")}
        self.settings = {**params.training_settings(row, scale), **origin}
        self.batches, self.rows = Shuffled(len(data.labels), self.recipe.batch, seed), replicas.rows(self.recipe.batch)
        self.real = ReadAhead(self._read)
        torch.manual_seed(seed)
        order = torch.channels_last
        self.generator = build_generator(row, scale, data.num_classes).to(device).to(memory_format=order)
        self.discriminator = build_discriminator(row, scale, data.num_classes).to(device).to(memory_format=order)
        self.generator_optimizer = Adam(self.generator.parameters(), self.recipe.betas)
        self.discriminator_optimizer = Adam(self.discriminator.parameters(), self.recipe.betas)
        self.draws = Draws(seed, replicas, device)
        seed_layers(seed, replicas)
        names = ("generator", "discriminator", "generator_optimizer", "discriminator_optimizer", "draws")
        self.modules, self.network = {name: getattr(self, name) for name in names}, self.generator
        self.steps, self.snapshots_at = self.recipe.steps, scale.snapshot_steps(row)
        self.checkpoint_every, self.log_every = scale.checkpoint_every, scale.log_every
        self.average = None
        if scale.ema:
            self.average = AveragedModel(self.generator, multi_avg_fn=get_ema_multi_avg_fn(scale.ema), use_buffers=True)
            self.modules["average"] = self.average
        self.autocast = partial(torch.autocast, device.type, torch.bfloat16, enabled=scale.precision == "bfloat16")
        if scale.compile:
            self.generator.compile()
            self.discriminator.compile()
        # Without its sampling branch, a layer leaves some parameters without gradients.
        self.sampling_steps = sampling_steps(row.attention, self.recipe.steps)
        partly = self.sampling_steps < self.recipe.steps
        self.generating = replicas.wrap(self.generator, partly)
        self.discriminating = replicas.wrap(self.discriminator, partly)
        # Regional statistics of a batch are of reals or of fakes, as the generator's update has fakes alone.
        self.apart = getattr(row.attention, "statistics", None) == "batch"

    def advance(self, step: int, measured: bool) -> tuple[dict[str, Tensor], dict[str, Tensor | float]]:
        """The recipe's discriminator updates, then one of the generator."""
        factor = learning_rate_factor(step, self.recipe.steps, self.recipe.decay_from)
        for network in (self.generator, self.discriminator):
            set_sampling(network, step < self.sampling_steps)
        updates = self.recipe.discriminator_steps
        for number in range(step * updates, (step + 1) * updates):
            last = measured and number == (step + 1) * updates - 1
            discriminator_loss, measures = self.discriminator_step(number, factor, last)
        generator_loss, more = self.generator_step(factor, measured)
        if self.average:
            self.average.update_parameters(self.generator)
        return {"generator": generator_loss, "discriminator": discriminator_loss}, measures | more

    def _read(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Images and labels of this replica's rows of a batch."""
        index = self.batches.indices(number)[self.rows]
        return self.data.images[index], self.data.labels[index]

    def _drawn(self) -> tuple[Tensor, Tensor]:
        """Latents, and the labels, uniform, that images are asked for; this replica's rows."""
        batch = self.recipe.batch
        return self.draws.normal(batch, self.latent), self.draws.integers(self.data.num_classes, batch)

    def discriminator_step(self, number: int, factor: float, measured: bool) -> tuple[Tensor, dict]:
        """One update of the discriminator, on data batch ``number`` and as many fakes, in one pass."""
        images, image_labels = self.real(number)
        real, real_labels = to_device(images, self.device), moved(image_labels, self.device)
        z, fake_labels = self._drawn()
        self.discriminator.requires_grad_(True)
        with self.autocast():
            with torch.no_grad():
                fake = self.generator(z, fake_labels)
            if self.apart:
                of_real, logits = self.discriminating(real, real_labels)
                of_fake, _ = self.discriminating(fake, fake_labels)
            else:  # one power iteration, half the launches
                both = self.discriminating(torch.cat([real, fake]), torch.cat([real_labels, fake_labels]))
                (of_real, of_fake), logits = both[0].split(len(real)), both[1]
        loss = hinge_discriminator(of_real.float(), of_fake.float())
        if logits is not None:  # AC-GAN's classifier learns from reals only; Odena's also from fakes
            loss = loss + self.row.classifier_weight * F.cross_entropy(logits[: len(real)].float(), real_labels)
        lr = factor * self.recipe.discriminator_lr
        return self._update("discriminator", self.discriminator_optimizer, loss, lr=lr, measured=measured)

    def generator_step(self, factor: float, measured: bool) -> tuple[Tensor, dict]:
        """One update of the generator."""
        self.discriminator.requires_grad_(False)
        with self.autocast():
            z, labels = self._drawn()
            fake = self.generating(z, labels)
            realness, logits = self.discriminator(fake, labels)
        loss = hinge_generator(realness.float())
        if logits is not None:
            loss = loss + self.row.classifier_weight * F.cross_entropy(logits.float(), labels)
        lr = factor * self.recipe.generator_lr
        loss, measures = self._update("generator", self.generator_optimizer, loss, lr=lr, measured=measured)
        if measured and len(fake) > 1:
            measures["diversity"] = 127.5 * fake.detach().float().std(dim=0).mean()
        return loss, measures

    def publish(self, scratch: Path, checkpoints: Path) -> list[Path]:
        """Every snapshot of the generator, the discriminator, and the averaged generator where there is one."""
        published = [checkpoints / snapshot_name(number) for number in range(len(self.snapshots_at))]
        for file in published:
            loop.publish(scratch / file.name, file)
        published.append(checkpoints / "discriminator.pt")
        save_tensors(published[-1], self.discriminator.state_dict())
        if self.average:
            settle(self.average.module)
            published.append(checkpoints / AVERAGED)
            save_tensors(published[-1], self.average.module.state_dict())
        return published

    def inspect(self) -> dict[str, float]:
        """Of the generator on fixed latents, of the discriminator on the first training images."""
        z = torch.randn(IMAGES, self.latent, generator=torch.Generator().manual_seed(0)).to(self.device)
        labels = torch.arange(IMAGES, device=self.device) % self.data.num_classes
        real = to_device(np.array(self.data.images[:IMAGES]), self.device)
        real_labels = moved(np.array(self.data.labels[:IMAGES]), self.device)
        return of_networks(
            generator=attention_measures(self.generator, z, labels),
            discriminator=attention_measures(self.discriminator, real, real_labels),
        )

    def _update(self, name: str, optimizer: Adam, loss: Tensor, *, lr: float, measured: bool) -> tuple[Tensor, dict]:
        """Add the orthogonality term and step the optimizer; return the loss without that term, and measures."""
        network = self.modules[name]
        weight = getattr(self.row.attention, "orthogonality", 0.0)
        (loss + orthogonality(network, weight)).backward()
        measures = {}
        if measured:
            norm = get_total_norm([p.grad for p in network.parameters() if p.grad is not None])
            measures = {f"{name}_lr": lr, f"{name}_gradient_norm": norm}
        optimizer.step(lr)
        return loss.detach(), measures
