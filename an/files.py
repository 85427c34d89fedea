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
from .layout import CHECKSUMS

LARGE = 2**28  # bytes, from which on a file's checksum is remembered


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place, synced to disk, when the block ends well."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        sync(temporary)
        os.replace(temporary, path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def written_array(path: str | Path, dtype, shape: tuple[int, ...]) -> Iterator:
    """A memory-mapped .npy file to fill, which takes its place at ``path`` when the block ends well.

    Its space is taken beforehand: to write to a mapped page that finds no room on the disk ends the process, by a
    signal and without a word. Raises UserError when there is no room.
    """
    with written_whole(path) as temporary:
        array = new_array(temporary, dtype, shape, called=path)
        yield array
        array.flush()


def new_array(file: Path, dtype, shape: tuple[int, ...], called: str | Path):
    """A memory-mapped .npy file to fill, with its space taken; ``called`` is the name that people know it by."""
    import numpy as np  # not for those who want but a checksum

    try:
        array = np.lib.format.open_memmap(file, "w+", dtype, shape)
        _reserve(file)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise no_room(called, np.dtype(dtype).itemsize * math.prod(shape), error.strerror or "") from None
    return array


def no_room(path: str | Path, needed: int, why: str) -> UserError:
    """What to raise where ``needed`` bytes do not fit at ``path``, in a folder that exists."""
    there = Path(path).parent
    free = shutil.disk_usage(there).free
    return UserError(
        f"{path} needs {needed / 1e6:.1f} MB, and {there} has {free / 1e6:.1f} MB free ({why}): make room on the disk "
        "and run the same command again."
    )


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


def sync(path: Path) -> None:
    """Have a file, or what a folder lists, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: str | Path, content) -> None:
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")


def sha256(path: str | Path) -> str:
    """The checksum of a file, read whole; of a large one once, and again when its size, time or inode changes.

    What was read is remembered in the working folder, for the other jobs of a study: each of them checks the same
    training images, 63 GB for ImageNet.
    """
    if os.stat(path).st_size < LARGE:
        return _sha256(path)
    known, state = _known(path)
    told: dict = json.loads(known.read_text()) if known.exists() else {}
    if state != {key: told.get(key) for key in state}:
        told = {**state, "sha256": _sha256(path)}
        write_json(known, told)
    return told["sha256"]


def remember(path: str | Path, checksum: str) -> None:
    """Take a checksum as that of a file which is on the disk, and was read by other means."""
    known, state = _known(path)
    if state["size"] >= LARGE:
        write_json(known, {**state, "sha256": checksum})


def _known(path: str | Path) -> tuple[Path, dict]:
    """Where a file's checksum is remembered, and what must not have changed since."""
    stat = os.stat(path)
    return CHECKSUMS / f"{stat.st_dev}-{stat.st_ino}.json", {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def _sha256(path: str | Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
