"""Errors that people can act on, and the clean end of a job that was asked to stop."""

from errno import EDQUOT, EFBIG, ENOSPC

NO_ROOM = (ENOSPC, EDQUOT, EFBIG)


class UserError(Exception):
    """What is wrong, where, and what to do about it, in one sentence."""


class Stopped(Exception):
    """Work ended early, as it was asked to, and goes on from a checkpoint; ``status`` is the process's exit status."""

    def __init__(self, why: str, status: int):
        super().__init__(why)
        self.status = status


def of_system(error: OSError) -> str | None:
    """The sentence for what the system refused; None where neither a file nor a full disk is the matter."""
    if error.errno in NO_ROOM:
        where = f"{error.filename} cannot be written" if error.filename else "a file cannot be written"
        return f"{where} ({error.strerror}): make room on the disk and run the same command again."
    if error.filename:
        return f"{error.filename} cannot be used ({error.strerror}): see that it is there and may be read and written."
    return None


def last_words(said: str) -> str:
    """Of a program that failed: the last line that it wrote, which says why."""
    return (said.strip().splitlines() or ["it says nothing"])[-1]
