# The chosen scale and its rows, validated before any job starts.

import json
import os
import sys
import threading
from pathlib import Path

from snakemake.exceptions import WorkflowError

# The package beside this Snakefile, not one installed elsewhere.
sys.path.insert(0, os.getcwd())

from an import params
from an.code import code_digest
from an.errors import UserError
from an.files import sha256
from an.layout import AVERAGED, IMAGES, snapshot_name

try:
    SCALE_NAME = params.scale_name(config)
    SCALE = params.load_scale(SCALE_NAME)
    ROWS = params.load_rows("generation")
    INPAINTING_ROWS = params.load_rows("inpainting")
    RECALL_ROWS = params.load_rows("recall")
    PUBLISHED = params.load_published()
    params.check_scale(SCALE_NAME)
except UserError as error:
    raise WorkflowError(str(error))

TABLES = [1, 2, 3, 4, 5, 6]
FIGURES = [9, 10]
CONTROL_ROWS = ["mean-colour", "biharmonic"]
DATA = SCALE.data_folder
PHOTOGRAPHS = SCALE.inpainting.data_folder
RUN = f"results/{SCALE_NAME}/{{row}}/seed-{{seed}}"
RUNTIME = {"runtime": int(60 * SCALE.hours) + 15} if SCALE.hours else {}
ONE_GPU = min(SCALE.gpus, 1)
AVERAGED_SAMPLES = {"averaged": f"samples/{SCALE_NAME}/{{row}}/seed-{{seed}}/averaged.npy"} if SCALE.ema else {}
SNAPSHOTS = [snapshot_name(number) for number in range(SCALE.snapshots + 1)]


wildcard_constraints:
    row="|".join(ROWS),
    inpainting_row="|".join(INPAINTING_ROWS),
    recall_row="|".join(RECALL_ROWS),
    control="|".join(CONTROL_ROWS),
    seed="[0-9]+",
    table="[0-9]+",


def option(name, value):
    """The words of a command line's option; none without a value."""
    return [f"--{name}", str(value)] if value else []


def averaged(wildcards, files):
    """The option that names a job's images by averaged weights, where the scale has them."""
    return option("averaged", SCALE.ema and files.averaged)


def hours(wildcards, output):
    """A training job on a cluster ends by itself a little before its scheduler would end it.

    By its second argument it is derived for Snakemake, which then does not train again for another limit.
    """
    return option("hours", SCALE.hours)


def of_runs(files, **rows):
    """Files of every run of the rows that a wildcard stands for, e.g. ``row=ROWS``, with all seeds of each."""
    ((wildcard, names),) = rows.items()
    known = ROWS | INPAINTING_ROWS | RECALL_ROWS
    runs = [(name, seed) for name in names for seed in SCALE.seeds_of(name, known[name])]
    return [file for name, seed in runs for file in expand(files, **{wildcard: name}, seed=seed)]


def table_runs(table):
    """Metrics and per-class files of every row in a table, all seeds."""
    rows = [name for name, row in ROWS.items() if table in row.tables]
    return of_runs([f"{RUN}/metrics.json", f"{RUN}/classes.csv"], row=rows)


# What a rule's result depends on besides its input files goes into its params, so that a change reruns it.


def kept_digest():
    """Of the tables that the page compares with; they are no result of the workflow, so not its input."""
    files = sorted(Path("docs/results", SCALE_NAME).glob("table*_cells.csv"))
    return params.digest({file.name: sha256(file) for file in files})


def table_labels(table):
    rows = ROWS | INPAINTING_ROWS | RECALL_ROWS
    return json.dumps({name: row.tables[table] for name, row in rows.items() if table in row.tables})


def training(wildcards):
    return json.dumps(params.training_settings(ROWS[wildcards.row], SCALE), sort_keys=True)


def inpainting_training(wildcards):
    row = INPAINTING_ROWS[wildcards.inpainting_row]
    return json.dumps(params.inpainting_settings(row, SCALE), sort_keys=True)


def recall_training(wildcards):
    return json.dumps(params.recall_settings(RECALL_ROWS[wildcards.recall_row], SCALE), sort_keys=True)


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
