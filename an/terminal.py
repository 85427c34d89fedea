"""A run of the workflow as people see it: a line for each larger job, one bar on a terminal, errors in full."""

import logging
import time
from collections import Counter, defaultdict
from contextlib import suppress

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn
from rich.table import Column
from rich.text import Text
from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent

from .params import base_of

SHOWN = ("train_", "prepare_", "time_", "render_", "draw_")  # rules whose jobs get a line; the others only count
NOISE = ("Assuming unrestricted", "Building DAG", "Using shell", "Conda environments", "Select jobs", "Job rate limit")
HANDLED = {LogEvent.RESOURCES_INFO, LogEvent.SHELLCMD, LogEvent.JOB_STARTED, LogEvent.PROGRESS}
# A job's seconds at scale smoke: how jobs of a rule, none of which has ended, compare with those that have.
USUAL = {"train_gan": 40, "train_inpainting": 44, "train_recall": 15}
OTHERS = 5


def install(workflow, scale: str) -> None:
    """Put the handler in the place of Snakemake's, where people did not ask for something else of Snakemake's output.

    Whether jobs are run at all, and on this machine, is known only later: see ``RunHandler``.
    """
    with suppress(AttributeError):  # another Snakemake's handler or settings: its own output is better than an error
        settings = workflow.output_settings
        asked = settings.dryrun or settings.quiet or settings.verbose or settings.printshellcmds or settings.debug_dag
        own = next((handler for handler in logger.handlers if handler.name == "DefaultStreamHandler"), None)
        if own and workflow.is_main_process and not asked:
            logger.addHandler(RunHandler(own, workflow, scale))
            logger.removeHandler(own)


class Estimate:
    """Of the seconds that a run still takes, from the mean of each rule's jobs so far and how many ran at a time."""

    def __init__(self, jobs: dict[str, int]):
        self.left = Counter(jobs)
        self.seen: defaultdict[str, list[float]] = defaultdict(list)

    def finished(self, rule: str, seconds: float) -> None:
        self.left[rule] -= 1
        self.seen[rule].append(seconds)

    def remaining(self, running: list[tuple[str, float]], elapsed: float) -> float | None:
        """With the rule of each running job and its seconds so far; None while nothing is known."""
        done = sum(sum(seconds) for seconds in self.seen.values())
        if not done or not elapsed:
            return None
        work = sum(number * self.mean(rule) for rule, number in self.left.items())
        work -= sum(min(self.mean(rule), seconds) for rule, seconds in running)
        at_a_time = (done + sum(seconds for _, seconds in running)) / elapsed
        return work / at_a_time

    def mean(self, rule: str) -> float:
        if seen := self.seen.get(rule):
            return sum(seen) / len(seen)
        usual = sum(USUAL.get(other, OTHERS) * len(seconds) for other, seconds in self.seen.items())
        return USUAL.get(rule, OTHERS) * sum(sum(seconds) for seconds in self.seen.values()) / usual


class RunHandler(logging.Handler):
    """Follows a run that Snakemake logs. What it does not know, and warnings and errors, Snakemake's ``own`` shows."""

    def __init__(self, own, workflow, scale: str):
        super().__init__()
        self.own, self.workflow, self.scale = own, workflow, scale
        self.steps_aside = False
        self.held: list[logging.LogRecord] = []  # the first records of a run, until its executor is known
        # By Snakemake's number of the job: its rule, what it is of, when it started, its outputs.
        self.running: dict[int, tuple] = {}
        self.page = ""
        console = Console(file=own.stream, no_color=own.nocolor)
        what = TextColumn("{task.fields[running]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"))
        columns = (MofNCompleteColumn(), BarColumn(20), what, Countdown())
        still = not (own.is_tty and console.is_interactive)
        self.bar = Progress(*columns, console=console, expand=True, transient=True, refresh_per_second=2, disable=still)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            shown = [record] if self.steps_aside else self.follow(record)
        except Exception:  # of another Snakemake's records: better its own output than none
            self.steps_aside, shown = True, [record]
        if shown or not self.running:
            self.bar.stop()
        for each in shown:
            self.own.handle(each)
        if self.running and not self.steps_aside:
            self.bar.start()

    def close(self) -> None:
        self.bar.stop()
        super().close()

    def follow(self, record) -> list[logging.LogRecord]:
        """Take account of a record; return those that are Snakemake's to show."""
        event, message = getattr(record, "event", None), str(record.msg)
        if event == LogEvent.WORKFLOW_STARTED or message.startswith(NOISE[0]):
            self.held.append(record)
            return []
        if not self.workflow.executor_plugin:  # a graph or a list, so far
            return [record]
        if not self.workflow.local_exec or self.workflow.dryrun or self.workflow.touch:
            self.steps_aside = True
            return [*self.held, record]
        if event == LogEvent.RUN_INFO:
            self.begin(record.stats, record.created)
        elif event == LogEvent.JOB_INFO:
            what = " ".join(f"{name} {value}" if value.isdigit() else value for name, value in record.wildcards.items())
            self.running[record.jobid] = (record.rule_name, what, record.created, record.output)
            self.draw(record.created)
        elif event == LogEvent.JOB_FINISHED:
            self.finish(record.job_id, record.created)
        elif message.startswith("Elapsed time"):
            self.end(record.created)
        elif record.levelno > logging.INFO or not (event in HANDLED or message.startswith(NOISE)):
            if event == LogEvent.JOB_ERROR:
                self.running.pop(record.jobid, None)
            if message.startswith("Terminating processes"):
                self.running.clear()
            return [record]
        return []

    def begin(self, stats: dict[str, int], now: float) -> None:
        jobs = {rule: number for rule, number in stats.items() if rule != "total"}
        self.estimate, self.total, self.done, self.began = Estimate(jobs), sum(jobs.values()), 0, now
        self.task = self.bar.add_task("", total=self.total, running="", ends=None)
        self.say(f"Scale {self.scale}, {counted(self.total)}: {kinds(jobs)}. Their logs: logs/{base_of(self.scale)}/")

    def finish(self, job: int, now: float) -> None:
        rule, what, started, outputs = self.running.pop(job)
        self.page = next((file for file in outputs if file.endswith("/index.html")), self.page)
        self.done += 1
        self.estimate.finished(rule, now - started)
        left = self.draw(now)
        if rule.startswith(SHOWN):
            clock = time.strftime("%H:%M:%S", time.localtime(now))
            count = f"{self.done}/{self.total}" + (f", about {span(left)} left" if left else "")
            self.say(f"{clock}  {rule:23}  {what:24}  {span(now - started):>6}   [{count}]")

    def draw(self, now: float) -> float | None:
        """Bring the bar up to date; return the seconds left."""
        ages = [(rule, now - started) for rule, _, started, _ in self.running.values()]
        left = self.estimate.remaining(ages, now - self.began)
        names = ", ".join(f"{rule} {what}".strip() for rule, what, *_ in self.running.values())
        ends = None if left is None else now + left
        self.bar.update(self.task, completed=self.done, running=f"{len(ages)} running: {names}", ends=ends)
        return left

    def end(self, now: float) -> None:
        took = span(now - self.began)
        if self.done == self.total:
            self.say(f"Finished {counted(self.total)} in {took}" + (f": {self.page}" if self.page else "."))
        else:
            self.say(f"Stopped after {took}: {self.done} of {counted(self.total)} finished.")

    def say(self, line: str) -> None:
        self.bar.stop()
        self.own.stream.write(line + "\n")
        self.own.flush()


class Countdown(ProgressColumn):
    """The time left, which goes on to fall while long jobs run and nothing is logged."""

    def render(self, task) -> Text:
        ends = task.fields["ends"]
        return Text("" if ends is None else f"about {span(max(ends - time.time(), 0))} left")


def counted(jobs: int) -> str:
    return f"{jobs} job" if jobs == 1 else f"{jobs} jobs"


def kinds(jobs: dict[str, int]) -> str:
    """Numbers of jobs by the verb in their rules' names, the most frequent ones."""
    numbers: Counter[str] = Counter()
    for rule, number in jobs.items():
        numbers[rule.split("_")[0]] += number
    most = numbers.most_common(5)
    others = numbers.total() - sum(number for _, number in most)
    return ", ".join([f"{number} {verb}" for verb, number in most] + [f"{others} others"] * bool(others))


def span(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
