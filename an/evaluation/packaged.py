"""Published weights that package indexes hold: found where they are installed, without importing their packages."""

from importlib.util import find_spec
from pathlib import Path

from ..errors import UserError
from ..files import sha256


class Missing(UserError):
    """An extractor's weights that this machine does not have."""


def packaged_file(package: str, file: str, checksum: str) -> Path | None:
    """A file of an installed package; None where there is none. Raises UserError when its sha256 is another."""
    spec = find_spec(package)
    path = Path(spec.origin).parent / file if spec and spec.origin else None
    if path is None or not path.exists():
        return None
    if (found := sha256(path)) != checksum:
        raise UserError(f"{path} has sha256 {found}, not {checksum}: run `make inception` to install it again.")
    return path
