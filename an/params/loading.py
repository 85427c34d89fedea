"""Reading ``params/``: whatever the models do not know is an error that names file and key."""

import difflib
import os
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar, overload

import yaml
from pydantic import TypeAdapter, ValidationError

from ..errors import UserError
from .published import Published
from .rows import AnyRow, InpaintingRow, RecallRow, Row, Rows
from .scales import Inpainting, Scale, Tier
from .types import Strict

HERE = Path(__file__).resolve()
Content = TypeVar("Content")


def folder() -> Path:
    """The parameters' folder: the one that AN_PARAMS names, that of this checkout, or what is installed."""
    named, checkout = os.environ.get("AN_PARAMS"), HERE.parents[2] / "params"
    if named:
        return Path(named).resolve()
    return checkout if (checkout / "rows.yaml").exists() else HERE.parent / "files"


FOLDER = folder()

BASE = re.compile(r"^base: *([^\s#]+)", re.MULTILINE)  # read so, for every path of a study asks for it
SCALE_NAME = "^[a-z0-9][a-z0-9_-]*$"  # it stands in paths and command lines


def load_rows(task: str | None = None, scale: Scale | None = None) -> dict[str, AnyRow]:
    """Rows by name: of every task or of one, all or those that a scale runs. Raises UserError naming file and key."""
    rows = {name: row for name, row in _load(FOLDER / "rows.yaml", Rows).items() if task in (None, row.task)}
    return {name: row for name, row in rows.items() if scale.runs(name, row)} if scale else rows


def tables_of(scale: Scale) -> list[int]:
    """The tables that a scale has rows of, and table 5, which has none."""
    return sorted({5} | {table for row in load_rows(scale=scale).values() for table in row.tables})


def figures_of(scale: Scale) -> list[str]:
    """The figures whose rows a scale runs, in the order in which they are shown."""
    rows, tables = load_rows(scale=scale).keys(), tables_of(scale)
    generation = load_rows("generation", scale).keys()
    there = {
        **dict.fromkeys(("1", "7", "convergence"), bool(generation)),
        **dict.fromkeys(("4", "5", "8"), "an" in rows),
        "9": {"ca", "an-inpainting"} <= rows,
        "10": load_rows("recall").keys() <= rows,
        **{f"table{number}": number in tables for number in (1, 4, 5, 6)},
    }
    return [name for name, drawn in there.items() if drawn]


@overload
def load_row(name: str, task: Literal["generation"]) -> Row: ...
@overload
def load_row(name: str, task: Literal["inpainting"]) -> InpaintingRow: ...
@overload
def load_row(name: str, task: Literal["recall"]) -> RecallRow: ...
@overload
def load_row(name: str, task: str | None = None) -> AnyRow: ...
def load_row(name: str, task: str | None = None) -> AnyRow:
    """One row by name. Raises UserError for one that is unknown or of another task."""
    rows = load_rows(task)
    if name not in rows and name in (others := load_rows()):
        raise UserError(f"row '{name}' is of the {others[name].task} task: {task} has the rows {', '.join(rows)}.")
    if name not in rows:
        raise UserError(f"unknown row '{name}'{hint(name, rows)}: params/rows.yaml has {', '.join(rows)}.")
    return rows[name]


def load_scale(name: str) -> Scale:
    """One scale by name. Raises UserError for an unknown or faulty one, and for a name with characters of a shell."""
    path = scale_file(name)
    known = sorted(p.stem for p in path.parent.glob("*.yaml"))
    if name not in known:
        raise UserError(f"unknown scale '{name}'{hint(name, known)}: params/scales/ has {', '.join(known)}.")
    if (base := base_of(name)) == name:
        return _load(path, TypeAdapter(Scale))
    tier = _load(path, TypeAdapter(Tier))
    if base_of(base) != base:
        raise UserError(f"params/scales/{name}.yaml: base '{base}' has a base itself: name {base_of(base)}.")
    return load_scale(base).model_copy(update={key: value for key, value in tier if key != "base"})


def base_of(name: str) -> str:
    """The scale that one is a tier of; the scale itself where it has no base, or is not there."""
    path = FOLDER / "scales" / f"{name}.yaml"
    found = BASE.search(path.read_text(encoding="utf-8", errors="replace")) if path.exists() else None
    return found[1] if found else name


def scale_file(name: str) -> Path:
    """Where a scale of this name stands, or would. Raises UserError for a name with characters of a shell."""
    if not re.fullmatch(SCALE_NAME, name):
        raise UserError(f"scale {name!r}: a scale's name has small letters, digits, '-' and '_' only ({SCALE_NAME}).")
    return FOLDER / "scales" / f"{name}.yaml"


def check_scale(scale_name: str) -> None:
    """Raise UserError when a scale names unknown rows, or rows that its networks have no place for."""
    scale, rows = load_scale(scale_name), load_rows()
    for key, named in (("rows", scale.rows or []), ("row_seeds", scale.row_seeds)):
        for row in named:
            if row not in rows:
                raise UserError(f"params/scales/{scale_name}.yaml: {key} has an unknown row '{row}'{hint(row, rows)}.")
    for row in load_rows(scale=scale).values():
        if row.task == "generation":
            scale.attention_resolution_of(row)


def check_data(scale_name: str, task: str) -> None:
    """Raise UserError when the data of a task are neither prepared nor where the scale says."""
    scale = load_scale(scale_name)
    parts: dict[str, tuple[str, Scale | Inpainting]]
    parts = {"generation": ("", scale), "inpainting": ("inpainting.", scale.inpainting)}
    prefix, part = parts[task]
    prepared = Path(part.data_folder, "manifest.json").exists()
    if part.dataset_path and not prepared and not Path(part.dataset_path).is_dir():
        raise UserError(
            f"params/scales/{scale_name}.yaml: {prefix}dataset_path is {part.dataset_path}, which is missing: "
            f"put or link the {part.dataset} folder there, or name the folder that holds it."
        )


def scale_name(config: dict) -> str:
    """The scale that ``snakemake --config`` names; smoke without one. Raises UserError for anything else in it."""
    for key in config:
        if key != "scale":
            raise UserError(f"--config has an unknown key '{key}'{hint(key, ['scale'])}: give scale=NAME alone.")
    name = config.get("scale", "smoke")
    if not isinstance(name, str):  # Snakemake reads values as YAML
        known = ", ".join(sorted(path.stem for path in (FOLDER / "scales").glob("*.yaml")))
        said = "" if name is None else name
        raise UserError(f"--config scale={said} names no scale: params/scales/ has {known}.")
    return name


def load_published() -> Published:
    return _load(FOLDER / "published.yaml", TypeAdapter(Published))


def schema() -> dict:
    """JSON Schema of rows, scales and published numbers, by file."""
    return {
        "rows.yaml": Rows.json_schema(),
        "scales/*.yaml": TypeAdapter(Scale | Tier).json_schema(),
        "published.yaml": Published.model_json_schema(),
    }


class UniqueKeys(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping; YAML does too, but PyYAML takes the last."""

    def compose_mapping_node(self, anchor):
        node = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            line, name = key.start_mark.line + 1, (key.tag, key.value)
            if name in lines:
                raise yaml.YAMLError(f"key '{key.value}' stands in lines {lines[name]} and {line}, keep one of them")
            lines[name] = line
        return node


@cache
def _values(text: str):
    """What a file's text says; the workflow asks for the same one many times, and YAML is slow to read."""
    return yaml.load(text, UniqueKeys)


def _load(path: Path, adapter: TypeAdapter[Content]) -> Content:
    shown = path.relative_to(FOLDER.parent)
    try:
        return adapter.validate_python(_values(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: AN_PARAMS names a folder with rows.yaml and scales/.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{shown} is not valid YAML: {' '.join(str(error).split())}.") from None
    except ValidationError as error:
        raise UserError(f"{shown}: {_first_fault(error)}.") from None


# pydantic names the chosen member of a union in the location; people do not.
UNION_MEMBERS = [
    *("generation", "inpainting", "recall"),
    *("attentive_norm", "self_attention", "contextual_attention", "instance_norm", "batch_norm"),
]


def _first_fault(error: ValidationError) -> str:
    fault = error.errors()[0]
    first, *others = fault["loc"] or [""]
    key = ".".join(str(part) for part in [first, *(part for part in others if part not in UNION_MEMBERS)])
    if fault["type"] == "extra_forbidden":
        known = [name for model in Strict.__subclasses__() for name in model.model_fields]
        return f"unknown key '{key}'{hint(str(fault['loc'][-1]), known)}"
    if fault["type"] == "missing":
        return f"key '{key}' is missing"
    if fault["type"] == "value_error":
        return f"{key + ': ' if key else ''}{fault['ctx']['error']}"
    return f"key '{key}' is {fault['input']!r}: {fault['msg'][0].lower()}{fault['msg'][1:]}"


def hint(name: str, known: Iterable[str]) -> str:
    """The known name that an unknown one was probably meant to be, as an addition to an error's sentence."""
    close = difflib.get_close_matches(name, known, 1)
    return f" (did you mean '{close[0]}'?)" if close else ""
