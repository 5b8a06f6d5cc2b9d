"""The parts of the page that are words and tables. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from engine.count import plural
from loadtest.page import toml, words
from loadtest.page.load_charts import capacity_told
from loadtest.page.markup import Html, joined, listed, section, table, tag
from loadtest.record import Record, Times, Verdict

MET, MISSED = "✓ met", "✗ missed"


def headline(verdict: Verdict) -> str:
    """The verdict in a line."""
    if verdict.ended_early is not None:
        return "Ended early"
    if verdict.invalid is not None:
        return f"Invalid: {verdict.invalid}"
    many = len(verdict.objectives)
    missed = sum(not each.met for each in verdict.objectives)
    if missed:
        return f"{missed} of {plural(many, 'objective')} missed"
    if not many:
        return "Nothing was asked of it"
    return f"All {many} objectives met" if many > 1 else "Its objective is met"


def verdict(record: Record) -> Html:
    """What came of it, before all else."""
    judged = record.verdict
    parts = [tag("p", headline(judged), class_="headline")]
    if record.capacity is not None and record.capacity.rate is None:
        parts.append(tag("p", "No rate met the objectives twice; what follows is of the last one."))
    if judged.ended_early is not None:
        parts.append(tag("p", f"It was not run to its end: {judged.ended_early}"))
    if record.lost:
        parts.append(tag("p", f"Lost, without any outcome: {words.count(record.lost)}."))
    if judged.warnings:
        parts.append(tag("h3", "How far to trust it"))
        parts.append(listed(judged.warnings))
    if judged.objectives:
        rows = [
            (
                each.objective,
                words.measured(each.measured, each.unit, each.objective),
                tag("span", MET if each.met else MISSED, class_="met" if each.met else "missed"),
            )
            for each in judged.objectives
        ]
        parts.append(table("Objectives", ("objective", "measured", "verdict"), rows))
    kind = "good" if judged.met else "bad"
    # Of one that had nothing to reach, green would say too much, and of an invalid one, red.
    plain = judged.invalid is not None or (judged.met and not judged.objectives)
    return tag(
        "div",
        section("verdict", "Verdict", *parts),
        class_=f"verdict {'plain' if plain else kind}",
    )


def calls(record: Record) -> Html:
    """Realtime's figures."""
    of = record.realtime
    if of is None:
        return Html("")
    rows = [
        (name, words.count(value), words.share(value / of.planned) if of.planned else "")
        for name, value in (
            ("planned", of.planned),
            ("sent", of.sent),
            ("priced", of.priced),
            *((f"without a price: {name}", many) for name, many in sorted(of.errors.items())),
            ("sent over 2 ms late", of.late),
            ("not sent, too late", of.dropped),
        )
    ]
    parts = {
        "total": of.latency,
        "queued": of.queue,
        "in the pricer": of.price,
        "ways there and back": of.return_,
        "all but the pricer": of.besides,
        "sent after planned": of.lateness,
    }
    head = ("", "mean", "50%", "90%", "99%", "99.9%", "longest")
    sent_by = plural(of.generators, "process", "processes")
    return section(
        "calls",
        "Realtime calls",
        tag("p", f"{words.rate(of.rate)} priced within the measurement, sent by {sent_by}."),
        table("Calls", ("", "calls", "of planned"), rows),
        table(
            "Latency",
            head,
            [(name, *_times(times)) for name, times in parts.items() if times.count],
        ),
    )


def _times(times: Times) -> list[str]:
    figures = (times.mean, times.p50, times.p90, times.p99, times.p999, times.max)
    return [words.seconds(each) if each is not None else "" for each in figures]


def bulk(record: Record) -> Html:
    """What came of the jobs."""
    of = record.bulk
    if of is None:
        return Html("")
    rows = [
        (name, words.count(value))
        for name, value in (
            ("submitted", of.submitted),
            ("priced", of.priced),
            ("rejected", of.rejected),
            ("dead", of.dead),
            ("expired", of.expired),
            ("stopped with the test, as is meant", of.cancelled),
        )
    ]
    told = (
        f"{words.rate(of.rate)} priced over {words.seconds(of.seconds)} of the measurement. "
        "The table counts all trades, those of the warm-up and after the end too."
    )
    return section("bulk", "Jobs beside", tag("p", told), table("Trades", ("", "trades"), rows))


def faults(record: Record) -> Html:
    """What went wrong on purpose."""
    if not record.faults:
        return Html("")
    rows = [
        (
            words.seconds(fault.from_),
            fault.kind,
            fault.what,
            words.seconds(fault.to - fault.from_),
        )
        for fault in record.faults
    ]
    head = ("struck at", "kind", "what", "healed after")
    return section("faults", "Faults", table("Faults", head, rows))


def capacity(record: Record, chart: Html) -> Html:
    """The search for the highest rate."""
    found = record.capacity
    if found is None:
        return Html("")
    rows = [
        (
            f"{words.number(each.rate)} {found.unit}",
            tag("span", MET if each.met else MISSED, class_="met" if each.met else "missed"),
            words.seconds(each.p99),
            each.limited_by,
        )
        for each in found.tries
    ]
    head = ("rate", "objectives", "99th percentile", "limited by")
    # A chart tells the sentence too.
    told = chart or tag("p", capacity_told(found))
    return section("capacity", "Capacity", told, table("Rates tried", head, rows))


def fleet(record: Record) -> Html:
    """The simulated fleet, whatever was noted of it."""
    if record.fleet is None:
        return Html("")
    return section("fleet", "Fleet", table("Fleet", ("", "value"), _flat(record.fleet)))


def setting(record: Record) -> Html:
    """What was run, and on what."""
    try:
        scenario = toml.dumps(record.scenario)
    except TypeError:
        # A record that was made by hand may hold what no scenario can.
        scenario = str(dict(record.scenario))
    server = {"server": _server(record), "its nodes": record.server.nodes}
    about = {"azfinsim": record.azfinsim, **server, **record.machine}
    return section(
        "setting",
        "Scenario and machine",
        tag(
            "pre",
            tag("code", scenario),
            tabindex="0",
            role="region",
            aria_label="The scenario, as TOML",
        ),
        table("Machine", ("", "value"), _flat(about)),
    )


def _flat(values: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, str]]:
    """Names and values; of tables within tables, with the names above."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}".replace("_", " "), _shown(value)


def _shown(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return words.number(value)
        case None:
            return words.UNKNOWN
        case list():
            return ", ".join(_shown(each) for each in value)
        case _:
            return str(value)


def _server(record: Record) -> str:
    """What the server calls itself; a bare number is Redis', as others told their names."""
    told = record.server.version
    return f"Redis {told}" if told[:1].isdigit() else told or words.UNKNOWN


def header(record: Record) -> Html:
    """What the page is of."""
    about = str(record.scenario.get("about") or "")
    when = record.started.replace("T", " ").partition(".")[0].removesuffix("Z")
    told = (
        f"{when.removesuffix('+00:00')} UTC, measured for {words.seconds(record.seconds)}; "
        f"azfinsim {record.azfinsim}, {_server(record)}"
    )
    return joined(
        [
            tag("h1", f"Load test: {record.scenario.get('name') or 'without a name'}"),
            tag("p", about, class_="about") if about else Html(""),
            tag("p", told, class_="when"),
        ]
    )
