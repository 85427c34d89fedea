"""Paris StreetView (Pathak et al., 2016), which its authors send by e-mail only."""

from pathlib import Path

from ..errors import UserError
from .photographs import Photograph, Photographs, images_in

TRAIN, HELDOUT = 14_900, 100
TRAIN_FOLDERS = ("paris_train_original", "paris_train", "train")
HELDOUT_FOLDERS = ("paris_eval/paris_eval_gt", "paris_eval_gt", "paris_eval", "test")
LICENCE = "not public: street views of Google, which the authors of context-encoder send by e-mail"
REQUEST = (
    "ask the authors of github.com/pathak22/context-encoder for it by e-mail (its README says how), unpack it, "
    "and let dataset_path name the folder that holds paris_train_original/ and paris_eval/"
)


def paris_streetview(path: str | None) -> Photographs:
    """The data set in the folder ``path``, checked for its 14,900 and 100 images.

    Raises UserError, with how to get the data set, when the folder or images are missing or too many.
    """
    if path is None:
        raise UserError(f"dataset_path is not set, and Paris StreetView is no free download: {REQUEST}.")
    source = paris_folder(Path(path))
    if (len(source.train), len(source.heldout)) != (TRAIN, HELDOUT):
        raise UserError(
            f"{path} has {len(source.train)} training and {len(source.heldout)} test images where Paris StreetView has "
            f"{TRAIN} and {HELDOUT}: complete the folder, or {REQUEST}."
        )
    return source


def paris_folder(root: Path) -> Photographs:
    """Any folder of the data set's form: ``paris_train_original/*.JPG``, ``paris_eval/paris_eval_gt/*.png``.

    Training photographs (936x537) are kept at the height of a crop, so that a crop shows a street's whole height, as
    EdgeConnect's squares of 537 pixels do. Test images (227x227) are enlarged to a crop, as the authors' sample is.
    """
    train, heldout = (
        [Photograph(file, "Paris StreetView", "Google Street View", LICENCE) for file in files]
        for files in (_first(root, TRAIN_FOLDERS), _first(root, HELDOUT_FOLDERS))
    )
    return Photographs(
        name="Paris StreetView (Pathak et al., 2016)",
        licence=LICENCE,
        train=train,
        heldout=heldout,
        train_sides=(1,),
        heldout_side=1,
    )


def _first(root: Path, folders: tuple[str, ...]) -> list[Path]:
    """The images of the first of these folders that has any."""
    for folder in folders:
        if (root / folder).is_dir() and (files := images_in(root / folder)):
            return files
    raise UserError(f"{root / folders[0]} is missing or has no images: {REQUEST}.")
