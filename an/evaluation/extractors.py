"""Networks that turn images into the features and logits all metrics are computed from."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .. import params
from ..data.loading import to_device
from ..errors import UserError
from ..files import sha256, written_array, written_whole
from ..progress import progress
from ..weights import load_weights
from .classifier import FeatureClassifier


@dataclass(frozen=True)
class Extractor:
    """A feature network with all that its numbers depend on."""

    name: str
    forward: Callable[[np.ndarray], tuple[Tensor, Tensor]]  # uint8 [N, R, R, 3] to features [N, D], logits [N, K]
    sha256: str  # of the weights
    resize: str

    def protocol(self, batch: int, device: torch.device) -> dict:
        """What is recorded beside every number, and names the features where they are kept."""
        tf32 = device.type == "cuda" and torch.backends.cudnn.allow_tf32
        return {
            "extractor": self.name,
            "extractor_sha256": self.sha256,
            "resize": self.resize,
            "dtype": f"float32{' (TF32 convolutions)' if tf32 else ''} features, float64 distances",
            "batch": batch,
        }


def load_classifier(
    scale: params.Scale, num_classes: int, weights: str | Path, device: torch.device
) -> FeatureClassifier:
    network = FeatureClassifier(scale.evaluation.classifier.channels, num_classes)
    load_weights(network, weights, device, f"this scale's classifier of {num_classes} classes")
    return network.to(device).eval()


def classifier_extractor(scale: params.Scale, num_classes: int, weights: str | Path, device: torch.device) -> Extractor:
    """The pipeline's own classifier of the real training set."""
    network = load_classifier(scale, num_classes, weights, device)
    return Extractor("classifier", lambda images: network(to_device(images, device)), sha256(weights), "none")


def scale_extractor(scale: params.Scale, num_classes: int, classifier: str | Path, device: torch.device) -> Extractor:
    """The extractor that a scale names. Raises UserError when its weights are missing or not the ones named."""
    settings = scale.evaluation
    if settings.extractor == "classifier":
        return classifier_extractor(scale, num_classes, classifier, device)
    return inception_extractor(settings.inception_weights, device, settings.inception_sha256)


def inception_extractor(
    weights: str | Path | None, device: torch.device, expected_sha256: str | None = None
) -> Extractor:
    """The 2015 TensorFlow Inception in torch-fidelity's port: pool features ``[N, 2048]``, logits without bias.

    ``weights`` is a file in the port's own format; None takes torch-fidelity's published one, downloaded once.
    Batch normalization is folded into the convolutions and memory is channels-last, which changes features by their
    rounding alone and is the faster.

    Raises:
        UserError: the file is missing, damaged, of another network, not the one expected, or could not be downloaded.
    """
    from torch_fidelity.feature_extractor_inceptionv3 import BasicConv2d, FeatureExtractorInceptionV3

    path = published_inception() if weights is None else Path(weights)
    try:
        torch.load(path, weights_only=True)  # the port unpickles: only what holds no code gets that far
        network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048", "logits_unbiased"], str(path))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: give --weights the port's file, or leave it out to download it.") from None
    except Exception as error:  # torch.load and load_state_dict raise whatever they like
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"{path} does not hold torch-fidelity's Inception weights ({reason}): download the file again."
        ) from None
    found = sha256(path)
    if expected_sha256 not in (None, found):
        raise UserError(f"{path} has sha256 {found}, not {expected_sha256}: use the weights the protocol names.")
    for module in network.modules():
        if isinstance(module, BasicConv2d):
            module.conv = torch.nn.utils.fusion.fuse_conv_bn_eval(module.conv, module.bn)
            module.bn = torch.nn.Identity()
    network = network.to(device, memory_format=torch.channels_last)

    def forward(images: np.ndarray) -> tuple[Tensor, Tensor]:
        return network(torch.from_numpy(images).to(device).permute(0, 3, 1, 2))

    return Extractor("inception-2015", forward, found, f"TensorFlow 1 bilinear to {network.INPUT_IMAGE_SIZE}")


def published_inception() -> Path:
    """Torch-fidelity's published weights in torch's cache, downloaded and checked against their hash if need be."""
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    path = Path(torch.hub.get_dir()) / "checkpoints" / URL_INCEPTION_V3.rpartition("/")[2]
    if not path.exists():
        hash_prefix = path.stem.rpartition("-")[2]
        try:
            with written_whole(path) as temporary:
                torch.hub.download_url_to_file(URL_INCEPTION_V3, str(temporary), hash_prefix, progress=False)
        except (OSError, RuntimeError) as error:
            raise UserError(
                f"{URL_INCEPTION_V3} could not be downloaded ({error}): fetch it elsewhere and name the file with "
                "--weights."
            ) from None
    return path


@torch.inference_mode()
def batches(extractor: Extractor, images, batch: int, what: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Features ``[B, D]`` and logits ``[B, K]``, float32, of consecutive uint8 images ``[N, R, R, 3]``.

    ``images`` is an array, or anything with a length whose slices are arrays; the next batch is read while the network
    works on this one. Raises UserError when a feature is not finite.
    """
    slices = [slice(start, start + batch) for start in range(0, len(images), batch)]
    with ThreadPoolExecutor(1) as reader:
        ahead = reader.submit(_read, images, slices[0])
        for following in progress([*slices[1:], None], what):
            current = ahead.result()
            if following is not None:
                ahead = reader.submit(_read, images, following)
            features, logits = (out.cpu().numpy() for out in extractor.forward(current))
            if not (np.isfinite(features).all() and np.isfinite(logits).all()):
                raise UserError(f"{what}: the extractor's features are not finite: check its weights and the images.")
            yield features, logits


def _read(images, part: slice) -> np.ndarray:
    return np.array(images[part])


def extract(
    extractor: Extractor, images, batch: int, what: str, *, file: str | Path | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Features ``[N, D]`` and logits ``[N, K]``, float32; with ``file`` the features go to that .npy,
    written whole, and come back memory-mapped. Raises UserError when a feature is not finite.
    """
    if file is None:
        features, logits = zip(*batches(extractor, images, batch, what), strict=True)
        return np.concatenate(features), np.concatenate(logits)
    made, kept, start = batches(extractor, images, batch, what), [], 0
    first = next(made)
    with written_array(file, np.float32, (len(images), first[0].shape[1])) as array:
        for features, logits in chain([first], made):
            array[start : start + len(features)] = features
            start += len(features)
            kept.append(logits)
    return np.load(file, mmap_mode="r"), np.concatenate(kept)
