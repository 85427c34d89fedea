"""What a study takes, before it runs."""

from .asked import asked
from .cost import cost


def plan(scale_name: str, cores: int) -> str:
    """What each rule asks of a machine and used so far, then what the whole study takes, ``cores`` jobs at once.

    Raises UserError for an unknown scale.
    """
    return f"{asked(scale_name)}\n\n{cost(scale_name, cores)}"
