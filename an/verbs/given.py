"""What a verb takes on its command line: numbers that can be meant, and places that can be written to.

All of it is checked before a verb begins its work.
"""

import math
import os
from pathlib import Path

import click

from ..errors import UserError

SEED = click.IntRange(0, 2**32 - 2)  # params.types.LAST_SEED, whose import takes longer than a verb's help
GPUS = click.IntRange(0)


class Hours(click.FloatRange):
    """A time limit; floats may also be infinite, or no number at all."""

    name = "hours"

    def __init__(self):
        super().__init__(min=0, min_open=True)

    def convert(self, value, param, ctx):
        hours = super().convert(value, param, ctx)
        if not math.isfinite(hours):
            self.fail(f"{value} is no number of hours; without the option there is no limit.", param, ctx)
        return hours


class Written(click.ParamType):
    """A file to write, or a folder to write files into, which need not be there yet."""

    def __init__(self, name: str):
        self.name = name  # "file" or "folder"

    def convert(self, value, param, ctx):
        path = Path(value)
        if self.name == "file" and path.is_dir():
            raise UserError(f"{_option(param)}{value} is a folder: name a file to write.")
        folder = path if self.name == "folder" else path.parent
        there = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
        if not there.is_dir():
            raise UserError(f"{_option(param)}{value} cannot be written, {there} is no folder: name another place.")
        if not os.access(there, os.W_OK | os.X_OK):
            raise UserError(f"{_option(param)}{value} cannot be written, {there} is read-only: name another place.")
        return value


def _option(param: click.Parameter | None) -> str:
    return f"{param.opts[0]} " if param else ""  # a file where the workflow has it


OUT_FILE, OUT_FOLDER = Written("file"), Written("folder")
