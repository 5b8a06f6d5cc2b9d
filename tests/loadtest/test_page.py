"""The page of a load test, without a browser."""

import itertools
import re
import sys
import tomllib
from dataclasses import fields, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import UsageError
from loadtest.page import sections, toml, words
from loadtest.page.chart import Chart
from loadtest.page.charts import charts_of
from loadtest.page.markup import embedded
from loadtest.page.page import html, write
from loadtest.page.thin import MOST, mean, thin
from loadtest.record import Bulk, Fault, Objective, Phase, Record, Series, Verdict
from loadtest.scenario import as_mapping
from loadtest.scenario_read import load, ready
from tests.loadtest.records import FAULTS, sample

EVIL = "</script><script>window.evil=1</script><img src=x onerror=window.evil=1>\"'&lt;b&gt;"

RECORD = sample()

EMPTY = replace(
    RECORD, realtime=None, bulk=None, phases=[], faults=[], series=Series(), capacity=None
)


class Parsed(HTMLParser):
    """What a browser makes of a page, as far as these tests look."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._within = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._within = tag

    def handle_data(self, data: str) -> None:
        if self._within not in ("script", "style"):
            self.text += data

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def evil(record: Record) -> Record:
    """A record that has the same strange text wherever text can be."""
    told = [Objective(objective=EVIL, measure=EVIL, measured=1.0, limit=2.0, unit=EVIL, met=True)]
    assert record.realtime is not None
    assert record.capacity is not None
    return replace(
        record,
        azfinsim=EVIL,
        started=EVIL,
        scenario={"name": EVIL, "about": EVIL, EVIL: {EVIL: EVIL}, "objectives": [EVIL]},
        machine={EVIL: EVIL},
        server=replace(record.server, version=EVIL),
        verdict=Verdict(met=True, objectives=told, warnings=[EVIL], ended_early=EVIL),
        realtime=replace(record.realtime, errors={EVIL: 1}),
        phases=[Phase(name=EVIL, from_=0.0, to=60.0)],
        faults=[Fault(kind=EVIL, what=EVIL, from_=10.0, to=20.0)],
        capacity=replace(record.capacity, unit=EVIL, limited_by=EVIL, why=EVIL),
        fleet={EVIL: {EVIL: [EVIL]}},
    )


def points(chart: Chart) -> int:
    return sum(len(trace["x"]) for trace in chart.data)


def test_the_verdict_and_all_objectives_are_on_it() -> None:
    page = Parsed(html(RECORD))
    assert "2 of 4 objectives missed" in page.text
    for objective in RECORD.verdict.objectives:
        assert objective.objective in page.text
    assert page.text.count(sections.MISSED) - page.text.count("objectives missed") >= 2
    assert RECORD.verdict.warnings[0] in page.text


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        (Verdict(met=False, ended_early="the server died"), "Ended early"),
        (Verdict(met=True), "Nothing was asked of it"),
        (replace(RECORD.verdict, objectives=RECORD.verdict.objectives[3:]), "Its objective is met"),
        (replace(RECORD.verdict, objectives=RECORD.verdict.objectives[2:]), "All 2 objectives met"),
        (replace(RECORD.verdict, objectives=RECORD.verdict.objectives[:1]), "1 of 1 objective"),
    ],
)
def test_the_verdict_in_a_line(verdict: Verdict, told: str) -> None:
    assert sections.headline(verdict).startswith(told)


def test_who_does_not_see_is_told_as_much() -> None:
    page = html(RECORD)
    parsed = Parsed(page)
    charts = [each for each in parsed.all("div") if each.get("class") == "chart"]
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page)
    assert len(charts) == len(captions) == len(charts_of(RECORD)) == 10
    assert all(each["aria-label"] for each in charts)
    # Each tells what is to be seen, in figures.
    assert all(re.search(r"\d", caption) for caption in captions)
    assert len(parsed.all("h1")) == 1
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = [each["aria-labelledby"] for each in parsed.all("section")]
    assert set(named) <= set(ids)


def test_whatever_is_written_in_a_record_stays_text() -> None:
    page = html(evil(RECORD))
    parsed = Parsed(page)
    assert not parsed.all("img")
    assert not any(name.startswith("on") for _, a in parsed.tags for name in a)
    # The data and our own two.
    assert len(parsed.all("script")) == 3
    assert EVIL in parsed.text
    [told] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert "<" not in told
    layouts = [chart["layout"] for chart in orjson.loads(told)["charts"].values()]
    texts = [note["text"] for layout in layouts for note in layout.get("annotations", ())]
    assert texts
    assert not any("<" in text for text in texts)


def test_it_may_run_its_own_scripts_alone_and_fetch_nothing() -> None:
    [policy] = [m["content"] for m in Parsed(html(RECORD)).all("meta") if "http-equiv" in m]
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "http" not in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]


def test_what_was_not_measured_is_left_out() -> None:
    page = Parsed(html(EMPTY))
    assert not charts_of(EMPTY)
    assert not page.all("script")
    assert not page.all("figure")
    assert "2 of 4 objectives missed" in page.text


def test_of_what_is_not_known_there_is_no_chart() -> None:
    columns: dict[str, Any] = {f.name: [None] * len(RECORD.series.t) for f in fields(Series)}
    series = Series(**{**columns, "t": RECORD.series.t})
    assert {chart.key for chart in charts_of(replace(RECORD, series=series))} == {
        "percentiles",
        "capacity",
    }


def test_a_gap_stays_a_gap() -> None:
    [latency] = [chart for chart in charts_of(RECORD) if chart.key == "latency"]
    [median] = [trace for trace in latency.data if trace["name"] == "median"]
    assert median["y"].count(None) == RECORD.series.p50.count(None) > 0


def test_percentiles_go_as_far_as_there_are_calls() -> None:
    assert RECORD.realtime is not None
    [chart] = [chart for chart in charts_of(RECORD) if chart.key == "percentiles"]
    total = next(trace for trace in chart.data if trace["name"] == "total")
    calls = RECORD.realtime.latency.count
    assert total["x"][0] == 2
    assert calls / 1.2 < total["x"][-1] <= calls
    assert total["y"] == sorted(total["y"])
    assert total["y"][0] == RECORD.realtime.latency.p50


def test_the_worst_interval_is_put_beside_its_fault() -> None:
    [chart] = [chart for chart in charts_of(RECORD) if chart.key == "latency"]
    assert any(fault.what in chart.told for fault in FAULTS)


def test_names_of_faults_do_not_lie_on_each_other() -> None:
    faults = tuple(Fault(kind="kill", what="", from_=t / 2, to=t / 2 + 0.1) for t in range(20))
    [chart] = [c for c in charts_of(replace(RECORD, faults=list(faults))) if c.key == "latency"]
    at = [note["x"] for note in chart.layout["annotations"] if note["text"] == "kill"]
    assert 0 < len(at) < len(faults)
    assert all(b - a >= 4 for a, b in itertools.pairwise(at))
    # Each has its band still.
    assert len([s for s in chart.layout["shapes"] if s["type"] == "rect"]) == len(faults)


def test_a_long_test_is_told_in_minutes_and_stays_small() -> None:
    many = 72_000
    columns: dict[str, Any] = {f.name: [1.0] * many for f in fields(Series)}
    columns["t"] = [n / 10 for n in range(1, many + 1)]
    columns["max"] = [1.0] * (many - 1) + [9.0]
    made = charts_of(replace(RECORD, series=Series(**columns)))
    [chart] = [chart for chart in made if chart.key == "latency"]
    assert chart.layout["xaxis"]["ticksuffix"] == " min"
    assert chart.data[0]["x"][-1] == 120
    assert points(chart) <= 3 * MOST
    # A peak must be seen, however short.
    assert max(chart.data[0]["y"]) == 9


@given(
    column=st.lists(st.none() | st.floats(0, 1e9), min_size=1, max_size=3 * MOST // 100),
    factor=st.integers(1, 200),
)
def test_fewer_points_show_the_same(column: list[float | None], factor: int) -> None:
    column = [value for value in column for _ in range(factor)]
    times = [float(n) for n in range(len(column))]
    kept, values = thin(times, column, max)
    assert len(kept) == len(values) <= MOST
    assert kept[-1] == times[-1]
    assert kept == sorted(kept)
    known = [value for value in column if value is not None]
    left = [value for value in values if value is not None]
    assert max(left, default=None) == max(known, default=None)
    assert thin(times, [5.0] * len(times), mean)[1] == [5.0] * len(kept)


def test_where_nothing_is_known_fewer_points_stay_a_gap() -> None:
    column = [None] * MOST + [0.0] * MOST
    values = thin([float(n) for n in range(2 * MOST)], column, max)[1]
    assert values == [None] * (MOST // 2) + [0.0] * (MOST // 2)


def test_data_for_scripts_ends_none() -> None:
    page = Parsed(embedded("data", {EVIL: EVIL}))
    assert [tag for tag, _ in page.tags] == ["script"]
    told = re.fullmatch(r"<script[^>]*>(.*)</script>", embedded("data", {EVIL: EVIL}))
    assert told is not None
    assert orjson.loads(told[1]) == {EVIL: EVIL}


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (words.seconds(0.0000123), "12.3 µs"),
        (words.seconds(0.0123), "12.3 ms"),
        (words.seconds(0), "0 s"),
        (words.seconds(1.5), "1.50 s"),
        (words.seconds(600), "10 min"),
        (words.seconds(36_000), "10 h"),
        (words.seconds(None), "not known"),
        (words.rate(12345.6), "12,346/s"),
        (words.share(0.9999999), "99.99%"),
        (words.share(1), "100%"),
        (words.share(0.0016), "0.16%"),
        (words.size(212e6), "212 MB"),
        (words.size(3.5e9), "3.50 GB"),
        (words.measured(0.012, "1", "late < 1%"), "1.20%"),
        (words.measured(0.012, "s", "realtime.p99 < 20ms"), "12 ms"),
        (words.measured(None, "s"), "nothing"),
    ],
)
def test_figures_are_written_as_people_do(told: str, text: str) -> None:
    assert told.replace(words.GAP, " ") == text


@pytest.mark.parametrize("name", ready())
def test_a_scenario_on_the_page_can_be_run_again(name: str, tmp_path: Path) -> None:
    scenario = load(name)
    path = tmp_path / f"{name}.toml"
    path.write_text(toml.dumps(as_mapping(scenario)), "utf-8")
    assert load(str(path)) == scenario


plain = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text()
flat = st.dictionaries(st.text(), plain | st.lists(plain), max_size=4)
tables = st.dictionaries(
    st.text(), plain | st.lists(plain) | flat | st.lists(flat, min_size=1), max_size=4
)


@given(table=tables)
def test_toml_is_read_as_it_was_written(table: dict[str, Any]) -> None:
    assert tomllib.loads(toml.dumps(table)) == table


def test_without_plotly_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(UsageError, match=r"azfinsim\[loadtest\]"):
        write(RECORD, tmp_path / "page.html")


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        write(EMPTY, tmp_path / "none" / "page.html")


def test_a_histogram_that_cannot_be_read_is_told() -> None:
    assert RECORD.realtime is not None
    broken = replace(RECORD.realtime, latency=replace(RECORD.realtime.latency, hdr="nonsense"))
    with pytest.raises(UsageError, match="histogram"):
        html(replace(RECORD, realtime=broken))


def test_jobs_alone_make_a_page() -> None:
    of = Bulk(submitted=5, priced=5, rejected=0, dead=0, expired=0, cancelled=0, seconds=1, rate=5)
    assert "5/s priced" in Parsed(html(replace(EMPTY, bulk=of))).text
