"""Clean ends: a signal or a wall-time limit asks for one; training then finishes its step and writes a checkpoint."""

import os
import signal
import sys
import time

TIME_IS_UP = 124  # the exit status of timeout(1)


class Stop:
    """While entered, notes SIGINT and SIGTERM instead of dying of them. A second signal ends the process at once."""

    def __init__(self, hours: float | None = None):
        self.end = time.monotonic() + 3600 * hours if hours else None
        self.signal: int | None = None
        self.launcher = os.getppid() if "WORLD_SIZE" in os.environ else None

    def __enter__(self):
        self.before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *exception):
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame) -> None:
        self.signal = number
        if self.launcher is None:  # torchrun repeats the terminal's signal, and has a patience of its own
            for each in self.before:
                signal.signal(each, signal.SIG_DFL)
            print("Finishing this step and writing a checkpoint; a second signal stops at once.", file=sys.stderr)

    def status(self) -> int:
        """0 to go on; otherwise the exit status to end with: 128 + signal, or timeout's when the time is over."""
        if self.signal:
            return 128 + self.signal
        if self.launcher and os.getppid() != self.launcher:  # torchrun died: its GPUs are free for others
            return 128 + signal.SIGTERM
        return TIME_IS_UP if self.end and time.monotonic() >= self.end else 0
