"""Tables from result files: what is shown, what is exact, what is refused."""

import base64
import dataclasses
import io
import json
import math
import re
import shutil
from html.parser import HTMLParser
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from result_files import GENERATION, PROTOCOL, diverge, edit, make_results, two_seeds

from an import params
from an.errors import UserError
from an.layout import Study
from an.reporting.cells import Cell
from an.reporting.explain import explain
from an.reporting.findings import compared, findings, in_short, regions_sentence
from an.reporting.page import PAPER, best, embedded
from an.reporting.render import render, render_index
from an.reporting.summary import summarise_scores
from an.reporting.tables import TITLES, build
from an.sampling.pictures import write_png
from an.seals import read_sealed, write_sealed


@pytest.fixture
def results(tmp_path, monkeypatch):
    two_seeds(monkeypatch)
    return make_results(tmp_path / "results")


def test_table_1_means_spreads_and_published_numbers(results, tmp_path):
    render(1, "smoke", results, tmp_path)
    frame = pd.read_csv(tmp_path / "table1.csv").set_index("row")
    assert list(frame.index) == ["acgan", "sngan", "sngan-star", "sagan", "an", "an-n1", "an-literal"]
    assert frame.at["an", "fid"] == 15 and frame.at["an", "fid_sd"] == pytest.approx(2**0.5)
    assert frame.at["an", "fid_published"] == 17.84
    assert frame.at["an", "fid_difference"] == pytest.approx(15 - 17.84)
    assert frame.at["an", "n"] == 2 and frame.at["an", "checkpoint_sha256"] == "an0 an1"
    assert frame.loc[["acgan", "an-n1", "an-literal"], "fid_published"].isna().all()
    text = (tmp_path / "table1.md").read_text()
    assert "15.00 ± 1.41" in text and "17.84" in text and "880000" in text
    assert "prove the pipeline, not the paper" in text and "extractor classifier (000000000000)" in text
    # The paper ranks AN below SA-GAN below SN-GAN*; here each is one apart, the other way, with spread 2.
    assert "AN (ours) < SA-GAN not decided with n = 2 seeds (-1 [" in text
    assert r"15.00 $\pm$ 1.41" in (tmp_path / "table1.tex").read_text()
    for name in ("acgan", "sngan", "sagan", "an"):
        assert f"Published of {params.load_row(name).tables[1]}: {params.load_published().notes[name]}." in text


def test_a_tier_s_table_has_its_rows_and_seeds_of_its_base_s_results(tmp_path, monkeypatch):
    results, folder = make_results(tmp_path / "results"), tmp_path / "params"
    shutil.copytree(params.loading.FOLDER, folder)
    (folder / "scales/part.yaml").write_text("base: smoke\ndescription: two rows\nrows: [sngan-star, an]\nseeds: [1]\n")
    monkeypatch.setattr(params.loading, "FOLDER", folder)
    render(1, "part", results, tmp_path)
    frame = pd.read_csv(tmp_path / "table1.csv").set_index("row")
    assert list(frame.index) == ["sngan-star", "an"] and list(frame["n"]) == [1, 1]
    assert "Scale `part`: two rows." in (tmp_path / "table1.md").read_text()
    assert (Study("part").results, Study("part").page) == (Study("smoke").results, Path("reports/part/index.html"))


@pytest.mark.parametrize("table", [1, 4])
def test_an_extractor_without_logits_has_no_inception_score(results, tmp_path, table):
    def lose(run: dict) -> None:
        del run["metrics"]["inception_score"]
        run["protocol"]["inception_score_splits"] = None

    for name in GENERATION:
        for seed in (0, 1):
            edit(results / name / f"seed-{seed}/metrics.json", lose)
    edit(results / "reference.json", lambda result: result["heldout_as_generated"].pop("inception_score"))
    render(table, "smoke", results, tmp_path)
    text = (tmp_path / f"table{table}.md").read_text()
    lines = text.splitlines()
    heading = next(line for line in lines if line.startswith("| Model"))
    column = [cell.strip() for cell in heading.split("|")].index("IS ↑")
    assert {line.split("|")[column].strip() for line in lines[lines.index(heading) + 2 :] if line.startswith("|")} == {
        "-"
    }
    assert (
        "no IS (the extractor gives no logits)" in text and "ordering by IS" not in text and "ordering by FID" in text
    )
    assert ("intra-FID 1.00, IS -." in text) == (table == 1)
    summarise_scores("smoke", results, tmp_path / "summary.json")
    assert json.loads((tmp_path / "summary.json").read_text())["an"] == {
        "fid": 15,
        "intra_fid": 20,
        "inception_score": None,
    }


@pytest.mark.parametrize("table", [1, 4])
def test_inception_s_columns_stand_before_the_classifier_s(results, tmp_path, table):
    measured = {"fid_inception": 30.25, "kid_inception": 0.01234, "precision_inception": 0.5, "recall_inception": 0.25}
    protocol = {"extractor": "inception-2015", "extractor_sha256": "1" * 64, "generated": 40, "resize": "to 299"}
    protocol |= {"reference": "60 training images drawn at random", "kid": "unbiased", "precision_recall": "3 nearest"}

    def gain(run: dict) -> None:
        run["metrics"] |= measured
        run["protocol"]["inception"] = protocol | {"dtype": "float32"}

    for name in GENERATION:
        for seed in (0, 1):
            edit(results / name / f"seed-{seed}/metrics.json", gain)
    gained = measured | {"inception_samples": 40}
    edit(results / "reference.json", lambda result: result["heldout_as_generated"].update(gained))
    render(table, "smoke", results, tmp_path)
    text = (tmp_path / f"table{table}.md").read_text()
    heading = next(line for line in text.splitlines() if line.startswith("| Model"))
    names = [cell.strip() for cell in heading.split("|")]
    first = ["FID, Inception ↓", "KID, Inception ↓", "precision, Inception ↑", "recall, Inception ↑"]
    assert names[2:6] == first and "FID ↓" in names[6:]
    assert " 30.25 ± 0.00 " in text and " 0.0123 ± 0.0000 " in text
    assert "extractor inception-2015 (111111111111), the first 40 generated images against 60 training images" in text
    assert ("By Inception 40 of them have FID 30.25, KID 0.0123" in text) == (table == 1)
    assert "fid_inception" in pd.read_csv(tmp_path / f"table{table}.csv")


@pytest.mark.parametrize("table", [1, 4])
def test_what_the_layers_do_stands_beside_the_scores(results, tmp_path, table):
    render(table, "smoke", results, tmp_path)
    frame = pd.read_csv(tmp_path / f"table{table}.csv").set_index("row")
    assert frame.at["an", "generator_rho"] == -0.25 and frame.at["an", "discriminator_layout_information"] == 0.5
    assert frame.at["an", "discriminator_regions_used"] == 12, "in the CSV alone"
    text = (tmp_path / f"table{table}.md").read_text()
    lines = text.splitlines()
    heading = next(line for line in lines if line.startswith("| Model"))
    column = [cell.strip() for cell in heading.split("|")].index("layout information G")
    shown = [line.split("|") for line in lines if line.startswith("| AN (")]
    assert shown and all(line[column].strip() == "0.500 ± 0.000" for line in shown)
    assert "regions used" not in heading
    assert ("γ G" in heading) == (table == 1), "no row of table 4 has self-attention"
    if table == 1:
        assert frame.loc[["acgan", "sngan", "sngan-star"], ["generator_rho", "generator_gamma"]].isna().all(axis=None)
        sngan = next(line for line in lines if line.startswith("| SN-GAN "))
        assert sngan.split("|")[column].strip() == "-" and "nan" not in text


def test_detailed_metrics_stand_in_the_csv_where_every_run_has_them(results, tmp_path):
    for path in results.glob("*/seed-*/metrics.json"):
        metrics = read_sealed(path)["metrics"]
        if "fid" not in metrics:
            continue
        new = {"fid_infinity": metrics["fid"] - 1} | ({} if path.parent.parent.name == "an" else {"kid": 0.5})
        edit(path, lambda run, new=new: run["metrics"].update(new))
    render(1, "smoke", results, tmp_path)
    frame = pd.read_csv(tmp_path / "table1.csv").set_index("row")
    assert frame.at["an", "fid_infinity"] == 14 and frame.at["an", "fid_infinity_sd"] == pytest.approx(2**0.5)
    assert "kid" not in frame and "fid_infinity" not in (tmp_path / "table1.md").read_text()


def test_iterations_have_a_range_and_none_where_a_seed_does_not_get_there(results, tmp_path):
    edit(results / "sagan/seed-1/metrics.json", lambda run: run["metrics"].update(iterations=180))
    edit(results / "an/seed-1/metrics.json", lambda run: run["metrics"].update(iterations=None))
    render(1, "smoke", results, tmp_path)
    lines = (tmp_path / "table1.md").read_text().splitlines()
    sagan, an = (next(line for line in lines if line.startswith(f"| {label} ")) for label in ("SA-GAN", "AN (ours)"))
    assert "120 [60, 180]" in sagan
    assert "- (1 of 2) |" in an and "[60, 60]" not in an
    exact = pd.read_csv(tmp_path / "table1.csv").set_index("row")
    assert exact.at["sagan", "iterations"] == 120 and pd.isna(exact.at["an", "iterations"])


def test_ordering_verdicts(results, tmp_path):
    for name, fid in (("an", 1.0), ("sagan", 50.0), ("sngan-star", 30.0)):
        for seed in (0, 1):
            path = results / name / f"seed-{seed}/metrics.json"
            edit(path, lambda run, fid=fid: run["metrics"].update(fid=fid))
    render(1, "smoke", results, tmp_path)
    text = (tmp_path / "table1.md").read_text()
    assert "AN (ours) < SA-GAN holds" in text and "SA-GAN < SN-GAN* reversed" in text


def test_rows_of_one_published_value_are_both_compared_with_their_neighbours(results, tmp_path, monkeypatch):
    published = params.load_published()
    tied = published.model_copy(update={"table1": published.table1 | {"sngan-star": published.table1["sagan"]}})
    monkeypatch.setattr(params, "load_published", lambda: tied)
    render(1, "smoke", results, tmp_path)
    (note,) = (line for line in (tmp_path / "table1.md").read_text().splitlines() if "ordering by FID" in line)
    pairs = re.findall(r"(AN|SN-GAN\*?|SA-GAN)(?: \(ours\))? < (SN-GAN\*?|SA-GAN) ", note)
    assert pairs == [("AN", "SN-GAN*"), ("AN", "SA-GAN"), ("SN-GAN*", "SN-GAN"), ("SA-GAN", "SN-GAN")]


def test_table_3_shows_conventions_and_compares_with_the_controls_photograph_by_photograph(results, tmp_path):
    render(3, "smoke", results, tmp_path)
    frame = pd.read_csv(tmp_path / "table3.csv").set_index("row")
    assert list(frame.index) == ["ca", "an-inpainting", "ca-wide", "mean-colour", "biharmonic"]
    assert frame.at["an-inpainting", "psnr"] == 22.5 and frame.at["an-inpainting", "psnr_published"] == 25.09
    assert frame.at["biharmonic", "n"] == 1 and frame.at["ca", "n"] == 2
    text = (tmp_path / "table3.md").read_text()
    assert "22.50 ± 0.71" in text
    # Row less control, image by image: 3.5 + 0.5 and 0, 0.5, 1, 1.5 more, of which t(0.975, 3) * sd / 2 is 1.027.
    assert (
        "less that of the biharmonic fill: CA +2.25 [+1.22, +3.28] dB, better; AN (ours) +4.25 [+3.22, +5.28]" in text
    )
    assert "CA at AN's width (not in the paper) +0.25 [-0.777, +1.28] dB, not decided." in text
    assert frame.at["ca", "psnr_hole_over_mean-colour_low"] == pytest.approx(6.25 - 1.027, abs=1e-3)
    assert frame.loc[["mean-colour", "biharmonic"], "psnr_hole_over_biharmonic_mean"].isna().all()
    for control in ("mean-colour", "biharmonic"):  # two crops each of two photographs are two pieces of evidence
        edit(results / f"controls/{control}.json", lambda run: run.update(photographs=["a", "a", "b", "b"]))
    render(3, "smoke", results, tmp_path)
    frame = pd.read_csv(tmp_path / "table3.csv").set_index("row")
    assert frame.at["ca", "psnr_hole_over_mean-colour_mean"] == pytest.approx(6.25)
    # Of 5.75 and 6.75: Student's 12.706 for one degree of freedom times a half.
    assert frame.at["ca", "psnr_hole_over_mean-colour_low"] == pytest.approx(6.25 - 12.706 / 2, abs=1e-3)
    assert "of the 2 test photographs" in (tmp_path / "table3.md").read_text()
    assert "MATLAB's SSIM" in text and "MAE in [-1, 1]" in text


def test_tables_2_4_and_5(results, tmp_path):
    for table in (2, 4, 5):
        render(table, "smoke", results, tmp_path)
        assert all((tmp_path / f"table{table}.{kind}").stat().st_size > 100 for kind in ("md", "csv", "tex"))
    two = pd.read_csv(tmp_path / "table2.csv")
    assert two["an"].tolist() == [k + 0.5 for k in range(8)]
    four = pd.read_csv(tmp_path / "table4.csv").set_index("row")
    assert len(four) == 10 and four.at["an-n32", "fid_published"] == 17.75
    assert (four["fid_untrained"] == 300).all()
    five = (tmp_path / "table5.md").read_text()
    assert "2.00 [1.50, 3.00]" in five and "79.42" in five and "CUDA events" in five
    assert pd.isna(
        pd.read_csv(tmp_path / "table5.csv").set_index(["module", "size"]).at[("self_attention", 256), "median_ms"]
    )


def as_published(monkeypatch, results, **evaluation) -> None:
    """The made-up study as one of ImageNet on Inception, whose intra-FID was measured class by class from weights."""
    scale, classes = params.load_scale("smoke"), list(params.load_published().table2_classes)
    measured = {"extractor": "inception-2015", "intra_samples": 5000, "table2_classes": classes, **evaluation}
    scale = scale.model_copy(update={"dataset": "imagenet", "evaluation": scale.evaluation.model_copy(update=measured)})
    monkeypatch.setattr(params, "load_scale", lambda name: scale)
    about = {"generated": "5000 of each class", "reference": "all training images of the class"}

    def lose(run: dict) -> None:
        del run["metrics"]["intra_fid"]
        run["protocol"]["intra_fid"] = None

    rows = {name: row.tables for name, row in GENERATION.items() if 1 in row.tables}
    for name, seed in product(rows, (0, 1)):
        folder = results / name / f"seed-{seed}"
        run = read_sealed(folder / "metrics.json")
        lines = [{"class": number, "intra_fid": 0.5 + number + seed} for number in classes]
        run |= {"metrics": {"intra_fid": 7.0}, "classes": lines, "protocol": PROTOCOL | about}
        made = run.pop("made")
        for file in ("intra.json", "intra-table2.json") if 2 in rows[name] else ("intra.json",):
            write_sealed(folder / file, run, made)
        edit(folder / "metrics.json", lose)


def test_published_intra_fids_stand_beside_those_of_the_same_protocol(results, tmp_path, monkeypatch):
    as_published(monkeypatch, results)
    for table in (1, 2):
        render(table, "smoke", results, tmp_path)
    one, two = ((tmp_path / f"table{table}.md").read_text() for table in (1, 2))
    assert "intra-FID ↓ paper" in one and " 83.40 " in one and " 7.00 ± 0.00 " in one
    assert "AN (ours) paper" in two and " 34.16 " in two and " 826.00 ± 0.71 " in two and "Stone wall (825)" in two
    for text in (one, two):
        assert "5000 of each class generated, against all training images of the class" in text
        assert "intra-FIDs are left out" not in text and "intra-FID None" not in text
        assert "Published of AN (ours): tau, the share" in text
    assert "have FID 0.50, IS 6.00" in one, "the held-out images' intra-FID is of fewer"
    cells = pd.read_csv(tmp_path / "table1_cells.csv").query("metric == 'intra_fid' and row == 'an'")
    assert cells["file"].str.endswith("/intra.json").all() and (cells["published"] == 83.4).all()
    summarise_scores("smoke", results, tmp_path / "summary.json")
    assert json.loads((tmp_path / "summary.json").read_text())["an"]["intra_fid"] == 7


@pytest.mark.parametrize("evaluation", [{"intra_samples": 50}, {"extractor": "classifier"}], ids=["count", "features"])
def test_published_intra_fids_do_not_stand_beside_those_of_another_protocol(results, tmp_path, monkeypatch, evaluation):
    as_published(monkeypatch, results, **evaluation)
    for table in (1, 2):
        render(table, "smoke", results, tmp_path)
        text = (tmp_path / f"table{table}.md").read_text()
        assert "83.40" not in text and "34.16" not in text and "intra-FID ↓ paper" not in text
        assert (
            "The paper's intra-FIDs are left out: they are of 5000 generated images of each class of imagenet" in text
        )
        assert ("17.84" in text) == (table == 1), "FID has its place"
    told = explain("table1", "an", "intra_fid", scale_name="smoke", results=results, reports=tmp_path)
    assert "published   none to compare with" in told and "seed-0/intra.json" in told


def test_on_digits_published_intra_fids_are_left_out(results, tmp_path):
    render(1, "smoke", results, tmp_path)
    text = (tmp_path / "table1.md").read_text()
    assert "83.40" not in text and "The paper's intra-FIDs are left out" in text and "intra-FID 1.00" in text


def test_a_changed_list_of_classes_is_refused(results, tmp_path):
    file = results / "an/seed-0/classes.csv"
    file.write_text(file.read_text().replace("3,3", "3,4"))
    with pytest.raises(UserError, match=r"classes\.csv was changed after it was made"):
        render(2, "smoke", results, tmp_path)


def test_different_protocols_never_share_a_table(results, tmp_path):
    path = results / "sagan/seed-1/metrics.json"
    edit(path, lambda run: run["protocol"].update(generated=99))
    with pytest.raises(UserError, match=r"different protocols \(generated\)"):
        render(1, "smoke", results, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_result_is_named(results, tmp_path):
    (results / "an/seed-0/metrics.json").unlink()
    with pytest.raises(UserError, match=r"an/seed-0/metrics\.json is missing"):
        render(4, "smoke", results, tmp_path)


def test_a_diverged_seed_is_left_out_of_the_mean_and_named(results, tmp_path):
    diverge(results, "an", 1)
    diverge(results, "sagan", 0)
    diverge(results, "sagan", 1)
    render(1, "smoke", results, tmp_path)
    frame = pd.read_csv(tmp_path / "table1.csv").set_index("row")
    sound = dict.fromkeys(["acgan", "sngan", "sngan-star", "an-n1", "an-literal"], 0)
    assert frame["diverged"].to_dict() == sound | {"sagan": 2, "an": 1}
    assert frame["n"].to_dict() == dict.fromkeys(sound, 2) | {"sagan": 0, "an": 1}
    assert frame.at["an", "fid"] == 14 and pd.isna(frame.at["an", "fid_sd"]) and pd.isna(frame.at["sagan", "fid"])
    assert frame.at["an", "checkpoint_sha256"] == "an0 an1", "the sources name every run"
    cells = pd.read_csv(tmp_path / "table1_cells.csv").query("metric == 'fid'").set_index(["row", "seed"])
    assert cells.at[("an", 1), "status"] == "diverged" and cells.at[("an", 1), "value"] == 16
    for kind in ("md", "tex", "html"):
        text = (tmp_path / f"table1.{kind}").read_text()
        assert "14.00 (diverged 1/2)" in text and "diverged 2/2" in text, kind
        assert "SA-GAN seed 0 at step 120, SA-GAN seed 1 at step 120, AN (ours) seed 1 at step 120" in text, kind
    markdown = (tmp_path / "table1.md").read_text()
    assert "AN (ours) < SA-GAN unknown, every seed diverged" in markdown and "nan" not in markdown


def test_a_diverged_seed_in_tables_2_and_3(results, tmp_path):
    for seed in (0, 1):
        diverge(results, "ca", seed)
    diverge(results, "sagan", 1)
    for table in (2, 3):
        render(table, "smoke", results, tmp_path)
    two = pd.read_csv(tmp_path / "table2.csv")
    assert (two["sagan_diverged"] == 1).all() and (two["an_diverged"] == 0).all()
    assert two["sagan"].tolist() == list(range(8)) and two["sagan_sd"].isna().all()
    assert "3.00 (diverged 1/2)" in (tmp_path / "table2.md").read_text()
    three = (tmp_path / "table3.md").read_text()
    assert "diverged 2/2" in three and "without the runs that diverged: CA seed 0 at step 120" in three
    assert "less that of the mean colour of the known pixels: CA - dB, not decided;" in three, "what diverged"


def test_every_cell_and_seed_has_its_line_of_sources(results, tmp_path):
    for table in TITLES:
        render(table, "smoke", results, tmp_path)
    one = pd.read_csv(tmp_path / "table1_cells.csv")
    assert len(one) == 7 * (7 + 5 + 5) * 2, "rows, scores and what layers do with its details, seeds"
    line = one.set_index(["row", "metric", "seed"]).loc[("an", "fid", 1)]
    assert line["table"] == 1 and line["value"] == 16 and line["published"] == 17.84
    assert line["key"] == f"an/seed-1@{'e' * 16}" and line["status"] == "finished"
    assert line["checkpoint"] == "checkpoints/smoke/an/seed-1/generator.pt" and line["checkpoint_sha256"] == "an1"
    assert line["protocol"] == params.digest(PROTOCOL) and line["protocol"] in (tmp_path / "table1.md").read_text()
    assert line["commit"] == line["training_commit"] == "abc" and line["device"] == line["training_device"] == "CPU"
    assert line["file"] == str(results / "an/seed-1/metrics.json")
    two = pd.read_csv(tmp_path / "table2_cells.csv")
    assert len(two) == 3 * 8 * 2 and two["file"].str.endswith("classes.csv").all()
    three = pd.read_csv(tmp_path / "table3_cells.csv")
    assert three[three["row"] == "biharmonic"][["seed", "key", "checkpoint"]].isna().all(axis=None)
    five = pd.read_csv(tmp_path / "table5_cells.csv").set_index(["row", "metric"])
    assert five.at[("attentive_norm", 128), "value"] == 2 and (five["device"] == "a GPU").all()


class Page(HTMLParser):
    """What a test asks of a page: balanced tags, ids, links with their titles and texts, and what it loads."""

    def __init__(self, text: str):
        super().__init__()
        self.open, self.ids, self.links, self.loads, self.text = [], [], [], [], ""
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag not in ("meta", "img", "input"):
            self.open.append(tag)
        self.loads += [attributes["src"]] if "src" in attributes else []
        self.loads += [tag] if tag in ("link", "iframe", "object") else []
        self.ids += [attributes["id"]] if "id" in attributes else []
        if tag == "a":
            self.links.append({**attributes, "text": ""})

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data):
        self.text += data
        if "a" in self.open:
            self.links[-1]["text"] += data


def check_page(text: str) -> Page:
    page = Page(text)
    assert len(set(page.ids)) == len(page.ids)
    assert all(loaded.startswith("data:image/") for loaded in page.loads), page.loads
    assert text.count("http") == text.count(PAPER) and "url(" not in text and "@import" not in text
    for link in page.links:
        assert not link["href"].startswith("#") or link["href"][1:] in page.ids, link
    return page


def test_every_reproduced_number_in_html_names_and_links_to_its_sources(results, tmp_path):
    diverge(results, "an", 1)
    for table in TITLES:
        render(table, "smoke", results, tmp_path)
        page = check_page((tmp_path / f"table{table}.html").read_text())
        cells = [link for link in page.links if link["href"].startswith("#sources-")]
        shown = build(table, "smoke", results).shown.to_numpy().flat
        assert len(cells) == sum(isinstance(cell, Cell) for cell in shown) > 0
        for cell in cells:
            assert all(part in cell["title"] for part in ("result: ", "protocol: ", "commit abc"))
        for name in ("table{}.csv", "table{}_cells.csv", "table{}.md", "table{}.tex"):
            assert name.format(table) in [link["href"] for link in page.links]
    one = check_page((tmp_path / "table1.html").read_text())
    fid = next(link for link in one.links if link["text"] == "14.00 (diverged 1/2)")
    assert fid["href"] == "#sources-an"
    assert fid["title"].startswith("seed 0: 14\n") and "\n\nseed 1: 16\n" in fid["title"]
    for expected in (
        f"run: an/seed-0@{'e' * 16}",
        "training: finished at step 300 after 41.5 s on CPU, commit abc",
        "training: diverged at step 120 (the loss is not finite) after 41.5 s on CPU, commit abc",
        "checkpoint: checkpoints/smoke/an/seed-1/generator.pt, sha256 an1",
        f"protocol: {params.digest(PROTOCOL)}",
        f"result: {results / 'an/seed-1/metrics.json'}",
    ):
        assert expected in fid["title"]
        assert expected.split(": ", 1)[1] in one.text, "the sources stand on the page itself too"


def test_index_holds_every_table_and_figure_and_loads_nothing(results, tmp_path):
    with pytest.raises(UserError, match=r"figure1\.png is missing"):
        render_index("smoke", results, tmp_path)
    for name in (names := params.figures_of(params.load_scale("smoke"))):
        (tmp_path / Study("smoke").figure(name).name).write_bytes(f"picture {name}".encode())
    (tmp_path / "figure4.csv").touch()
    render_index("smoke", results, tmp_path)
    page = check_page((tmp_path / "index.html").read_text())
    places = {f"table{number}" for number in range(1, 7)} | {f"figure{name}" for name in names}
    assert places | {"summary", "figures", "classes", "sources", "environment"} <= set(page.ids)
    pictures = {base64.b64decode(loaded.partition("base64,")[2]).decode() for loaded in page.loads}
    assert pictures == {f"picture {name}" for name in names} and len(page.loads) == len(names)
    assert [link["href"] for link in page.links if link["text"] == "Numbers"] == ["figure4.csv"]
    assert "15.00 ± 1.41" in page.text and "2.00 [1.50, 3.00]" in page.text and "22.50 ± 0.71" in page.text
    assert "prove the pipeline, not the paper" in page.text
    files = {"href": f"../../{results / 'an/seed-0/classes.csv'}", "text": str(results / "an/seed-0/classes.csv")}
    assert page.links.count(files) == 1, "a run stands once, with every file that was read"


def test_the_summary_says_where_an_stands_and_how_certain_that_is(results, tmp_path):
    found = {f.title: f.sentence for f in findings("smoke", results, {n: build(n, "smoke", results) for n in TITLES})}
    # FID is 10 + 2 * seed + the row's place: AN's is place 4 of the generation rows, SN-GAN*'s 2, AN's n = 1 5.
    one = found["1. Generation"]
    assert one.startswith("AN’s FID (lower is better) is 15.00 ± 1.41 over 2 seeds, place 5 of 7 rows (1 is best): ")
    half = 4.30265 * math.sqrt(2)  # Welch's, of two seeds each: two degrees of freedom
    assert f"not decided against SN-GAN* (+2 [{2 - half:+.3g}, +{2 + half:.3g}])" in one
    decided = found["In short"]
    assert decided.startswith("Attentive normalization (AN) neither won nor lost: of 6 comparisons with other rows by ")
    assert "it is better in 0, worse in 0, and 6 are not decided" in decided
    assert found["2. Classes"] == "Of 8 classes, intra-FID is lowest of SN-GAN in 8, SA-GAN in 0, AN (ours) in 0."
    assert (
        "AN’s PSNR in the hole is 0.50" in found["3. Inpainting"] and "(paired by photograph)" in found["3. Inpainting"]
    )
    assert found["5. Time"].startswith("At 128×128 pixels") and "1.0 times as long" in found["5. Time"]
    assert found["6. Recall"].startswith("AN recalls 0.885 ± 0.010 of the far marks’ colours")
    assert "in 88 % [76, 99] of (image, entity) pairs" in found["Regions"]
    flat = read_sealed(results / "an-literal/seed-0/regions.json")
    assert regions_sentence(flat) == "AN's layout is flat (0.001 nats of layout information): it has no regions."


@pytest.mark.parametrize(
    ("decided", "verdict"),
    [
        (["better than"], "won where that is decided: of 6 comparisons"),
        (["worse than"], "lost where that is decided: of 6 comparisons"),
        (["better than", "worse than"], "won some and lost some: of 6 comparisons"),
    ],
)
def test_the_first_sentence_is_what_was_decided(results, monkeypatch, decided, verdict):
    found = iter([*decided, *["not decided against"] * 6])
    monkeypatch.setattr("an.reporting.findings.standing", lambda *compared: next(found))
    said = in_short({number: build(number, "smoke", results) for number in (1, 3, 4)})
    assert said.startswith(f"Attentive normalization (AN) {verdict} ")
    better, worse = (decided.count(each) for each in ("better than", "worse than"))
    assert f"better in {better}, worse in {worse}, and {6 - better - worse} are not decided" in said


def test_a_difference_of_a_single_seed_says_so(results):
    cells = build(4, "smoke", results).cells
    alone = dataclasses.replace(cells["an", "fid"], measurements=cells["an", "fid"].measurements[:1])
    assert compared(alone, cells["an-n1", "fid"], "AN (n = 1)").endswith(", of a single seed)")
    assert "seed" not in compared(cells["an", "fid"], cells["an-n1", "fid"], "AN (n = 1)")


def test_best_values_are_of_each_column_or_class(results):
    assert best(1, build(1, "smoke", results)) >= {
        ("acgan", "fid"),
        ("acgan", "inception_score"),
        ("an", "inception_score"),
    }
    assert ("an", "fid") not in best(1, build(1, "smoke", results)), "lower is better"
    two = best(2, build(2, "smoke", results))
    assert {metric for _, metric in two} == {str(number) for number in range(8)}
    assert ("an-inpainting", "psnr") in best(3, build(3, "smoke", results))


def test_a_large_picture_is_made_small_for_the_page(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (600, 2000, 3)).astype(np.uint8)
    write_png(tmp_path / "figure7.png", noise)
    picture = embedded("7", tmp_path)
    assert picture.source.startswith("data:image/webp;base64,")
    content = base64.b64decode(picture.source.partition("base64,")[2])
    assert Image.open(io.BytesIO(content)).size == (1400, 420)


def test_html_escapes_what_it_shows(results, tmp_path):
    edit(results / "an/seed-0/metrics.json", lambda run: run["made"].update(device='<b>"GPU" & co'))
    render(1, "smoke", results, tmp_path)
    page = check_page((tmp_path / "table1.html").read_text())
    assert 'on <b>"GPU" & co, commit abc' in page.text


def test_explain_names_every_seed_of_a_cell(results, tmp_path):
    diverge(results, "an", 1)
    text = explain("table1", "an", "fid", scale_name="smoke", results=results, reports=tmp_path)
    assert "Table 1. Class-conditional generation: an, fid, scale smoke" in text
    assert "published   17.84" in text and "reproduced  14.00 (diverged 1/2) over 1 of 2 seeds" in text
    assert "seed 0: 14\n" in text and "seed 1: 16, left out of the mean: training diverged" in text
    for seed in (0, 1):
        assert f"an/seed-{seed}@{'e' * 16}" in text and f"generator.pt, sha256 an{seed}" in text
        assert str(results / f"an/seed-{seed}/metrics.json") in text
    assert "commands are not known: the workflow of this folder has no record of" in text


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (("table1", "acgan", "fid"), ["published   none to compare with", "reproduced  11.00 ± 1.41"]),
        (("table2", "an", "3"), ["reproduced  3.50 ± 0.71 over 2 of 2 seeds", "an/seed-1/classes.csv"]),
        (("table3", "biharmonic", "psnr"), ["reproduced  19.00\n", "value: 19\n", "controls/biharmonic.json"]),
        (("table3", "an-inpainting", "ssim_volume"), ["published   0.8541", "reproduced  0.5000 ± 0.0000"]),
        (("table4", "an-n32", "inception_score"), ["published   47.14", "an-n32/seed-0@"]),
        (("table5", "attentive_norm", "128"), ["published   0.73", "reproduced  2.00 [1.50, 3.00]", "on a GPU"]),
        (
            ("table5", "self_attention", "256"),
            ["published   79.42", "reproduced  -\n", "value: none\n", "timing.json"],
        ),
        (
            ("table6", "recall-an", "accuracy"),
            [
                "published   none to compare with",
                "reproduced  0.885 ± 0.010 over 3 of 3 seeds",
                "recall-an/seed-2/metrics",
            ],
        ),
    ],
)
def test_explain_knows_cells_of_every_table(results, tmp_path, cell, expected):
    text = explain(*cell, scale_name="smoke", results=results, reports=tmp_path)
    assert all(part in text for part in expected), text


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (("tabel1", "an", "fid"), r"unknown table 'tabel1' \(did you mean 'table1'\?\): a study has table1, table2"),
        (("table1", "sagn", "fid"), r"unknown row 'sagn' \(did you mean 'sagan'\?\): table1 has acgan, sngan"),
        (("table1", "an", "fdi"), r"unknown metric 'fdi' \(did you mean 'fid'\?\): table1's an has fid, intra_fid"),
        (("table2", "an", "9"), r"unknown metric '9': table2's an has 0, 1, 2, 3, 4, 5, 6, 7\."),
    ],
)
def test_explain_refuses_what_no_table_has(results, tmp_path, cell, message):
    with pytest.raises(UserError, match=message):
        explain(*cell, scale_name="smoke", results=results, reports=tmp_path)


@pytest.mark.slow
def test_reporting_needs_no_torch(results, tmp_path):
    import subprocess
    import sys

    from conftest import ROOT

    program = f"""
import builtins
imported = builtins.__import__
def without_torch(name, *more, **named):
    if name.split(".")[0] == "torch":
        raise ModuleNotFoundError(name)
    return imported(name, *more, **named)
builtins.__import__ = without_torch  # None in sys.modules would be looked into by scipy
from an.reporting.explain import explain
from an.reporting.render import render
for table in {sorted(TITLES)}:
    render(table, "smoke", {str(results)!r}, {str(tmp_path)!r})
explain("table1", "an", "fid", scale_name="smoke", results={str(results)!r}, reports={str(tmp_path)!r})
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
