"""Training of an inpainting row in two phases: reconstruction alone, then with the critics (section 5.1)."""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from .. import params
from ..code import code_digest
from ..data.crops import TrainingPhotographs, open_training_photographs
from ..data.loading import to_device
from ..data.masks import hole_box, training_mask
from ..layout import snapshot_name
from ..models import InpaintingDiscriminator, build_inpainting_generator
from ..models.attention import sampling_steps, set_sampling
from ..models.inpainting import complete
from ..weights import save_tensors
from . import loop
from .adam import Adam
from .inpainting_losses import adversarial, critic_loss, discounted_reconstruction, reconstruction
from .inspection import attention_measures, of_networks
from .losses import orthogonality
from .replicas import ALONE, Draws, Replicas, seed_layers
from .schedule import learning_rate_factor


def train_inpainting(
    row_name: str,
    scale_name: str,
    seed: int,
    files: loop.Files,
    *,
    data: str | Path,  # folder of prepared photographs
    device: torch.device,
    **limits,
) -> None:
    """Train one inpainting row with one seed; ``limits`` are those of ``loop.train``."""
    row, scale = params.load_row(row_name, "inpainting"), params.load_scale(scale_name)
    photographs = open_training_photographs(data, scale.inpainting)
    job = partial(InpaintingTraining, row, scale, seed, photographs, device=device)
    loop.train(job, loop.About(row_name, row.task, scale_name, seed), files, device=device, **limits)


class InpaintingTraining:
    """The networks, optimizers and data of a run, and the arithmetic of its step (a ``loop.Job``)."""

    def __init__(
        self,
        row: params.InpaintingRow,
        scale: params.Scale,
        seed: int,
        photographs: TrainingPhotographs,
        *,
        device: torch.device,
        replicas: Replicas = ALONE,
    ):
        self.row, self.seed, self.photographs = row, seed, photographs
        self.device, self.replicas, self.scale = device, replicas, scale.inpainting
        origin = {"seed": seed, "data": photographs.sha256, "code": code_digest("training.inpainting:train_inpainting")}
        self.settings = {**params.inpainting_settings(row, scale), **origin}
        self.rows = replicas.rows(self.scale.batch)
        torch.manual_seed(seed)
        resolution = self.scale.resolution
        critics = InpaintingDiscriminator(self.scale.critic_width, resolution, resolution // 2)
        self.generator = build_inpainting_generator(row, scale).to(device).to(memory_format=torch.channels_last)
        self.critics = critics.to(device).to(memory_format=torch.channels_last)
        self.generator_optimizer = Adam(self.generator.parameters(), self.scale.betas)
        self.critics_optimizer = Adam(self.critics.parameters(), self.scale.betas)
        self.draws = Draws(seed, replicas, device)
        seed_layers(seed, replicas)
        names = ("generator", "critics", "generator_optimizer", "critics_optimizer", "draws")
        self.modules, self.network = {name: getattr(self, name) for name in names}, self.generator
        self.steps = self.scale.pretraining_steps + self.scale.adversarial_steps
        self.snapshots_at = [self.steps]
        self.checkpoint_every, self.log_every = self.scale.checkpoint_every, self.scale.log_every
        self.sampling_steps = sampling_steps(row.attention, self.steps)
        self.generating = replicas.wrap(self.generator, self.sampling_steps < self.steps)
        self.criticising = replicas.wrap(self.critics)

    def batch(self, number: int) -> tuple[Tensor, Tensor, tuple[int, int, int, int]]:
        """Images ``[N, 3, R, R]``, their one mask ``[1, 1, R, R]`` and the box around its hole, by number alone."""
        crops = self.photographs.random_crops(number, self.scale.batch, self.seed, self.scale.augment)
        images = to_device(crops[self.rows], self.device)
        mask = training_mask(self.scale.resolution, number, self.seed)
        on_device = torch.from_numpy(mask.astype(np.float32)).to(self.device)
        return images, on_device, hole_box(mask)

    def advance(self, step: int, measured: bool) -> tuple[dict[str, Tensor], dict[str, Tensor | float]]:
        """In the second phase the critics' updates first; then one update of the generator."""
        number, losses = step * (self.scale.critic_updates + 1), {}
        lr = learning_rate_factor(step, self.steps, self.scale.decay_from) * self.scale.lr
        set_sampling(self.generator, step < self.sampling_steps)
        measures: dict[str, Tensor | float] = {"lr": lr} if measured else {}
        with_critics = step >= self.scale.pretraining_steps
        if with_critics:
            for k in range(1, self.scale.critic_updates + 1):
                losses["critics"] = self.critics_step(number + k, lr, measures)
        return losses | self.generator_step(number, with_critics, lr, measures), measures

    def generator_step(self, number: int, with_critics: bool, lr: float, measures: dict) -> dict[str, Tensor]:
        """One update of the generator by equation 9, lambda_adv being 0 in the first phase."""
        images, mask, box = self.batch(number)
        coarse, fine = self.generating(images * (1 - mask), mask)
        if self.row.losses == "paper":
            losses = {"reconstruction": reconstruction(images, coarse, fine)}
        else:
            losses = {"reconstruction": discounted_reconstruction(images, coarse, fine, mask=mask, box=box)}
        loss = self.scale.reconstruction_weight * losses["reconstruction"]
        if with_critics:
            self.critics.requires_grad_(False)
            losses["adversarial"] = adversarial(self.critics, complete(images, mask, fine), box)
            loss = loss + self.scale.adversarial_weight * losses["adversarial"]
        weight = self.row.attention.orthogonality if self.row.attention else 0.0
        (loss + orthogonality(self.generator, weight)).backward()
        self._step("generator", self.generator_optimizer, lr, measures)
        return {name: value.detach() for name, value in losses.items()}

    def critics_step(self, number: int, lr: float, measures: dict) -> Tensor:
        """One update of both critics by equation 10."""
        images, mask, box = self.batch(number)
        with torch.no_grad():
            completed = complete(images, mask, self.generator(images * (1 - mask), mask)[1])
        self.critics.requires_grad_(True)
        t = (self.draws.uniform(self.scale.batch), self.draws.uniform(self.scale.batch))
        loss = critic_loss(self.criticising, images, completed, box, mask=mask, t=t)
        loss.backward()
        self._step("critics", self.critics_optimizer, lr, measures)
        return loss.detach()

    def publish(self, scratch: Path, checkpoints: Path) -> list[Path]:
        """Generator and critics."""
        published = [checkpoints / "generator.pt", checkpoints / "critics.pt"]
        loop.publish(scratch / snapshot_name(0), published[0])
        save_tensors(published[1], self.critics.state_dict())
        return published

    def inspect(self) -> dict[str, float]:
        """Of the generator on its first training batch."""
        images, mask, _ = self.batch(0)
        return of_networks(generator=attention_measures(self.generator, images * (1 - mask), mask))

    def _step(self, name: str, optimizer: Adam, lr: float, measures: dict) -> None:
        """Step the optimizer; where measures are taken, note the norm of its network's gradients."""
        if measures:
            gradients = [p.grad for p in self.modules[name].parameters() if p.grad is not None]
            measures[f"{name}_gradient_norm"] = get_total_norm(gradients)
        optimizer.step(lr)
