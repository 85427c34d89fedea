"""The sync of event spools into MLflow: a run for each row and seed, and a parent for each row with mean and sd.

Jobs write files (events.py) and wait for nobody; ``python -m an track`` brings MLflow to the state of the files.
What MLflow has already is read from MLflow itself, so a sync may be killed, repeated, or sent to another server at any
time. mlflow is imported here and in mlflow_ui.py only, when it is needed.
"""

import hashlib
import json
import math
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from .. import params
from ..errors import UserError
from ..provenance import dvc_lock_digest
from ..seals import digest
from .fid_curve import draw_curve, mean_curve
from .spools import Spool, flattened, provenance, read_spools, sample_grid, samples_made

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

LOCAL_STORE = "sqlite:///mlflow.db"
LOCK = "mlflow.db.lock"
PATIENCE = 60  # seconds that a sync waits for another one
STATUS = {"finished": "FINISHED", "interrupted": "KILLED", "diverged": "FAILED", "failed": "FAILED"}
SEVEREST = ["RUNNING", "FAILED", "KILLED", "FINISHED"]  # a row's status is its seeds' first of these
# The paper's columns; a row's run has these alone, so that the comparison of rows fits a screen.
SCORES = ["fid", "intra_fid", "inception_score", "psnr", "ssim_volume", "mae_signed", "accuracy"]
VIEW = "scores"  # the view of an experiment's table with columns of these: ?viewStateShareKey=scores
MAX_METRICS, MAX_PARAMS = 1000, 100  # that MLflow takes in one request
DEFAULTS = {
    # A dead server costs seconds, not MLflow's four minutes, and no request is made twice: the next sync finds out
    # what arrived and brings the rest.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}


def sync(scale_name: str) -> str:
    """Bring MLflow to the state of a scale's spools, results and samples; return a sentence for people.

    Raises UserError when MLflow is missing or does not answer, or when another sync goes on for a minute.
    """
    again = f"then run python -m an track --scale {scale_name} again; nothing is lost"
    use_defaults()
    try:
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError:
        raise UserError("mlflow is not installed here: install requirements.lock to track runs.") from None
    uri = tracking_uri()
    try:
        with FileLock(LOCK, timeout=PATIENCE):
            spools = read_spools(scale_name)  # not before the lock is held: an older state must not win
            if spools:
                bring(open_client(uri), scale_name, spools)
    except Timeout:
        raise UserError(f"another sync has held {LOCK} for {PATIENCE} s: wait for it, {again}.") from None
    except (MlflowException, SQLAlchemyError, OSError) as error:
        why = str(error).splitlines()[0][:160]
        raise UserError(f"MLflow at {uri} does not take the runs ({why}): start or mend it, {again}.") from None
    rows = {spool.header["parent"] for spool in spools}
    return f"MLflow at {uri} has all {len(spools)} runs, of {len(rows)} rows, of scale {scale_name}."


def tracking_uri() -> str:
    return os.environ.get("MLFLOW_TRACKING_URI") or LOCAL_STORE


def use_defaults() -> None:
    """Set mlflow's environment, before its import, where people have not set it."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)


def open_client(uri: str) -> "MlflowClient":
    """A client of the store; a local one's schema is first made, or brought up to date."""
    import mlflow.db

    if uri.startswith("sqlite:"):
        mlflow.db.upgrade.callback(uri)  # type: ignore[misc]  # of click, where a command may have none
    return mlflow.MlflowClient(uri)


def bring(client: "MlflowClient", scale_name: str, spools: list[Spool]) -> None:
    """Write what MLflow lacks: an experiment for each task, in it a parent run for each row, below it the seeds."""
    rows: dict[str, list[Spool]] = {}
    known, data_version = {}, dvc_lock_digest()
    for spool in spools:
        rows.setdefault(spool.header["parent"], []).append(spool)
    for parent_key, seeds in rows.items():
        first = seeds[0].header
        experiment = open_experiment(client, f"{first['task']}-{scale_name}")
        if experiment not in known:
            known[experiment] = runs_by_key(client, experiment)

        def run(key: str, name: str, start: int, experiment=experiment) -> "Run":
            tags = {"key": key} | ({"dvc_lock": data_version} if data_version else {})
            return known[experiment].get(key) or client.create_run(experiment, start, tags, name)

        parent = run(parent_key, label(first["row"]), min(map(started, seeds)))
        log_params(client, parent, flattened(first["settings"]))
        log_tags(client, parent, {"row": first["row"], "scale": scale_name})
        for spool in seeds:
            child = run(spool.header["key"], f"seed-{spool.header['seed']}", started(spool))
            log_training(client, child, spool, parent.info.run_id)
            log_samples(client, [child, parent] if spool is seeds[0] else [child], spool)
        log_curve(client, parent, seeds)
        log_summary(client, parent)
    for experiment in known:
        share_view(client, experiment)


def open_experiment(client: "MlflowClient", name: str) -> str:
    """The id of an experiment, made when it is missing."""
    found = client.get_experiment_by_name(name)
    # The kind of an experiment whose runs are trainings, in the server's own words.
    kind = {"mlflow.experimentKind": "custom_model_development"}
    return found.experiment_id if found else client.create_experiment(name, tags=kind)


def runs_by_key(client: "MlflowClient", experiment: str) -> dict[str, "Run"]:
    runs: dict[str, Run] = {}
    token = None
    while True:
        page = client.search_runs([experiment], max_results=1000, page_token=token)
        runs |= {run.data.tags["key"]: run for run in page if "key" in run.data.tags}
        token = page.token
        if not token:
            return runs


def log_training(client: "MlflowClient", run: "Run", spool: Spool, parent_id: str) -> None:
    """Bring one run to the state of its files, its status last."""
    header, status = spool.header, spool.status
    log_params(client, run, {"seed": header["seed"]} | flattened(header["settings"]))
    log_tags(client, run, {"mlflow.parentRunId": parent_id} | provenance(spool))
    log_points(client, run, attention_points(spool))
    log_dataset(client, run, header)
    log_file(client, run, "config.json", json.dumps(header, indent=1).encode())
    step = log_steps(client, run, spool.steps)
    if spool.metrics:
        log_evaluation(client, run, spool.metrics, step)
    if status:
        log_status(client, run, STATUS[status["status"]], ended(run, status, spool.seconds))
    else:
        log_status(client, run, "RUNNING", None)


def started(spool: Spool) -> int:
    """When a run starts for MLflow, in milliseconds: such that one that has ended lasts as long as its training."""
    if spool.status and spool.seconds is not None:
        return milliseconds(spool.status["time"] - spool.seconds)
    return milliseconds(spool.header["time"])


def ended(run: "Run", status: dict, seconds: float | None) -> int:
    """When it ends: MLflow cannot move the start of a run that it has seen before the training was resumed."""
    return milliseconds(status["time"]) if seconds is None else run.info.start_time + milliseconds(seconds)


def log_samples(client: "MlflowClient", runs: list["Run"], spool: Spool) -> None:
    """Draw a training's samples once, for those of the runs that lack them: it may mean to read gigabytes."""
    made = samples_made(spool.header) if spool.metrics else None
    lacking = [run for run in runs if made and run.data.tags.get("samples") != made]
    picture = sample_grid(spool.header) if lacking else b""
    for run in lacking:
        log_file(client, run, "samples.png", picture)
        client.set_tag(run.info.run_id, "samples", made)


def log_curve(client: "MlflowClient", parent: "Run", seeds: list[Spool]) -> None:
    """Log a row's FID against steps: the mean as ``train/fid``, and a picture, drawn anew when a curve has changed."""
    evaluated = [spool.metrics["curve"] for spool in seeds if spool.metrics and spool.metrics.get("curve")]
    if not evaluated:
        return  # nobody measured along this task's training
    curves = [{point["step"]: point["fid"] for point in curve} for curve in evaluated]
    log_points(client, parent, {("train/fid", step): fid for step, fid in mean_curve(curves).items()})
    made = digest({"curves": evaluated})[:16]
    if parent.data.tags.get("curve") != made:
        log_file(client, parent, "fid.png", draw_curve(curves, label(seeds[0].header["row"])))
        client.set_tag(parent.info.run_id, "curve", made)


def share_view(client: "MlflowClient", experiment_id: str) -> None:
    """Give an experiment's table of runs a view with the scores of its rows as columns.

    MLflow's pages keep a saved view in a tag; where they do not know it, they show their own columns.
    """
    rows = client.search_runs([experiment_id], "metrics.seeds > 0", max_results=1000)
    found = {name for run in rows for name in run.data.metrics}
    shown = [name for score in SCORES for name in (score, f"{score}_sd") if name in found]
    columns = ["attributes.`Duration`", *(f"metrics.`{name}`" for name in [*shown, "seeds"])]
    experiment, tag = client.get_experiment(experiment_id), f"mlflow.sharedViewState.{VIEW}"
    times = {"createdAt": experiment.creation_time, "updatedAt": experiment.creation_time}
    view = json.dumps({"name": "Scores", **times, "state": json.dumps({"selectedColumns": columns})})
    if experiment.tags.get(tag) != view:
        client.set_experiment_tag(experiment_id, tag, view)


def log_steps(client: "MlflowClient", run: "Run", steps: list[dict]) -> int:
    """Log the steps beyond those that the run has, whole steps in a request; return the highest step it then has.

    ``train/step`` stands in every step's metrics. MLflow stores a request's metrics in one transaction, so the run's
    latest ``train/step`` tells what is there, even after a kill; a resumed training's repeated steps are passed over.
    """
    highest = int(run.data.metrics.get("train/step", 0))
    batch: list[Metric] = []
    for event in steps:
        if event["step"] > highest:
            highest = event["step"]
            metrics = list(step_metrics(event))
            if len(batch) + len(metrics) > MAX_METRICS:
                client.log_batch(run.info.run_id, metrics=batch)
                batch = []
            batch += metrics
    if batch:
        client.log_batch(run.info.run_id, metrics=batch)
    return highest


def attention_points(spool: Spool) -> dict[tuple[str, int], float]:
    """What the attention layers did along training, as ``attention/<measure>``."""
    return {
        (f"attention/{name}", event["step"]): value
        for event in spool.attention
        for name, value in event.items()
        if name not in ("kind", "time", "step")
    }


def step_metrics(event: dict) -> Iterator["Metric"]:
    from mlflow.entities import Metric

    for name, value in event.items():
        if name not in ("kind", "time") and isinstance(value, int | float):
            yield Metric(f"train/{name}", value, milliseconds(event["time"]), event["step"])


def log_evaluation(client: "MlflowClient", run: "Run", evaluated: dict, step: int) -> None:
    """Log the final metrics, at the training's last step, and ``train/fid``, the FID of each snapshot."""
    points = {("train/fid", point["step"]): point["fid"] for point in evaluated.get("curve", [])}
    points |= {(name, step): value for name, value in evaluated["metrics"].items()}
    log_points(client, run, points)


def log_summary(client: "MlflowClient", parent: "Run") -> None:
    """Bring a row's run to its seeds as MLflow has them: mean and sd of the main scores, and how they ended."""
    mine = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
    seeds = client.search_runs([parent.info.experiment_id], mine)
    values: dict[str, list[float]] = {}
    for seed in sorted(seeds, key=lambda run: run.data.tags["seed"]):
        for name in SCORES:
            if name in seed.data.metrics:
                values.setdefault(name, []).append(seed.data.metrics[name])
    points = {name: statistics.fmean(of) for name, of in values.items()}
    points |= {f"{name}_sd": statistics.stdev(of) for name, of in values.items() if len(of) > 1}
    points["seeds"] = len(seeds)
    log_points(client, parent, {(name, 0): value for name, value in points.items()})
    status = min((run.info.status for run in seeds), key=SEVEREST.index)
    log_status(client, parent, status, max(run.info.end_time or 0 for run in seeds))


def log_points(client: "MlflowClient", run: "Run", points: dict[tuple[str, int], float]) -> None:
    """Log ``{(name, step): value}`` where the run's value there is another; MLflow keeps both and shows the later."""
    from mlflow.entities import Metric

    points = {place: value for place, value in points.items() if value is not None and math.isfinite(value)}
    last = {name: value for (name, _), value in sorted(points.items())}
    if last.items() <= run.data.metrics.items():
        return  # one request wrote them all
    logged = {}
    for name in last.keys() & run.data.metrics.keys():  # a new run has no history to ask for
        for point in sorted(client.get_metric_history(run.info.run_id, name), key=lambda point: point.timestamp):
            logged[name, point.step] = point.value
    now = milliseconds(time.time())
    changed = {place: value for place, value in points.items() if logged.get(place) != value}
    new = [Metric(name, value, now, step) for (name, step), value in changed.items()]
    for start in range(0, len(new), MAX_METRICS):
        client.log_batch(run.info.run_id, metrics=new[start : start + MAX_METRICS])


def log_params(client: "MlflowClient", run: "Run", settings: dict) -> None:
    from mlflow.entities import Param

    new = [Param(name, str(value)) for name, value in settings.items() if name not in run.data.params]
    for start in range(0, len(new), MAX_PARAMS):
        client.log_batch(run.info.run_id, params=new[start : start + MAX_PARAMS])


def log_tags(client: "MlflowClient", run: "Run", tags: dict) -> None:
    from mlflow.entities import RunTag

    wanted = {name: str(value) for name, value in tags.items() if value is not None}
    if not wanted.items() <= run.data.tags.items():
        client.log_batch(run.info.run_id, tags=[RunTag(name, value) for name, value in wanted.items()])


def log_dataset(client: "MlflowClient", run: "Run", header: dict) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    if not (run.inputs and run.inputs.dataset_inputs):
        scale = header["settings"]["scale"]
        # The recall task draws its images; their digest is of the first test images.
        name = f"{scale['dataset']}-{scale['resolution']}" if "dataset" in scale else header["task"]
        source = json.dumps({"sha256": header["data"]})
        dataset = Dataset(name, header["data"][:32], "local", source)  # MLflow takes 36 digits of a digest
        client.log_inputs(run.info.run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])


def log_file(client: "MlflowClient", run: "Run", name: str, content: bytes) -> None:
    """Log an artifact unless it is there; a tag, written after it, holds its digest."""
    digest = hashlib.sha256(content).hexdigest()[:16]
    if run.data.tags.get(f"digest.{name}") != digest:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, name)
            file.write_bytes(content)
            client.log_artifact(run.info.run_id, str(file))
        client.set_tag(run.info.run_id, f"digest.{name}", digest)


def log_status(client: "MlflowClient", run: "Run", status: str, ended: int | None) -> None:
    if status == "RUNNING" != run.info.status:
        client.update_run(run.info.run_id, status)  # resumed; MLflow cannot forget the earlier end
    elif status != "RUNNING" and (run.info.status, run.info.end_time) != (status, ended):
        client.set_terminated(run.info.run_id, status, ended)


def label(row_name: str) -> str:
    """The row's name in the first table it stands in."""
    rows = params.load_rows()
    return next(iter(rows[row_name].tables.values())) if row_name in rows else row_name


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
