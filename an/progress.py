"""Progress with rate and ETA: a bar on a terminal, a line now and then in a log."""

import sys
from collections.abc import Iterable

from tqdm import tqdm

SECONDS_BETWEEN_LOG_LINES = 15


def progress(items: Iterable, what: str, *, total: int | None = None, initial: int = 0, shown: bool = True) -> tqdm:
    """Iterate with a progress bar named ``what``; ``initial`` items were done before."""
    terminal = sys.stderr.isatty()
    return tqdm(
        items,
        desc=what,
        total=total,
        initial=initial,
        disable=not shown,
        dynamic_ncols=terminal,
        file=sys.stderr if terminal else _Lines(),
        mininterval=0.1 if terminal else SECONDS_BETWEEN_LOG_LINES,
        maxinterval=10 if terminal else SECONDS_BETWEEN_LOG_LINES,
        ascii=None if terminal else True,
        bar_format=None if terminal else "{desc}: {n_fmt}/{total_fmt}, {rate_fmt}, {remaining} left{postfix}",
    )


class _Lines:
    """Turns tqdm's carriage returns into lines of a log file."""

    def write(self, text: str) -> None:
        text = text.strip("\r\n ")
        if text:
            print(text, file=sys.stderr)

    def flush(self) -> None:
        sys.stderr.flush()
