"""The regions of a trained generator, and two classes mixed: figures 4, 5 and 8 as numbers, to be drawn without it."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn

from .. import params, provenance
from ..data.loading import to_bytes, to_device
from ..errors import UserError
from ..files import sha256, written_whole
from ..layers import AttentiveNorm2d
from ..metrics.layouts import layout_measures
from ..metrics.regions import FLAT, less_varied, region_moments, shifted, shuffled
from ..models import Generator, build_discriminator
from ..models.attention import attentive_norms
from ..sampling.generation import latent, load_generator
from ..sampling.pictures import read_picture
from ..seals import write_sealed
from ..weights import load_tensors, load_weights

IMAGES = 256  # behind figure 4's claim
EXAMPLES = 8  # of them, whose maps are kept
EMBEDDING = "embedding.parametrizations.weight.original"  # a discriminator's table with a row for each class
CHAIN = 7  # images from one class to the next, both included


def look_at_regions(
    row_name: str,
    scale_name: str,
    seed: int,
    *,
    checkpoint: str | Path,  # the row's generator
    regions: str | Path,  # receives JSON: what regions do to the features' deviations, image by image
    layouts: str | Path,  # receives .npz: some images with their layouts, and two chains between classes
    device: torch.device,
) -> None:
    """Generate images and look at the layouts they were made with.

    The .npz holds ``images`` uint8 ``[k, R, R, 3]``, ``layouts`` ``[k, n, H, W]``, ``whole`` and ``within``, the mean
    and standard deviation of the features that the layer was given over the whole map ``[k, 2]`` and over each region
    ``[k, n, 2]``; ``chain_images`` ``[2, CHAIN, R, R, 3]``, ``chain_layouts`` and ``chain_classes`` ``[3]``.
    Raises UserError for a row without attentive normalization, or weights of another row.
    """
    row, scale = params.load_row(row_name, "generation"), params.load_scale(scale_name)
    check_attends(row_name, row)
    generator = load_generator(row_name, scale_name, checkpoint, device)
    batch, num_classes = scale.evaluation.batch, generator.num_classes
    labels = np.arange(IMAGES) % num_classes
    random, looked = torch.Generator().manual_seed(seed), []
    for start in range(0, IMAGES, batch):
        chosen = range(start, min(start + batch, IMAGES))
        looked.append(_look(generator, _latents(generator, seed, chosen), torch.from_numpy(labels[chosen]), random))
    found = {name: np.concatenate([part[name] for part in looked]) for name in looked[0]}
    chain = chain_of_classes(scale, num_classes)
    chain_images, chain_layouts = interpolate(generator, chain, seed, batch)
    arrays = {name: found[name][:EXAMPLES] for name in ("images", "layouts", "whole", "within")}
    arrays |= {"chain_images": chain_images, "chain_layouts": chain_layouts, "chain_classes": np.array(chain)}
    with written_whole(layouts) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    per_image = {name: found[name].tolist() for name in found if name.startswith(("below", "ratio"))}
    write_sealed(
        regions,
        {
            **{"row": row_name, "scale": scale_name, "seed": seed, "images": IMAGES},
            "measures": layout_measures(torch.from_numpy(found["layouts"])),
            "flat_below": FLAT,
            "per_image": per_image,
            "provenance": {"checkpoint": str(checkpoint), "checkpoint_sha256": sha256(checkpoint)},
        },
        provenance.made(device),
        files=[layouts],
    )


def chain_of_classes(scale: params.Scale, num_classes: int) -> list[int]:
    """The three classes that figure 8 goes through: the first of table 2's, as far as the data has them."""
    chosen = [number for number in scale.evaluation.table2_classes if number < num_classes][:3]
    return chosen + chosen[: 3 - len(chosen)]  # of two classes, there and back


@torch.inference_mode()
def interpolate(generator: Generator, classes: list[int], seed: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Section 5.2's categorical interpolation: conditional scales and shifts mixed linearly, at the noise of image 0.

    Returns images uint8 ``[chains, CHAIN, R, R, 3]``, a chain from each class to the next, and the layouts ``[chains,
    CHAIN, n, H, W]``. A chain's ends are, bit for bit, ``sample``'s image 0 with that label.
    """
    shares = torch.stack([_shares(a, b, generator.num_classes) for a, b in pairwise(classes)])
    flat = shares.flatten(0, 1)
    padded = flat[torch.arange(-(-len(flat) // batch) * batch) % len(flat)]  # batches as ``sample`` has them
    z = _latents(generator, seed, [0]).expand(batch, -1)
    parts = [look_through(generator, z, part.to(z.device))[:2] for part in padded.split(batch)]
    images = np.concatenate([to_bytes(part) for part, _ in parts])[: len(flat)]
    layouts = torch.cat([layout for _, layout in parts])[: len(flat)].cpu().numpy()
    shape = shares.shape[:2]
    return images.reshape(*shape, *images.shape[1:]), layouts.reshape(*shape, *layouts.shape[1:])


def _shares(a: int, b: int, num_classes: int) -> Tensor:
    """Of every class in each of a chain's images, ``[CHAIN, num_classes]``."""
    one = torch.eye(num_classes)
    return torch.stack([torch.lerp(one[a], one[b], k / (CHAIN - 1)) for k in range(CHAIN)])


def _latents(generator: Generator, seed: int, images) -> Tensor:
    device = generator.linear.weight.device
    return torch.stack([latent(seed, i, generator.latent) for i in images]).to(device)


@torch.inference_mode()
def layout_of_picture(
    image_file: str | Path, row_name: str, scale_name: str, *, checkpoint: str | Path, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """A picture as the row's discriminator is given it, uint8 ``[R, R, 3]``, and the layout it makes ``[n, H, W]``.

    The picture's middle square is brought to the scale's resolution. Raises UserError for a picture that cannot be
    read, a row without attentive normalization, or weights of another row.
    """
    row, scale = params.load_row(row_name, "generation"), params.load_scale(scale_name)
    check_attends(row_name, row)
    weights, of = load_tensors(checkpoint), f"row '{row_name}' at scale '{scale_name}'"
    if not isinstance(embedding := weights.get(EMBEDDING), Tensor):
        raise UserError(f"checkpoint {checkpoint} is not of a discriminator: name one of {of}.")
    discriminator = build_discriminator(row, scale, len(embedding)).to(device).eval()
    load_weights(discriminator, checkpoint, device, of)
    size = (scale.resolution, scale.resolution)
    square = np.array(ImageOps.fit(Image.fromarray(read_picture(image_file)), size, Image.Resampling.LANCZOS))
    label = torch.zeros(1, dtype=torch.int64, device=device)  # no layer but the last looks at it
    _, layout, _ = look_through(discriminator, to_device(square[None], device), label)
    return square, layout[0].cpu().numpy()


def check_attends(row_name: str, row: params.Row) -> None:
    if not isinstance(row.attention, params.AttentiveNorm):
        raise UserError(f"row '{row_name}' has no attentive normalization: name one that has, such as 'an'.")


def look_through(network: nn.Module, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """``network(*inputs)``, its layer's soft layout ``[N, n, H, W]``, and the features that the layer was given."""
    layer, given = attentive_norms(network)[0], []
    hook = layer.register_forward_pre_hook(lambda layer, inputs: given.append(inputs[0]))
    layer.keep_layout = True
    output = network(*inputs)
    hook.remove()
    layout, layer.keep_layout, layer.last_layout = layer.last_layout, False, None
    assert isinstance(layer, AttentiveNorm2d) and layout is not None, "as keep_layout has it"
    return output, layout, given[0]


@torch.inference_mode()
def _look(generator: Generator, z: Tensor, labels: Tensor, random: torch.Generator) -> dict[str, np.ndarray]:
    """Images and layouts of one batch, and the deviations within regions and within masks that know nothing of it."""
    images, layout, features = look_through(generator, z, labels.to(z.device))
    whole = region_moments(features, torch.ones_like(layout[:, :1]))
    masks = {"": layout, "_shuffled": shuffled(layout, random), "_shifted": shifted(layout, random)}
    found = {"images": to_bytes(images), "layouts": layout.float().cpu().numpy()}
    found["whole"] = torch.cat(whole, 1).cpu().numpy()
    for name, mask in masks.items():
        within = region_moments(features, mask)
        if not name:
            found["within"] = torch.stack(within, 2).cpu().numpy()
        for measure, values in zip(("below", "ratio"), less_varied(within[1], whole[1]), strict=True):
            found[f"{measure}{name}"] = values.cpu().numpy()
    return found
