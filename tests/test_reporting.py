"""Tables from result files: what is shown, what is exact, what is refused."""

import copy
import json

import pandas as pd
import pytest

from an import params
from an.errors import UserError
from an.reporting.tables import render

PROTOCOL = {
    "extractor": "classifier",
    "extractor_sha256": "0" * 64,
    "generated": 100,
    "generated_per_snapshot": 50,
    "reference": "all 1497 training images",
    "inception_score_splits": 2,
    "intra_fid": "mean over 10 classes",
    "weights": "raw",
    "dtype": "float32",
    "resize": "none",
}


@pytest.fixture
def results(tmp_path):
    """Made-up results of every row at smoke scale: FID is 10 + 2 * seed + the row's place."""
    folder = tmp_path / "results"
    for place, name in enumerate(params.load_rows("generation")):
        for seed in (0, 1):
            metrics = {"fid": 10.0 + place + 2 * seed, "intra_fid": 20.0, "inception_score": 5.0, "iterations": 60}
            run = {
                "row": name,
                "metrics": {**metrics, "fid_untrained": 300.0},
                "protocol": PROTOCOL,
                "provenance": {"commit": "abc", "checkpoint_sha256": f"{name}{seed}", "device": "CPU"},
            }
            path = folder / name / f"seed-{seed}"
            path.mkdir(parents=True)
            (path / "metrics.json").write_text(json.dumps(run))
            pd.DataFrame({"class": range(10), "intra_fid": [k + seed for k in range(10)]}).to_csv(
                path / "classes.csv", index=False
            )
    (folder / "controls").mkdir()
    names = ["psnr", "psnr_hole", "ssim_gaussian", "ssim_volume", "ssim_gray51"]
    names += ["mae_unit", "mae_signed", "mae_relative"]
    protocol = {
        "images": 4,
        "test_sha256": {"heldout_images.npy": "1" * 64},
        "hole": "",
        "composited": "",
        "averaged": "",
    }
    psnr = {"ca": 20.0, "an-inpainting": 22.0, "ca-wide": 18.0, "mean-colour": 15.0, "biharmonic": 19.0}
    for name, value in psnr.items():
        for seed in (None,) if name in ("mean-colour", "biharmonic") else (0, 1):
            run = {
                "row": name,
                "metrics": dict.fromkeys(names, 0.5) | {"psnr": value + (seed or 0)},
                "protocol": protocol,
                "provenance": {"commit": "abc", "checkpoint_sha256": None, "device": "CPU"},
            }
            path = folder / f"controls/{name}.json" if seed is None else folder / name / f"seed-{seed}/metrics.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(run))
    floor = {"fid": 0.5, "intra_fid": 1.0, "inception_score": 6.0}
    (folder / "reference.json").write_text(json.dumps({"heldout_as_generated": floor}))
    entries = [
        {"size": 128, "predicted_bytes": 1, "median_ms": 2.0, "first_quartile_ms": 1.5, "third_quartile_ms": 3.0}
    ]
    entries.append({"size": 256, "predicted_bytes": 1e12, "median_ms": None})
    timing = {
        "modules": {"attentive_norm": entries, "self_attention": entries, "self_attention_unpooled": entries},
        "protocol": {"channels": 32, "regions": 16, "dtype": "float32", "clock": "CUDA events", "limit_bytes": 1e9},
        "provenance": {"device": "a GPU"},
    }
    (folder / "timing.json").write_text(json.dumps(timing))
    return folder


def test_table_1_means_spreads_and_published_numbers(results, tmp_path):
    render(1, "smoke", results, tmp_path)
    frame = pd.read_csv(tmp_path / "table1.csv").set_index("row")
    assert list(frame.index) == ["acgan", "sngan", "sngan-star", "sagan", "an"]
    assert frame.at["an", "fid"] == 15 and frame.at["an", "fid_sd"] == pytest.approx(2**0.5)
    assert frame.at["an", "fid_published"] == 17.84
    assert frame.at["an", "fid_difference"] == pytest.approx(15 - 17.84)
    assert frame.at["an", "n"] == 2 and frame.at["an", "checkpoint_sha256"] == "an0 an1"
    assert pd.isna(frame.at["acgan", "fid_published"])
    text = (tmp_path / "table1.md").read_text()
    assert "15.00 ± 1.41" in text and "17.84" in text and "880000" in text
    assert "prove the pipeline, not the paper" in text and "extractor classifier (000000000000)" in text
    # The paper ranks AN below SA-GAN below SN-GAN*; here each is one apart, the other way, with spread 2.
    assert "AN (ours) < SA-GAN within the seeds' spread" in text
    assert r"15.00 $\pm$ 1.41" in (tmp_path / "table1.tex").read_text()


def test_detailed_metrics_stand_in_the_csv_where_every_run_has_them(results, tmp_path):
    for path in results.glob("*/seed-*/metrics.json"):
        run = json.loads(path.read_text())
        if "fid" not in run["metrics"]:
            continue
        run["metrics"] |= {"fid_infinity": run["metrics"]["fid"] - 1, "kid": 0.5}
        if path.parent.parent.name == "an":
            del run["metrics"]["kid"]
        path.write_text(json.dumps(run))
    render(1, "smoke", results, tmp_path)
    frame = pd.read_csv(tmp_path / "table1.csv").set_index("row")
    assert frame.at["an", "fid_infinity"] == 14 and frame.at["an", "fid_infinity_sd"] == pytest.approx(2**0.5)
    assert "kid" not in frame and "fid_infinity" not in (tmp_path / "table1.md").read_text()


def test_ordering_verdicts(results, tmp_path):
    for name, fid in (("an", 1.0), ("sagan", 50.0), ("sngan-star", 30.0)):
        for seed in (0, 1):
            path = results / name / f"seed-{seed}/metrics.json"
            run = json.loads(path.read_text())
            run["metrics"]["fid"] = fid
            path.write_text(json.dumps(run))
    render(1, "smoke", results, tmp_path)
    text = (tmp_path / "table1.md").read_text()
    assert "AN (ours) < SA-GAN holds" in text and "SA-GAN < SN-GAN* reversed" in text


def test_table_3_shows_conventions_and_says_which_control_is_not_beaten(results, tmp_path):
    render(3, "smoke", results, tmp_path)
    frame = pd.read_csv(tmp_path / "table3.csv").set_index("row")
    assert list(frame.index) == ["ca", "an-inpainting", "ca-wide", "mean-colour", "biharmonic"]
    assert frame.at["an-inpainting", "psnr"] == 22.5 and frame.at["an-inpainting", "psnr_published"] == 25.09
    assert frame.at["biharmonic", "n"] == 1 and frame.at["ca", "n"] == 2
    text = (tmp_path / "table3.md").read_text()
    assert "22.50 ± 0.71" in text and "mean colour of the known pixels: beaten by every model" in text
    assert "biharmonic fill: not beaten by CA at AN's width (not in the paper)" in text
    assert "MATLAB's SSIM" in text and "MAE in [-1, 1]" in text


def test_tables_2_4_and_5(results, tmp_path):
    for table in (2, 4, 5):
        render(table, "smoke", results, tmp_path)
        assert all((tmp_path / f"table{table}.{kind}").stat().st_size > 100 for kind in ("md", "csv", "tex"))
    two = pd.read_csv(tmp_path / "table2.csv")
    assert two["an"].tolist() == [k + 0.5 for k in range(8)]
    four = pd.read_csv(tmp_path / "table4.csv").set_index("row")
    assert len(four) == 8 and four.at["an-n32", "fid_published"] == 17.75
    assert (four["fid_untrained"] == 300).all()
    five = (tmp_path / "table5.md").read_text()
    assert "2.00 [1.50, 3.00]" in five and "79.42" in five and "CUDA events" in five
    assert pd.isna(
        pd.read_csv(tmp_path / "table5.csv").set_index(["module", "size"]).at[("self_attention", 256), "median_ms"]
    )


def test_different_protocols_never_share_a_table(results, tmp_path):
    path = results / "sagan/seed-1/metrics.json"
    run = json.loads(path.read_text())
    run["protocol"] = copy.deepcopy(PROTOCOL) | {"generated": 99}
    path.write_text(json.dumps(run))
    with pytest.raises(UserError, match=r"different protocols \(generated\)"):
        render(1, "smoke", results, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_result_is_named(results, tmp_path):
    (results / "an/seed-0/metrics.json").unlink()
    with pytest.raises(UserError, match=r"an/seed-0/metrics\.json is missing"):
        render(4, "smoke", results, tmp_path)


def test_reporting_needs_no_torch(results, tmp_path):
    import subprocess
    import sys

    from conftest import ROOT

    program = f"""
import sys
sys.modules["torch"] = None
from an.reporting.tables import render
render(1, "smoke", {str(results)!r}, {str(tmp_path)!r})
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
