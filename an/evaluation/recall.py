"""How well a trained layer recalls (table 6), and on one image what it answers and where it looks (figure 10)."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from .. import params, provenance
from ..data.recall import MARK, ROWS
from ..layers import AttentiveNorm2d, SelfAttention2d
from ..metrics.recall import answered
from ..models import RecallNetwork, build_recall
from ..seals import read_sealed, write_sealed
from ..training.recall import test_images
from ..weights import load_weights
from .measured import write_measured

BATCH = 128


def evaluate_recall(
    row_name: str,
    scale_name: str,
    seed: int,
    *,
    checkpoints: str | Path,  # folder of the row's
    training: str | Path,  # JSON: what the training run says of itself
    metrics: str | Path,  # receives JSON: accuracy, measures of the layer, protocol, training, provenance
    example: str | Path,  # receives JSON: the first test image, its answers, and a map for each mark
    device: torch.device,
) -> None:
    """Test a trained row on the images that all rows are tested on."""
    row, scale = params.load_row(row_name, "recall"), params.load_scale(scale_name)
    network, checkpoint = build_recall(row, scale).to(device).eval(), Path(checkpoints) / "network.pt"
    load_weights(network, checkpoint, device, f"row '{row_name}' at scale '{scale_name}'")
    test = test_images(scale.recall, scale.recall.test_images)
    trained = read_sealed(training, [checkpoint])
    outputs = paint(network, test.images, device)
    measured = {
        "accuracy": float(answered(outputs, test.painted, ROWS).mean()),
        "squared_error": float(np.square(outputs - test.painted).mean()),
        "parameters": sum(p.numel() for p in network.parameters()),
        **trained["attention"],
    }
    if isinstance(network.layer, AttentiveNorm2d) and network.layer.self_sampling:
        as_trained, network.layer.sample_in_eval = network.layer.sample_in_eval, True
        torch.manual_seed(0)
        measured["accuracy_sampling"] = float(answered(paint(network, test.images, device), test.painted, ROWS).mean())
        network.layer.sample_in_eval = as_trained
    protocol = {
        "test_images": len(test.images),
        "keys": scale.recall.keys,
        "gap": scale.recall.gap,
        "channels": scale.recall.channels,
        "answer": "the colour nearest to a mark's mean output, of 8",
    }
    write_measured(
        metrics,
        {"row": row_name, "scale": scale_name, "seed": seed, "metrics": measured, "protocol": protocol},
        training=trained,
        checkpoint=checkpoint,
        made=provenance.made(device),
        settings=params.digest(params.recall_settings(row, scale)),
    )
    write_sealed(example, answers(network, test.images[:1], outputs[:1], test.painted[:1]))


@torch.inference_mode()
def paint(network: RecallNetwork, images: np.ndarray, device: torch.device) -> np.ndarray:
    """Outputs in the right columns, float32 ``[N, 3, H, 3]``, of images ``[N, keys + 3, H, W]``."""
    parts = [network(torch.from_numpy(images[k : k + BATCH]).to(device)) for k in range(0, len(images), BATCH)]
    return torch.cat(parts)[..., -MARK:].cpu().numpy()


def answers(network: RecallNetwork, image: np.ndarray, output: np.ndarray, painted: np.ndarray) -> dict:
    """One image ``[1, keys + 3, H, W]`` as lists: by row of marks, the keys, the colours, the answers, the maps."""
    keys = image.shape[1] - 3
    left, right = (image[0, :keys, ::ROWS, column].argmax(0).tolist() for column in (0, -1))

    def colours(maps: np.ndarray) -> list[list[float]]:
        means = maps[0].reshape(3, -1, ROWS * MARK).mean(2)
        return np.round(means.T.astype(float), 3).tolist()

    return {
        "cues": {"keys": left, "colours": image[0, keys:, ::ROWS, 0].T.tolist()},
        "marks": {"keys": right, "colours": colours(painted)},
        "answers": colours(output),
        "right": answered(output, painted, ROWS)[0].tolist(),
        "maps": maps_of_marks(network, torch.from_numpy(image).to(next(network.parameters()).device)),
    }


@torch.inference_mode()
def maps_of_marks(network: RecallNetwork, image: Tensor) -> list[list[list[float]]] | None:
    """For every mark where the layer looks, ``[keys, H, W]`` in [0, 1]; None of a layer without such a map.

    Of attentive normalization the layout of the entity that is strongest on the mark; of self-attention the weights of
    the mark's middle pixel.
    """
    given = []
    hook = network.layer.register_forward_pre_hook(lambda layer, inputs: given.append(inputs[0]))
    network(image)
    hook.remove()
    maps = _maps(network.layer, given[0])
    if maps is None:
        return None
    return np.round(maps.double().cpu().numpy(), 3).tolist()


def _maps(layer: nn.Module, x: Tensor) -> Tensor | None:
    height, width = x.shape[2:]
    rows = torch.arange(0, height, ROWS)
    if isinstance(layer, AttentiveNorm2d):
        layout = layer.soft_layout(x)[0]
        strongest = layout[..., -MARK:].unflatten(1, (-1, ROWS)).mean((2, 3)).argmax(0)
        return layout[strongest]
    if isinstance(layer, SelfAttention2d):
        weights = layer.weights(x)[0].unflatten(0, (height, width))[rows, width - 2]
        pooled = weights.unflatten(1, (height // 2, width // 2) if layer.pool else (height, width))
        maps = nn.functional.interpolate(pooled[None], (height, width))[0]
        return maps / maps.amax((1, 2), keepdim=True)
    return None
