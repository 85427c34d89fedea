"""The event spool: one append-only JSON-lines file per job, one writer."""

import json
import os
import time
from pathlib import Path

from ..errors import UserError


class Events:
    """Appends events, each a dict of numbers and strings with a kind and a time; ``offset`` bytes are kept on resume.

    Each event is flushed, so that a reader beside the job sees it, and a kill loses none.
    """

    def __init__(self, path: str | Path, offset: int = 0):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(self.path, "ab")  # noqa: SIM115 - one writer for the whole job
        self._file.truncate(offset)

    def append(self, kind: str, **event) -> None:
        try:
            self._file.write(json.dumps({"kind": kind, "time": round(time.time(), 3), **event}).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise UserError(
                f"{self.path} cannot be written ({error.strerror}): make room on the disk and run the same command "
                "again."
            ) from None

    def sync(self) -> int:
        """Put everything on disk; return the file's length."""
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        self.sync()
        self._file.close()


def read_events(path: str | Path) -> list[dict]:
    """Every event; a torn last line, of a job that is writing it or was killed, is left out."""
    lines = Path(path).read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]
