"""Reading result files."""

from pathlib import Path

from .. import params
from ..errors import UserError
from ..seals import read_sealed


def read_result(path: Path) -> dict:
    """A result file's content, and its own path under "file"."""
    return {**read_sealed(path), "file": str(path)}


def read_runs(table: int, scale_name: str, results: Path) -> list[dict]:
    """The metrics files of every row that stands in a table, all seeds, in the order of params/rows.yaml.

    Raises UserError when two of them were measured under different protocols.
    """
    scale = params.load_scale(scale_name)
    rows = {name: row for name, row in params.load_rows(scale=scale).items() if table in row.tables}
    runs = [
        read_result(results / name / f"seed-{seed}" / "metrics.json")
        for name, row in rows.items()
        for seed in scale.seeds_of(name, row)
    ]
    for run in runs[1:]:
        differing = sorted(k for k in runs[0]["protocol"] if run["protocol"].get(k) != runs[0]["protocol"][k])
        if differing:
            raise UserError(
                f"{runs[0]['row']} and {run['row']} were measured under different protocols ({', '.join(differing)}): "
                "evaluate them again."
            )
    return runs


def row_labels(table: int, scale_name: str) -> dict[str, str]:
    """What each row of a scale is called in a table, by name, in the order of params/rows.yaml."""
    rows = params.load_rows(scale=params.load_scale(scale_name)).items()
    return {name: label for name, row in rows for number, label in row.tables.items() if number == table}


def first_labels(task: str, scale_name: str) -> dict[str, str]:
    """What each of a task's rows is called in the first table that it stands in, by name."""
    rows = params.load_rows(task, params.load_scale(scale_name)).items()
    return {name: next(iter(row.tables.values())) for name, row in rows}
