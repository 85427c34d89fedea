"""An array of images, drawn by all cores, which goes on where a process that was killed left it."""

import hashlib
import json
import math
import os
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from functools import partial
from io import FileIO
from multiprocessing import parent_process
from multiprocessing.connection import wait
from pathlib import Path

import numpy as np

from ..files import new_array, remember, sync, write_json
from ..progress import progress
from .archives import Member
from .sources import Split

CHUNK = 64  # images that a process draws at a time
SECONDS_BETWEEN_RECORDS = 5


def write_images(part: Path, split: Split, shape: tuple[int, ...], *, key: str, called: Path, what: str) -> str:
    """Draw the images of a split into ``part``, uint8 of this shape, and return the file's checksum.

    It is to become the file ``called``. A record beside it says how many are on the disk. The same call goes on from
    there where ``key`` and the files that these were drawn from (their names, sizes and times) are the same; otherwise
    it begins anew.
    """
    record, items = Path(f"{part}.json"), split.items
    done, seen = _so_far(part, record, split, key)
    if not done:
        record.unlink(missing_ok=True)
        new_array(part, np.uint8, shape, called=called)

    def put_down() -> None:
        sync(part)
        write_json(record, {"key": key, "images": done, "files": seen.hexdigest()})

    begins = range(done, len(items), CHUNK)
    chunks = [items[begin : begin + CHUNK] for begin in begins]
    # What is in memory is drawn sooner than processes start.
    in_memory = isinstance(items, np.ndarray)
    processes = nullcontext() if in_memory else ProcessPoolExecutor(cores(), initializer=end_with_parent)
    checksum, image_bytes, last = hashlib.sha256(), math.prod(shape[1:]), time.monotonic()
    with processes as pool, progress((), what, total=len(items), initial=done) as bar, open(part, "rb", 0) as file:
        drawn = (pool.map if pool else map)(partial(_draw, part, split.image), begins, chunks)
        for chunk, _ in zip(chunks, drawn, strict=True):
            seen.update(_state(chunk))
            done += len(chunk)
            bar.update(len(chunk))
            _read_on(file, checksum, part.stat().st_size - (len(items) - done) * image_bytes)
            if time.monotonic() - last > SECONDS_BETWEEN_RECORDS:
                put_down()
                last = time.monotonic()
        _read_on(file, checksum, part.stat().st_size)
    put_down()
    remember(part, checksum.hexdigest())
    return checksum.hexdigest()


def _read_on(file: FileIO, checksum, end: int) -> None:
    """While others draw: to read a large file when it is whole would take minutes more."""
    while (left := end - file.tell()) > 0:
        checksum.update(file.read(min(left, 2**20)))


def _so_far(part: Path, record: Path, split: Split, key: str):
    """How many images are there already, and a digest, to be continued, of what they were drawn from."""
    told = json.loads(record.read_text()) if record.exists() else {}
    if told.get("key") == key and part.exists():
        seen = hashlib.sha256(_state(split.items[: told["images"]]))
        if seen.hexdigest() == told["files"]:
            return told["images"], seen
    return 0, hashlib.sha256()


def _state(items) -> bytes:
    """What tells these items from changed ones."""
    if isinstance(items, np.ndarray):
        return items.tobytes()
    lines = []
    for item in items:
        stat = os.stat(item.archive if isinstance(item, Member) else item)
        lines.append(f"{item!r} {stat.st_size} {stat.st_mtime_ns}\n")
    return "".join(lines).encode()


def _draw(part: Path, image, begin: int, items) -> None:
    """Draw some images and put them down in one piece: through a memory map each would cost its pages' faults."""
    array = np.lib.format.open_memmap(part, "r")
    drawn = np.empty((len(items), *array.shape[1:]), array.dtype)
    for index, item in enumerate(items):
        drawn[index] = image(item)
    with open(part, "r+b") as file:
        file.seek(array.offset + begin * array.strides[0])
        file.write(drawn.data)


def cores() -> int:
    """How many of the machine's cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def end_with_parent() -> None:
    """Else, when the parent is killed, its processes would wait for work for ever."""

    parent = parent_process()
    assert parent is not None, "this process was started by another"

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
