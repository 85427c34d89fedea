"""ILSVRC 2012, in class folders or in the archives in which it is published."""

import tarfile
import zlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from io import BytesIO
from pathlib import Path, PurePosixPath

from ..errors import UserError
from ..progress import progress
from .archives import Member, members
from .image_array import cores, end_with_parent
from .sources import CENTRE_CROP, Source, class_folders, labelled_images

TRAIN, VALIDATION = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
DEVKIT = "ILSVRC2012_devkit_t12.tar.gz"
SYNSETS, TRUTH = (f"ILSVRC2012_devkit_t12/data/{n}" for n in ("meta.mat", "ILSVRC2012_validation_ground_truth.txt"))


def imagenet(resolution: int, path: str | None = None) -> Source:
    """ILSVRC 2012 from ``path``, checked for its counts: its three archives, or ``train/`` and ``val/`` as folders.

    Both give the same arrays: classes are the synsets by name, the images of each by file name.
    """
    assert path is not None, "ImageNet does not come with this project"
    root = Path(path)
    packed = not (root / "train").is_dir() and any((root / name).exists() for name in (TRAIN, VALIDATION, DEVKIT))
    source = archives(root, resolution) if packed else class_folders(root, resolution)
    counts = {name: len(split.labels) for name, split in source.splits.items()}
    if (len(source.classes), counts) != (1000, {"train": 1_281_167, "heldout": 50_000}):
        raise UserError(
            f"{path} has {len(source.classes)} classes and {counts} images; ILSVRC 2012 has 1000 classes, "
            "1281167 training and 50000 validation images: complete the folder that dataset_path names."
        )
    return replace(source, name="ILSVRC 2012 (Russakovsky et al., 2015)", licence="ImageNet's terms of access")


def archives(root: Path, resolution: int) -> Source:
    """Any data set of the form of ILSVRC's archives; nothing is unpacked.

    The training images are a tar of one tar a synset, the validation images a tar; of which synset each of these is,
    the development kit says. Raises UserError for an archive that is missing, damaged or does not fit the others.
    """
    for name in (TRAIN, VALIDATION, DEVKIT):
        if not (root / name).exists():
            raise UserError(f"{root / name} is missing: put it beside the other archives of ILSVRC 2012.")
    truth = validation_synsets(root / DEVKIT)
    images = members(root / VALIDATION)
    if len(truth) != len(images):
        raise UserError(
            f"{root / VALIDATION} has {len(images)} images and {DEVKIT} the classes of {len(truth)}: fetch both again."
        )
    train = class_archives(root / TRAIN)
    if unknown := set(truth) - set(train):
        raise UserError(f"{root / TRAIN} lacks the class {min(unknown)} of {DEVKIT}: fetch both again.")
    heldout: dict[str, list[Member]] = {name: [] for name in train}
    for name, image in zip(truth, images, strict=True):
        heldout[name].append(image)
    splits = {"train": labelled_images(train, resolution), "heldout": labelled_images(heldout, resolution)}
    return Source(f"archives under {root.name}/", "as the data set's own", sorted(train), splits, CENTRE_CROP)


def class_archives(archive: Path) -> dict[str, list[Member]]:
    """The images of each class, in a tar of one tar a class; as many of these are listed at once as there are cores."""
    classes = members(archive)
    for inner in classes:
        if not inner.name.endswith(".tar"):
            raise UserError(f"{inner} is no tar of a class: fetch the archive again.")
    names = [PurePosixPath(inner.name).stem for inner in classes]
    with ProcessPoolExecutor(cores(), initializer=end_with_parent) as pool:
        listed = progress(pool.map(members, classes), f"listing {archive.name}", total=len(classes))
        return dict(zip(names, listed, strict=True))


def validation_synsets(devkit: Path) -> list[str]:
    """The synset of each validation image, in the order of their names.

    The kit's numbers of synsets are not their alphabetical order; torchvision reads them in the same way.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        with tarfile.open(devkit, "r:gz") as tar:
            meta, truth = (tar.extractfile(name).read() for name in (SYNSETS, TRUTH))  # type: ignore[union-attr]
        synsets = loadmat(BytesIO(meta), squeeze_me=True)["synsets"]
        names = {int(each["ILSVRC2012_ID"]): str(each["WNID"]) for each in synsets if each["num_children"] == 0}
        return [names[int(number)] for number in truth.split()]
    except (tarfile.TarError, zlib.error, MatReadError, OSError, EOFError, AttributeError) as error:
        raise UserError(f"{devkit} cannot be read ({error}): fetch it again.") from None
    except (ValueError, TypeError, LookupError, NotImplementedError) as error:
        raise UserError(f"{devkit} is not ILSVRC 2012's development kit ({error}): fetch it again.") from None
