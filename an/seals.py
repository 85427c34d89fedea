"""Results that vouch for themselves: a JSON file with a digest of its content, and checksums of the files beside it.

What follows from a result's inputs is its content. Where, when and how fast it was made stands apart, under "made", so
that equal results are equal files but for that. Both have their digest, under "seal".
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from .errors import UserError
from .files import sha256, write_json

MADE, SEAL, FILES = "made", "seal", "files"


def write_sealed(path: str | Path, content: dict, made: dict | None = None, files: Iterable[str | Path] = ()) -> None:
    """Write a result, and with it the checksums of ``files``, by name."""
    content = json.loads(json.dumps(content))  # as readers will have it
    made = json.loads(json.dumps(made or {}))
    if checksums := {Path(file).name: sha256(file) for file in files}:
        content[FILES] = checksums
    write_json(path, {**content, MADE: made, SEAL: {"content": digest(content), MADE: digest(made)}})


def read_sealed(path: str | Path, files: Iterable[str | Path] = ()) -> dict:
    """A result as it was written, without its seal.

    Raises UserError when it is missing, unreadable or was changed, or when one of ``files`` is not what it vouches for.
    """
    path = Path(path)
    result = _parsed(path)
    seal, made = result.pop(SEAL, None), result.pop(MADE, {})
    if seal != {"content": digest(result), MADE: digest(made)}:
        raise UserError(f"{path} was changed after it was made: delete it and run the same command again.")
    for file in map(Path, files):
        check_file(file, result.get(FILES, {}).get(file.name), path)
    return {**result, MADE: made}


def check_file(file: Path, checksum: str | None, by: Path) -> None:
    """Raise UserError unless a file has the checksum that the result ``by`` states."""
    if not file.exists():
        raise UserError(f"{file} is missing: run snakemake to make it.")
    if sha256(file) != checksum:
        raise UserError(f"{file} was changed after it was made, says {by}: delete both and run the same command again.")


def digest(content: dict) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _parsed(path: Path) -> dict:
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run snakemake to make it.") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): delete it and run the same command again.") from None
    if not isinstance(result, dict):
        raise UserError(f"{path} is not a result: delete it and run the same command again.")
    return result
