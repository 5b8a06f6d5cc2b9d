"""Faults of those who tend jobs: a submitter and a canceller that die half-way."""

from engine.job import Lane
from engine.outcome import Outcome
from loadtest.chaos.faults.fault import Striking
from loadtest.chaos.patience import patiently, until
from loadtest.chaos.work import Order, chaotic

BEGUN = 20.0
"""Seconds in which a submission should have begun."""

EXTRA = 2_000
"""Trades of a job whose submitter is killed, each an entry of its own."""

SLOWLY = 0.005
"""Seconds for a trade of a job that is cancelled."""

EITHER = frozenset(map(str, (Outcome.PRICED, Outcome.CANCELLED)))
"""What a trade may end as whose job was cancelled."""


class Submitter(Striking):
    """SIGKILL of a process that is submitting a job, which then is submitted again."""

    async def strike(self) -> str:
        work = self.ground.work
        count = min(EXTRA, work.trades)
        first = self.target * 100 % max(work.trades - count, 1)
        order = Order(chaotic(f"extra-{len(work.orders)}", first, count, chunk=1))
        work.place(order, self.ground.tending)

        async def begun() -> bool:
            return order.settled or await patiently(work.grid.jobs.known, order.job.name)

        if not await until(begun, BEGUN) or order.process is None:
            return ""
        order.process.process.kill()
        queued = (await work.progress(order)).counts.submitted
        return f"killed the submitter of {order.job.name}, which had queued {queued} of {count}"


class Cancel(Striking):
    """A job is cancelled while it is priced, by somebody who dies before its entries are deleted.

    What is priced of it from then on must have no effect, though all of it is still pending.
    """

    async def strike(self) -> str:
        work, jobs = self.ground.work, self.ground.grid.jobs
        count = min(EXTRA, work.trades)
        name, options = f"cancelled-{len(work.orders)}", {"pause": SLOWLY}
        # In the higher lane, where it need not wait for the main job.
        order = Order(chaotic(name, 0, count, chunk=5, options=options, lane=Lane.HIGH))
        work.place(order, self.ground.tending)

        async def being_priced() -> bool:
            return order.settled and (await work.progress(order)).counts.ended > 0

        if not await until(being_priced, BEGUN):
            return ""
        # As it is stored: with its times.
        stored = await patiently(jobs.get, name)
        if stored is None:
            return ""
        order.poison, order.cancelled = dict.fromkeys(order.trades, EITHER), True
        for partition in range(work.grid.partitions):
            await patiently(jobs.fence, stored, partition, "cancel")
        ended = (await work.progress(order)).counts.priced
        return f"cancelled {name} half-way, of which {ended} of {count} were priced"
