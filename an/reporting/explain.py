"""Where one cell of a table comes from."""

from pathlib import Path

from ..acceptance import records
from ..errors import UserError
from ..params import hint
from .cells import Cell
from .commands import command, commands, record
from .tables import TITLES, build
from .text import number


def explain(table: str, row: str, metric: str, *, scale_name: str, results: str | Path, reports: str | Path) -> str:
    """What is known of a cell: its numbers, the run behind each seed's, and the commands that made them.

    ``table`` is "table1" to "table6"; the metric of table 2 is a class, that of table 5 a size. Raises UserError for an
    unknown table, row or metric, and as rendering the table does.
    """
    tables = {f"table{n}": n for n in TITLES}
    chosen = tables[_known("table", table, list(tables), "a study")]
    cells = build(chosen, scale_name, Path(results)).cells
    _known("row", row, list(dict.fromkeys(name for name, _ in cells)), table)
    _known("metric", metric, [name for of, name in cells if of == row], f"{table}'s {row}")
    cell = cells[row, metric]
    lines = [f"{TITLES[chosen]}: {row}, {metric}, scale {scale_name}", *_numbers(cell)]
    for measurement in cell.measurements:
        left_out = ", left out of the mean: training diverged" if measurement.diverged else ""
        lines += ["", f"{measurement}{left_out}"]
        facts = [*measurement.facts.items(), *_accepted(measurement.run["file"], Path(results))]
        lines += [f"  {name:<10}  {fact}" for name, fact in facts]
    return "\n".join([*lines, "", *_commands(cell, Path(reports) / f"{table}.md")])


def _numbers(cell: Cell) -> list[str]:
    published = "none to compare with" if cell.published is None else number(cell.published, cell.digits)
    finished = f" over {cell.n} of {len(cell.measurements)} seeds" if cell.measurements[0].training else ""
    return [f"published   {published}", f"reproduced  {cell}{finished}"]


def _commands(cell: Cell, rendered: Path) -> list[str]:
    """The commands behind every seed, then the one that rendered the table."""
    files = [measurement.run["file"] for measurement in cell.measurements]
    unrecorded = [file for file in files if record(file) is None]
    if unrecorded or not (rendering := record(str(rendered))):
        lacking = unrecorded[0] if unrecorded else rendered
        return [f"Its commands are not known: the workflow of this folder has no record of {lacking}."]
    return ["Made by, in this order:", *(f"  {line}" for line in [*commands(files), command(rendering)])]


def _accepted(file: str, results: Path) -> list[tuple[str, str]]:
    """When a file was taken as made by code that did not make it, or what it was made of."""
    return [
        ("accepted", f"{record['time']}, commit {record['commit']}: other code of {', '.join(record['rules'])}")
        for record in records(results)
        if file in record["files"]
    ]


def _known(what: str, name: str, known: list[str], where: str) -> str:
    if name not in known:
        raise UserError(f"unknown {what} '{name}'{hint(name, known)}: {where} has {', '.join(known)}.")
    return name
