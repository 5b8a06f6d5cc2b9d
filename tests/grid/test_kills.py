"""Consumers that are killed and frozen in the middle of a job (G1 to G4, G6)."""

import signal

from engine.job import Job, Lane
from tests.processes import Field, prices, synthetic
from tests.waiting import eventually

LEASE = ("--lease", "0.6")
"""Seconds: short, for what a dead consumer held to come back soon."""


def test_killing_one_of_three_consumers_changes_not_one_byte(field: Field) -> None:
    """G1, G2, G3, G4; issue 2, "done when"."""
    trades = 20_000
    field.fill(trades)
    first, *others = field.serve("--slots", "1", *LEASE, count=3)
    undisturbed = field.submit(Job("undisturbed", "pvonly", seed=7, paths=300))
    assert field.done(undisturbed, 60).well

    disturbed = field.submit(Job("disturbed", "pvonly", seed=7, paths=300, chunk=70))
    name = first.serving()
    eventually(lambda: field.ended(disturbed) > trades // 10, what="a job in full swing")
    # Stopped first, so that what is pending in its name stays so until it is killed.
    first.send(signal.SIGSTOP)
    held = eventually(lambda: field.pending(name), what="entries in its name")
    assert field.ended(disturbed) < trades, "it was killed too late to matter"
    first.end(signal.SIGKILL)

    counts = field.done(disturbed, 60).counts
    assert counts.submitted == counts.priced == trades
    records = field.records(disturbed)
    assert prices(records) == prices(field.records(undisturbed))
    assert sum(record["attempts"] > 1 for record in records) == 70 * len(held)
    assert sum(
        len(consumer.events("took over entries of a consumer that is gone")) for consumer in others
    )
