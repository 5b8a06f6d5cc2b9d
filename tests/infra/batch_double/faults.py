"""What goes wrong, on demand."""

import re
from dataclasses import dataclass, field

FOR_EVER = 10**9


@dataclass(slots=True)
class Fault:
    """The answer that requests of a kind get instead of theirs."""

    request: str
    """A pattern for the beginning of ``METHOD /path``."""
    status: int
    code: str = "ServerBusy"
    times: int = FOR_EVER
    retry_after: int | None = None
    """Seconds."""
    done: bool = False
    """Whether the request is carried out nevertheless, and only its answer is lost."""
    told: str = "as the test has asked for"


@dataclass(slots=True)
class Faults:
    """Those that a test plays."""

    playing: list[Fault] = field(default_factory=list)
    most_tasks: int = 100
    """In a request; more are too large a body."""
    refused: dict[str, str] = field(default_factory=dict)
    """Tasks that are refused, by ID, and with which code."""

    def play(self, request: str, status: int, code: str = "ServerBusy", **fields: object) -> Fault:
        """Begin to play one; it ends by itself after ``times``."""
        fault = Fault(request, status, code, **fields)  # type: ignore[arg-type]
        self.playing.append(fault)
        return fault

    def of(self, request: str) -> Fault | None:
        """The one to play now, if any."""
        for fault in self.playing:
            if fault.times > 0 and re.match(fault.request, request):
                fault.times -= 1
                return fault
        return None
