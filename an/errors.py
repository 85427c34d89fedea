"""Errors for people, and an end that is none."""


class UserError(Exception):
    """What is wrong, where, and what to do about it, in one sentence."""


class Stopped(Exception):
    """Work ended early, as it was asked to, and goes on from a checkpoint; ``status`` is the process's exit status."""

    def __init__(self, why: str, status: int):
        super().__init__(why)
        self.status = status
