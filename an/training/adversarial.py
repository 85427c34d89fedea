"""Adversarial training of a class-conditional row."""

import os
import shutil
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from filelock import FileLock, Timeout

from .. import params
from ..data.loading import Prepared, Shuffled, open_split, to_device
from ..errors import UserError
from ..files import written_whole
from ..models import build_discriminator, build_generator
from ..names import snapshot_name
from ..progress import progress
from ..tracking import Events
from . import checkpoints
from .losses import hinge_discriminator, hinge_generator, orthogonality


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
    row, scale = params.load_row(row_name), params.load_scale(scale_name)
    prepared = open_split(data, "train")
    scratch, checkpoint_folder = Path(scratch), Path(checkpoint_folder)
    scratch.mkdir(parents=True, exist_ok=True)
    lock, holder = FileLock(scratch / "lock"), scratch / "holder"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        who = holder.read_text() if holder.exists() else "another process"
        raise UserError(f"{scratch} is in use by {who}: wait for it or stop it.") from None
    with lock:
        holder.write_text(f"process {os.getpid()} on {os.uname().nodename}")
        run = AdversarialRun(row, scale, seed, prepared, scratch, device)
        run.resume()
        run.to_the_end(f"{row_name} seed {seed}")
        checkpoint_folder.mkdir(parents=True, exist_ok=True)
        for number in range(scale.snapshots + 1):
            _copy(scratch / snapshot_name(number), checkpoint_folder / snapshot_name(number))
        checkpoints.save(checkpoint_folder / "discriminator.pt", run.discriminator.state_dict())
        _copy(scratch / "events.jsonl", Path(events_file))


class AdversarialRun:
    """One run's networks, optimizers and data; the arithmetic of a step."""

    def __init__(
        self,
        row: params.Row,
        scale: params.Scale,
        seed: int,
        data: Prepared,
        scratch: Path,
        device: torch.device,
    ):
        self.row, self.scale, self.data, self.scratch, self.device = row, scale, data, scratch, device
        self.recipe = scale.recipes[row.recipe]
        self.settings = params.digest({**params.training_settings(row, scale), "seed": seed, "data": data.sha256})
        torch.manual_seed(seed)
        self.generator = build_generator(row, scale, data.num_classes).to(device, memory_format=torch.channels_last)
        self.discriminator = build_discriminator(row, scale, data.num_classes).to(
            device, memory_format=torch.channels_last
        )
        self.generator_optimizer = self._adam(self.generator, self.recipe.generator_lr)
        self.discriminator_optimizer = self._adam(self.discriminator, self.recipe.discriminator_lr)
        self.batches = Shuffled(len(data.labels), self.recipe.batch, seed)
        self.step = 0
        self.events: Events | None = None
        self.finite = torch.ones((), dtype=torch.bool, device=device)

    def _adam(self, network: torch.nn.Module, lr: float) -> torch.optim.Adam:
        return torch.optim.Adam(network.parameters(), lr, betas=self.recipe.betas, fused=True)

    def _stateful(self) -> dict:
        names = ("generator", "discriminator", "generator_optimizer", "discriminator_optimizer")
        return {name: getattr(self, name) for name in names}

    def resume(self) -> None:
        """Go to the last resume point in the scratch folder, if there is one."""
        state = self.scratch / "state.pt"
        self.step, offset = checkpoints.load_state(state, self._stateful(), self.settings, self.device)
        self.events = Events(self.scratch / "events.jsonl", offset)

    def to_the_end(self, what: str) -> None:
        """Train to the recipe's last step, keeping snapshots, resume points and events on the way."""
        snapshots = {step: number for number, step in enumerate(self.scale.snapshot_steps(self.row))}
        if self.step == 0:
            checkpoints.save(self.scratch / snapshot_name(0), self.generator.state_dict())
        started, first = time.perf_counter(), self.step
        bar = progress(range(self.step, self.recipe.steps), what, initial=self.step, total=self.recipe.steps)
        for _ in bar:
            discriminator_loss = [self.discriminator_step(k) for k in range(self.recipe.discriminator_steps)][-1]
            generator_loss = self.generator_step()
            self.finite &= torch.isfinite(generator_loss + discriminator_loss)
            self.step += 1
            last = self.step == self.recipe.steps
            kept = self.step in snapshots or self.step % self.scale.checkpoint_every == 0 or last
            if self.step % self.scale.log_every == 0 or kept:
                self.check_finite(what)
                losses = {"generator": generator_loss.item(), "discriminator": discriminator_loss.item()}
                rate = (self.step - first) / (time.perf_counter() - started)
                self.events.append(step=self.step, **losses, steps_per_second=round(rate, 3))
                bar.set_postfix(losses, refresh=False)
            if self.step in snapshots:
                name = snapshot_name(snapshots[self.step])
                checkpoints.save(self.scratch / name, self.generator.state_dict())
            if kept:
                state = self.scratch / "state.pt"
                checkpoints.save_state(state, self.step, self._stateful(), self.settings, self.events.sync())
        self.events.close()

    def check_finite(self, what: str) -> None:
        if not self.finite.item():
            self.events.close()
            raise UserError(
                f"training {what} stopped at step {self.step}: a loss is not finite; the last good state stays in "
                f"{self.scratch}: lower the recipe's learning rates in params/scales/."
            )

    def learning_rate_factor(self) -> float:
        start = self.recipe.decay_from
        if start is None or self.step < start:
            return 1.0
        return (self.recipe.steps - self.step) / (self.recipe.steps - start)

    def fakes(self) -> tuple[torch.Tensor, torch.Tensor]:
        """A batch of generated images and the labels, uniform, they were asked for."""
        z = torch.randn(self.recipe.batch, self.scale.generator.latent, device=self.device)
        labels = torch.randint(self.data.num_classes, (self.recipe.batch,), device=self.device)
        return self.generator(z, labels), labels

    def discriminator_step(self, substep: int) -> torch.Tensor:
        """One update of the discriminator, on a batch of reals and a batch of fakes in one pass."""
        index = self.batches.indices(self.step * self.recipe.discriminator_steps + substep)
        real = to_device(self.data.images[index], self.device)
        real_labels = torch.from_numpy(self.data.labels[index]).to(self.device)
        with torch.no_grad():
            fake, fake_labels = self.fakes()
        self.discriminator.requires_grad_(True)
        # One pass: one power iteration, and half the launches. Batch statistics (an-bn) mix reals and fakes.
        realness, logits = self.discriminator(torch.cat([real, fake]), torch.cat([real_labels, fake_labels]))
        real_realness, fake_realness = realness.split(self.recipe.batch)
        loss = hinge_discriminator(real_realness, fake_realness)
        if logits is not None:  # AC-GAN's classifier learns from reals only; Odena's also from fakes
            loss = loss + self.row.classifier_weight * F.cross_entropy(logits[: self.recipe.batch], real_labels)
        return self._update(self.discriminator, self.discriminator_optimizer, loss, self.recipe.discriminator_lr)

    def generator_step(self) -> torch.Tensor:
        """One update of the generator."""
        self.discriminator.requires_grad_(False)
        fake, labels = self.fakes()
        realness, logits = self.discriminator(fake, labels)
        loss = hinge_generator(realness)
        if logits is not None:
            loss = loss + self.row.classifier_weight * F.cross_entropy(logits, labels)
        return self._update(self.generator, self.generator_optimizer, loss, self.recipe.generator_lr)

    def _update(self, network, optimizer, loss: torch.Tensor, lr: float) -> torch.Tensor:
        """Add the orthogonality term, step the optimizer, and return the loss without that term, detached."""
        weight = getattr(self.row.attention, "orthogonality", 0.0)
        (loss + orthogonality(network, weight)).backward()
        for group in optimizer.param_groups:
            group["lr"] = lr * self.learning_rate_factor()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.detach()


def _copy(source: Path, target: Path) -> None:
    with written_whole(target) as temporary:
        shutil.copyfile(source, temporary)
