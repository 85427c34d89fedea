"""The command line: ``python -m an VERB``, or ``an VERB`` where it is installed."""

import gc
import sys
import warnings
from concurrent.futures import BrokenExecutor
from pathlib import Path

import click

from .errors import Stopped, UserError, of_system
from .processor import fix_instruction_set, fix_threads

fix_instruction_set()  # before a verb imports what computes
gc.set_threshold(10**6)  # importing torch makes many objects that live on: no searches among them for cycles

from .verbs import own, steps, study  # noqa: E402

SECTIONS = {
    "Images of your own": [own.evaluate, own.complete, own.show, own.init],
    "A study": [
        *(study.plan, study.doctor, study.status, study.explain, study.figure, study.verify, study.crate),
        *(study.track, study.ui, study.accept_code, study.schema),
    ],
    "Steps of the workflow": [
        *(steps.prepare, steps.prepare_photographs, steps.train_classifier, steps.reference, steps.train),
        *(steps.generate, steps.evaluate_row, steps.evaluate_classes, steps.regions, steps.evaluate_recall),
        *(steps.complete_heldout, steps.complete_controls, steps.evaluate_completions, steps.evaluate_control),
        *(steps.time, steps.table, steps.summarise, steps.index),
    ],
}


class Sections(click.Group):
    """A group whose help lists its commands under headings."""

    def format_commands(self, ctx, formatter):
        width = max(len(verb.name or "") for verbs in SECTIONS.values() for verb in verbs)
        for heading, verbs in SECTIONS.items():
            with formatter.section(heading):
                formatter.write_dl([(f"{v.name:<{width}}", v.get_short_help_str(formatter.width)) for v in verbs])


@click.group(cls=Sections, context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def an(context):
    """Attentive normalization: a study's steps, what came out of it, and verbs for images of your own."""
    if context.invoked_subcommand not in ("evaluate", "complete"):  # for material of one's own, on all cores
        fix_threads()


for verbs in SECTIONS.values():
    for verb in verbs:
        an.add_command(verb)


def main(arguments: list[str] | None = None) -> int:
    """Run a verb; return its exit status. People see one sentence, not a traceback, for what is theirs to mend."""
    # Pillow only warns of a file that claims far more pixels than a picture has; image readers take it for a fault.
    warnings.filterwarnings("error", "Image size .* could be decompression bomb")
    name = "an" if Path(sys.argv[0]).name == "an" else "python -m an"
    try:
        status = an.main(arguments, prog_name=name, standalone_mode=False)
    except UserError as error:
        click.echo(f"Error: {error}", err=True)
        return 1
    except Stopped as stop:
        click.echo(f"Stopped: {stop}", err=True)
        return stop.status
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        click.echo("Interrupted; the same command goes on from here.", err=True)
        return 130
    except BrokenExecutor:
        click.echo(
            "Error: one of this command's processes was ended by the system, most likely for want of memory: run the "
            "same command again, which goes on.",
            err=True,
        )
        return 1
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == __package__:
            raise
        install = "install this package's extra 'reproduce', or requirements.lock"
        click.echo(
            f"Error: this verb needs {(error.name or '').partition('.')[0]}, which is not installed: {install}.",
            err=True,
        )
        return 1
    except OSError as error:
        if (sentence := of_system(error)) is None:
            raise
        click.echo(f"Error: {sentence}", err=True)
        return 1
    return status or 0


if __name__ == "__main__":
    sys.exit(main())
