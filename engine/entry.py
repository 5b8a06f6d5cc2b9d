"""What travels in a stream: entries as delivered, and what is done to them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine import keys
from engine.job import Lane


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
    """Attempts made under earlier entries, before a split."""
    deliveries: int = 1
    """How often this entry was delivered, this time included."""

    @property
    def attempts(self) -> int:
        """How often its trades were begun, this time included."""
        return self.spent + self.deliveries

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
    dead: int = 0
    expired: int = 0


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


def read_entry(
    partition: int, lane: Lane, entry_id: bytes, fields: Mapping[bytes, bytes]
) -> Entry | Unreadable:
    """Read a message; whatever its bytes are, the answer is a value."""
    name = entry_id.decode()
    try:
        return Entry(
            partition,
            lane,
            name,
            job=fields[b"job"].decode(),
            epoch=int(fields[b"epoch"]),
            ids=fields[b"ids"].decode(),
            spent=int(fields.get(b"spent", 0)),
        )
    except KeyError as error:
        reason = f"it has no field {error.args[0].decode()}"
    except ValueError as error:
        reason = str(error)
    return Unreadable(partition, lane, name, reason, fields)
