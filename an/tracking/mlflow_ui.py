"""The local MLflow server, and its pages on a scale's runs."""

import json
import os
import signal
import subprocess
import sys
import time
import webbrowser
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

from .. import params
from ..errors import UserError
from .mlflow_sync import open_client, open_experiment, runs_by_key, sync, tracking_uri
from .spools import read_spools

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
    command += ["--host", host, "--port", str(port), "--workers", "1", "--uvicorn-opts", "--log-level warning"]
    # Job execution is for agents; it costs nine processes more.
    server = subprocess.Popen(
        [sys.executable, *command], env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C, and leaves no server behind
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
    spools, places = read_spools(scale_name), list(params.load_rows())
    client, comparisons, lists = open_client(tracking_uri()), {}, {}
    for task in sorted({spool.header["task"] for spool in spools}):
        experiment = open_experiment(client, f"{task}-{scale_name}")
        current = {spool.header["parent"] for spool in spools}
        rows = [run for key, run in runs_by_key(client, experiment).items() if key in current]
        rows.sort(key=lambda run: places.index(run.data.tags["row"]))
        chosen = quote(json.dumps([run.info.run_id for run in rows]))
        among = quote(json.dumps([experiment]))
        comparisons[f"rows of {task}"] = f"{address}/#/compare-runs?runs={chosen}&experiments={among}"
        lists[f"runs of {task}"] = f"{address}/#/experiments/{experiment}/runs"
    return comparisons | lists or {"MLflow": address}
