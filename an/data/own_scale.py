"""A scale of one's own images, of the sizes of another scale."""

from pathlib import Path

import yaml

from .. import params
from ..errors import UserError
from ..files import written_whole
from .own_images import HELD_OUT, ONE_CLASS, images_by_class

TABLE_2 = 8  # classes, as in the paper


def write_own_scale(name: str, images: str | Path, like: str) -> str:
    """Write ``params/scales/<name>.yaml``, and say what was found and what to run.

    Rows, networks, recipes and sample counts are those of the scale ``like``, without its inpainting and recall rows,
    which have images of their own. Without classes the 2015 Inception measures, as a classifier has nothing to tell
    apart. Raises UserError for a name that is taken or no name, or a folder that is no data set.
    """
    root, file = Path(images).resolve(), params.scale_file(name)
    if file.exists():
        raise UserError(f"{file} is there already: choose another name, or delete it.")
    base = params.load_scale(like)
    if (root / "train").is_dir() and (root / "val").is_dir():
        classes, held = images_by_class(root / "train"), "val/ held out"
    else:
        classes, held = images_by_class(root), f"{HELD_OUT:.0%} of each class held out"
    count = sum(map(len, classes.values()))
    sizes: dict = yaml.safe_load(params.scale_file(like).read_text())
    scale: dict = {
        "description": f"{count} images of {root.name} at {base.resolution}x{base.resolution}, {held}; sizes of {like}",
        "caution": "These numbers are of one's own images: they compare with each other, not with the published ones.",
        "dataset": "folder",
        "dataset_path": str(root),
        "rows": list(params.load_rows("generation", base)),
    }
    scale |= {key: value for key, value in sizes.items() if key not in scale}
    scale["evaluation"]["table2_classes"] = list(range(min(TABLE_2, len(classes))))
    if list(classes) == [ONE_CLASS]:
        scale["evaluation"].pop("inception", None)
        scale["evaluation"]["extractor"] = "inception-2015"
    rows = scale.get("row_seeds", {}).items()
    scale["row_seeds"] = {row: seeds for row, seeds in rows if row in scale["rows"]}
    with written_whole(file) as temporary:
        temporary.write_text(yaml.safe_dump(scale, sort_keys=False, width=120))
    params.check_scale(name)
    return (
        f"{file} is written: {count} images of {len(classes)} {'classes' if len(classes) > 1 else 'class'}; rows, "
        f"networks and recipes of {like}, edit it as you like. Then: make reproduce SCALE={name}"
    )
