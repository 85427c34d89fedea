"""A reproduced number of a table, with the runs behind it and where each came from."""

import math
import statistics
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from .. import params
from .text import number


@dataclass(frozen=True)
class Measurement:
    """One run's value. ``run`` is the result file's content, with the file's own path under "file"."""

    value: float
    run: dict

    @property
    def seed(self) -> int | None:
        return self.run.get("seed")

    @property
    def training(self) -> dict:
        """What the training run said of itself; nothing for controls and timings, which train nothing."""
        return self.run.get("training") or {}

    @property
    def diverged(self) -> bool:
        return self.training.get("status") == "diverged"

    @property
    def sources(self) -> dict:
        """Where the value comes from, one column of the CSV each."""
        made, trained = self.run["made"], self.run["made"].get("training", {})
        measured = self.run.get("provenance", {})
        return {
            "key": self.training.get("key"),
            "status": self.training.get("status"),
            "training_commit": trained.get("commit"),
            "training_device": trained.get("device"),
            "checkpoint": measured.get("checkpoint"),
            "checkpoint_sha256": measured.get("checkpoint_sha256"),
            "protocol": params.digest(self.run["protocol"]),
            "commit": made["commit"],
            "device": made["device"],
            "file": self.run["file"],
        }

    @property
    def facts(self) -> dict[str, str]:
        """The same for readers; what does not apply is left out."""
        source, training = self.sources, self.training
        facts = {}
        if training:
            facts["run"] = source["key"]
            reason = f" ({training['reason']})" if training.get("reason") else ""
            facts["training"] = (
                f"{training['status']} at step {training['step']}{reason} after "
                f"{self.run['made']['training']['seconds']:.1f} s on {source['training_device']}, "
                f"commit {source['training_commit']}"
            )
        if training.get("accepted_code"):
            facts["code"] = f"also by {', '.join(training['accepted_code'])}, accepted"
        if source["checkpoint_sha256"]:
            facts["checkpoint"] = f"{source['checkpoint']}, sha256 {source['checkpoint_sha256']}"
        facts["measured"] = f"on {source['device']}, commit {source['commit']}"
        facts["protocol"] = source["protocol"]
        facts["result"] = source["file"]
        return facts

    def __str__(self) -> str:
        which = "value" if self.seed is None else f"seed {self.seed}"
        return f"{which}: {'none' if math.isnan(self.value) else f'{self.value:.6g}'}"


@dataclass(frozen=True)
class Cell:
    """A reproduced number: the mean over the seeds whose training finished. ``str`` is what tables show."""

    row: str
    metric: str
    published: float | None
    digits: int
    measurements: list[Measurement]
    ends: tuple[float, float] | None = None  # quartiles of a timing, whose value is a median, or least and largest

    @property
    def values(self) -> list[float]:
        return [m.value for m in self.measurements if not m.diverged]

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values) if self.values else math.nan

    @property
    def sd(self) -> float:
        """Sample standard deviation over seeds; not a number for fewer than two."""
        return statistics.stdev(self.values) if len(self.values) > 1 and math.isfinite(self.mean) else math.nan

    @property
    def n(self) -> int:
        return len(self.values)

    @property
    def diverged(self) -> int:
        return len(self.measurements) - self.n

    def __str__(self) -> str:
        diverged = f"diverged {self.diverged}/{len(self.measurements)}" if self.diverged else ""
        if not self.n:
            return diverged
        text = number(self.mean, self.digits)
        lacking = sum(math.isnan(value) for value in self.values)
        if 0 < lacking < self.n:
            text += f" ({self.n - lacking} of {self.n})"
        if self.ends and not math.isnan(self.ends[0]):
            text += f" [{self.ends[0]:.{self.digits}f}, {self.ends[1]:.{self.digits}f}]"
        elif not math.isnan(self.sd):
            text += f" ± {self.sd:.{self.digits}f}"
        return f"{text} ({diverged})" if diverged else text


Cells = dict[tuple[str, str], Cell]  # by row and metric


class Table(NamedTuple):
    """A table of the paper: what readers see, and what it is made of."""

    shown: pd.DataFrame  # strings and cells, in the paper's arrangement
    exact: pd.DataFrame  # the CSV: full precision, details, sources
    notes: list[str]
    cells: Cells  # every reproduced number, also those of the CSV alone


def make_cells(runs: list[dict], metrics: list[str], published: dict[str, dict], digits: dict[str, int]) -> Cells:
    """The cells of every row in ``runs``, in their order, for every metric; ``published`` is by row and metric.

    A metric that a row does not have is not a number, and is shown as '-'.
    """
    by_row: dict[str, list[dict]] = {}
    for run in runs:
        by_row.setdefault(run["row"], []).append(run)
    return {
        (row, metric): Cell(
            row,
            metric,
            published.get(row, {}).get(metric),
            digits.get(metric, 2),
            [Measurement(_number(run["metrics"].get(metric)), run) for run in group],
        )
        for row, group in by_row.items()
        for metric in metrics
    }


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def exact_columns(name: str, cells: list[Cell]) -> dict[str, list[float]]:
    """Mean and standard deviation of a column's cells, for the CSV."""
    return {name: [cell.mean for cell in cells], f"{name}_sd": [cell.sd for cell in cells]}


def row_columns(labels: dict[str, str], cells: list[Cell]) -> dict[str, list]:
    """The CSV's first columns, for one cell of each row: row, label, seeds in the mean, seeds that diverged."""
    counts = {"n": [cell.n for cell in cells], "diverged": [cell.diverged for cell in cells]}
    return {"row": list(labels), "label": list(labels.values()), **counts}


def source_columns(cells: list[Cell]) -> dict[str, list[str]]:
    """The CSV's last columns, for one cell of each row: where its numbers come from, one value per seed."""
    keys = ("key", "commit", "checkpoint_sha256", "protocol", "device")
    sources = [[measurement.sources for measurement in cell.measurements] for cell in cells]
    return {key: [" ".join(dict.fromkeys(s[key] or "" for s in group)) for group in sources] for key in keys}
