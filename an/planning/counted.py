"""The arithmetic of trainings, counted without doing it: networks on torch's meta device have shapes alone.

Operations are those of convolutions and matrix products, a multiplication and an addition being two.
"""

from collections.abc import Callable
from functools import cache, partial

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from .. import params
from ..data.recall import draw
from ..models import (
    InpaintingDiscriminator,
    build_discriminator,
    build_generator,
    build_inpainting_generator,
    build_recall,
)
from ..needs import CLASSES
from ..params.rows import Rows
from ..training.inpainting_losses import adversarial, critic_loss

META = torch.device("meta")


def training_operations(row: params.AnyRow, scale: params.Scale) -> float:
    """Of a row's whole training with one seed, its self-sampling on throughout, without the orthogonality loss."""
    return _counted(_alike(row).model_dump_json(), scale.model_dump_json())


def _alike(row: params.AnyRow) -> params.AnyRow:
    """The row with switches that change next to nothing of what is counted set alike, so that it is counted once.

    These are also the statistics whose path is plain products, as compiled code has them.
    """
    attention = row.attention
    same: dict[str, object] = {"tables": {}}
    if isinstance(attention, params.AttentiveNorm):
        same["attention"] = params.AttentiveNorm(
            kind="attentive_norm", regions=attention.regions, statistics="layer", self_sampling=attention.self_sampling
        )
    return row.model_copy(update=same)


@cache
def _counted(row_json: str, scale_json: str) -> float:
    row, scale = Rows.validate_json(f'{{"row": {row_json}}}')["row"], params.Scale.model_validate_json(scale_json)
    of_task: dict[str, Callable[..., float]]
    of_task = {"generation": _generation, "inpainting": _inpainting, "recall": _recall}
    with META:
        return of_task[row.task](row, scale)


class Counter(TorchDispatchMode):
    """Adds up operations by the formulas of torch's FlopCounterMode, which cannot see through a gradient's gradient."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        if formula := flop_registry.get(function._overloadpacket):
            self.count += formula(*args, **(kwargs or {}), out_val=out)
        return out


def operations(step: Callable[[], object]) -> int:
    """Of one call."""
    with Counter() as counter:
        step()
    return counter.count


def _generation(row: params.Row, scale: params.Scale) -> float:
    recipe, classes = scale.recipes[row.recipe], CLASSES[scale.dataset]
    generator, discriminator = build_generator(row, scale, classes), build_discriminator(row, scale, classes)
    images = torch.empty(recipe.batch, 3, scale.resolution, scale.resolution)
    z, labels = torch.empty(recipe.batch, scale.generator.latent), torch.empty(recipe.batch, dtype=torch.int64)

    def discriminator_step() -> None:
        with torch.no_grad():
            fake = generator(z, labels)
        _summed(discriminator(torch.cat([images, fake]), torch.cat([labels, labels]))).backward()

    def generator_step() -> None:
        _summed(discriminator(generator(z, labels), labels)).backward()

    updates = recipe.discriminator_steps * operations(discriminator_step)
    discriminator.requires_grad_(False)
    return recipe.steps * (updates + operations(generator_step))


def _summed(outputs: tuple[Tensor, Tensor | None]) -> Tensor:
    return torch.stack([output.sum() for output in outputs if output is not None]).sum()


def _inpainting(row: params.InpaintingRow, scale: params.Scale) -> float:
    part, r = scale.inpainting, scale.inpainting.resolution
    generator, critics = build_inpainting_generator(row, scale), InpaintingDiscriminator(part.critic_width, r, r // 2)
    images, mask, t = torch.empty(part.batch, 3, r, r), torch.empty(1, 1, r, r), torch.empty(part.batch)
    box = (0, 0, r // 2, r // 2)

    def critics_step() -> None:
        with torch.no_grad():
            completed = generator(images * (1 - mask), mask)[1]
        critic_loss(critics, images, completed, box, mask=mask, t=(t, t)).backward()

    def generator_step(with_critics: bool) -> None:
        coarse, fine = generator(images * (1 - mask), mask)
        loss = coarse.sum() + fine.sum()
        (loss + adversarial(critics, fine, box) if with_critics else loss).backward()

    updates = part.critic_updates * operations(critics_step)
    critics.requires_grad_(False)
    alone, with_critics = (operations(partial(generator_step, on)) for on in (False, True))
    return part.pretraining_steps * alone + part.adversarial_steps * (updates + with_critics)


def _recall(row: params.RecallRow, scale: params.Scale) -> float:
    part, network = scale.recall, build_recall(row, scale)
    shape = draw(keys=part.keys, gap=part.gap, count=1, seed=0, number=0).images.shape[1:]
    images = torch.empty(part.batch, *shape)
    return part.steps * operations(lambda: network(images).sum().backward())
