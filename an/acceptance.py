"""Taking finished results as made by today's code, with a record that says so."""

import re
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from . import provenance
from .errors import UserError
from .layout import Study
from .params import load_scale
from .seals import read_sealed, write_sealed

# What Snakemake says of a job that it would run again.
JOB = re.compile(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", re.MULTILINE)
OTHER_CODE = re.compile(r"Params have changed .* before: '([0-9a-f]{16})' now: '([0-9a-f]{16})'\s*")
BY_ANOTHER = re.compile(r"Input files updated by another job: .*")


def accept_code(scale_name: str, targets: tuple[str, ...] = ()) -> str:
    """Have Snakemake take targets (all without any) and what they are made of as they are; return a sentence.

    ``results/<scale>/accepted.json`` is given a record before that: when, at which commit, which rules' code, before
    and now, which files. Raises UserError when files are missing, or would be made again for more than their code.
    """
    load_scale(scale_name)
    jobs = outdated(snakemake(scale_name, targets, "--dry-run"))
    if not jobs:
        return "Nothing to accept: Snakemake would make nothing again."
    rules: dict[str, list[tuple[str, str]]] = {}
    for rule, changed, _ in jobs:
        if changed and changed not in rules.setdefault(rule, []):
            rules[rule].append(changed)
    record = {
        "time": time.strftime("%Y-%m-%d %H:%M:%S"),
        "commit": provenance.commit(),
        "targets": list(targets) or ["all"],
        "rules": {rule: [{"before": before, "now": now} for before, now in pairs] for rule, pairs in rules.items()},
        "files": sorted(file for _, _, files in jobs for file in files),
    }
    path = Study(scale_name).results / "accepted.json"
    write_sealed(path, {"records": [*records(path.parent), record]})
    snakemake(scale_name, targets, "--touch")
    return f"Accepted {len(record['files'])} files of {', '.join(rules)}: {path}"


def records(results: Path) -> list[dict]:
    """What was accepted among a scale's results, oldest first."""
    path = results / "accepted.json"
    return read_sealed(path)["records"] if path.exists() else []


def outdated(plan: str) -> list[tuple[str, tuple[str, str] | None, list[str]]]:
    """Of a dry run's jobs with files: rule, digest of its code before and now (None: as it was), files.

    Raises UserError for a job with a reason that is none of its code.
    """
    jobs = []
    for rule, lines in JOB.findall(plan):
        said = dict(line.strip().split(": ", 1) for line in lines.splitlines())
        if "output" not in said:
            continue  # stands for others
        changed = None
        for reason in said["reason"].split("; "):
            if match := OTHER_CODE.fullmatch(reason):
                changed = match[1], match[2]
            elif not BY_ANOTHER.fullmatch(reason):
                raise UserError(
                    f"{said['output'].split(', ')[0]} cannot be accepted, more than its code is new ({reason[:200]}): "
                    "run snakemake to make it, or name other targets."
                )
        jobs.append((rule, changed, said["output"].split(", ")))
    return jobs


def snakemake(scale_name: str, targets: Iterable[str], *mode: str) -> str:
    command = [sys.executable, "-m", "snakemake", *targets, *mode, "--cores", "1", "--config", f"scale={scale_name}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise UserError(f"snakemake {' '.join(mode)} failed: {done.stdout.strip()[-500:]}")
    return done.stdout
