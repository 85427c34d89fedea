"""Checkpoints: written whole or not at all, loaded without running code from the file."""

from pathlib import Path

import torch

from ..errors import UserError
from ..files import written_whole


def save(path: str | Path, content: dict) -> None:
    """Write tensors, numbers and strings, nested in dicts and lists."""
    with written_whole(path) as temporary:
        torch.save(content, temporary)


def load(path: str | Path, device: torch.device | str = "cpu") -> dict:
    """Read what ``save`` wrote. Raises UserError when the file is missing, damaged or holds anything but data."""
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise UserError(f"checkpoint {path} is missing: train the row first.") from None
    except Exception as error:  # torch raises many kinds for a damaged file
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"checkpoint {path} cannot be read ({reason}): delete it and train again.") from None


def save_state(path: Path, step: int, modules: dict, settings_digest: str, events_offset: int) -> None:
    """A resume point: every module's and optimizer's state, the random state and where the event file ended."""
    content = {
        "step": step,
        "settings": settings_digest,
        "events_offset": events_offset,
        "random": torch.get_rng_state(),
        "cuda_random": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "modules": {name: module.state_dict() for name, module in modules.items()},
    }
    save(path, content)


def load_state(path: Path, modules: dict, settings_digest: str, device: torch.device) -> tuple[int, int]:
    """Restore what ``save_state`` kept; return its step and event offset. (0, 0) when there is nothing to resume."""
    if not path.exists():
        return 0, 0
    content = load(path, device)
    if content["settings"] != settings_digest:
        raise UserError(
            f"{path} was trained with other parameters, data or code ({content['settings']}, now {settings_digest}): "
            f"delete {path.parent} to train anew."
        )
    for name, module in modules.items():
        module.load_state_dict(content["modules"][name])
    torch.set_rng_state(content["random"].cpu())
    if content["cuda_random"]:
        torch.cuda.set_rng_state_all([state.cpu() for state in content["cuda_random"]])
    return content["step"], content["events_offset"]
