"""The page of a made-up study in a real browser: all of it loads, and what moves works by mouse, key and touch."""

import time
from pathlib import Path
from urllib.parse import unquote

import pytest
from browser import MISSING, browser
from result_files import make_study

from an.layout import Study
from an.reporting.figures.captions import CAPTIONS

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")]

SMOKE = Study("smoke")
ENTER, ESCAPE = "\ue007", "\ue00c"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    tables = [["table", "--table", str(table)] for table in range(1, 7)]
    make_study(folder, *tables, ["figure", *CAPTIONS], ["index"])
    return (folder / SMOKE.page).as_uri()


@pytest.fixture(scope="module")
def session():
    with browser() as session:
        yield session


@pytest.fixture
def page(session, address):
    """The page, opened anew on a screen of a desk."""
    session.screen(1400, 1000)
    session.open(address, "Table 6")
    return session


def press(session, keys: str) -> None:
    actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
    session.send("actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})


def column(session, table: int, number: int) -> list[str]:
    rows = f"[...document.querySelectorAll('#table{table} tbody tr')]"
    return session.run(f"return {rows}.map(row => row.cells[{number}].innerText)")


def test_nothing_fails_and_nothing_leaves_the_file(page, address):
    said = [entry["message"] for entry in page.send("se/log", {"type": "browser"})]
    assert said == []
    loaded = page.run("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert all(name.startswith("data:") for name in loaded), loaded
    broken = page.run("return [...document.images].filter(i => !i.complete || !i.naturalWidth || !i.alt).length")
    assert broken == 0 and page.run("return document.images.length") == 12


def test_links_to_files_find_them(page, address):
    wanted = "a[href]:not([href^='#']):not([href^='http'])"
    links = page.run(f"return [...document.querySelectorAll({wanted!r})].map(link => link.href)")
    files = [link.removeprefix("file://") for link in links if "/checkpoints/" not in link]
    assert len(files) > 100
    assert [file for file in files if not Path(unquote(file)).exists()] == []


def test_a_heading_sorts_its_column_the_better_end_first(page):
    before = column(page, 1, 2)
    click = "document.querySelectorAll('#table1 thead button')[{}].click()"
    titles = page.run("return [...document.querySelectorAll('#table1 thead th')].map(t => t.innerText)")
    fid, score = titles.index("FID\u00a0↓"), titles.index("IS\u00a0↑")
    original = column(page, 1, fid)
    page.run(click.format(fid))
    up = column(page, 1, fid)
    assert up == sorted(original, key=lambda text: float(text.split()[0]))
    page.run(click.format(fid))
    assert column(page, 1, fid) == up[::-1]
    page.run(click.format(fid))
    assert column(page, 1, 2) == before, "a third time as it was"
    page.run(click.format(score))
    assert page.run("return document.querySelector('#table1 [aria-sort]').ariaSort") == "descending"


def test_search_finds_classes(page):
    page.run("document.getElementById('search').focus()")
    press(page, "7")
    rows = "[...document.querySelectorAll('#by-class tbody tr')]"
    assert page.run(f"return {rows}.filter(row => !row.hidden).map(row => row.cells[0].innerText)") == ["7"]
    assert page.run("return document.getElementById('found').innerText") == "1 found"


OPEN = "return document.getElementById('origin').open"


def test_provenance_opens_by_keyboard(page):
    page.run("document.querySelector('#table1 a[data-row=an]').focus()")
    press(page, ENTER)
    assert page.run(OPEN)
    told = page.run("return document.getElementById('origin').innerText")
    assert "AN (ours): 15.00 ± 1.41" in told and "results/smoke/an/seed-1/metrics.json" in told and "seed 0: 14" in told
    press(page, ESCAPE)
    assert not page.run(OPEN)
    assert page.run("return document.activeElement.dataset.row") == "an", "the focus goes back"


def test_sources_are_folded_until_a_row_s_are_asked_for(page):
    shown = "return document.getElementById('sources-an').checkVisibility()"
    assert not page.run(shown)
    page.run("document.querySelector('#table1 a[data-row=an]').click()")
    page.run("document.querySelector('#origin p a').click()")
    assert page.run(shown) and not page.run(OPEN)
    assert 0 <= page.run("return document.getElementById('sources-an').getBoundingClientRect().top") < 1000


def test_provenance_opens_by_touch_on_a_phone_whose_width_is_enough(page, address):
    page.screen(400, 800, touch=True)
    page.open(address, "Table 6")
    assert page.run("return document.documentElement.scrollWidth <= window.innerWidth"), "tables alone scroll sideways"
    page.run("document.querySelector('#table1 a[data-row=an]').scrollIntoView({block: 'center', inline: 'center'})")
    place = page.run(
        "const b = document.querySelector('#table1 a[data-row=an]').getBoundingClientRect();"
        "return [b.x + b.width / 2, b.y + b.height / 2]"
    )
    tap = [
        {"type": "pointerMove", "duration": 0, "x": round(place[0]), "y": round(place[1])},
        {"type": "pointerDown", "button": 0},
        {"type": "pointerUp", "button": 0},
    ]
    finger = {"type": "pointer", "id": "finger", "parameters": {"pointerType": "touch"}, "actions": tap}
    page.send("actions", {"actions": [finger]})
    while not page.run(OPEN):
        time.sleep(0.1)
    wide = page.run("return document.getElementById('origin').getBoundingClientRect().width")
    assert wide <= 400
    first = page.run(
        "const t = document.querySelector('#table1 .scroll'); t.scrollLeft = 300;"
        "return document.querySelector('#table1 tbody th').getBoundingClientRect().x"
    )
    assert first == page.run("return document.querySelector('#table1 .scroll').getBoundingClientRect().x"), "it stays"
