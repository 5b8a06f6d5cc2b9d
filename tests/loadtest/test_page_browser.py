"""The page of a load test in a real browser."""

import struct
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from loadtest.page.charts import charts_of
from loadtest.page.page import write
from loadtest.record import Phase
from tests.loadtest.browser import Browser, browser
from tests.loadtest.records import sample
from tests.loadtest.test_page import EVIL, RECORD, evil
from tests.waiting import eventually

PAPER = {False: "#ffffff", True: "#16191d"}

DRAWN = """
return [...document.querySelectorAll('.chart')].map(chart => ({
    traces: chart._fullData.map(trace => trace.y.filter(Number.isFinite).length),
    paper: chart._fullLayout.paper_bgcolor,
    width: chart._fullLayout.width,
    svgs: chart.querySelectorAll('.main-svg').length,
    lines: chart.querySelectorAll('.scatterlayer .trace').length,
}))
"""

PHASES = """
const chart = document.getElementById('chart-latency');
return chart._fullLayout.annotations
    .filter(note => (note.name ?? '').startsWith('phase')).map(note => note.visible)
"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "page.html"
    write(RECORD, path)
    return path


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_every_chart_is_drawn(chromium: Browser, page: Path, width: int, dark: bool) -> None:
    chromium.show(page, width=width, dark=dark)
    drawn = chromium.run(DRAWN)
    expected = {chart.key: [len(t["x"]) for t in chart.data] for chart in charts_of(RECORD)}
    assert len(drawn) == len(expected)
    for chart in drawn:
        assert chart["svgs"]
        assert chart["lines"] == len(chart["traces"]) > 0
        assert all(chart["traces"])
        assert chart["paper"] == PAPER[dark]
        assert chart["width"] <= width
    assert chromium.complaints() == []
    assert chromium.requests() == [page.as_uri()]
    # Nothing is cut off, and nothing to be scrolled to the side. Not by innerWidth: a phone zooms
    # out of a page that is too wide.
    assert chromium.run("return document.documentElement.scrollWidth") <= width


def test_a_chart_that_is_too_wide_scrolls_by_itself(chromium: Browser, page: Path) -> None:
    """As each is for a moment when a window is made narrow."""
    chromium.show(page, width=390)
    chromium.run(
        "document.querySelectorAll('.chart .main-svg').forEach(c => c.style.width = '900px')"
    )
    assert chromium.run("return document.querySelector('.chart').scrollWidth") >= 900
    assert chromium.run("return document.documentElement.scrollWidth") <= 390


def papers_are(chromium: Browser, wanted: set[str]) -> bool:
    return {chart["paper"] for chart in chromium.run(DRAWN)} == wanted


def test_night_falls_while_it_is_open(chromium: Browser, page: Path) -> None:
    chromium.show(page)
    for dark in (True, False):
        chromium.look(dark=dark)
        wanted = {PAPER[dark]}
        eventually(partial(papers_are, chromium, wanted), what=f"charts on {wanted}")


def test_whatever_is_written_in_a_record_stays_text(chromium: Browser, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write(evil(RECORD), path)
    chromium.show(path)
    assert chromium.run("return window.evil") is None
    assert chromium.run("return document.querySelectorAll('img').length") == 0
    assert EVIL in chromium.run("return document.querySelector('h1').textContent")
    # Plotly has markup of its own, and shows what it was given.
    assert chromium.run(
        "return document.querySelector('#chart-latency .annotation').textContent"
    ).startswith("</script><script>")
    assert chromium.complaints() == []
    assert chromium.requests() == [path.as_uri()]


def test_a_name_that_its_phase_has_no_room_for_is_left_out(
    chromium: Browser, tmp_path: Path
) -> None:
    path = tmp_path / "page.html"
    phases = [
        Phase(name="ramp", from_=0.0, to=60.0),
        Phase(name="a short phase", from_=60.0, to=80.0),
        Phase(name="end", from_=80.0, to=120.0),
    ]
    write(replace(RECORD, phases=phases), path)
    chromium.show(path, width=390)
    eventually(lambda: chromium.run(PHASES) == [True, False, True], what="names that fit a phone")
    chromium.look(width=1400)
    eventually(lambda: all(chromium.run(PHASES)), what="all names on a wide screen")


def test_a_chart_can_be_saved_as_a_picture(chromium: Browser, page: Path, tmp_path: Path) -> None:
    chromium.show(page)
    chromium.save_to(tmp_path)
    chromium.run("document.querySelector('#chart-latency [data-title^=Download]').click()")
    saved = tmp_path / "mixed-2026-11-22-latency.png"
    eventually(saved.exists, what="a picture")
    head = saved.read_bytes()[:24]
    assert head.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", head[16:24])
    # Each pixel is two by two, which a slide on a good screen has.
    assert (width, height) == (2560, 1280)


def test_it_is_printed_black_on_white(chromium: Browser, page: Path) -> None:
    chromium.show(page, dark=True)
    chromium.run(
        "window.addEventListener('beforeprint', () => { window.printed = "
        "[...document.querySelectorAll('.chart')].map(c => c._fullLayout.paper_bgcolor) })"
    )
    before = chromium.run(DRAWN)
    assert chromium.printed().startswith(b"%PDF")
    assert set(chromium.run("return window.printed")) == {PAPER[False]}
    eventually(lambda: chromium.run(DRAWN) == before, what="the page as it was")


def test_a_record_of_an_hour_is_drawn(chromium: Browser, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write(sample(seconds=3600.0, faults=()), path)
    chromium.show(path)
    assert all(all(chart["traces"]) for chart in chromium.run(DRAWN))
    assert chromium.complaints() == []
