"""Which pricers can be had here, and who may have the others."""

from dataclasses import dataclass, field

import structlog
from anyio import to_thread

from engine.errors import UsageError
from engine.job import Lane
from engine.pricing.pricer import Pricer
from engine.pricing.registry import find
from engine.roster import Roster, wanted

MOST_LACKING = 100
"""Algorithms that a consumer says it lacks: anybody may ask it for any name."""

log = structlog.get_logger()


@dataclass(slots=True)
class Pricers:
    """The pricers of one consumer."""

    roster: Roster
    consumer: str
    known: dict[str, Pricer] = field(default_factory=dict)
    """Those that were found before."""
    lacking: dict[str, str] = field(default_factory=dict)
    """Pricers that cannot be had here, as ``engine.roster.wanted`` names them, and why."""

    async def find(self, algorithm: str, lane: Lane, version: str = "") -> Pricer | str | None:
        """A pricer, or why there is none; None if another consumer of the lane may have it.

        With a version, only that one will do: what prices one job has the same bits (G3).
        """
        pricer = wanted(algorithm, version)
        try:
            # In a thread, since it imports what may be large.
            found = await to_thread.run_sync(find, algorithm, abandon_on_cancel=True)
        except UsageError as error:
            return await self._elsewhere(pricer, lane, str(error))
        if version not in ("", found.version):
            reason = (
                f"algorithm {algorithm} has version {found.version} here and the job was submitted "
                f"with {version}: submit it anew, or start consumers that have that"
            )
            return await self._elsewhere(pricer, lane, reason)
        self.lacking.pop(pricer, None)
        self.known[algorithm] = found
        return found

    async def _elsewhere(self, pricer: str, lane: Lane, reason: str) -> str | None:
        """The reason, unless there is somebody who may have the pricer: then None."""
        if pricer not in self.lacking:
            log.error("no such pricer here", pricer=pricer, reason=reason)
        self.lacking[pricer] = reason
        if len(self.lacking) > MOST_LACKING:
            del self.lacking[next(iter(self.lacking))]
        others = [each for each in await self.roster.living() if each.name != self.consumer]
        return None if any(each.may_price(pricer, lane) for each in others) else reason
