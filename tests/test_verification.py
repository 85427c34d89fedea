"""One's own tables against kept ones: same bits, within the interval, of one seed, or different."""

import shutil

import numpy as np
import pandas as pd
import pytest
from result_files import edit, make_results, two_seeds

from an import params
from an.__main__ import main
from an.reporting.render import render
from an.reporting.verification import DIFFERENT, ONE_SEED, SAME, UNTIMED, WITHIN, judged, verify

LEVEL = 0.95


def test_the_four_verdicts():
    assert judged([1.0, 2.0], [1.0, 2.0], LEVEL) == SAME
    assert judged([1.0, float("nan")], [1.0, float("nan")], LEVEL) == SAME
    assert judged([1.0, 2.0, 3.0], [1.1, 2.1, 2.9], LEVEL) == WITHIN
    assert judged([1.0, 1.1, 0.9], [5.0, 5.1, 4.9], LEVEL) == DIFFERENT
    assert judged([1.0], [1.0 + 1e-12], LEVEL) == ONE_SEED and judged([1.0], [1.0], LEVEL) == SAME
    assert judged([1.0], [float("nan")], LEVEL) == DIFFERENT
    assert judged([1.0], [1.1], LEVEL, seeded=False) == DIFFERENT, "a control"
    assert judged([1.0, 2.0], None, LEVEL) == judged([1.0, 2.0], [1.0], LEVEL) == DIFFERENT
    assert judged([1.0, float("nan")], [1.0, 2.0], LEVEL) == DIFFERENT


def test_equal_results_of_many_cells_are_called_different_as_seldom_as_promised():
    rng = np.random.default_rng(0)
    level, tables = 1 - 0.05 / 20, 200
    draws = rng.normal(size=(tables, 20, 2, 3)).tolist()
    wrong = sum(any(judged(*cell, level) == DIFFERENT for cell in table) for table in draws)
    assert wrong < tables * 0.05 + 5 * (tables * 0.05 * 0.95) ** 0.5


@pytest.fixture
def folders(tmp_path, monkeypatch):
    two_seeds(monkeypatch)
    results = make_results(tmp_path / "results")
    for table in UNTIMED:
        render(table, "smoke", results, tmp_path / "kept")
    shutil.copytree(tmp_path / "kept", tmp_path / "own")
    return results, tmp_path / "own", tmp_path / "kept"


def test_the_same_tables_are_the_same_bits(folders, capsys):
    _, own, kept = folders
    assert main(["verify", "--reports", str(own), "--kept", str(kept)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(UNTIMED) and all(
        " 0 within the interval, 0 other bits of one seed, 0 different" in line for line in lines
    )
    assert lines[0].endswith("14 of 14 checkpoints have the same bits")


def test_another_number_is_found_and_named(folders, capsys):
    results, own, kept = folders
    for seed in (0, 1):
        edit(results / f"an/seed-{seed}/metrics.json", lambda run: run["metrics"].update(intra_fid=25.0))
        edit(results / f"an/seed-{seed}/metrics.json", lambda run: run["provenance"].update(checkpoint_sha256="x"))
    edit(results / "sagan/seed-1/metrics.json", lambda run: run["metrics"].update(fid=run["metrics"]["fid"] + 0.1))
    render(1, "smoke", results, own)
    assert main(["verify", "--reports", str(own), "--kept", str(kept)]) == 1
    line = capsys.readouterr().out.splitlines()[0]
    assert "1 within the interval, 0 other bits of one seed, 1 different (an intra_fid); 12 of 14 checkpoints" in line


def test_other_bits_of_one_seed_are_no_failure_and_another_control_is(folders, monkeypatch, capsys):
    results, own, kept = folders
    monkeypatch.setattr(params.Scale, "seeds_of", lambda self, name, row: [0])
    for folder in (own, kept):
        render(3, "smoke", results, folder)
        edit(results / "ca/seed-0/metrics.json", lambda run: run["metrics"].update(ssim_volume=0.25))
    line = ["verify", "--reports", str(own), "--kept", str(kept)]
    assert main(line) == 0 and "1 other bits of one seed, 0 different" in capsys.readouterr().out.splitlines()[2]
    edit(results / "controls/biharmonic.json", lambda run: run["metrics"].update(ssim_volume=0.25))
    render(3, "smoke", results, own)
    assert main(line) == 1 and "1 different (biharmonic ssim_volume)" in capsys.readouterr().out.splitlines()[2]


def test_a_row_that_one_side_lacks_is_different_and_a_missing_table_one_sentence(folders, capsys):
    _, own, kept = folders
    cells = pd.read_csv(own / "table4_cells.csv")
    cells[cells["row"] != "an-n8"].to_csv(own / "table4_cells.csv", index=False)
    found = {table.table: table for table in verify("smoke", own, kept)}
    assert {row for (row, _), verdict in found[4].cells.items() if verdict == DIFFERENT} == {"an-n8"}
    (own / "table6_cells.csv").unlink()
    assert main(["verify", "--reports", str(own), "--kept", str(kept)]) == 1
    assert "table6_cells.csv is missing: run snakemake to make it" in capsys.readouterr().err
