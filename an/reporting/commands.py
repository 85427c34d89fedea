"""The command lines that made a file, from what Snakemake recorded when they ran."""

import base64
import json
from pathlib import Path

# In the workflow's working folder: a JSON file for each file that it made, and for each that it is making.
METADATA, INCOMPLETE = Path(".snakemake/metadata"), Path(".snakemake/incomplete")


def commands(files: list[str]) -> list[str]:
    """Commands that made ``files`` and all that these were made from, each once, in an order in which they can run.

    Files without a record, for example those the workflow was given, add nothing.
    """
    found: dict[str, None] = {}
    seen = set()

    def visit(file: str) -> None:
        if file in seen:
            return
        seen.add(file)
        if made := record(file):
            for source in made["input"]:
                visit(source)
            found[command(made)] = None

    for file in files:
        visit(file)
    return list(found)


def record(file: str) -> dict | None:
    """Snakemake's record of a file that it made, by the name it goes by in the workflow; None without one."""
    path = METADATA / _name(file)
    return json.loads(path.read_text()) if path.exists() else None


def unfinished(file: str) -> Path:
    """Snakemake's mark of a file that is being made, or whose making was broken off; it need not be there."""
    return INCOMPLETE / _name(file)


def external_job(file: str) -> str | None:
    """The number that a cluster gave to the job which makes a file, while it does."""
    try:
        return json.loads(unfinished(file).read_text())["external_jobid"]
    except (FileNotFoundError, ValueError):  # made, or marked at this very moment
        return None


def command(made: dict) -> str:
    """The recorded command line, without the redirection of its output to a log."""
    return made["shellcmd"].split(" &> ")[0].strip()


def _name(file: str) -> str:
    return base64.urlsafe_b64encode(file.encode()).decode()
