"""The verdict on a test, and how far its figures can be trusted. Pure."""

from collections.abc import Sequence

from loadtest import record
from loadtest.generator.ledger import UNEXPECTED
from loadtest.generator.tally import LATE, Tally
from loadtest.objective import Objective, measured

BEARABLE = 0.01
"""Of the calls that may be late before the generator is told to be overloaded."""

FEW = 5
"""Late calls below which that is chance, whatever their share."""

TIMED = ("s", "1/s")
"""Units of what a machine makes worse that has too few cores; losses and errors it excuses not."""

GENERATOR = ("late", "realtime.lateness.")
"""What measures are called that are of the generator alone."""


def realtime_of(total: Tally, within: int, seconds: float, generators: int) -> record.Realtime:
    """What came of the calls; ``within`` are the prices that came within the ``seconds``."""
    return record.Realtime(
        planned=total.planned,
        sent=total.sent,
        late=total.late,
        dropped=total.dropped,
        priced=total.priced,
        errors=dict(total.errors),
        rate=within / seconds if seconds > 0 else 0.0,
        generators=generators,
        latency=total.latency.times(),
        queue=total.queue.times(),
        price=total.price.times(),
        return_=total.return_.times(),
        besides=total.besides.times(),
        lateness=total.lateness.times(),
    )


def judge(
    objectives: Sequence[str],
    realtime: record.Realtime | None,
    bulk: record.Bulk | None,
    lost: int,
    warnings: Sequence[str] = (),
    ended_early: str | None = None,
    busy: str | None = None,
) -> record.Verdict:
    """Whether all objectives are met; a test that was not run to its end meets none.

    ``busy`` says that the machine was, if so.
    """
    read = [Objective.parse(text) for text in objectives]
    judged = [each.judge(measured(each, realtime, bulk, lost)) for each in read]
    late = realtime is not None and _is_late(realtime, judged)
    own = generator_warnings(realtime, late=late) if realtime is not None else []
    invalid = None
    if ended_early is None and (late or busy) and _only_timed(judged):
        culprit = "the machine was busy" if busy else "the generator was late"
        invalid = f"{culprit}: what was missed says nothing of the grid"
    return record.Verdict(
        met=ended_early is None and all(each.met for each in judged),
        objectives=judged,
        warnings=[*own, *warnings, *([busy] if busy else [])],
        ended_early=ended_early,
        invalid=invalid,
    )


def _is_late(realtime: record.Realtime, judged: Sequence[record.Objective]) -> bool:
    """Whether the generator could not keep up, by what the scenario asks of it, if it does."""
    asked = [each.met for each in judged if each.measure.startswith(GENERATOR)]
    if asked:
        return not all(asked)
    return realtime.late >= FEW and realtime.late > BEARABLE * realtime.planned


def _only_timed(judged: Sequence[record.Objective]) -> bool:
    """Whether something is missed, and too few cores can be the reason for all of it."""
    missed = [each for each in judged if not each.met]
    return bool(missed) and all(
        each.measured is not None and (each.unit in TIMED or each.measure.startswith(GENERATOR))
        for each in missed
    )


def generator_warnings(realtime: record.Realtime, *, late: bool) -> list[str]:
    """What is to be said of the generators, who may have been the limit themselves."""
    told = []
    if late:
        told.append(
            f"the generator could not keep up: {realtime.late:,} of {realtime.planned:,} calls "
            f"were sent over {LATE * 1000:g} ms late, which counts as latency: add generators, or "
            "give them cores of their own"
        )
    if realtime.dropped:
        told.append(
            f"{realtime.dropped:,} of {realtime.planned:,} calls could not be sent before their "
            "deadline, and count as errors: unless the generator was late, the server did not take "
            "them"
        )
    for name, count in sorted(realtime.errors.items()):
        if name.startswith(UNEXPECTED):
            told.append(
                f"{count:,} of {realtime.planned:,} calls ended in an error that no caller is to "
                f"have ({name.removeprefix(UNEXPECTED).strip()}): their driver has a fault"
            )
    return told
