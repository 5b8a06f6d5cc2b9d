"""What a consumer is told once, when it starts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from consumer.place import Place
from engine.job import Lane


@dataclass(frozen=True, slots=True)
class Settings:
    """How one consumer works; times in seconds."""

    name: str
    lanes: Sequence[Lane]
    """Highest first."""
    slots: int
    home: int = 0
    """The partition served first, modulo their number; the others are served when it is empty."""
    lease: float = 10.0
    """Without renewal for so long, an entry may be taken over by another consumer."""
    realtime_lease: float = 1.0
    """Likewise for a realtime trade, which somebody waits for."""
    prefetch: float = 2.0
    """Work that is held ready for each slot, by measured time."""
    drain: float = 20.0
    """How long what is being priced may go on after the consumer was told to leave."""
    exit_when_idle: float | None = None
    """Leave after so long without work; None to stay."""
    slot_memory: int | None = None
    """Megabytes that pricing may take in a slot's process, None for no bound; with one, all is
    priced in processes."""
    warm_up: float = 30.0
    """How much longer the first answer of a slot's process may take than the job's limit says: code
    is loaded and compiled."""
    crew: str = ""
    """Who was started with it, and which of them it is, ``CREW/MEMBER``; empty if nobody was."""
    place: Place = field(default_factory=Place)
    """The task of Azure Batch that it is, if it is one."""
    harvest: Path | None = None
    """Where the machine says how many cores it has now, to have as many slots; None for as many
    slots for ever."""
    metadata: str | None = None
    """The URL of Azure's metadata service, to be asked whether the machine is about to be taken
    away; None if it is not asked."""
    attempts: int = 3
    """Deaths of its process after which a chunk is split and a single trade is dead."""

    @property
    def job_lanes(self) -> Sequence[Lane]:
        """Those of jobs, highest first."""
        return [lane for lane in self.lanes if lane is not Lane.REALTIME]

    @property
    def served(self) -> str:
        """Its lanes as ``azfinsim consume --lane`` takes them."""
        return ",".join(map(str, self.lanes))

    @property
    def realtime(self) -> bool:
        """Whether it serves the realtime lane."""
        return Lane.REALTIME in self.lanes
