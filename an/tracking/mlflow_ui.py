"""The local MLflow server, and its pages on a scale's runs."""

import os
import signal
import subprocess
import sys
import time
import webbrowser
from contextlib import suppress
from urllib.error import URLError
from urllib.request import urlopen

from ..errors import UserError
from .mlflow_sync import VIEW, open_client, open_experiment, sync, tracking_uri
from .spools import read_spools

START = 600  # seconds that a server may take to answer, beside trainings on all cores; one that ends is noticed at once
ENDINGS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]  # Ctrl-C, the end of make, a closed terminal


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
    # Job execution is for agents; it costs nine processes more. The session of its own makes a group of all processes.
    server = subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        start_new_session=True,
    )

    def stop(*_) -> None:
        """End the server and its children at once; the store stands it. Asked to end, they wait for their browsers."""
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)

    for ending in ENDINGS:  # an exception in their place may be lost in a destructor
        signal.signal(ending, stop)
    try:
        if wait_for(address, server):
            show(address, scale_name)
        while server.poll() is None:  # not wait(), which a signal that another thread takes does not end
            time.sleep(0.2)
    finally:
        stop()
    print("The server is stopped.")


def wait_for(address: str, server: subprocess.Popen) -> bool:
    """Whether the server answers: not when it was stopped. Raises UserError when it ended by itself or is too slow."""
    deadline = time.monotonic() + START
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urlopen(f"{address}/health", timeout=1).close()
            return True
        except (URLError, OSError):
            time.sleep(0.2)
    if server.poll() == -signal.SIGKILL:
        return False
    raise UserError(f"no MLflow server came up at {address}: is the port taken? make ui PORT=5001 takes another.")


def show(address: str, scale_name: str) -> None:
    """Print the addresses of a scale's pages, and open the first in a browser where there is one."""
    addresses = pages(address, scale_name)
    for what, page in addresses.items():
        print(f"{what}: {page}", flush=True)
    webbrowser.open(next(iter(addresses.values())))


def pages(address: str, scale_name: str) -> dict[str, str]:
    """The table of each task's runs, with its scores as columns, or the server's front page if there are none."""
    tasks, client = sorted({spool.header["task"] for spool in read_spools(scale_name)}), open_client(tracking_uri())
    experiments = {task: open_experiment(client, f"{task}-{scale_name}") for task in tasks}
    tables = {
        f"runs of {task}": f"{address}/#/experiments/{experiment}/runs?viewStateShareKey={VIEW}"
        for task, experiment in experiments.items()
    }
    return tables or {"MLflow": address}
