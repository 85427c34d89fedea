"""What is measured of regions, and the interpolation between classes, on small untrained networks."""

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.image import imread

from an import params
from an.__main__ import main
from an.data.loading import to_bytes
from an.errors import UserError
from an.evaluation.regions import (
    CHAIN,
    IMAGES,
    chain_of_classes,
    interpolate,
    layout_of_picture,
    look_at_regions,
    look_through,
)
from an.metrics.regions import less_varied, region_moments, shifted, shuffled
from an.models import build
from an.sampling.generation import load_generator, sample
from an.sampling.pictures import write_png
from an.seals import read_sealed
from an.verbs import study
from an.weights import save_tensors

CPU = torch.device("cpu")


def test_moments_of_regions_are_those_of_weighted_pixels():
    random = np.random.default_rng(0)
    x, weights = random.normal(3.0, 2.0, (2, 3, 4, 5)), random.random((2, 6, 4, 5))
    mean, deviation = region_moments(torch.from_numpy(x), torch.from_numpy(weights))
    for image in range(2):
        for region in range(6):
            w = weights[image, region].ravel()
            pixels = x[image].reshape(3, -1)
            means = [np.average(channel, weights=w) for channel in pixels]
            variances = [np.average((c - m) ** 2, weights=w) for c, m in zip(pixels, means, strict=True)]
            # float64, sums of 20 numbers of at most some tens: below 1e-13 of the largest.
            assert mean[image, region].item() == pytest.approx(np.mean(means), rel=1e-12)
            assert deviation[image, region].item() == pytest.approx(np.sqrt(np.mean(variances)), rel=1e-12)


def test_a_region_of_one_colour_does_not_vary_and_the_whole_map_does():
    x = torch.zeros(1, 2, 4, 4)
    x[..., 2:] = 1e4  # a variance far below its two terms
    left = torch.zeros(1, 1, 4, 4)
    left[..., :2] = 1
    assert region_moments(x, left)[1].item() == 0
    assert region_moments(x, torch.ones_like(left))[1].item() == pytest.approx(5e3)


def test_a_region_without_any_weight_counts_nowhere():
    x, layout = torch.randn(1, 2, 4, 4), torch.zeros(1, 3, 4, 4)
    layout[:, 1, :2], layout[:, 2, 2:] = 1, 1
    within = region_moments(x, layout)[1]
    assert within[0].isnan().tolist() == [True, False, False]
    share, ratio = less_varied(within, torch.tensor([[within[0, 1:].mean()]]))
    assert share.tolist() == [0.5] and ratio.item() == pytest.approx(1)


@pytest.mark.parametrize("moved", [shuffled, shifted])
def test_random_masks_are_as_sharp_and_as_large(moved):
    layout = torch.softmax(3 * torch.randn(4, 5, 6, 6, generator=torch.Generator().manual_seed(0)), 1)
    mask = moved(layout, torch.Generator().manual_seed(1))
    assert not mask.equal(layout)
    assert mask.flatten(2).sort(2).values.equal(layout.flatten(2).sort(2).values), "each entity has the values it had"
    torch.testing.assert_close(mask.sum(1), torch.ones(4, 6, 6))


def test_shifted_masks_are_as_connected():
    layout = torch.zeros(1, 1, 6, 6)
    layout[..., 1:4, 1:4] = 1
    mask = shifted(layout, torch.Generator().manual_seed(0))[0, 0]
    apart = [(mask.roll(1, axis) != mask).sum() for axis in (0, 1)]
    assert apart == [6, 6], "three pixels' edges on each side"


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Untrained networks of row an at scale nano, in files, whose layers are made to matter."""
    torch.manual_seed(0)
    generator, discriminator = build("an", "nano", 10)
    folder = tmp_path_factory.mktemp("networks")
    for name, network in (("generator", generator), ("discriminator", discriminator)):
        for key, value in network.named_parameters():
            if key.endswith("rho") or "norm1.s" in key:
                torch.nn.init.normal_(value)
        save_tensors(folder / f"{name}.pt", network.state_dict())
    return folder


def test_regions_are_measured_image_by_image(networks, tmp_path):
    files = {"regions": tmp_path / "regions.json", "layouts": tmp_path / "layouts.npz"}
    look_at_regions("an", "nano", 3, checkpoint=networks / "generator.pt", device=CPU, **files)
    found = read_sealed(files["regions"], [files["layouts"]])
    arrays = np.load(files["layouts"])
    assert all(len(values) == IMAGES for values in found["per_image"].values()) and len(found["per_image"]) == 6
    assert arrays["images"].shape == (8, 32, 32, 3) and arrays["layouts"].shape == (8, 16, 16, 16)
    below = (arrays["within"][..., 1] < arrays["whole"][:, None, 1]).mean(1)
    assert below.tolist() == found["per_image"]["below"][:8]
    ratio = (arrays["within"][..., 1] / arrays["whole"][:, None, 1]).mean(1)
    np.testing.assert_allclose(ratio, found["per_image"]["ratio"][:8], rtol=1e-12)
    assert found["measures"]["layout_information"] > 0


def test_a_chain_ends_are_the_pure_classes_bit_for_bit(networks):
    generator, batch, seed = load_generator("an", "nano", networks / "generator.pt", CPU), 50, 3
    images, layouts = interpolate(generator, [4, 7, 1], seed, batch)
    assert images.shape == (2, CHAIN, 32, 32, 3) and layouts.shape == (2, CHAIN, 16, 16, 16)
    pure = {}
    for label in (4, 7, 1):
        out = np.empty((1, 32, 32, 3), np.uint8)
        sample(generator, np.array([label]), seed, batch=batch, out=out, device=CPU)
        pure[label] = out[0]
    ends = {(0, 0): 4, (0, -1): 7, (1, 0): 7, (1, -1): 1}
    for place, label in ends.items():
        assert (images[place] == pure[label]).all()
    steps = np.abs(np.diff(images.astype(int), axis=1)).mean((2, 3, 4))
    whole = np.abs(images[:, 0].astype(int) - images[:, -1]).mean((1, 2, 3))
    assert (steps < 0.6 * whole[:, None]).all(), "there is a way between them, no jump"


def test_looking_through_a_network_leaves_it_as_it_was(networks):
    generator = load_generator("an", "nano", networks / "generator.pt", CPU)
    z, labels = torch.randn(2, generator.latent), torch.tensor([0, 1])
    with torch.no_grad():
        images, layout, features = look_through(generator, z, labels)
        assert to_bytes(images).tolist() == to_bytes(generator(z, labels)).tolist()
    assert layout.shape == (2, 16, 16, 16) and features.shape[2:] == (16, 16)
    torch.testing.assert_close(layout.sum(1), torch.ones(2, 16, 16))
    assert all(m.last_layout is None for m in generator.modules() if hasattr(m, "last_layout"))


def test_the_layout_of_a_picture(networks, tmp_path):
    write_png(tmp_path / "in.png", np.random.default_rng(0).integers(0, 256, (48, 80, 3)).astype(np.uint8))
    find = {"checkpoint": networks / "discriminator.pt", "device": CPU}
    seen, layout = layout_of_picture(tmp_path / "in.png", "an", "nano", **find)
    assert seen.shape == (32, 32, 3) and layout.shape == (16, 32, 32)
    np.testing.assert_allclose(layout.sum(0), 1, rtol=1e-5)
    with pytest.raises(UserError, match="row 'sagan' has no attentive normalization"):
        layout_of_picture(tmp_path / "in.png", "sagan", "nano", **find)
    with pytest.raises(UserError, match="is not of a discriminator"):
        layout_of_picture(tmp_path / "in.png", "an", "nano", checkpoint=networks / "generator.pt", device=CPU)
    with pytest.raises(UserError, match="is not of a generator"):
        load_generator("an", "nano", networks / "discriminator.pt", CPU)
    with pytest.raises(UserError, match="is not of row 'an' at scale 'smoke'"):
        load_generator("an", "smoke", networks / "generator.pt", CPU)


def test_a_chain_of_two_classes_goes_there_and_back():
    assert chain_of_classes(params.load_scale("nano"), 10) == [0, 1, 0]
    assert chain_of_classes(params.load_scale("smoke"), 10) == [0, 1, 2]


@pytest.mark.parametrize("name", study.OF_A_GENERATOR)
def test_figures_of_a_generator_of_one_s_own(networks, tmp_path, name):
    out = tmp_path / f"{name}.png"
    given = ["--checkpoint", str(networks / "generator.pt"), "--row", "an", "--scale", "nano", "--gpus", "0"]
    assert main(["figure", name, *given, "--out", str(out)]) == 0
    assert imread(out).shape[1] > 1000 and len(pd.read_csv(out.with_suffix(".csv"))) > 2
    assert sorted(file.name for file in tmp_path.iterdir()) == [f"{name}.csv", f"{name}.png"]


def test_figures_of_a_generator_need_a_row_and_a_place(networks, tmp_path, capsys):
    given = ["--checkpoint", str(networks / "generator.pt"), "--scale", "nano"]
    assert main(["figure", "5", *given]) == 2
    assert main(["figure", "7", *given, "--row", "an", "--out", str(tmp_path / "7.png")]) == 2
    assert capsys.readouterr().err.count("of a checkpoint one of 1, 4, 5, 8 is drawn, with --row and --out.") == 2


def test_show_draws_the_regions_of_a_picture(networks, tmp_path):
    write_png(tmp_path / "in.png", np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8))
    given = ["--row", "an", "--scale", "nano", "--checkpoint", str(networks / "discriminator.pt"), "--gpus", "0"]
    assert main(["show", str(tmp_path / "in.png"), *given, "--out", str(tmp_path / "out.png")]) == 0
    assert len(pd.read_csv(tmp_path / "out.csv")) == 16, "a line for each entity"
