"""Training of an inpainting row in two phases: reconstruction alone, then with the critics (section 5.1)."""

from pathlib import Path

import numpy as np
import torch

from .. import params
from ..data.crops import TrainingPhotographs, open_training_photographs
from ..data.loading import to_device
from ..data.masks import hole_box, training_mask
from ..models import InpaintingDiscriminator, build_inpainting_generator
from ..models.inpainting import complete
from ..names import snapshot_name
from . import checkpoints, loop
from .inpainting_losses import adversarial, critic_loss, discounted_reconstruction, reconstruction
from .losses import orthogonality
from .schedule import learning_rate_factor, set_learning_rate


def train_inpainting(
    row_name: str,
    scale_name: str,
    seed: int,
    data: str | Path,  # folder of prepared photographs
    checkpoint_folder: str | Path,  # receives generator.pt and critics.pt
    events_file: str | Path,  # receives losses and rates as JSON lines
    scratch: str | Path,  # resume state; a rerun goes on from here
    device: torch.device,
) -> None:
    """Train one inpainting row with one seed, from its last resume point if there is one.

    Raises:
        UserError: as ``adversarial.train``.
    """
    row, scale = params.load_row(row_name, "inpainting"), params.load_scale(scale_name)
    photographs, settings = open_training_photographs(data), scale.inpainting
    scratch, checkpoint_folder = Path(scratch), Path(checkpoint_folder)
    steps = settings.pretraining_steps + settings.adversarial_steps
    with loop.held(scratch):
        job = InpaintingTraining(row, scale, seed, photographs, device)
        every = (settings.checkpoint_every, settings.log_every)
        loop.run(job, f"{row_name} seed {seed}", steps, [steps], *every, scratch)
        loop.publish(scratch / snapshot_name(0), checkpoint_folder / "generator.pt")
        checkpoints.save(checkpoint_folder / "critics.pt", job.critics.state_dict())
        loop.publish(scratch / "events.jsonl", Path(events_file))
        loop.clear(scratch)


class InpaintingTraining:
    """The networks, optimizers and data of a run, and the arithmetic of its step (a ``loop.Job``)."""

    def __init__(
        self,
        row: params.InpaintingRow,
        scale: params.Scale,
        seed: int,
        photographs: TrainingPhotographs,
        device: torch.device,
    ):
        self.row, self.seed, self.photographs, self.device = row, seed, photographs, device
        self.scale = scale.inpainting
        origin = {"seed": seed, "data": photographs.sha256, "code": loop.training_code()}
        self.settings = params.digest({**params.inpainting_settings(row, scale), **origin})
        torch.manual_seed(seed)
        resolution = self.scale.resolution
        critics = InpaintingDiscriminator(self.scale.critic_width, resolution, resolution // 2)
        self.generator = build_inpainting_generator(row, scale).to(device, memory_format=torch.channels_last)
        self.critics = critics.to(device, memory_format=torch.channels_last)
        self.generator_optimizer = self._adam(self.generator)
        self.critics_optimizer = self._adam(self.critics)
        names = ("generator", "critics", "generator_optimizer", "critics_optimizer")
        self.modules = {name: getattr(self, name) for name in names}

    def _adam(self, network: torch.nn.Module) -> torch.optim.Adam:
        return torch.optim.Adam(network.parameters(), self.scale.lr, betas=self.scale.betas, fused=True)

    def batch(self, number: int) -> tuple[torch.Tensor, torch.Tensor, tuple[int, int, int, int]]:
        """Images ``[N, 3, R, R]``, their one mask ``[1, 1, R, R]`` and the box around its hole, by number alone."""
        images = to_device(
            self.photographs.random_crops(number, self.scale.batch, self.seed, self.scale.augment), self.device
        )
        mask = training_mask(self.scale.resolution, number, self.seed)
        on_device = torch.from_numpy(mask.astype(np.float32)).to(self.device)
        return images, on_device, hole_box(mask)

    def advance(self, step: int) -> dict[str, torch.Tensor]:
        """In the second phase the critics' updates first; then one update of the generator."""
        number, losses = step * (self.scale.critic_updates + 1), {}
        steps = self.scale.pretraining_steps + self.scale.adversarial_steps
        factor = learning_rate_factor(step, steps, self.scale.decay_from)
        for optimizer in (self.generator_optimizer, self.critics_optimizer):
            set_learning_rate(optimizer, factor * self.scale.lr)
        with_critics = step >= self.scale.pretraining_steps
        if with_critics:
            for k in range(1, self.scale.critic_updates + 1):
                losses["critics"] = self.critics_step(number + k)
        return losses | self.generator_step(number, with_critics)

    def generator_step(self, number: int, with_critics: bool) -> dict[str, torch.Tensor]:
        """One update of the generator by equation 9, lambda_adv being 0 in the first phase."""
        images, mask, box = self.batch(number)
        coarse, fine = self.generator(images * (1 - mask), mask)
        if self.row.losses == "paper":
            losses = {"reconstruction": reconstruction(images, coarse, fine)}
        else:
            losses = {"reconstruction": discounted_reconstruction(images, coarse, fine, mask, box)}
        loss = self.scale.reconstruction_weight * losses["reconstruction"]
        if with_critics:
            self.critics.requires_grad_(False)
            losses["adversarial"] = adversarial(self.critics, complete(images, mask, fine), box)
            loss = loss + self.scale.adversarial_weight * losses["adversarial"]
        weight = self.row.attention.orthogonality if self.row.attention else 0.0
        (loss + orthogonality(self.generator, weight)).backward()
        self._step(self.generator_optimizer)
        return {name: value.detach() for name, value in losses.items()}

    def critics_step(self, number: int) -> torch.Tensor:
        """One update of both critics by equation 10."""
        images, mask, box = self.batch(number)
        with torch.no_grad():
            completed = complete(images, mask, self.generator(images * (1 - mask), mask)[1])
        self.critics.requires_grad_(True)
        loss = critic_loss(self.critics, images, completed, box, mask)
        loss.backward()
        self._step(self.critics_optimizer)
        return loss.detach()

    @staticmethod
    def _step(optimizer: torch.optim.Optimizer) -> None:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
