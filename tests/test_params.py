"""Parameters: what is wrong in a file is named by file and key; the committed schema is the types'."""

import json
import shutil
from pathlib import Path

import jsonschema
import pytest
import yaml
from conftest import ROOT, an

from an import params
from an.errors import UserError


def edit(folder: Path, file: str, change) -> None:
    path = folder / "params" / file
    content = yaml.safe_load(path.read_text())
    change(content)
    path.write_text(yaml.safe_dump(content, sort_keys=False))


FAULTS = [
    ("scales/nano.yaml", lambda c: c.update(atention_resolution=16), "unknown key 'atention_resolution' (did you mean"),
    ("scales/nano.yaml", lambda c: c["recipes"]["ttur"].update(batch="8"), "key 'recipes.ttur.batch' is '8'"),
    ("scales/nano.yaml", lambda c: c["recipes"]["ttur"].update(batch=0), "key 'recipes.ttur.batch' is 0"),
    ("scales/nano.yaml", lambda c: c.pop("seeds"), "key 'seeds' is missing"),
    ("scales/nano.yaml", lambda c: c.update(resolution=64), "resolution is 64"),
    ("scales/nano.yaml", lambda c: c.update(attention_resolution=32), "attention_resolution must be"),
    ("scales/nano.yaml", lambda c: c.update(snapshots=3), "must be a multiple of snapshots"),
    ("scales/nano.yaml", lambda c: c.update(dataset="imagenet"), "dataset_path must name the folder"),
    ("scales/nano.yaml", lambda c: c["recall"].update(gap=3), "key 'recall.gap' is 3"),
    ("scales/nano.yaml", lambda c: c["recall"].pop("seeds"), "key 'recall.seeds' is missing"),
    ("rows.yaml", lambda c: c["an"]["attention"].update(sampling_share=2), "key 'an.attention.sampling_share' is 2"),
    (
        *("rows.yaml", lambda c: c["recall-in"]["attention"].update(regions=4)),
        "unknown key 'recall-in.attention.regions'",
    ),
    ("rows.yaml", lambda c: c["an"]["attention"].update(region=8), "unknown key 'an.attention.region' (did you mean"),
    ("rows.yaml", lambda c: c["an"].update(conditioning="projecton"), "key 'an.conditioning' is 'projecton'"),
]


@pytest.mark.parametrize(("file", "change", "message"), FAULTS)
def test_a_fault_names_file_and_key(tmp_path, monkeypatch, file, change, message):
    shutil.copytree(ROOT / "params", tmp_path / "params")
    edit(tmp_path, file, change)
    monkeypatch.setattr(params.loading, "FOLDER", tmp_path / "params")
    with pytest.raises(UserError) as raised:
        params.load_row("an")
        params.load_scale("nano")
    assert f"params/{file}" in str(raised.value) and message in str(raised.value)


@pytest.mark.parametrize(("file", "change", "message"), [FAULTS[0], FAULTS[-1]])
def test_a_fault_is_one_sentence_before_any_work(project, file, change, message):
    edit(project, file, change)
    verb = ("train", "--row", "an") if file == "rows.yaml" else ("time",)
    done = an(project, *verb, "--scale", "nano")
    assert done.returncode == 1 and message in done.stderr and f"params/{file}" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (project / "results").exists() and not (project / "scratch").exists()


def test_not_yaml(project):
    (project / "params/rows.yaml").write_text("an: {")
    done = an(project, "train", "--row", "an", "--scale", "nano")
    assert done.returncode == 1 and "params/rows.yaml is not valid YAML" in done.stderr


def test_committed_schema_is_generated_and_accepts_the_files():
    schema = json.loads((ROOT / "params/schema.json").read_text())
    assert schema == params.schema(), "run: python -m an schema > params/schema.json"
    for file in ("rows.yaml", "published.yaml", *(f"scales/{p.name}" for p in (ROOT / "params/scales").glob("*.yaml"))):
        content = json.loads(json.dumps(yaml.safe_load((ROOT / "params" / file).read_text())))
        jsonschema.validate(content, schema["scales/*.yaml" if "scales" in file else file])


def test_digest_follows_what_matters_to_training_and_nothing_else():
    rows, scale = params.load_rows("generation"), params.load_scale("smoke")

    def digest(row, scale=scale):
        return params.digest(params.training_settings(row, scale))

    assert len({digest(row) for row in rows.values()}) == len(rows), "two rows are the same"
    an_row = rows["an"]
    assert digest(an_row.model_copy(update={"tables": {1: "another label"}})) == digest(an_row)
    assert digest(an_row, scale.model_copy(update={"log_every": 7})) == digest(an_row)
    slower = scale.recipes["ttur"].model_copy(update={"generator_lr": 1e-9})
    other = scale.model_copy(update={"recipes": {**scale.recipes, "ttur": slower}})
    assert digest(an_row, other) != digest(an_row) and digest(rows["sngan"], other) == digest(rows["sngan"])


def test_digest_of_a_recall_row_follows_its_own_part_of_the_scale():
    rows, scale = params.load_rows("recall"), params.load_scale("smoke")

    def digest(row, **changed):
        part = scale.recall.model_copy(update=changed)
        return params.digest(params.recall_settings(row, scale.model_copy(update={"recall": part})))

    assert len({digest(row) for row in rows.values()}) == len(rows) == 8, "two rows are the same"
    an_row = rows["recall-an"]
    for housekeeping in ({"seeds": [7]}, {"test_images": 4}, {"checkpoint_every": 3}, {"log_every": 3}):
        assert digest(an_row, **housekeeping) == digest(an_row)
    for change in ({"keys": 4}, {"gap": 12}, {"channels": 8}, {"lr": 1.0}, {"batch": 2}, {"steps": 5}):
        assert digest(an_row, **change) != digest(an_row), change


def test_every_row_has_its_seeds():
    scale = params.load_scale("smoke")
    seeds = {name: scale.seeds_of(name, row) for name, row in params.load_rows(scale=scale).items()}
    assert seeds["an"] == seeds["sngan-star"] == seeds["recall-an"] == [0, 1, 2], "where decisions are"
    assert seeds["an-gn"] == seeds["acgan"] == [0]
    assert scale.model_copy(update={"row_seeds": {}}).seeds_of("an", params.load_row("an")) == [0]


def test_an_optional_row_is_run_by_the_scale_that_names_it():
    paper, tier = params.load_scale("paper"), params.load_scale("paper-sagan-64")
    assert "sagan-64" not in params.load_rows(scale=paper)
    assert list(params.load_rows(scale=tier)) == ["sngan-star", "sagan", "sagan-64", "an"]
    resolutions = {name: tier.attention_resolution_of(row) for name, row in params.load_rows(scale=tier).items()}
    assert resolutions == {"sngan-star": 32, "sagan": 32, "sagan-64": 64, "an": 32}
    # A row that leaves the choice to the scale has the key that it had before there was one.
    settings = params.training_settings(params.load_row("sagan"), params.load_scale("smoke"))
    assert "attention_resolution" not in settings["row"] and "optional" not in settings["row"]
    assert params.training_settings(params.load_row("sagan-64"), tier)["row"]["attention_resolution"] == 64


def test_the_rows_are_the_readings_that_their_comments_say():
    rows = params.load_rows()
    an_row, literal = rows["an"].attention, rows["an-literal"].attention
    assert (an_row.start, an_row.penalty, an_row.temperature, an_row.sampling_share) == (
        "normal",
        "directions",
        0.5,
        0.5,
    )
    assert not an_row.entities_spectral_norm and literal.entities_spectral_norm
    assert (literal.start, literal.penalty, literal.temperature) == ("orthogonal", "entities", 0.1)
    assert literal.sampling_share == 1 and literal.regions == 16
    assert literal == rows["recall-an-literal"].attention and an_row == rows["recall-an"].attention
    assert rows["an-n1"].attention.regions == rows["recall-an-n1"].attention.regions == 1


def test_published_numbers_belong_to_rows_that_exist():
    rows, published = params.load_rows(), params.load_published()
    for table in (1, 2, 4):
        assert set(getattr(published, f"table{table}")) <= {name for name, row in rows.items() if table in row.tables}
    assert published.table1["an"]["fid"] == 17.84 and published.table4["an-no-ssr"]["inception_score"] == 37.86
    assert len(published.table2["an"]) == len(published.table2_classes) == 8


def test_a_folder_of_one_s_own(project, tmp_path):
    own = tmp_path / "mine"
    (project / "params").rename(own)
    scale = own / "scales/nano.yaml"
    scale.write_text(scale.read_text() + "hour: 1\n")
    done = an(project, "time", "--scale", "nano", AN_PARAMS=str(own))
    assert done.returncode == 1 and "Error: mine/scales/nano.yaml: unknown key 'hour'" in done.stderr
    (own / "rows.yaml").unlink()
    done = an(project, "train", "--row", "an", "--scale", "nano", AN_PARAMS=str(own))
    assert done.returncode == 1 and f"Error: {own}/rows.yaml is missing: AN_PARAMS names a folder" in done.stderr
