"""A folder of one's own images as a data set."""

from functools import partial
from pathlib import Path

import numpy as np

from ..errors import UserError
from .images import ENDINGS
from .sources import CENTRE_CROP, Source, Split, centre_crop, class_folders

HELD_OUT = 0.1  # of each class, at least one image
ONE_CLASS = "images"


def own_images(resolution: int, path: str | None = None) -> Source:
    """Class folders, or one folder without: ``<class>/**/<image>`` or ``<image>``; centre crop, bilinear resize.

    A tenth of each class is held out, drawn at random but always the same; where the folder has ``train/`` and
    ``val/``, with classes in each, these are the splits. Raises UserError where there is nothing to learn from.
    """
    assert path is not None, "a scale of one's own images names their folder"
    root = Path(path)
    if (root / "train").is_dir() and (root / "val").is_dir():
        return class_folders(root, resolution)
    classes = images_by_class(root)
    random = np.random.default_rng(0)
    chosen: dict[str, list[tuple[int, Path]]] = {"train": [], "heldout": []}
    for label, files in enumerate(classes.values()):
        order, held = random.permutation(len(files)), max(1, round(HELD_OUT * len(files)))
        chosen["heldout"] += [(label, files[k]) for k in sorted(order[:held])]
        chosen["train"] += [(label, files[k]) for k in sorted(order[held:])]
    splits = {}
    for name, of in chosen.items():
        labels = np.array([label for label, _ in of], dtype=np.int64)
        splits[name] = Split(labels, [file for _, file in of], partial(centre_crop, resolution=resolution))
    return Source(f"images under {root.name}/", licence(root), list(classes), splits, CENTRE_CROP)


def images_by_class(root: Path) -> dict[str, list[Path]]:
    """The image files of each class, by name; a folder without class folders is one class.

    Raises UserError for a folder that is missing or mixed, or a class of a single image.
    """
    if not root.is_dir():
        raise UserError(f"{root} is no folder: name the one that holds your images.")
    files = sorted(file for file in root.rglob("*") if file.suffix.lower() in ENDINGS and file.is_file())
    if not files:
        raise UserError(f"{root} holds no images ({', '.join(sorted(ENDINGS))}): name the folder that does.")
    beside = [file for file in files if file.parent == root]
    if beside and len(beside) < len(files):
        raise UserError(
            f"{root} has images in folders and beside them, e.g. {beside[0].name}: put each into the folder of its "
            "class, or all into one."
        )
    classes: dict[str, list[Path]] = {}
    for file in files:
        classes.setdefault(ONE_CLASS if beside else file.relative_to(root).parts[0], []).append(file)
    for name, members in classes.items():
        if len(members) < 2:
            raise UserError(f"class {name} of {root} has a single image: it needs one to learn from and one held out.")
    return classes


def licence(root: Path) -> str:
    """The first line of a file named LICENSE or LICENCE in the folder."""
    for file in sorted(root.glob("LICEN[SC]E*")):
        lines = file.read_text(errors="replace").strip().splitlines()
        if lines:
            return lines[0].strip()[:200]
    return "not stated: the folder has no file LICENSE"
