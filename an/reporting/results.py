"""Reading result files."""

from pathlib import Path

import pandas as pd

from .. import params
from ..errors import UserError
from ..seals import FILES, check_file, read_sealed


def read_result(path: Path) -> dict:
    """A result file's content, and its own path under "file"."""
    return {**read_sealed(path), "file": str(path)}


def read_runs(table: int, scale_name: str, results: Path, name: str = "metrics.json") -> list[dict]:
    """The files of this name of every row that stands in a table, all seeds, in the order of params/rows.yaml.

    Raises UserError when two of them were measured under different protocols.
    """
    scale = params.load_scale(scale_name)
    rows = {name: row for name, row in params.load_rows(scale=scale).items() if table in row.tables}
    runs = [
        read_result(results / row_name / f"seed-{seed}" / name)
        for row_name, row in rows.items()
        for seed in scale.seeds_of(row_name, row)
    ]
    for run in runs[1:]:
        differing = sorted(k for k in runs[0]["protocol"] if run["protocol"].get(k) != runs[0]["protocol"][k])
        if differing:
            raise UserError(
                f"{runs[0]['row']} and {run['row']} were measured under different protocols ({', '.join(differing)}): "
                "evaluate them again."
            )
    return runs


def class_values(run: dict) -> tuple[str, pd.Series]:
    """Intra-FID of a run by class, and the file that has it: the run's own, or the CSV that it vouches for."""
    if "classes" in run:
        file, lines = run["file"], pd.DataFrame(run["classes"])
    else:
        path = Path(run["file"]).with_name("classes.csv")
        check_file(path, run[FILES][path.name], Path(run["file"]))
        file, lines = str(path), pd.read_csv(path)
    return file, lines.set_index("class")["intra_fid"]


def row_labels(table: int, scale_name: str) -> dict[str, str]:
    """What each row of a scale is called in a table, by name, in the order of params/rows.yaml."""
    rows = params.load_rows(scale=params.load_scale(scale_name)).items()
    return {name: label for name, row in rows for number, label in row.tables.items() if number == table}


def first_labels(task: str, scale_name: str) -> dict[str, str]:
    """What each of a task's rows is called in the first table that it stands in, by name."""
    rows = params.load_rows(task, params.load_scale(scale_name)).items()
    return {name: next(iter(row.tables.values())) for name, row in rows}
