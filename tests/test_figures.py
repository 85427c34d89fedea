"""Figures of made-up results whose numbers and pixels can be predicted."""

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from result_files import GENERATION, make_results, make_study, two_seeds

from an import params
from an.errors import UserError
from an.files import sha256
from an.layout import Study
from an.reporting.figures.captions import CAPTIONS
from an.reporting.figures.draw import FIGURES, write
from an.reporting.figures.times import growth

pytestmark = pytest.mark.slow
SMOKE = Study("smoke")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The reports of a study of which every figure was drawn by the command line."""
    folder = tmp_path_factory.mktemp("drawn")
    make_study(folder, ["figure", *FIGURES])
    return folder


def numbers(drawn, name: str) -> pd.DataFrame:
    return pd.read_csv((drawn / SMOKE.figure(name)).with_suffix(".csv"))


def test_every_figure_is_known_everywhere_by_the_same_name():
    there = set(params.figures_of(params.load_scale("smoke")))
    assert there == set(FIGURES) == set(CAPTIONS)


def test_every_figure_is_a_file_with_its_numbers_beside_it(drawn):
    for name in FIGURES:
        file = drawn / SMOKE.figure(name)
        assert file.stat().st_size > 1000 and file.with_suffix(".csv").exists() == (not name.startswith("table"))
        if file.suffix == ".svg":
            text = file.read_text()
            assert not re.search(r"(href|src)=.http", text) and "<dc:date>" not in text


def test_the_same_results_give_the_same_bytes(drawn, monkeypatch):
    monkeypatch.chdir(drawn)
    two_seeds(monkeypatch)
    for name in ("4", "table1", "convergence"):
        before = sha256(SMOKE.figure(name))
        write(FIGURES[name]("smoke"), SMOKE.figure(name))
        assert sha256(SMOKE.figure(name)) == before


def test_samples_stand_by_class_and_row(drawn):
    first, every = numbers(drawn, "1"), numbers(drawn, "7")
    assert set(first.row) == {"an"} and len(first) == 120 and (first["class"] == first.image % 10).all()
    assert list(every.row.unique()) == list(GENERATION) and (every.groupby("row").size() == 20).all()
    picture = (255 * imread(drawn / SMOKE.figure("7"))[..., :3]).round().astype(int)
    place = list(GENERATION).index("an-gn")
    assert (picture == 10 * place).all(2).sum() > 1000, "the grey of the last row"


def test_the_curve_is_over_seeds_and_leaves_out_the_pause(drawn):
    found = numbers(drawn, "convergence").set_index(["row", "seed", "step"])
    assert found.loc[("an", 1, 150), "seconds"] == pytest.approx(15)
    assert found.loc[("an", 1, 300), "seconds"] == pytest.approx(30), "not the hour between"
    place = list(GENERATION).index("an")
    assert found.loc[("an", 1, 300), "fid"] == 10 + place + 2
    assert {seed for _, seed, _ in found.index} == {0, 1} and not found.index.duplicated().any()


def test_figure_4_s_claim_stands_beside_random_masks_and_says_where_it_is_flat(drawn):
    found = numbers(drawn, "4").set_index(["row", "masks"])
    ours = found.loc["AN (ours)"]
    assert ours.loc["its regions", "share_below"] == 0.875 and not ours.flat.any()
    assert ours.loc["the same, shuffled", "share_below"] == 0.375
    low, high = ours.loc["its regions", ["share_low", "share_high"]]
    half = 2.3646 * np.std([0.75, 1.0] * 4, ddof=1) / np.sqrt(8)  # Student's, 7 degrees of freedom
    assert (low, high) == (pytest.approx(0.875 - half, abs=1e-4), pytest.approx(0.875 + half, abs=1e-4))
    assert found.loc["AN as the text has it"].flat.all()


def test_figure_5_shows_the_entities_that_vary_and_figure_8_one_of_them(drawn):
    found = numbers(drawn, "5")
    assert found[found.entity == 3][["least", "most", "mean"]].drop_duplicates().to_numpy().tolist() == [[0, 1, 0.5]]
    chain = numbers(drawn, "8")
    assert (chain.entity == 3).all() and (chain["from"].iloc[0], chain["to"].iloc[-1]) == (0, 2)
    picture = imread(drawn / SMOKE.figure("5"))[..., :3]
    for colour in ([68, 1, 84], [253, 231, 37], [0xD5, 0x5E, 0x00]):  # the maps' ends, and the strongest entity's
        assert (abs(255 * picture - np.array(colour)).max(2) < 1.5).any()


def test_growth_is_the_exponent_of_the_number_of_pixels():
    sizes = np.array([64, 128, 256, 512])
    assert growth(sizes, 0.1 * sizes**2.0) == ": pixels$^{1.00}$" and growth(sizes, 3e-6 * sizes**4.0).endswith(
        "{2.00}$"
    )
    assert growth(sizes, np.array([9.0, 1, 4, 16])).endswith("{1.00}$"), "of the three largest"
    assert growth(sizes[:1], sizes[:1]) == ""


def test_a_changed_event_file_or_missing_regions_are_refused(drawn, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    two_seeds(monkeypatch)
    make_results(SMOKE.results)
    (SMOKE.results / "an/seed-1/events.jsonl").write_text("")
    with pytest.raises(UserError, match=r"an/seed-1/events\.jsonl was changed after it was made"):
        FIGURES["convergence"]("smoke")
    (SMOKE.results / "an/seed-0/layouts.npz").unlink()
    with pytest.raises(UserError, match=r"an/seed-0/layouts\.npz is missing"):
        FIGURES["4"]("smoke")
    assert not SMOKE.reports.exists()
