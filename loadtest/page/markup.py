"""HTML from parts, where whatever is not made here is escaped. Pure."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import orjson


class Html(str):
    """Text that is HTML already. Every other text is escaped on its way into a page."""

    __slots__ = ()


def text(value: str) -> Html:
    """As HTML, if it is not so yet."""
    return value if isinstance(value, Html) else Html(escape(value))


def joined(parts: Iterable[str]) -> Html:
    """One after the other."""
    return Html("\n".join(text(part) for part in parts))


def tag(name: str, inside: str, **attributes: str) -> Html:
    """An element; of an attribute's name, a last underscore is dropped and others are hyphens."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
    )
    return Html(f"<{name}{told}>{text(inside)}</{name}>")


def embedded(key: str, data: Any) -> Html:
    """Data for the page's scripts. It ends no script, whatever it holds: it has no "<"."""
    told = Html(orjson.dumps(data).decode().replace("<", "\\u003c"))
    return tag("script", told, type="application/json", id=key)


def section(key: str, title: str, *parts: str) -> Html:
    """A part of the page with a heading of its own."""
    head = tag("h2", title, id=f"{key}-title")
    return tag("section", joined([head, *parts]), id=key, aria_labelledby=f"{key}-title")


def listed(items: Sequence[str]) -> Html:
    """A list with points."""
    return tag("ul", joined(tag("li", item) for item in items))


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> Html:
    """A table whose first column names its rows. It scrolls by itself where it is too wide."""
    top = tag("tr", joined(tag("th", cell, scope="col") for cell in head))
    body = [
        tag(
            "tr",
            joined([tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:])]),
        )
        for row in rows
    ]
    whole = joined(
        [
            tag("caption", caption),
            tag("thead", top) if any(head) else "",
            tag("tbody", joined(body)),
        ]
    )
    # Whoever uses a keyboard scrolls what has the focus.
    return tag(
        "div", tag("table", whole), class_="table", tabindex="0", role="region", aria_label=caption
    )
