"""Tensors in files: written whole or not at all, checked when read, loaded without running code from the file.

Equal tensors give equal files, byte for byte, whoever writes them and when.
"""

import zipfile
from pathlib import Path

import torch

from .errors import UserError
from .files import written_whole


def save_tensors(path: str | Path, content: dict) -> None:
    """Write tensors, numbers and strings, nested in dicts and lists. Raises UserError when they cannot be written."""
    try:
        with written_whole(path) as temporary, open(temporary, "wb") as file:
            torch.save(content, file)  # given a path, torch would put the temporary file's name into the archive
    except (OSError, RuntimeError) as error:  # torch's writer raises RuntimeError on a full disk
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{path} cannot be written ({reason}): make room on the disk and run the same command again."
        ) from None


def load_weights(network: torch.nn.Module, path: str | Path, device: torch.device, of: str) -> None:
    """Read a network's weights into it. Raises UserError, saying whose they should be, when they do not fit."""
    weights = load_tensors(path, device)
    try:
        network.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError):
        raise UserError(f"checkpoint {path} is not of {of}: name what it was trained with.") from None


def load_tensors(path: str | Path, device: torch.device | str = "cpu") -> dict:
    """Read what ``save_tensors`` wrote. Raises UserError when it is missing, damaged or holds anything but data."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip():  # torch does not compare the checksums that it writes
                raise ValueError("wrong checksum")
        return torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise UserError(f"checkpoint {path} is missing: train the row first.") from None
    except Exception as error:  # torch raises many kinds for a damaged file
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"checkpoint {path} cannot be read ({reason}): delete it and train again.") from None
