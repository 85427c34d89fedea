"""A finished study as one folder for an archive: its files, and how they were made, as a Workflow Run RO-Crate.

The profile is https://w3id.org/ro/wfrun/workflow/0.5: an RO-Crate 1.1 whose main entity is the workflow, with an action
for the study and for each training and measurement in it.
"""

import datetime
import filecmp
import mimetypes
import os
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.parse import quote

import yaml
from rocrate.model import ContextEntity
from rocrate.rocrate import ROCrate

from .. import __version__, params
from ..errors import UserError
from ..files import sha256
from ..layout import Run, Study
from ..params.loading import FOLDER
from ..provenance import PACKAGE, commit
from ..seals import check_file, read_sealed
from ..tracking.events import read_events
from .commands import record
from .figures.captions import LOOKED_AT
from .inpainting_table import CONTROLS
from .render import render
from .summary import summarise_scores

CHECKOUT = PACKAGE.parent
CODE = ["CITATION.cff", "LICENSE", "requirements.lock"]
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
PLAIN = "text/plain"  # of what mimetypes does not know
KINDS = {".md": "text/markdown", ".yaml": "application/yaml", ".jsonl": "application/jsonl", ".tex": "text/x-tex"}


class Step(NamedTuple):
    """A training or a measurement: its name, its files, the first of which is a sealed result, and what it says."""

    name: str
    files: list[Path]
    told: dict
    used: list[str]  # identifiers of what it was made of
    weights: tuple[str, str] | None = None  # that it made: path and sha256
    seed: int | str | None = None
    times: tuple[float, float] | None = None  # start and end, in seconds since 1970


def pack(scale_name: str, out: str | Path) -> str:
    """Write a finished study into a new folder; return a sentence of what it holds.

    Raises UserError when the folder is there, a file of the study is missing or was changed after it was made, or a
    table is not what the results give.
    """
    out = Path(out)
    if os.path.lexists(out):
        raise UserError(f"{out} is there already: name another folder, or delete it.")
    steps, reports = list(steps_of(scale_name)), [*tables(scale_name), *drawings(scale_name)]
    cited = yaml.safe_load(_present(CHECKOUT / "CITATION.cff").read_text())
    crate = described(scale_name, cited)
    data, settings, workflow = add_data(crate, scale_name), add_settings(crate, scale_name), add_workflow(crate)
    actions = [add_step(crate, step) for step in steps]
    rendered = [add_file(crate, file) for file in reports]
    study = crate.add_action(workflow, "#study", object=[*settings, *data], result=rendered)
    study["name"], study["description"] = f"Study {scale_name}", params.load_scale(scale_name).description
    timed = [action for action in actions if action.get("endTime")]
    if timed:
        study["startTime"] = min(action["startTime"] for action in timed)
        study["endTime"] = max(action["endTime"] for action in timed)
    for action in (study, *actions):
        action["agent"] = crate.creator
    for code in crate.get_by_type("SoftwareSourceCode") if "repository-code" in cited else []:
        code["url"] = cited["repository-code"]
    crate.root_dataset["mentions"] = [study, *actions]
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as temporary:
        crate.write(Path(temporary, "crate"))
        Path(temporary, "crate").rename(out)
    return f"{out} holds {len(crate.data_entities)} files, of {len(actions)} trainings and measurements."


def steps_of(scale_name: str) -> Iterator[Step]:
    """Every training and measurement, once its files are there and are what was sealed; else UserError."""
    scale, study = params.load_scale(scale_name), Study(scale_name)
    data = {task: [f"#{scale.data_of(task)}"] for task in ("generation", "inpainting")}
    if params.load_rows("generation", scale):
        yield _step("Training of the feature classifier", study.classifier_report, data["generation"])
        yield _step("Measurement of held-out images", study.reference, data["generation"])
    for name, row in params.load_rows(scale=scale).items():
        for seed in scale.seeds_of(name, row):
            yield from steps_of_run(Run(scale_name, name, seed), row.task, data.get(row.task, []))
        if row.task == "generation" and name in LOOKED_AT:
            run = Run(scale_name, name, scale.seeds_of(name, row)[0])
            looked = _step(f"Measurement of the regions of {name}, seed {run.seed}", run.regions, [])
            yield looked._replace(used=[f"#{looked.told['provenance']['checkpoint']}"])
    for name in CONTROLS if params.load_rows("inpainting", scale) else []:
        yield _step(f"Measurement of the control {name}", study.control(name), data["inpainting"])
    yield _step("Timing of the layers", study.timing, [])


def steps_of_run(run: Run, task: str, data: list[str]) -> Iterator[Step]:
    training = read_sealed(run.training)
    check_file(run.events, training["made"]["events_sha256"], run.training)
    beside = {"generation": [run.classes], "recall": [run.example]}.get(task, [])
    metrics = read_sealed(run.metrics, [run.classes] if task == "generation" else [])
    if task == "recall":
        read_sealed(run.example)
    weights = metrics["provenance"]
    of, events = f"of {run.row}, seed {run.seed}", read_events(run.events)
    yield Step(
        *(f"Training {of}", [run.training, run.events], training, data),
        weights=(weights["checkpoint"], weights["checkpoint_sha256"]),
        seed=run.seed,
        times=(events[0]["time"], events[-1]["time"]),
    )
    used = [f"#{weights['checkpoint']}", *data]
    yield Step(f"Measurement {of}", [run.metrics, *beside], metrics, used, seed=run.seed, times=_recorded(run.metrics))
    for file in (run.intra_table2, run.intra):  # which tables() misses where they should be there
        if file.exists():
            yield _step(f"Measurement of classes {of}, {file.stem}", file, used)._replace(seed=run.seed)


def _step(name: str, result: Path, used: list[str]) -> Step:
    return Step(name, [result], read_sealed(result), used, times=_recorded(result))


def _recorded(file: Path) -> tuple[float, float] | None:
    """When Snakemake began and ended to make a file, where this folder has its record."""
    made = record(str(file))
    return (made["starttime"], made["endtime"]) if made and made["endtime"] > made["starttime"] else None


def tables(scale_name: str) -> list[Path]:
    """The files of a scale's tables, once they are what the results give; else UserError.

    Web pages name the packages that rendered them, so these are not compared.
    """
    study = Study(scale_name)
    with TemporaryDirectory() as temporary:
        for number in params.tables_of(params.load_scale(scale_name)):
            render(number, scale_name, study.results, temporary)
        summarise_scores(scale_name, study.results, Path(temporary, study.summary.name))
        again = sorted(Path(temporary).iterdir())
        for file in again:
            there = _present(study.reports / file.name)
            if file.suffix != ".html" and not filecmp.cmp(file, there, shallow=False):
                raise UserError(f"{there} is not what {study.results} gives: delete it and run snakemake to make it.")
    return [study.reports / file.name for file in again]


def drawings(scale_name: str) -> list[Path]:
    """A scale's figures, the numbers behind those that no table has, and the page."""
    study, names = Study(scale_name), params.figures_of(params.load_scale(scale_name))
    numbers = [study.figure(name).with_suffix(".csv") for name in names if not name.startswith("table")]
    return [_present(file) for file in [*map(study.figure, names), *numbers, study.page]]


def _present(file: Path) -> Path:
    if not file.exists():
        raise UserError(f"{file} is missing: run snakemake to make it.")
    return file


def described(scale_name: str, cited: dict) -> ROCrate:
    """A crate without files, whose title, authors, licence, version and identifier are those of a CITATION.cff."""
    scale, crate = params.load_scale(scale_name), ROCrate(version="1.1")
    crate.metadata.extra_terms["sha256"] = "http://schema.org/sha256"  # younger than RO-Crate 1.1
    crate.name = f"{cited['title']}: study {scale_name}"
    crate.description = " ".join(filter(None, [f"{scale.description}.", scale.caution]))
    crate.datePublished = str(cited.get("date-released", datetime.date.today()))
    crate.creator = _one_or_more([add_author(crate, author) for author in cited["authors"]])
    crate.root_dataset["author"] = crate.creator
    crate.license = _entity(crate, f"https://spdx.org/licenses/{cited['license']}", "CreativeWork", cited["license"])
    crate.root_dataset["version"] = str(cited.get("version", __version__))
    if "doi" in cited:
        crate.root_dataset["identifier"] = f"https://doi.org/{cited['doi']}"
    if paper := cited.get("preferred-citation"):
        article = _entity(crate, paper.get("url", "#article"), "ScholarlyArticle", paper["title"])
        article["author"] = _one_or_more([add_author(crate, author) for author in paper["authors"]])
        crate.root_dataset["citation"] = article
    crate.root_dataset["conformsTo"] = [
        _entity(crate, profile, "CreativeWork", name, version=profile.rpartition("/")[2])
        for profile, name in PROFILES.items()
    ]
    return crate


def add_author(crate: ROCrate, author: dict) -> ContextEntity:
    """A person or an organization, as CITATION.cff has them."""
    if "name" in author:
        kind, name, place = "Organization", author["name"], author.get("website")
    else:
        kind, name, place = "Person", f"{author['given-names']} {author['family-names']}", author.get("orcid")
    return _entity(crate, place or f"#{quote(name)}", kind, name, **({"url": place} if place else {}))


def add_data(crate: ROCrate, scale_name: str) -> list[ContextEntity]:
    """What a study was trained on, which is not in the crate, by its manifests, which are."""
    scale, found = params.load_scale(scale_name), []
    for task in ("generation", "inpainting"):
        if params.load_rows(task, scale):
            folder = Path(scale.data_of(task))
            manifest = read_sealed(folder / "manifest.json")
            told = {"description": manifest["source"], "license": manifest["licence"]}
            entity = _entity(crate, f"#{folder}", "CreativeWork", f"{folder.name}, prepared", **told)
            entity["subjectOf"] = add_file(crate, folder / "manifest.json")
            found.append(entity)
    return found


def add_settings(crate: ROCrate, scale_name: str) -> list:
    scales = sorted({scale_name, params.base_of(scale_name)})
    names = ["rows.yaml", "published.yaml", *(f"scales/{name}.yaml" for name in scales)]
    return [add_file(crate, FOLDER / name, f"params/{name}") for name in names]


def add_workflow(crate: ROCrate):
    """The workflow as this checkout has it, and what else a reader needs to run it."""
    for name in CODE:
        add_file(crate, _present(CHECKOUT / name), name)
    folder = CHECKOUT / "workflow"
    rules = [add_file(crate, file, file.relative_to(CHECKOUT)) for file in sorted(folder.glob("rules/*.smk"))]
    told = {"name": "The workflow", "version": commit(), "hasPart": rules, **_measured(folder / "Snakefile")}
    language = {"lang": "snakemake", "lang_version": version("snakemake")}
    return crate.add_workflow(folder / "Snakefile", "workflow/Snakefile", main=True, properties=told, **language)


def add_step(crate: ROCrate, step: Step) -> ContextEntity:
    """An action: the code that ran, as a commit; what it was made of and what it made; when, and on which device."""
    made = step.told["made"]
    code = _entity(crate, f"#an-{made['commit']}", "SoftwareSourceCode", "an", version=made["commit"])
    used = [crate.get(name) for name in step.used]
    if step.seed is not None:
        used.append(_value(crate, "seed", step.seed))
    results = [add_file(crate, file) for file in step.files]
    if step.weights:
        path, digest = step.weights
        results.append(_entity(crate, f"#{path}", "CreativeWork", f"weights {path}", sha256=digest))
    identifier = f"#{step.files[0].with_suffix('')}"
    action = crate.add_action(code, identifier, _one_or_more(used), _one_or_more(results))
    action["name"], action["description"] = step.name, f"{step.name}, on {made['device']}, by commit {made['commit']}."
    told = [_value(crate, name, made[name]) for name in ("device", "torch") if name in made]
    action["additionalProperty"] = _one_or_more(told)
    diverged = step.told.get("status") == "diverged"
    action["actionStatus"] = f"http://schema.org/{'Failed' if diverged else 'Completed'}ActionStatus"
    if diverged:
        action["error"] = step.told["reason"]
    if step.times:
        action["startTime"], action["endTime"] = map(_moment, step.times)
    return action


def add_file(crate: ROCrate, file: Path, place: str | Path | None = None):
    """A file, which has its own path in the crate where it is given no other."""
    place = str(place or file)
    return crate.add_file(file, place, properties={"name": place, **_measured(file)})


def _measured(file: Path) -> dict[str, str]:
    kind = KINDS.get(file.suffix) or mimetypes.guess_type(file)[0] or PLAIN
    return {"sha256": sha256(file), "contentSize": str(file.stat().st_size), "encodingFormat": kind}


def _one_or_more(entities: list):
    """As RO-Crate has a single value: not in a list."""
    return entities[0] if len(entities) == 1 else entities


def _entity(crate: ROCrate, identifier: str, kind: str, name: str, **properties) -> ContextEntity:
    """The entity of that identifier, made where it is not there yet."""
    told = {"@type": kind, "name": name, **properties}
    return crate.get(identifier) or crate.add(ContextEntity(crate, identifier, properties=told))


def _value(crate: ROCrate, name: str, value: str | int) -> ContextEntity:
    return _entity(crate, f"#{name}-{quote(str(value), safe='')}", "PropertyValue", name, value=value)


def _moment(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")
