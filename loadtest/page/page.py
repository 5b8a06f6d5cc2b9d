"""The page of a load test: one file, which fetches nothing."""

import base64
import hashlib
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from engine.errors import UsageError
from loadtest.page import sections, style
from loadtest.page.markup import Html, embedded, joined, section, tag
from loadtest.record import Record


def write(record: Record, path: Path) -> None:
    """Write the page of a record.

    Raises UsageError if plotly is not installed, or the file cannot be written.
    """
    page = html(record)
    try:
        # Line ends as they are: the hashes of the scripts count them.
        path.write_text(page, "utf-8", newline="\n")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None


def html(record: Record) -> str:
    """The page of a record. Raises UsageError if plotly is not installed."""
    try:
        from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]  # it ships none

        from loadtest.page.charts import charts_of
    except ImportError:
        raise UsageError(
            "the page of a load test needs plotly, which is not installed: "
            "pip install 'azfinsim[loadtest]'"
        ) from None
    drawn = {chart.key: chart for chart in charts_of(record)}
    places = {key: _place(key, chart.title, chart.told) for key, chart in drawn.items()}
    tried = places.pop("capacity", Html(""))
    main = joined(
        [
            sections.header(record),
            sections.verdict(record),
            sections.capacity(record, tried),
            sections.calls(record),
            sections.bulk(record),
            section("charts", "Charts", *places.values()) if places else Html(""),
            sections.faults(record),
            sections.fleet(record),
            sections.setting(record),
        ]
    )
    data = {
        "name": _file_name(record),
        "picture": style.PICTURE,
        "templates": style.templates(),
        "charts": {key: {"data": each.data, "layout": each.layout} for key, each in drawn.items()},
    }
    name = str(record.scenario.get("name") or "load test")
    scripts = [str(get_plotlyjs()), _resource("page.js")] if drawn else []
    return _document(f"{name}: {sections.headline(record.verdict)}", main, data, scripts)


def _place(key: str, title: str, told: str) -> Html:
    """The place of a chart, with what it shows in words, which stay if scripts do not run."""
    named = {"id": f"chart-{key}", "role": "group", "aria_label": f"Chart: {title}"}
    chart = tag("div", "", class_="chart", **named)
    head, caption = tag("h3", title, class_="unseen"), tag("figcaption", told)
    return tag("figure", joined([head, chart, caption]))


def _document(title: str, main: Html, data: Mapping[str, Any], scripts: list[str]) -> str:
    """The whole file. What it may do is in it: run just these scripts, and fetch nothing."""
    hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in scripts) or "'none'"
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            tag("title", title),
            f"<style>{_resource('page.css')}</style>",
            "</head>",
            "<body>",
            tag("main", main),
            embedded("data", data) if scripts else "",
            *(f"<script>{script}</script>" for script in scripts),
            "</body>",
            "</html>",
            "",
        ]
    )


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _resource(name: str) -> str:
    return files("loadtest.page").joinpath(name).read_text("utf-8")


def _file_name(record: Record) -> str:
    """The first part of the names of pictures: scenario and day."""
    told = f"{record.scenario.get('name') or 'load-test'}-{record.started[:10]}"
    return re.sub(r"[^A-Za-z0-9._-]+", "-", told).strip("-.")
