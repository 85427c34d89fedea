"""Figures by name, as files."""

from pathlib import Path

from ...files import written_whole
from .completions import figure9
from .curves import convergence
from .drawing import Drawn, plt
from .points import table1, table4, table6
from .recall import figure10
from .regions import figure4, figure5, figure8
from .samples import figure1, figure7
from .times import table5

FIGURES = {
    **{"1": figure1, "4": figure4, "5": figure5, "7": figure7, "8": figure8, "9": figure9, "10": figure10},
    **{"convergence": convergence, "table1": table1, "table4": table4, "table5": table5, "table6": table6},
}


def write(drawn: Drawn, out: str | Path) -> None:
    """As PNG or SVG by the file's ending, and the numbers as CSV beside it; the same numbers give the same bytes."""
    out = Path(out)
    if drawn.numbers is not None:
        with written_whole(out.with_suffix(".csv")) as temporary:
            drawn.numbers.to_csv(temporary, index=False)
    kind = out.suffix.removeprefix(".")
    undated = {"Date": None} if kind == "svg" else None
    with written_whole(out) as temporary:
        drawn.figure.savefig(temporary, format=kind, metadata=undated, bbox_inches="tight", pad_inches=0.04)
    plt.close(drawn.figure)
