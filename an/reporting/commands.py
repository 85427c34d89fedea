"""The command lines that made a file, from what Snakemake recorded when they ran."""

import base64
import json
from pathlib import Path

METADATA = Path(".snakemake/metadata")  # of the workflow's working folder; one JSON file for each file it made


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
    path = METADATA / base64.urlsafe_b64encode(file.encode()).decode()
    return json.loads(path.read_text()) if path.exists() else None


def command(made: dict) -> str:
    """The recorded command line, without the redirection of its output to a log."""
    return made["shellcmd"].split(" &> ")[0].strip()
