"""One's own results beside those that this project keeps for readers, cell by cell."""

import math
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from .. import params
from ..errors import UserError
from .intervals import difference

KEPT = Path("docs/results")
UNTIMED = (1, 2, 3, 4, 6)  # table 5 is of times, which no two runs share
COLUMNS = ("row", "metric", "seed", "value", "file", "checkpoint_sha256")  # of a table's cells
SAME, WITHIN, DIFFERENT = "same bits", "within the interval", "different"
ONE_SEED = "other bits of one seed"  # and no spread to judge them by


class Comparison(NamedTuple):
    """How the cells of one table compare; a cell that one side lacks is different."""

    table: int
    cells: dict[tuple[str, str], str]  # by row and metric
    weights: tuple[int, int]  # of the trained runs behind them, how many have the same checkpoint, of how many

    @property
    def counts(self) -> dict[str, int]:
        """How many cells, by verdict."""
        found = Counter(self.cells.values())
        return {verdict: found[verdict] for verdict in (SAME, WITHIN, ONE_SEED, DIFFERENT)}

    def __str__(self) -> str:
        found = ", ".join(f"{count} {verdict}" for verdict, count in self.counts.items())
        worst = [f"{row} {metric}" for (row, metric), verdict in self.cells.items() if verdict == DIFFERENT]
        more = f" ({', '.join(worst[:3])}{', ...' if len(worst) > 3 else ''})" if worst else ""
        weights = "{} of {} checkpoints have the same bits".format(*self.weights)
        return f"table {self.table}: {len(self.cells)} cells, {found}{more}; {weights}"


def verify(scale_name: str, reports: Path, kept: Path) -> list[Comparison]:
    """Compare ``table<N>_cells.csv`` of two folders, N the scale's tables. Raises UserError when one is missing."""
    numbers = [number for number in params.tables_of(params.load_scale(scale_name)) if number in UNTIMED]
    return [compare(number, *(read_cells(folder, number) for folder in (reports, kept))) for number in numbers]


def read_cells(folder: Path, number: int) -> pd.DataFrame:
    path = folder / f"table{number}_cells.csv"
    try:
        cells = pd.read_csv(path, dtype={"metric": str, "seed": "Int64", "value": float})
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run snakemake to make it.") from None
    except (OSError, ValueError, TypeError) as error:  # pandas raises all of them for what is no such table
        reason = " ".join(str(error).split())
        raise UserError(f"{path} cannot be read ({reason}): delete it and run snakemake to make it.") from None
    if lacking := [name for name in COLUMNS if name not in cells]:
        raise UserError(f"{path} has no column {lacking[0]}: delete it and run snakemake to make it.")
    return cells


def compare(number: int, own: pd.DataFrame, kept: pd.DataFrame) -> Comparison:
    """Of every cell whether its seeds' values are the same bits, or their means agree within Welch's interval.

    The interval is Bonferroni's: all cells of a table agree with 95 % probability where nothing but chance differs.
    """
    sides = [values_by_cell(side) for side in (own, kept)]
    names = list(dict.fromkeys([*sides[0], *sides[1]]))
    level = 1 - 0.05 / max(len(names), 1)
    seeded = set(own[own["seed"].notna()].groupby(["row", "metric"]).groups)
    cells = {name: judged(sides[0].get(name), sides[1].get(name), level, name in seeded) for name in names}
    checkpoints = [dict(zip(side["file"], side["checkpoint_sha256"], strict=True)) for side in (own, kept)]
    trained = [file for file, checksum in checkpoints[0].items() if isinstance(checksum, str)]
    same = sum(checkpoints[0][file] == checkpoints[1].get(file) for file in trained)
    return Comparison(number, cells, (same, len(trained)))


def values_by_cell(side: pd.DataFrame) -> dict[tuple[str, str], list[float]]:
    """Seeds' values in the order of the seeds."""
    groups = side.sort_values("seed").groupby(["row", "metric"], sort=False)
    return {name: group["value"].tolist() for name, group in groups}


def judged(own: list[float] | None, kept: list[float] | None, level: float, seeded: bool = True) -> str:
    """How a cell's values compare; those of a control have no seed, and chance no part in them."""
    if own is None or kept is None or len(own) != len(kept):
        return DIFFERENT
    if all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(own, kept, strict=True)):
        return SAME
    if any(math.isnan(value) for value in [*own, *kept]):
        return DIFFERENT
    found = difference(own, kept, level)
    if math.isnan(found.low):
        return ONE_SEED if seeded else DIFFERENT
    return WITHIN if found.low <= 0 <= found.high else DIFFERENT
