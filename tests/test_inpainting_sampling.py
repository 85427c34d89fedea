"""Completing pictures: known pixels stay, sizes are free, holes are filled at the size of training, faults are one
sentence."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from an import params
from an.data.crop_preparation import prepare_crops
from an.data.crops import open_heldout_crops
from an.data.masks import training_mask
from an.errors import UserError
from an.evaluation.inpainting import evaluate_completions, evaluate_control
from an.files import sha256
from an.models import build_inpainting_generator
from an.sampling.controls import complete_controls
from an.sampling.inpainting import complete, complete_heldout
from an.sampling.own_picture import complete_holes
from an.sampling.pictures import read_mask, read_picture
from an.seals import write_sealed
from an.weights import save_tensors

CPU = torch.device("cpu")


def generator(row):
    torch.manual_seed(0)
    return build_inpainting_generator(params.load_row(row, "inpainting"), params.load_scale("nano"))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    for row in ("ca", "an-inpainting"):
        save_tensors(folder / row / "generator.pt", generator(row).state_dict())
    return folder


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    prepare_crops("photographs", 32, folder, test_crops=4)
    return folder


@pytest.mark.parametrize("row", ["ca", "an-inpainting", "ca-wide"])
@pytest.mark.parametrize("size", [(32, 32), (37, 50)])
def test_known_pixels_stay_bit_for_bit_and_the_hole_is_filled(row, size):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    mask = np.zeros(size, np.uint8)
    mask[8:20, 10:30] = 255
    completed = complete(generator(row).eval(), image, mask, CPU)
    assert completed.dtype == np.uint8 and completed.shape == image.shape
    assert np.array_equal(completed[mask == 0], image[mask == 0])
    other = image.copy()
    other[mask != 0] = rng.integers(0, 256, (int((mask != 0).sum()), 3))
    again = complete(generator(row).eval(), other, mask, CPU)
    assert np.array_equal(completed, again), "what lay in the hole must not be seen"


def test_held_out_images_controls_and_their_metrics(photographs, weights, tmp_path):
    import json

    complete_controls(photographs, tmp_path / "controls")
    row = {"data": photographs, "checkpoints": weights / "ca", "samples": tmp_path / "ca"}
    complete_heldout("ca", "nano", **row, device=CPU)
    checkpoint = weights / "ca/generator.pt"
    write_sealed(tmp_path / "training.json", {"status": "finished", "attention": {}}, files=[checkpoint])
    row |= {"training": tmp_path / "training.json", "metrics": tmp_path / "ca.json"}
    evaluate_completions("ca", 0, **row)
    control = {"samples": tmp_path / "controls/biharmonic", "metrics": tmp_path / "biharmonic.json"}
    evaluate_control("biharmonic", data=photographs, **control)
    results = {name: json.loads((tmp_path / f"{name}.json").read_text()) for name in ("ca", "biharmonic")}
    psnr = {name: result["metrics"]["psnr"] for name, result in results.items()}
    assert psnr["biharmonic"] > psnr["ca"] > 5, "an untrained network is no better"
    assert results["ca"]["training"]["status"] == "finished" and results["biharmonic"]["training"] is None
    assert results["ca"]["provenance"]["checkpoint"] == str(checkpoint)
    assert results["ca"]["provenance"]["checkpoint_sha256"] == sha256(checkpoint)
    changed = np.asarray(Image.open(tmp_path / "ca/002.png")).copy()
    changed[0, 0] += 1
    Image.fromarray(changed).save(tmp_path / "ca/002.png")
    with pytest.raises(UserError, match=r"002\.png was changed after it was made"):
        evaluate_completions("ca", 0, **row)
    write_sealed(tmp_path / "ca/images.json", {}, files=sorted((tmp_path / "ca").glob("*.png")))
    with pytest.raises(UserError, match=r"002\.png differs from the test image outside the hole"):
        evaluate_completions("ca", 0, **row)
    (tmp_path / "ca/001.png").unlink()
    with pytest.raises(UserError, match=r"001\.png is missing"):
        evaluate_completions("ca", 0, **row)


HOLES = {  # of pictures of 45x61, 32x32, 20x26 and 200x300: rows and columns
    "odd": ((45, 61), [(slice(10, 20), slice(10, 40))]),
    "trained": ((32, 32), [(slice(3, 12), slice(20, 32))]),
    "small": ((20, 26), [(slice(4, 15), slice(0, 20))]),
    "one pixel": ((45, 61), [(slice(44, 45), slice(60, 61))]),
    "large": ((200, 300), [(slice(41, 150), slice(60, 203))]),
    "corner and edge": ((200, 300), [(slice(0, 50), slice(0, 33)), (slice(120, 200), slice(250, 290))]),
    "two in one square": ((200, 300), [(slice(50, 130), slice(50, 130)), (slice(60, 100), slice(140, 160))]),
    "whole width": ((200, 300), [(slice(50, 130), slice(0, 300))]),
    "all but a strip": ((200, 300), [(slice(0, 200), slice(0, 280))]),
}


def with_holes(name):
    shape, holes = HOLES[name]
    image, mask = np.random.default_rng(3).integers(0, 256, (*shape, 3), dtype=np.uint8), np.zeros(shape, np.uint8)
    for hole in holes:
        mask[hole] = 255
    return image, mask


@pytest.mark.parametrize("holes", HOLES)
def test_a_picture_of_any_size_keeps_its_known_pixels_and_shows_no_hidden_one(holes):
    image, mask = with_holes(holes)
    network = generator("ca").eval()
    completed = complete_holes(network, image, mask, resolution=32, device=CPU)
    assert completed.dtype == np.uint8 and np.array_equal(completed[mask == 0], image[mask == 0])
    other = np.where(mask[..., None] != 0, 255 - image, image)
    assert np.array_equal(complete_holes(network, other, mask, resolution=32, device=CPU), completed)


def test_a_picture_as_in_training_is_completed_as_the_test_images_are(photographs, weights, tmp_path):
    row = {"data": photographs, "checkpoints": weights / "ca", "samples": tmp_path}
    complete_heldout("ca", "nano", **row, device=CPU)
    test, network = open_heldout_crops(photographs), generator("ca").eval()
    for number, image in enumerate(test.images):
        completed = complete_holes(network, image, test.mask[0, 0], resolution=32, device=CPU)
        assert np.array_equal(completed, np.asarray(Image.open(tmp_path / f"{number:03d}.png")))
        mask = training_mask(32, number, 0)[0, 0]
        assert np.array_equal(
            complete_holes(network, image, mask, resolution=32, device=CPU), complete(network, image, mask, CPU)
        )


class Mean(torch.nn.Module):
    """Fills with the mean of what is known, and keeps what it is given."""

    def __init__(self):
        super().__init__()
        self.given = []

    def forward(self, picture, hole):
        self.given.append((picture, hole))
        mean = (picture * (1 - hole)).sum((2, 3), keepdim=True) / (1 - hole).sum()
        return None, mean.expand_as(picture)


@pytest.mark.parametrize("holes", HOLES)
def test_the_fill_is_guided_by_the_reduced_surroundings(holes):
    image, mask = with_holes(holes)
    image[:] = (200, 30, 90)
    network = Mean()
    completed = complete_holes(network, np.where(mask[..., None] != 0, 0, image), mask, resolution=32, device=CPU)
    assert np.abs(completed.astype(int) - image).max() <= 1
    assert len(network.given) == len(HOLES[holes][1])
    colour = torch.tensor([200, 30, 90])[:, None, None] / 127.5 - 1
    for picture, hole in network.given:
        assert picture.shape == (1, 3, 32, 32) and torch.allclose(picture, colour * (1 - hole), atol=1e-6)


def test_a_hole_takes_half_of_what_is_seen_and_only_what_is_near_guides_it():
    image, mask = with_holes("corner and edge")
    image[:, :120], image[:, 120:] = (250, 10, 10), (10, 10, 250)
    network = Mean()
    completed = complete_holes(network, image, mask, resolution=32, device=CPU)
    assert np.abs(completed[:50, :33].astype(int) - (250, 10, 10)).max() <= 1
    assert np.abs(completed[120:, 250:290].astype(int) - (10, 10, 250)).max() <= 1
    sides = [[int(hole[0, 0].any(axis).sum()) for axis in (1, 0)] for _, hole in network.given]
    assert sides == [[16, 11], [16, 8]]


def test_the_edge_of_a_fill_goes_to_the_known_colour_beside_it():
    image, mask = with_holes("large")
    image[:] = np.linspace(0, 255, 300)[:, None]  # from black to white, of which the mean knows nothing
    completed = complete_holes(Mean(), image, mask, resolution=32, device=CPU)[100, :, 0].astype(int)
    assert abs(completed[60] - completed[59]) < 30 and abs(completed[202] - completed[203]) < 30
    assert abs(completed[131] - completed[59]) > 40


def test_a_hole_with_nothing_known_around_it():
    mask = np.ones((640, 640), np.uint8)
    mask[1::3, 1::3] = 0
    with pytest.raises(UserError, match="nothing known around a hole of 640x640 pixels, reduced to the 32x32"):
        complete_holes(Mean(), np.zeros((640, 640, 3), np.uint8), mask, resolution=32, device=CPU)


def test_pictures_are_read_as_they_are_shown(tmp_path):
    colour = Image.fromarray(np.random.default_rng(2).integers(0, 256, (6, 9, 3), dtype=np.uint8))
    grey, exif = colour.convert("L"), Image.Exif()
    exif[0x0112] = 6  # the orientation: a camera held upright
    colour.save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(
        read_picture(tmp_path / "turned.png"), np.asarray(colour.transpose(Image.Transpose.ROTATE_270))
    )
    opaque = colour.copy()
    opaque.putalpha(255)
    shown = {"grey": (grey, grey.convert("RGB")), "opaque": (opaque, colour)}
    shown["palette"] = (colour.quantize(5), colour.quantize(5).convert("RGB"))
    for name, (image, expected) in shown.items():
        image.save(tmp_path / f"{name}.png")
        assert np.array_equal(read_picture(tmp_path / f"{name}.png"), np.asarray(expected)), name
    opaque.putpixel((0, 0), (1, 2, 3, 100))
    opaque.save(tmp_path / "opaque.png")
    with pytest.raises(UserError, match=r"opaque\.png is transparent in places"):
        read_picture(tmp_path / "opaque.png")
    Image.fromarray(np.full((6, 9), 40000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(UserError, match="more than 8 bits"):
        read_picture(tmp_path / "deep.png")


def test_masks_of_any_kind_are_missing_where_something_bright_shows(tmp_path):
    painted = np.zeros((6, 9), np.uint8)
    painted[2:4, 3:8] = 255
    grey, nothing = Image.fromarray(painted), Image.new("L", (9, 6))
    kinds = {
        "rgb": Image.merge("RGB", (grey, nothing, nothing)),
        "layer": Image.merge("RGBA", (ImageOps.invert(nothing),) * 3 + (grey,)),  # white under what is transparent
        "opaque": Image.merge("RGBA", (grey, grey, grey, ImageOps.invert(nothing))),
        "grey-alpha": Image.merge("LA", (ImageOps.invert(nothing), grey)),
        "bits": grey.convert("1"),
        "palette": grey.convert("P"),
        "deep": Image.fromarray(painted.astype(np.uint16) * 257),
    }
    for name, image in kinds.items():
        image.save(tmp_path / f"{name}.png")
        assert np.array_equal(read_mask(tmp_path / f"{name}.png") != 0, painted != 0), name


@pytest.fixture
def picture(tmp_path):
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (45, 61, 3), dtype=np.uint8)).save(tmp_path / "in.png")
    mask = np.zeros((45, 61), np.uint8)
    mask[10:20, 10:40] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return tmp_path


def words(folder, weights, row="ca", image="in.png"):
    chosen = ("--row", row, "--scale", "nano", "--checkpoint", weights / "ca/generator.pt")
    return ("complete", folder / image, "--mask", folder / "mask.png", *chosen, "--out", folder / "out.png")


def test_a_picture_of_one_s_own(picture, weights, called):
    done = called(*words(picture, weights))
    assert done.returncode == 0, done.stderr
    image, mask, out = (np.asarray(Image.open(picture / f"{n}.png")) for n in ("in", "mask", "out"))
    assert np.array_equal(out[mask == 0], image[mask == 0]) and (out != image).any()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("size", "is 30x30 and"),
        ("zero", "leaves no missing pixel"),
        ("one", "leaves no known pixel"),
        ("unreadable", "is not a readable picture"),
        ("absent", "is not a readable picture"),
        ("row", "is not of row 'an-inpainting' at scale 'nano'"),
        ("task", "row 'an' is of the generation task: inpainting has the rows ca, an-inpainting, ca-wide."),
    ],
)
def test_faults_are_one_sentence(picture, weights, called, fault, message):
    arguments = {}
    if fault in ("size", "zero", "one"):
        value = {"size": np.zeros((30, 30)), "zero": np.zeros((45, 61)), "one": np.full((45, 61), 255)}[fault]
        Image.fromarray(value.astype(np.uint8)).save(picture / "mask.png")
    elif fault == "unreadable":
        (picture / "in.png").write_bytes((picture / "in.png").read_bytes()[:60])
    elif fault == "absent":
        arguments = {"image": "nothing.png"}
    else:
        arguments = {"row": {"row": "an-inpainting", "task": "an"}[fault]}
    done = called(*words(picture, weights, **arguments))
    assert done.returncode == 1 and message in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and not (picture / "out.png").exists()
