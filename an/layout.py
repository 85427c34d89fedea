"""File names that the workflow and the verbs share."""


def snapshot_name(number: int) -> str:
    """A snapshot of the generator; 0 is untrained, the scale's number of snapshots is the last."""
    return f"generator-{number:03d}.pt"


IMAGES = "images.json"  # in a folder of images: vouches for them
AVERAGED = "generator-averaged.pt"  # the moving average of the generator's weights, where a scale has one
