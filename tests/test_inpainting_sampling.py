"""Completing pictures: known pixels stay, sizes are free, faults are one sentence."""

import numpy as np
import pytest
import torch
from conftest import ROOT, an
from PIL import Image

from an import params
from an.data.crop_preparation import prepare_crops
from an.errors import UserError
from an.evaluation.inpainting import evaluate_completions
from an.files import sha256
from an.models import build_inpainting_generator
from an.sampling.controls import complete_controls
from an.sampling.inpainting import complete, complete_heldout
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
        save_tensors(folder / f"{row}.pt", generator(row).state_dict())
    return folder


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    prepare_crops("photographs", 32, 4, folder)
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
    complete_heldout("ca", "nano", photographs, weights / "ca.pt", tmp_path / "ca", CPU)
    write_sealed(tmp_path / "training.json", {"status": "finished"}, files=[weights / "ca.pt"])
    sources = {"ca": (0, weights / "ca.pt", tmp_path / "training.json"), "biharmonic": (None, None, None)}
    results = {}
    for name, folder in (("ca", tmp_path / "ca"), ("biharmonic", tmp_path / "controls/biharmonic")):
        seed, *source = sources[name]
        evaluate_completions(name, seed, photographs, folder, *source, tmp_path / f"{name}.json")
        results[name] = json.loads((tmp_path / f"{name}.json").read_text())
    psnr = {name: result["metrics"]["psnr"] for name, result in results.items()}
    assert psnr["biharmonic"] > psnr["ca"] > 5, "an untrained network is no better"
    assert results["ca"]["training"] == {"status": "finished"} and results["biharmonic"]["training"] is None
    assert results["ca"]["provenance"]["checkpoint"] == str(weights / "ca.pt")
    assert results["ca"]["provenance"]["checkpoint_sha256"] == sha256(weights / "ca.pt")
    changed = np.asarray(Image.open(tmp_path / "ca/002.png")).copy()
    changed[0, 0] += 1
    Image.fromarray(changed).save(tmp_path / "ca/002.png")
    with pytest.raises(UserError, match=r"002\.png was changed after it was made"):
        evaluate_completions("ca", 0, photographs, tmp_path / "ca", None, None, tmp_path / "x.json")
    write_sealed(tmp_path / "ca/images.json", {}, files=sorted((tmp_path / "ca").glob("*.png")))
    with pytest.raises(UserError, match=r"002\.png differs from the test image outside the hole"):
        evaluate_completions("ca", 0, photographs, tmp_path / "ca", None, None, tmp_path / "x.json")
    (tmp_path / "ca/001.png").unlink()
    with pytest.raises(UserError, match=r"001\.png is missing"):
        evaluate_completions("ca", 0, photographs, tmp_path / "ca", None, None, tmp_path / "x.json")


@pytest.fixture
def picture(tmp_path):
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (45, 61, 3), dtype=np.uint8)).save(tmp_path / "in.png")
    mask = np.zeros((45, 61), np.uint8)
    mask[10:20, 10:40] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return tmp_path


def call(folder, weights, row="ca", image="in.png", mask="mask.png", checkpoint="ca.pt"):
    named = ("--mask", folder / mask, "--row", row, "--scale", "nano", "--checkpoint", weights / checkpoint)
    return an(ROOT, "complete", folder / image, *named, "--out", folder / "out.png")


def test_a_picture_of_one_s_own(picture, weights):
    done = call(picture, weights)
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
def test_faults_are_one_sentence(picture, weights, fault, message):
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
    done = call(picture, weights, **arguments)
    assert done.returncode == 1 and message in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and not (picture / "out.png").exists()
