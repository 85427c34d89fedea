# The chosen scale and its rows, validated before any job starts.

import json
import os
import sys
import threading
from pathlib import Path

from snakemake.exceptions import WorkflowError

# The package beside this Snakefile, not one installed elsewhere.
sys.path.insert(0, os.getcwd())

from an import params, takeover, terminal
from an.code import code_digest, keep_digests
from an.errors import UserError
from an.files import sha256
from an.layout import AVERAGED, IMAGES, Run, Study
from an.needs import needs
from an.planning.asked import check_memory
from an.reporting.figures.captions import CAPTIONS, LOOKED_AT

try:
    REPORTED = params.scale_name(config)
    SCALE = params.load_scale(REPORTED)
    SCALE_NAME = params.base_of(REPORTED)  # whose runs a tier shares
    ROWS = params.load_rows(scale=SCALE)
    PUBLISHED = params.load_published()
    params.check_scale(REPORTED)
    if workflow.is_main_process and not workflow.output_settings.dryrun:
        takeover.begin_run(REPORTED)
except UserError as error:
    raise WorkflowError(str(error))

STUDY, RUN = Study(REPORTED), Run(SCALE_NAME, "{row}", "{seed}")
TABLES, FIGURES = params.tables_of(SCALE), params.figures_of(SCALE)
TABLE_FILES = [".md", ".csv", ".tex", ".html", "_cells.csv"]
SCORES = [name for name in FIGURES if name in ("convergence", "table1", "table4")]
CONTROL_ROWS = ["mean-colour", "biharmonic"]
# Of a scale that needs no GPU, on a cluster: a job of its own costs more than most steps do, so a run's training and
# measurement are one job, and what is of no run is done beside snakemake. A job of several steps that fails begins
# anew; where a training takes long, it is therefore a job by itself.
SMALL = SCALE.gpus == 0
WITH_TRAINING = "run" if SMALL else None
MEASUREMENT = "run" if SMALL else "measurement"
INCEPTION_FEATURES = (
    [STUDY.inception_features, f"{STUDY.inception_features}.json"] if SCALE.evaluation.inception else []
)
AVERAGED_IMAGES = [RUN.averaged_images] if SCALE.ema else []


wildcard_constraints:
    row="[a-z0-9-]+",
    control="|".join(CONTROL_ROWS),
    seed="[0-9]+",
    table="[0-9]+",


def option(name, value):
    """The words of a command line's option; none without a value."""
    return [f"--{name}", str(value)] if value else []


def data_there(task):
    """As an input function: of no files, but an error before any job starts where a target lacks data or memory."""

    def look(wildcards):
        try:
            params.check_data(SCALE_NAME, task)
            if workflow.local_exec and not workflow.dryrun:
                check_memory(REPORTED, given=workflow.resource_settings.overwrite_resources)
        except UserError as error:
            raise SystemExit(f"Error: {error}")  # Snakemake adds a traceback to other errors of input functions
        return []

    return look


def hours(wildcards, output):
    """A training job on a cluster ends by itself a little before its scheduler would end it.

    By its second argument it is derived for Snakemake, which then does not train again for another limit.
    """
    return option("hours", SCALE.hours)


def rows_of(task):
    """What the wildcard ``row`` may be in a rule for rows of a task."""
    return "|".join(params.load_rows(task))


def where_any(task, files):
    """Files that are made where the scale runs rows of a task."""
    return files if params.load_rows(task, SCALE) else []


def of_runs(files, task, table=None):
    """Files of every run of a task's rows, or of those in a table, with all seeds of each."""
    rows = {name: row for name, row in ROWS.items() if row.task == task and (table is None or table in row.tables)}
    runs = [(name, seed) for name, row in rows.items() for seed in SCALE.seeds_of(name, row)]
    return [file for name, seed in runs for file in expand(files, row=name, seed=seed)]


def first_runs(files, task, names=None):
    """Of each of a task's rows, or of those named, the files of its first seed."""
    rows = {name: row for name, row in ROWS.items() if row.task == task and (names is None or name in names)}
    return [file for name, row in rows.items() for file in expand(files, row=name, seed=SCALE.seeds_of(name, row)[0])]


def table2_classes_of(wildcards):
    """What is known of a row's classes before all of them are measured."""
    known = [RUN.intra_table2] if 2 in ROWS[wildcards.row].tables else []
    return expand(known, row=wildcards.row, seed=wildcards.seed)


def quality_results(table):
    """What tables 1, 2 and 4 are made of, of each run: intra-FID has files of its own where it is measured apart."""
    apart = SCALE.evaluation.intra_samples
    files = [RUN.intra_table2] if apart and table == 2 else [RUN.metrics, RUN.classes]
    files += [RUN.intra] if apart and table == 1 else []
    return of_runs(files, "generation", table)


def figures(*names):
    """The files of figures, and of the numbers behind those that no table has."""
    numbers = [STUDY.figure(name).with_suffix(".csv") for name in names if not name.startswith("table")]
    drawn = [report(STUDY.figure(n), "../report/figure.rst", "Figures", labels={"": CAPTIONS[n].title}) for n in names]
    return [*drawn, *numbers]


def captions(*names):
    return [f"{CAPTIONS[name].title}: {CAPTIONS[name].text}" for name in names]


# What a rule's result depends on besides its input files goes into its params, so that a change reruns it.


def kept_digest():
    """Of the tables that the page compares with; they are no result of the workflow, so not its input."""
    files = sorted(Path("docs/results", REPORTED).glob("table*_cells.csv"))
    return params.digest({file.name: sha256(file) for file in files})


def table_labels(table):
    return json.dumps({name: row.tables[table] for name, row in ROWS.items() if table in row.tables})


def labels_of(task):
    return json.dumps({name: row.tables for name, row in ROWS.items() if row.task == task})


def training(wildcards):
    return json.dumps(params.run_settings(ROWS[wildcards.row], SCALE), sort_keys=True)


def section(*names, of=SCALE):
    """The named parts of the scale, or of one of its sections."""
    return json.dumps(of.model_dump(mode="json", include=set(names)), sort_keys=True)


def track():
    """Bring MLflow up to date where a server is named or a store was made before; a run does not fail with it."""
    if os.environ.get("MLFLOW_TRACKING_URI") or os.path.exists("mlflow.db"):
        shell("python -m an track --scale {SCALE_NAME:q} || true")


def end_timers():
    """Let Snakemake's process end at once, not when the last of its waits for more jobs is over (profiles/default)."""
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()


terminal.install(workflow, REPORTED)
