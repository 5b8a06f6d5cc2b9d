"""The audit: what a run has left behind, held against what is promised. Pure.

Each function returns its findings in words; none is what a good run has.
"""

import statistics
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from engine import keys
from engine.job import Lane, Progress
from engine.outcome import Outcome
from producer.result_files import VARYING
from producer.results import Record

PRICED = str(Outcome.PRICED)

MOST_SHOWN = 5
"""Trades or keys named in one finding."""

FEWEST = 20
"""Looks at a consumer's memory that tell something."""

MOST_GROWN = 0.05
"""By which a consumer's memory may grow once it is warm."""

TOLD = frozenset({"TimedOut", "Expired", "NoConsumers", "Refused", "Busy"})
"""What a realtime caller may be told while faults strike; a trade is never dead for them."""


@dataclass(frozen=True, slots=True)
class JobSeen:
    """A job at the end of a run, as it was read."""

    progress: Progress
    asked: Collection[int]
    """The trades that it was to price."""
    given: Sequence[int]
    """Those that its manifest names."""
    records: Sequence[Record]
    poison: Mapping[int, frozenset[str]] = field(default_factory=dict)
    """Trade -> the outcomes that it may have; all others are to be priced."""


@dataclass(frozen=True, slots=True)
class KeySeen:
    """A key at the end of a run."""

    name: str
    ttl_ms: int
    """-1 if it stays for ever."""


@dataclass(frozen=True, slots=True)
class StreamSeen:
    """A stream that should be empty."""

    name: str
    length: int
    pending: int


@dataclass(slots=True)
class Called:
    """One realtime call."""

    trade: int
    ending: str | None = None
    """``priced``, or the name of the error that said why not; None while there is neither."""
    answers: int = 0
    record: Mapping[str, object] = field(default_factory=dict)
    seconds: float = 0.0
    last: bool = False
    """Whether it was made when all was healed, so that nothing excuses it."""
    due: str = PRICED
    """The ending that its trade should bring: another if that is poison."""


def price(record: Mapping[str, object]) -> bytes:
    """What is the same in every run (G3)."""
    return orjson.dumps({name: v for name, v in record.items() if name not in VARYING})


def audit_calm(seen: JobSeen) -> list[str]:
    """An undisturbed job: all is priced, at the first attempt (G6)."""
    again = [r["id"] for r in seen.records if r["attempts"] != 1]
    return [
        *audit_counts(seen),
        *audit_outcomes(seen),
        *_if(again, f"{_name(seen)}: begun again though nobody had died, {_some(again)}"),
    ]


def audit_takeovers(entries: int) -> list[str]:
    """Nobody takes an entry from a consumer that lives, however long it takes (G6)."""
    return _if(entries, f"{entries} entries were taken over though nobody had died")


def audit_attempts(seen: JobSeen, fewest: int) -> list[str]:
    """Entries that the dead had are counted as begun before (G5)."""
    again = sum(r.get("attempts", 0) > 1 for r in seen.records)
    finding = f"{_name(seen)}: {fewest} trades were left by the dead, {again} say so by attempts"
    return _if(again < fewest, finding)


def audit_job(seen: JobSeen, right: Mapping[int, bytes]) -> list[str]:
    """A disturbed job; ``right`` are the prices of an undisturbed one, by trade."""
    differing = [
        r["id"]
        for r in seen.records
        if r["outcome"] == Outcome.PRICED and price(r) != right.get(r["id"])
    ]
    return [
        *audit_counts(seen),
        *audit_outcomes(seen),
        *_if(differing, f"{_name(seen)}: other prices than undisturbed, {_some(differing)}"),
    ]


def audit_counts(seen: JobSeen) -> list[str]:
    """Counts add up, among themselves and with the records (G1, G2)."""
    counts, name = seen.progress.counts, _name(seen)
    told = {outcome: getattr(counts, outcome) for outcome in map(str, Outcome)}
    recorded = Counter(str(record["outcome"]) for record in seen.records)
    findings = []
    if not seen.progress.ended:
        findings.append(f"{name}: {seen.progress.state}, {counts.in_flight} trades in flight")
    if counts.submitted != len(seen.asked):
        findings.append(f"{name}: {counts.submitted} submitted, {len(seen.asked)} asked for")
    for outcome, count in told.items():
        if count != recorded[outcome]:
            findings.append(f"{name}: counts {count} {outcome}, has {recorded[outcome]} records")
    return findings


def audit_outcomes(seen: JobSeen) -> list[str]:
    """Every trade has exactly one outcome, and the one that it should have (G1, G2, G5)."""
    asked, name = set(seen.asked), _name(seen)
    given = Counter(seen.given)
    recorded = Counter(int(record["id"]) for record in seen.records)
    wrong = [
        f"{r['id']} {r['outcome']} ({r.get('reason', '')})"
        for r in seen.records
        if r["outcome"] not in seen.poison.get(r["id"], {Outcome.PRICED})
    ]
    twice = [trade for trade, times in recorded.items() if times > 1]
    named_twice = [trade for trade, times in given.items() if times > 1]
    return [
        *_differ(f"{name}: not in the manifest", asked, given),
        *_differ(f"{name}: in the manifest without being asked for", given, asked),
        *_differ(f"{name}: without an outcome", asked, recorded),
        *_differ(f"{name}: with an outcome without being asked for", recorded, asked),
        *_if(twice, f"{name}: with more than one outcome, {_some(twice)}"),
        *_if(named_twice, f"{name}: twice in the manifest, {_some(named_twice)}"),
        *_if(wrong, f"{name}: with a wrong outcome, {_some(wrong)}"),
    ]


def audit_streams(streams: Iterable[StreamSeen]) -> list[str]:
    """Nothing is queued, pending or put aside any more."""
    return [
        f"{stream.name}: {stream.length} entries, {stream.pending} of them pending"
        for stream in streams
        if stream.length or stream.pending
    ]


def audit_keys(found: Iterable[KeySeen], partitions: int, books: Collection[str]) -> list[str]:
    """Each key has an owner that is known, or a time to live."""
    owned = {keys.grid(), keys.books(), keys.jobs(), keys.consumers(), keys.waiting()}
    for partition in range(partitions):
        owned |= {keys.stream(partition, lane) for lane in Lane}
        owned |= {keys.blocks(partition, book) for book in books}
        owned |= {keys.index(partition, book) for book in books}
    stray = sorted(key.name for key in found if key.ttl_ms < 0 and key.name not in owned)
    return _if(stray, f"keys that nobody owns and that never expire, {_some(stray)}")


def audit_calls(calls: Sequence[Called], right: Mapping[int, bytes]) -> list[str]:
    """Each realtime call ended once: with the right price, or told why there is none."""
    unanswered = [c.trade for c in calls if c.answers == 0]
    doubled = [c.trade for c in calls if c.answers > 1]
    odd = Counter(c.ending for c in calls if c.ending not in {None, c.due, *TOLD})
    differing = [
        c.trade for c in calls if c.ending == PRICED and price(c.record) != right.get(c.trade)
    ]
    late = Counter(c.ending for c in calls if c.last and c.ending != c.due)
    return [
        *_if(unanswered, f"realtime: never answered, {_some(unanswered)}"),
        *_if(doubled, f"realtime: answered more than once, {_some(doubled)}"),
        *_if(odd, f"realtime: {dict(odd)} that no fault excuses"),
        *_if(differing, f"realtime: other prices than undisturbed, {_some(differing)}"),
        *_if(late, f"realtime: {dict(late)} though all was healed"),
    ]


def audit_replies(doubled: Sequence[str], *, strict: bool) -> list[str]:
    """No call has two replies (G2).

    Not ``strict`` where a client may have sent one twice: its connection broke, or the server was
    away, before it knew that it was sent.
    """
    return _if(doubled if strict else (), f"realtime: with a second reply, {_some(doubled)}")


def audit_memory(resident: Sequence[int]) -> list[str]:
    """A consumer's memory stays flat (G8); ``resident`` are bytes, seen at even intervals."""
    if len(resident) < FEWEST:
        return [f"memory: seen only {len(resident)} times, which tells nothing"]
    first, last = settled(resident)
    grown = last / first - 1
    return _if(
        grown > MOST_GROWN,
        f"memory: a consumer has grown by {grown:.1%}, from {first / 1e6:.1f} MB "
        f"to {last / 1e6:.1f} MB",
    )


def settled(resident: Sequence[int]) -> tuple[float, float]:
    """The median after a fifth of the time, of a tenth of it, and that of the last tenth."""
    tenth = max(len(resident) // 10, 1)
    return statistics.median(resident[2 * tenth : 3 * tenth]), statistics.median(resident[-tenth:])


def _name(seen: JobSeen) -> str:
    return f"job {seen.progress.job.name}"


def _differ(what: str, left: Collection[int], right: Collection[int]) -> list[str]:
    only = sorted(set(left) - set(right))
    return _if(only, f"{what}, {_some(only)}")


def _if(found: object, finding: str) -> list[str]:
    return [finding] if found else []


def _some(found: Sequence[object]) -> str:
    more = f" and {len(found) - MOST_SHOWN} more" if len(found) > MOST_SHOWN else ""
    return f"{len(found)}: {', '.join(map(str, found[:MOST_SHOWN]))}{more}"
