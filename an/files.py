"""Files that are whole or absent, and checksums of them."""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EINVAL, EOPNOTSUPP
from pathlib import Path

from .errors import NO_ROOM, UserError


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place, synced to disk, when the block ends well."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def written_array(path: str | Path, dtype, shape: tuple[int, ...]) -> Iterator:
    """A memory-mapped .npy file to fill, which takes its place at ``path`` when the block ends well.

    Its space is taken beforehand: to write to a mapped page that finds no room on the disk ends the process, by a
    signal and without a word. Raises UserError when there is no room.
    """
    import numpy as np  # not for those who want but a checksum

    with written_whole(path) as temporary:
        try:
            array = np.lib.format.open_memmap(temporary, "w+", dtype, shape)
            _reserve(temporary)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            needed = np.dtype(dtype).itemsize * math.prod(shape)
            free = shutil.disk_usage(temporary.parent).free
            raise UserError(
                f"{path} needs {needed / 1e6:.1f} MB, and {Path(path).parent} has {free / 1e6:.1f} MB free "
                f"({error.strerror}): make room on the disk and run the same command again."
            ) from None
        yield array
        array.flush()


def _reserve(path: Path) -> None:
    """Take the disk's blocks for a file that has its length but may be sparse, where the file system can."""
    if not hasattr(os, "posix_fallocate"):
        return
    with open(path, "r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        except OSError as error:
            if error.errno not in (EINVAL, EOPNOTSUPP):
                raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: str | Path, content) -> None:
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")


def sha256(path: str | Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
