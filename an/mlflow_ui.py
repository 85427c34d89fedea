"""The local MLflow server, and its pages on a scale's runs."""

import json
import os
import subprocess
import sys
import time
import webbrowser
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

from .errors import UserError
from .mlflow_sync import open_client, sync, tracking_uri

START = 120  # seconds that a server may take to answer


def serve(scale_name: str, host: str, port: int) -> None:
    """Sync a scale, serve the local store, print and open its pages, and wait until interrupted.

    With MLFLOW_TRACKING_URI at a server, only sync and open its pages. Raises UserError when no server comes up.
    """
    print(sync(scale_name))
    uri = tracking_uri()
    if uri.startswith("http"):
        show(uri, scale_name)
        return
    address = f"http://{host}:{port}"
    command = ["-m", "mlflow", "server", "--backend-store-uri", uri, "--artifacts-destination", "mlruns"]
    command += ["--host", host, "--port", str(port), "--workers", "1"]
    # Job execution is for agents; it costs nine processes more.
    server = subprocess.Popen(
        [sys.executable, *command], env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    )
    try:
        wait_for(address, server)
        show(address, scale_name)
        server.wait()
    except KeyboardInterrupt:
        print("The server is stopped.")
    finally:
        server.terminate()
        server.wait()


def wait_for(address: str, server: subprocess.Popen) -> None:
    deadline = time.monotonic() + START
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urlopen(f"{address}/health", timeout=1).close()
            return
        except (URLError, OSError):
            time.sleep(0.2)
    raise UserError(f"no MLflow server came up at {address}: is the port taken? make ui PORT=5001 takes another.")


def show(address: str, scale_name: str) -> None:
    """Print the addresses of a scale's pages, and open the first in a browser where there is one."""
    addresses = pages(address, scale_name)
    for what, page in addresses.items():
        print(f"{what}: {page}", flush=True)
    webbrowser.open(next(iter(addresses.values())))


def pages(address: str, scale_name: str) -> dict[str, str]:
    """The comparison of each task's rows and the list of its runs, or the server's front page if there are none."""
    client, comparisons, lists = open_client(tracking_uri()), {}, {}
    for task in ("generation", "inpainting"):
        experiment = client.get_experiment_by_name(f"{task}-{scale_name}")
        if experiment:
            number = experiment.experiment_id
            rows = client.search_runs([number], "tags.row != '' AND tags.seed IS NULL", order_by=["start_time ASC"])
            chosen = quote(json.dumps([run.info.run_id for run in rows]))
            comparisons[f"rows of {task}"] = (
                f"{address}/#/compare-runs?runs={chosen}&experiments={quote(json.dumps([number]))}"
            )
            lists[f"runs of {task}"] = f"{address}/#/experiments/{number}/runs"
    return comparisons | lists or {"MLflow": address}
