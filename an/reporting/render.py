"""Writing tables as Markdown, CSV, LaTeX and HTML."""

import base64
from pathlib import Path

import jinja2
import pandas as pd

from .. import params
from ..errors import UserError
from ..files import written_whole
from .cells import Cells, Table
from .tables import TITLES, build
from .text import latex
from .verification import KEPT, UNTIMED, Comparison, compare, read_cells

FIGURES = {
    9: "Figure 9. Inpainting side by side, test images",
    10: "Figure 10. Recall: the answers of every layer to one image, and where the layers look (not in the paper)",
}


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
    _write(reports / f"table{number}.html", page(TITLES[number], scale_name, {number: table}, figures={}))


def render_index(scale_name: str, results: str | Path, reports: str | Path) -> None:
    """Write ``index.html``: every table and figure of a scale on one page, which loads nothing else.

    Raises UserError when a result or figure is missing.
    """
    reports = Path(reports)
    scale = params.load_scale(scale_name)
    tables = {number: build(number, scale_name, Path(results)) for number in params.tables_of(scale)}
    figures = {FIGURES[n]: _embedded(reports / f"figure{n}.png") for n in params.figures_of(scale)}
    kept = KEPT / scale_name
    compared = [
        compare(number, tidy(number, tables[number].cells), read_cells(kept, number))
        for number in UNTIMED
        if number in tables and (kept / f"table{number}_cells.csv").exists()
    ]
    html = page("Attentive normalization", scale_name, tables, figures=figures, compared=compared)
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


def page(
    title: str,
    scale_name: str,
    tables: dict[int, Table],
    *,
    figures: dict[str, str],
    compared: list[Comparison] | None = None,  # with the kept tables
) -> str:
    """HTML of tables by number and of figures (data URIs) by title. Each cell links to its row's sources."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        title=title,
        name=scale_name,
        scale=params.load_scale(scale_name),
        tables=tables,
        titles=TITLES,
        figures=figures,
        compared=compared,
        sources=_sources(tables),
    )


def _sources(tables: dict[int, Table]) -> dict[str, dict]:
    """By row and seed, the facts of the runs behind the tables; a run read from several files names them all."""
    rows: dict[str, dict] = {}
    for table in tables.values():
        for cell in table.cells.values():
            for measurement in cell.measurements:
                facts = rows.setdefault(cell.row, {}).setdefault(measurement.seed, measurement.facts)
                if measurement.facts["result"] not in facts["result"].split(", "):
                    facts["result"] += f", {measurement.facts['result']}"
    return rows


def _embedded(image: Path) -> str:
    if not image.exists():
        raise UserError(f"{image} is missing: run snakemake to make it.")
    return f"data:image/png;base64,{base64.b64encode(image.read_bytes()).decode()}"


def _write(path: Path, text: str) -> None:
    with written_whole(path) as temporary:
        temporary.write_text(text)
