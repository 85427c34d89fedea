"""Verbs for looking at a study, and for taking its code as it is."""

from pathlib import Path
from tempfile import TemporaryDirectory

import click

from ..layout import Study
from ..reporting.figures.captions import CAPTIONS
from .given import OUT_FILE, OUT_FOLDER
from .options import device, gpus, option, paths, scale, where

OF_A_GENERATOR = ("1", "4", "5", "8")


@click.command()
@click.argument("table")
@click.argument("row")
@click.argument("metric")
@scale
@paths("results", "reports")
def explain(table, row, metric, scale, **given):
    """Print the runs, files and commands behind a table's cell, as in `explain table1 an fid`.

    ROW is a row of params/rows.yaml; METRIC is a column of the table's CSV, in table 2 a class, in table 5 a size.
    """
    from ..reporting.explain import explain

    click.echo(explain(table, row, metric, scale_name=scale, **where(Study(scale), given)))


@click.command()
@click.argument("names", nargs=-1, required=True, type=click.Choice(list(CAPTIONS)))
@scale
@option("checkpoint", "Weights of a generator of your own, for one of figures 1, 4, 5 and 8.", required=False)
@click.option("--row", help="With a checkpoint: the row of params/rows.yaml that it is of.")
@option("out", "With a checkpoint: PNG file to write; its numbers go beside it as CSV.", OUT_FILE, required=False)
@gpus
def figure(names, scale, *, checkpoint, row, out, gpus):
    """Draw figures NAMES of a study into its reports, or one of a generator of your own."""
    if checkpoint is None:
        from ..reporting.figures import draw

        for name in names:
            draw.write(draw.FIGURES[name](scale), Study(scale).figure(name))
        return
    if not (row and out) or len(names) > 1 or names[0] not in OF_A_GENERATOR:
        raise click.UsageError(f"of a checkpoint one of {', '.join(OF_A_GENERATOR)} is drawn, with --row and --out.")
    draw_of_generator(names[0], scale, row, checkpoint=checkpoint, out=out, device=device(gpus))


def draw_of_generator(name: str, scale: str, row: str, *, checkpoint: str, out: str, device) -> None:
    """A figure of a generator that no study needs to know."""
    from ..evaluation.regions import look_at_regions
    from ..reporting.figures import regions, samples
    from ..reporting.figures.draw import write
    from ..sampling.generation import first_images

    if name == "1":
        images, count = first_images(row, scale, checkpoint, device, of_each=samples.ACROSS)
        return write(samples.samples_by_class(scale, images, row, list(map(str, range(count)))), out)
    with TemporaryDirectory() as folder:
        files = {"regions": Path(folder, "regions.json"), "layouts": Path(folder, "layouts.npz")}
        look_at_regions(row, scale, 0, checkpoint=checkpoint, device=device, **files)
        looked = regions.read_looked(**files)
    drawn = {"5": regions.semantic_layouts, "8": regions.interpolation}
    write(drawn[name](looked) if name in drawn else regions.deviations({row: looked}), out)


@click.command()
@scale
@paths("reports")
@option("kept", "Folder to compare with; docs/results/SCALE without it.", required=False)
def verify(scale, kept, **given):
    """Compare your tables with those in docs/results; exit status 1 if a cell differs by more than chance explains."""
    from ..reporting.verification import DIFFERENT, KEPT, verify

    found = verify(scale, where(Study(scale), given)["reports"], Path(kept) if kept else KEPT / scale)
    for table in found:
        click.echo(str(table))
    if any(DIFFERENT in table.cells.values() for table in found):
        raise click.exceptions.Exit(1)


@click.command()
@scale
@option("out", "Folder to write, which is not there yet.", OUT_FOLDER)
def crate(scale, out):
    """Pack a finished study for an archive, with how it was made: a folder, as a Workflow Run RO-Crate."""
    from ..reporting.crate import pack

    click.echo(pack(scale, out))


@click.command()
@scale
@click.option(
    "--cores", type=click.IntRange(1), help="Jobs at once where the scale needs no GPU; by default all cores."
)
def plan(scale, cores):
    """Show what each rule asks of a machine at a scale, what its finished jobs used, and what the whole study takes.

    Steps and images are timed on this machine for about a minute; for a scale whose GPU it lacks, their arithmetic is
    counted instead.
    """
    from ..data import image_array
    from ..planning.asked import asked
    from ..planning.cost import cost

    click.echo(f"{asked(scale)}\n\n{cost(scale, cores or image_array.cores())}")


@click.command()
@scale
def doctor(scale):
    """Say what a Slurm cluster lacks for a scale: account, partition, GPUs, memory, time; exit status 1 if anything."""
    from ..doctor import examine, profile_folder

    nodes, missing = examine(scale)
    for line in (*nodes, *missing):
        click.echo(line)
    if missing:
        raise click.exceptions.Exit(1)
    click.echo(f"Nothing is missing: SNAKEMAKE_PROFILE={profile_folder()} snakemake --config scale={scale}")


@click.command()
@scale
@click.option("--watch", type=click.FloatRange(1), metavar="SECONDS", help="Show it anew so often, until interrupted.")
def status(scale, watch):
    """Show how far every run is, by its files: step, rate, time left, loss, last resume point, where it runs."""
    from .. import status

    if watch:
        status.watch(scale, watch)
    else:
        click.echo(status.table(scale))


@click.command()
@scale
def track(scale):
    """Bring MLflow to the state of a scale's runs: those that ended and those under way."""
    from ..tracking.mlflow_sync import sync

    click.echo(sync(scale))


@click.command()
@scale
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to serve at.")
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True, help="Its port.")
def ui(scale, host, port):
    """Serve a scale's runs with MLflow and open them in a browser, until interrupted."""
    from ..tracking.mlflow_ui import serve

    serve(scale, host, port)


@click.command()
@scale
@click.argument("targets", nargs=-1)
def accept_code(scale, targets):
    """Take TARGETS, files or phases of the workflow (default: all), as made by today's code, and keep a record of it.

    For a change of the code that cannot change a result.
    """
    from ..acceptance import accept_code

    click.echo(accept_code(scale, targets))


@click.command()
def schema():
    """Print the JSON Schema of params/."""
    import json

    from ..params import schema

    click.echo(json.dumps(schema(), indent=1))
