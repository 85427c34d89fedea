"""The site of docs/: it builds strictly, has what is in the repository, and loads nothing from elsewhere."""

import inspect
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from conftest import ROOT, copy_project

from an.__main__ import SECTIONS
from an.layers import AttentiveNorm2d

pytestmark = pytest.mark.slow

PAGES = [
    *("index", "concepts", "decisions", "provenance", "tracking", "dvc", "full-study", "cluster", "contributing"),
    *("command-line", "layer"),
]
KEPT = ROOT / "docs/results"
FIGURES = sorted([*KEPT.glob("*/*.png"), *KEPT.glob("*/*.svg")])


class Page(HTMLParser):
    """What a page loads, where it leads, the cells of its tables, and all its text."""

    def __init__(self, file: Path):
        super().__init__()
        self.loads, self.leads, self.cells, self.text, self.in_cell = [], [], [], "", False
        self.feed(file.read_text())

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "a":
            self.leads.append(attrs.get("href"))
        else:
            self.loads += [attrs[name] for name in ("src", "srcset", "href", "data") if name in attrs]
        if tag in ("td", "th"):
            self.in_cell = True
            self.cells.append("")

    def handle_endtag(self, tag):
        self.in_cell &= tag not in ("td", "th")

    def handle_data(self, data):
        self.text += data
        if self.in_cell:
            self.cells[-1] += data


def build(project: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    return subprocess.run(command, cwd=project, capture_output=True, text=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    project = copy_project(tmp_path_factory.mktemp("site") / "project")
    done = build(project)
    assert done.returncode == 0, done.stderr
    return project / "site"


def test_every_page_is_there_and_led_to(site):
    leads = Page(site / "results/smoke/figures.html").leads
    for name in PAGES:
        assert (site / f"{name}.html").exists()
        assert f"../../{name}.html" in leads


def test_no_page_loads_anything_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    for file in pages:
        loads = Page(file).loads
        assert any(name.endswith(".css") for name in loads) and any(name.endswith(".js") for name in loads)
        for name in loads:
            there = site / name[1:] if name.startswith("/") else file.parent / name  # 404.html has its own from /
            assert there.resolve().exists(), f"{file.name} loads {name}"
        assert 'class="mermaid"' not in file.read_text(), "a script from the network draws it"
    for file in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", file.read_text()), file.name


@pytest.mark.parametrize("table", sorted(KEPT.glob("*/*.md")), ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_kept_tables_are_shown_cell_by_cell(site, table):
    lines = [line for line in table.read_text().splitlines() if line.startswith("|")]
    kept = [cell.strip() for line in [lines[0], *lines[2:]] for cell in line.strip("|").split("|")]
    assert Page(site / "results" / table.parent.name / f"{table.stem}.html").cells == kept


@pytest.mark.parametrize("figure", FIGURES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_kept_figures_are_shown(site, figure):
    folder = site / "results" / figure.parent.name
    assert figure.name in Page(folder / "figures.html").loads
    assert (folder / figure.name).read_bytes() == figure.read_bytes()


def test_every_verb_is_described_with_its_options(site):
    text = Page(site / "command-line.html").text
    for verb in (verb for verbs in SECTIONS.values() for verb in verbs):
        assert f"python -m an {verb.name}" in text
        for option in (word for param in verb.params for word in param.opts if word.startswith("--")):
            assert re.search(rf"{option}\b", text), option


def test_the_layer_is_described_as_its_docstring_has_it(site):
    text = Page(site / "layer.html").text
    for name in [*inspect.signature(AttentiveNorm2d).parameters, "soft_layout", "orthogonality_loss"]:
        assert name in text
    assert not re.search(r"``|^\.\. |Args:", text, re.MULTILINE), "markup that is shown instead of understood"


def test_another_scale_has_its_pages_by_itself(tmp_path):
    project = copy_project(tmp_path / "project")
    other = project / "docs/results/other"
    other.mkdir()
    shutil.copy(KEPT / "smoke/table6.md", other)
    done = build(project)
    assert done.returncode == 0, done.stderr
    assert "results/other/table6.html" in Page(project / "site/index.html").leads
    assert not (project / "site/results/other/figures.html").exists(), "it has none"


def test_links_that_lead_nowhere_are_errors(tmp_path):
    project = copy_project(tmp_path / "project")
    page = project / "docs/dvc.md"
    targets = ["no-page.md", "decisions.md#no-heading", "../an/no_code.py"]
    page.write_text(page.read_text() + "".join(f"\n[link]({target})\n" for target in targets))
    done = build(project)
    assert done.returncode == 1
    for name in ("no-page", "no-heading", "no_code"):
        assert re.search(f"WARNING.*{name}", done.stderr), name
