"""Photographs for inpainting: those that are installed with scikit-image and scikit-learn, and any given folder."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from ..errors import UserError

SUFFIXES = {".jpg", ".jpeg", ".png"}

CC0 = "CC0"
PUBLIC = "public domain"
UNSTATED = "not stated by scikit-image; a research benchmark, cite Scharstein et al., GCPR 2014"

# File, author, licence, as the docstrings of skimage.data and scikit-learn's images/README.txt state them. Left out:
# drawings, text scans, synthetic patterns, micrographs, images smaller than a crop, the moon (no author, no licence),
# and motorcycle_right (motorcycle_left's scene again).
TRAIN = {
    "scikit-image": [
        ("astronaut.png", "NASA", PUBLIC),
        ("clock_motion.png", "Stefan van der Walt", PUBLIC),
        ("coins.png", "Brooklyn Museum", "no known copyright restrictions"),
        ("grass.png", "linolafett (DeviantArt)", CC0),
        ("gravel.png", "CC0Textures", CC0),
        ("hubble_deep_field.jpg", "NASA", PUBLIC),
        ("motorcycle_left.png", "Nesic et al., Middlebury 2014 stereo benchmark", UNSTATED),
        ("retina.jpg", "Mikael Häggström", CC0),
        ("rocket.jpg", "SpaceX", PUBLIC),
    ],
    "scikit-learn": [
        ("china.jpg", "danielbuechele (Flickr)", "CC BY 2.0"),
        # The README's text names danielbuechele here too, but its links lead to vultilion's photograph.
        ("flower.jpg", "vultilion (Flickr)", "CC BY 2.0"),
    ],
}
HELDOUT = {
    "scikit-image": [
        ("brick.png", "CC0Textures", CC0),
        ("camera.png", "Lav Varshney", CC0),
        ("chelsea.png", "Stefan van der Walt", CC0),
        ("coffee.png", "Rachel Michetti, Pikolo Espresso Bar", CC0),
    ],
}
FOLDERS = {"scikit-image": ("skimage", "data"), "scikit-learn": ("sklearn", "datasets/images")}


@dataclass(frozen=True)
class Photograph:
    file: Path
    source: str
    author: str
    licence: str


@dataclass(frozen=True)
class Photographs:
    """A split by photograph, and the sizes at which its photographs are kept.

    Sizes are lengths of the shorter side in units of a crop's side; see ``crop_preparation.kept_size``.
    """

    name: str
    licence: str
    train: list[Photograph]
    heldout: list[Photograph]
    train_sides: tuple[float, ...]
    heldout_side: float


def photographs(path: str | None = None) -> Photographs:
    """The photographs inside the installed scikit-image and scikit-learn; four of them are held out.

    A held-out crop spans half the shorter side of its photograph: at 64 pixels that still shows a scene, where the
    full-size photograph would show a patch of fur. The few training photographs are kept at three sizes around it.
    Raises UserError when one is not installed.
    """
    return Photographs(
        name="photographs that ship with scikit-image and scikit-learn",
        licence="per photograph",
        train=[_installed(package, *entry) for package, entries in TRAIN.items() for entry in entries],
        heldout=[_installed(package, *entry) for package, entries in HELDOUT.items() for entry in entries],
        train_sides=(1.5, 2, 3),
        heldout_side=2,
    )


def _installed(package: str, name: str, author: str, licence: str) -> Photograph:
    module, folder = FOLDERS[package]
    file = Path(str(resources.files(module))) / folder / name  # never skimage.data's functions: they may download
    if not file.is_file():
        raise UserError(f"{file} is missing: reinstall {package} from the wheel that requirements.lock names.")
    return Photograph(file, package, author, licence)


def images_in(folder: Path) -> list[Path]:
    """Image files directly in a folder, by name, whatever the case of their suffix."""
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
