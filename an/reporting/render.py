"""Writing tables as Markdown, CSV, LaTeX and HTML."""

from pathlib import Path

import pandas as pd

from .. import params
from ..files import written_whole
from .cells import Cells
from .findings import findings
from .page import embedded, page
from .tables import TITLES, build
from .text import latex
from .verification import KEPT, UNTIMED, compare, read_cells


def render(number: int, scale_name: str, results: str | Path, reports: str | Path) -> None:
    """Write ``table<N>.{md,csv,tex,html}`` and ``table<N>_cells.csv``, one line a cell and seed with its sources.

    Raises UserError when a result is missing or protocols differ.
    """
    reports, scale = Path(reports), params.load_scale(scale_name)
    table = build(number, scale_name, Path(results))
    notes = ([scale.caution] if scale.caution else []) + table.notes
    markdown = [f"# {TITLES[number]}", f"Scale `{scale_name}`: {scale.description}."]
    alignment = ["left", *["right"] * (table.shown.shape[1] - 1)]
    markdown.append(table.shown.map(str).to_markdown(index=False, disable_numparse=True, colalign=alignment))
    _write(reports / f"table{number}.md", "\n\n".join(markdown + notes) + "\n")
    _write(reports / f"table{number}.csv", table.exact.to_csv(index=False))
    _write(reports / f"table{number}_cells.csv", tidy(number, table.cells).to_csv(index=False))
    columns = "".join(side[0] for side in alignment)
    body = table.shown.map(latex).rename(columns=latex).to_latex(index=False, column_format=columns)
    comments = "".join(f"% {line}\n" for line in [TITLES[number], *notes])
    _write(reports / f"table{number}.tex", comments + body)
    _write(reports / f"table{number}.html", page(TITLES[number], scale_name, {number: table}))


def render_index(scale_name: str, results: str | Path, reports: str | Path) -> None:
    """Write ``index.html``: every table and figure of a scale on one page, which loads nothing else.

    Raises UserError when a result or figure is missing.
    """
    reports, scale = Path(reports), params.load_scale(scale_name)
    tables = {number: build(number, scale_name, Path(results)) for number in params.tables_of(scale)}
    kept = KEPT / scale_name
    compared = [
        compare(number, tidy(number, tables[number].cells), read_cells(kept, number))
        for number in UNTIMED
        if number in tables and (kept / f"table{number}_cells.csv").exists()
    ]
    html = page(
        "Attentive normalization",
        scale_name,
        tables,
        figures=[embedded(name, reports) for name in params.figures_of(scale)],
        found=findings(scale_name, Path(results), tables),
        compared=compared,
    )
    _write(reports / "index.html", html)


def tidy(number: int, cells: Cells) -> pd.DataFrame:
    """One line for each cell and seed: its value and where that comes from."""
    lines = [
        {
            **{"table": number, "row": cell.row, "metric": cell.metric, "published": cell.published},
            **{"seed": measurement.seed, "value": measurement.value, **measurement.sources},
        }
        for cell in cells.values()
        for measurement in cell.measurements
    ]
    return pd.DataFrame(lines).astype({"seed": "Int64"})


def _write(path: Path, text: str) -> None:
    with written_whole(path) as temporary:
        temporary.write_text(text)
