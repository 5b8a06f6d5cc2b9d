"""What travels in a stream: entries as delivered, and what is done to them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine import keys
from engine.errors import UsageError
from engine.job import Lane
from engine.letter import Letter
from engine.names import check_name


@dataclass(frozen=True, slots=True)
class Entry:
    """One stream message as it was delivered: a chunk of trade IDs of one job."""

    partition: int
    lane: Lane
    entry_id: str
    job: str
    epoch: int
    ids: str
    spent: int = 0
    """Attempts that have ended with the death of their process, under earlier entries."""
    deliveries: int = 1
    """How often this entry was delivered, this time included."""
    lapsed: int = 0
    """Deliveries of earlier entries that nobody has ended: whoever had them may have died of it."""

    @property
    def delivered(self) -> int:
        """How often its trades were given to somebody, this time included, and not given back."""
        return self.lapsed + self.deliveries

    @property
    def attempts(self) -> int:
        """How often its trades were begun, this time included."""
        return self.spent + self.delivered

    @property
    def suspect(self) -> bool:
        """Whether it may be what has killed somebody: he had it, and did not end it."""
        return self.attempts > 1

    @property
    def queued(self) -> float:
        """When it was queued: Unix time in seconds, by the server's clock."""
        return int(self.entry_id.partition("-")[0]) / 1000

    @property
    def stream(self) -> str:
        return keys.stream(self.partition, self.lane)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message that is no entry, and why."""

    partition: int
    lane: Lane
    entry_id: str
    reason: str
    fields: Mapping[bytes, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What takes effect when an entry is settled."""

    entry: Entry
    expires_at: int
    records: Mapping[int, bytes]
    """Block number -> its result records, encoded."""
    priced: int = 0
    rejected: int = 0
    expired: int = 0
    letters: Sequence[Letter] = ()
    """Of its trades that are dead."""
    algorithm: str = ""
    """Of its job, if that was found."""

    @property
    def dead(self) -> int:
        return len(self.letters)


@dataclass(frozen=True, slots=True)
class Chunks:
    """Chunks of one job and partition that are queued in one step."""

    partition: int
    epoch: int
    submitted_before: int
    trades: int
    ids: Sequence[str]
    """The IDs of each chunk."""
    manifest: Mapping[int, str]
    """Block number -> IDs new to the job; empty when they are queued again."""
    lapsed: int = 0
    """As of an entry."""


MOST_SPENT = 2**31
"""Attempts that an entry may claim to have behind it."""


def unfit(entry: Entry, reason: str) -> Unreadable:
    """An entry that can be read but not worked on, to be put aside as it came."""
    fields = {
        "job": entry.job,
        "epoch": entry.epoch,
        "ids": entry.ids,
        "spent": entry.spent,
        "lapsed": entry.lapsed,
    }
    return Unreadable(
        entry.partition,
        entry.lane,
        entry.entry_id,
        reason,
        {name.encode(): str(value).encode() for name, value in fields.items()},
    )


def read_entry(
    partition: int,
    lane: Lane,
    entry_id: bytes,
    fields: Mapping[bytes, bytes],
    deliveries: int = 1,
) -> Entry | Unreadable:
    """Read a message; whatever its bytes are, the answer is a value."""
    name = entry_id.decode()
    try:
        return Entry(
            partition,
            lane,
            name,
            job=check_name("job", fields[b"job"].decode()),
            epoch=int(fields[b"epoch"]),
            ids=_some(fields[b"ids"]),
            spent=read_spent(fields.get(b"spent", b"0")),
            deliveries=deliveries,
            lapsed=read_spent(fields.get(b"lapsed", b"0")),
        )
    except KeyError as error:
        reason = f"it has no field {error.args[0].decode()}"
    except (ValueError, UsageError) as error:
        reason = str(error)
    return Unreadable(partition, lane, name, reason, fields)


def _some(ids: bytes) -> str:
    """The IDs as text; raises ValueError if there are none: nothing could be settled by block."""
    if not ids:
        raise ValueError("it has no trades")
    return ids.decode()


def read_spent(text: bytes) -> int:
    """The attempts that an entry says it has behind it.

    Raises ValueError if it cannot be.
    """
    spent = int(text)
    if not 0 <= spent <= MOST_SPENT:
        raise ValueError(f"{spent} attempts cannot have been made")
    return spent
