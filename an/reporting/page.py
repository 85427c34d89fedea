"""Tables and figures as one page of HTML, which loads nothing else."""

import base64
import io
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import jinja2
import pandas as pd
from PIL import Image

from .. import params
from ..errors import UserError
from ..layout import Study
from ..seals import MADE
from ..tracking.events import read_events
from .cells import Cell, Measurement, Table
from .figures.captions import CAPTIONS
from .findings import Finding
from .results import class_values, first_labels
from .tables import TITLES
from .verification import Comparison

HERE = Path(__file__).parent
PAPER = "https://arxiv.org/abs/2004.03828"
UP = "../../"  # from a scale's reports to the folder that its files are named from
LARGE = 500_000  # bytes of a picture that goes into the page as it is
MOST_PIXELS = 1400  # across, of a larger one
PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "scikit-image",
    "pandas",
    "matplotlib",
    "snakemake",
    "mlflow",
    "dvc",
)


class Picture(NamedTuple):
    """A figure as the page has it."""

    name: str
    title: str
    text: str
    source: str  # a data URI
    numbers: str | None  # the file's name


def embedded(name: str, reports: Path) -> Picture:
    """A figure that was drawn. Raises UserError when it is missing."""
    file = reports / Study("").figure(name).name
    if not file.exists():
        raise UserError(f"{file} is missing: run snakemake to make it.")
    content, kind = file.read_bytes(), "svg+xml" if file.suffix == ".svg" else "png"
    if kind == "png" and len(content) > LARGE:  # photographs: a page is to be sent around
        picture, kind, smaller = Image.open(file).convert("RGB"), "webp", io.BytesIO()
        picture.thumbnail((MOST_PIXELS, 10 * MOST_PIXELS))
        picture.save(smaller, "webp", quality=85)
        content = smaller.getvalue()
    numbers = file.with_suffix(".csv").name if file.with_suffix(".csv").exists() else None
    return Picture(name, *CAPTIONS[name], f"data:image/{kind};base64,{base64.b64encode(content).decode()}", numbers)


def page(
    title: str,
    scale_name: str,
    tables: dict[int, Table],
    *,
    figures: list[Picture] | None = None,
    found: list[Finding] | None = None,
    compared: list[Comparison] | None = None,  # with the kept tables
) -> str:
    """HTML of tables by number, of figures, and of what was found. Each number names its sources and links to them."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        title=title,
        name=scale_name,
        scale=params.load_scale(scale_name),
        paper=PAPER,
        up=UP,
        findings=found or [],
        facts=facts(tables) if found else "",
        tables=tables,
        titles=TITLES,
        best={number: best(number, table) for number, table in tables.items()},
        figures=figures or [],
        classes=by_class(scale_name, tables[1]) if found and 1 in tables else None,
        compared=compared,
        sources=_sources(tables),
        versions=", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in PACKAGES)]),
        style=(HERE / "page.css").read_text().strip(),
        script=(HERE / "page.js").read_text().strip(),
    )


def best(number: int, table: Table) -> set[tuple[str, str]]:
    """Which cells are bold, by row and metric: of a column that says which end is better, of table 2 in each line."""
    shown = table.shown
    lower_lines = [(line, "↓") for line in shown.to_numpy().tolist()] if number == 2 else []
    columns = [(shown[title].tolist(), title[-1]) for title in shown if title[-1] in "↓↑"] if number != 2 else []
    found = set()
    for group, direction in [*lower_lines, *columns]:
        cells = [cell for cell in group if isinstance(cell, Cell) and cell.mean == cell.mean]
        if cells:
            chosen = (min if direction == "↓" else max)(cells, key=lambda cell: cell.mean)
            found |= {(cell.row, cell.metric) for cell in cells if str(cell) == str(chosen)}
    return found


def facts(tables: dict[int, Table]) -> str:
    """When, how long and on what the trainings ran that the tables are of."""
    runs = {m.training["key"]: m.run for m in _measurements(tables) if m.training}
    if not runs:
        return ""
    times: list[float] = []
    for run in runs.values():
        events = read_events(Path(run["file"]).with_name("events.jsonl"))
        times += [events[0]["time"], events[-1]["time"]]
    trained = [run[MADE]["training"] for run in runs.values()]
    first, last = (datetime.fromtimestamp(time, UTC) for time in (min(times), max(times)))
    devices = " and ".join(sorted({each["device"] for each in trained}))
    hours = sum(each["seconds"] for each in trained) / 3600
    return (
        f"{len(runs)} trainings, {hours:.1f} hours of them in all, between {first:%Y-%m-%d %H:%M} and "
        f"{last:%Y-%m-%d %H:%M} UTC on {devices}."
    )


def by_class(scale_name: str, table: Table) -> pd.DataFrame:
    """Intra-FID of every class, a column for each row of table 1: means over seeds."""
    labels, columns = first_labels("generation", scale_name), {}
    for (row, metric), cell in table.cells.items():
        if metric == "intra_fid":
            seeds = [class_values(m.run)[1] for m in cell.measurements if not m.diverged]
            if seeds:
                columns[labels[row]] = pd.concat(seeds, axis=1).mean(axis=1)
    return pd.DataFrame(columns)


def _measurements(tables: dict[int, Table]) -> Iterator[Measurement]:
    return chain.from_iterable(cell.measurements for table in tables.values() for cell in table.cells.values())


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
