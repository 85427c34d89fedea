"""A run as people see it: the time left, what a log and a terminal get, and that Snakemake's own output stays."""

import io
import logging
import random
from types import SimpleNamespace

import pytest
from conftest import snakemake
from snakemake.logging import ColorizingTextHandler, DefaultFormatter
from snakemake_interface_logger_plugins.common import LogEvent

from an.terminal import Estimate, RunHandler, kinds, span

pytestmark = pytest.mark.slow

# Jobs and seconds of each rule in a run at scale smoke.
SMOKE = {"prepare_dataset": (1, 2), "train_classifier": (1, 7), "time_modules": (1, 8), "train_gan": (22, 40)}
SMOKE |= {"train_recall": (24, 15), "train_inpainting": (3, 44), "generate_samples": (22, 5)}
SMOKE |= {"evaluate_samples": (22, 6), "complete_heldout": (3, 4)}
SMOKE |= {"evaluate_recall": (24, 3), "evaluate_completions": (3, 4), "render": (9, 3)}


def replay(order: list[str], seconds: dict[str, float], at_a_time: int) -> list[tuple[float, float]]:
    """At each job's end, the time and the estimate of what is left of a run of jobs in this order."""
    estimate = Estimate({rule: order.count(rule) for rule in seconds})
    waiting, running, now, estimates = list(order), [], 0.0, []
    while waiting or running:
        while waiting and len(running) < at_a_time:
            running.append((now + seconds[waiting[0]], now, waiting.pop(0)))
        job = min(running)
        running.remove(job)
        now, started, rule = job
        estimate.finished(rule, now - started)
        estimates.append((now, estimate.remaining([(other, now - since) for _, since, other in running], now)))
    return estimates


@pytest.mark.parametrize("at_a_time", [1, 2, 4])
@pytest.mark.parametrize("first", ["train_gan", "train_recall", "train_inpainting", "shortest", "chance"])
@pytest.mark.parametrize("pace", [0.2, 1, 3], ids=["fast", "usual", "slow"])
def test_at_half_of_a_run_the_time_left_is_about_right(first, at_a_time, pace):
    seconds = {rule: pace * each for rule, (_, each) in SMOKE.items()}
    order = [rule for rule, (number, _) in SMOKE.items() for _ in range(number)]
    keys = {"shortest": seconds.get, "chance": lambda _: random.random()}
    random.seed(0)
    order.sort(key=keys.get(first, lambda rule: rule != first))
    order.sort(key=lambda rule: (rule == "render") - rule.startswith("prepare"))
    estimates = replay(order, seconds, at_a_time)
    end = estimates[-1][0]
    now, left = next((now, left) for now, left in estimates if now >= end / 2)
    assert left == pytest.approx(end - now, rel=0.3)
    assert estimates[-1][1] == 0


def test_nothing_is_known_before_the_first_job_ends():
    assert Estimate({"train_gan": 2}).remaining([("train_gan", 10.0)], 10.0) is None


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def handler(stream=None, **executor) -> RunHandler:
    """Of a workflow that runs its jobs on this machine, or as told."""
    own = ColorizingTextHandler(nocolor=True, stream=stream or io.StringIO(), formatter=DefaultFormatter())
    executor = {"executor_plugin": object(), "local_exec": True, "dryrun": False, "touch": False} | executor
    return RunHandler(own, SimpleNamespace(**executor), "nano")


def log(to: RunHandler, event: LogEvent | None, message: str = "", at: float = 0.0, level=logging.INFO, **fields):
    record = logging.makeLogRecord({"msg": message, "levelno": level, "created": 1e9 + at, "event": event, **fields})
    to.handle(record)


def shown(of: RunHandler) -> list[str]:
    return of.own.stream.getvalue().splitlines()


def start_job(to: RunHandler, job: int, rule: str, at: float, output=(), **wildcards: str):
    log(to, LogEvent.JOB_INFO, at=at, jobid=job, rule_name=rule, wildcards=wildcards, output=list(output))


def run_three(to: RunHandler) -> None:
    log(to, None, "Building DAG of jobs...")
    stats = {"train_gan": 1, "generate_samples": 1, "render_index": 1, "total": 3}
    log(to, LogEvent.RUN_INFO, "Job stats:\n...", stats=stats)
    start_job(to, 2, "train_gan", 0, row="an", seed="1")
    log(to, LogEvent.JOB_FINISHED, at=52, job_id=2)
    start_job(to, 1, "generate_samples", 52, row="an", seed="1")
    log(to, LogEvent.JOB_FINISHED, at=60, job_id=1)
    log(to, LogEvent.PROGRESS, at=60, done=2, total=3)
    start_job(to, 0, "render_index", 60, ["reports/nano/index.html"])
    log(to, LogEvent.JOB_FINISHED, at=63, job_id=0)
    log(to, None, "Elapsed time: 0:01:04", at=63)


def test_a_log_has_a_line_for_each_larger_job_and_names_the_page():
    of = handler()
    run_three(of)
    first, trained, rendered, last = shown(of)
    assert first.startswith("Scale nano, 3 jobs: 1 train, 1 generate, 1 render.")
    assert " ".join(trained.split()[1:]) == "train_gan an seed 1 52 s [1/3, about 13 s left]"
    assert " ".join(rendered.split()[1:]) == "render_index 3 s [3/3]"
    assert last == "Finished 3 jobs in 63 s: reports/nano/index.html"


def test_a_terminal_has_a_bar_while_jobs_run(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    of = handler(Terminal())
    run_three(of)
    text = of.own.stream.getvalue()
    assert "1 running: train_gan an seed 1" in text and "2/3" in text
    assert text.count("\033[?25l") == text.count("\033[?25h") > 0, "the cursor is back"
    assert text.splitlines()[-1].endswith("Finished 3 jobs in 63 s: reports/nano/index.html")


def test_errors_warnings_and_words_not_known_are_shown_in_full():
    of = handler()
    log(of, LogEvent.RUN_INFO, stats={"train_gan": 2, "total": 2})
    start_job(of, 1, "train_gan", 0, row="an", seed="0")
    log(of, None, "a warning", level=logging.WARNING)
    log(of, LogEvent.ERROR, "WorkflowError: of an input", level=logging.ERROR)
    parts = dict.fromkeys(["rule_msg", "input", "output", "conda_env", "shellcmd"]) | {"log": ["a.log"], "aux": {}}
    log(of, LogEvent.JOB_ERROR, "Error", level=logging.ERROR, jobid=1, rule_name="train_gan", **parts)
    log(of, None, "Trying to restart job 1.")
    log(of, None, "Elapsed time: 0:00:05", at=5)
    text = of.own.stream.getvalue()
    for words in ("a warning", "WorkflowError: of an input", "Error in rule train_gan:", "a.log", "Trying to restart"):
        assert words in text
    assert shown(of)[-1] == "Stopped after 5 s: 0 of 2 jobs finished." and not of.running


@pytest.mark.parametrize("executor", [{"local_exec": False}, {"dryrun": True}, {"touch": True}])
def test_runs_elsewhere_and_of_no_jobs_keep_snakemakes_output(executor):
    of = handler(**executor, executor_plugin=None)
    log(of, None, "Assuming unrestricted shared filesystem usage.")
    of.workflow.executor_plugin = object()
    log(of, None, "Building DAG of jobs...")
    log(of, LogEvent.RUN_INFO, "Job stats:\n...", stats={"all": 1, "total": 1})
    lines = ["Assuming unrestricted shared filesystem usage.", "Building DAG of jobs...", "Job stats:", "..."]
    assert shown(of) == lines


def test_a_record_of_another_snakemake_brings_its_own_output_back():
    of = handler()
    log(of, LogEvent.RUN_INFO, "Job stats:")
    log(of, None, "Select jobs to execute...")
    assert shown(of) == ["Job stats:", "Select jobs to execute..."]


def test_words():
    assert [span(3.4), span(99), span(720), span(7200)] == ["3 s", "99 s", "12 min", "2.0 h"]
    jobs = {"train_gan": 24, "train_recall": 24, "evaluate_recall": 24, "time_modules": 1, "all": 1}
    assert kinds(jobs) == "48 train, 24 evaluate, 1 time, 1 all"
    more = {"draw": 2, "render": 3, "extract": 1}
    assert kinds(jobs | more) == "48 train, 24 evaluate, 3 render, 2 draw, 1 time, 2 others"


def test_a_run_prints_a_few_lines(project):
    data = ("data/digits-32/manifest.json", "data/photographs-32/manifest.json")
    done = snakemake(project, *data, "--config", "scale=nano")
    text = done.stdout + done.stderr
    assert done.returncode == 0, text[-3000:]
    assert len(text.splitlines()) <= 7 and "Scale nano, 2 jobs: 2 prepare." in text and "[2/2]" in text
    assert "prepare_dataset " in text and "prepare_photographs " in text and "Finished 2 jobs in " in text
    (log,) = (project / ".snakemake/log").glob("*.log")
    assert "rule prepare_dataset:" in log.read_text() and "Job stats:" in log.read_text()
    again = snakemake(project, *data, "--config", "scale=nano")
    assert "Nothing to be done" in again.stdout + again.stderr
