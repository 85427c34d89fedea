"""The event spool: one append-only JSON-lines file per job, one writer."""

import json
import os
from pathlib import Path


class Events:
    """Appends events, each a dict of numbers and strings, to a file; ``offset`` bytes of it are kept on resume."""

    def __init__(self, path: str | Path, offset: int = 0):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(self.path, "ab")  # noqa: SIM115 - one writer for the whole job
        self._file.truncate(offset)

    def append(self, **event) -> None:
        self._file.write(json.dumps(event).encode() + b"\n")

    def sync(self) -> int:
        """Put everything on disk; return the file's length."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        self.sync()
        self._file.close()


def read_events(path: str | Path) -> list[dict]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]
