"""One run: calm, then chaos, then a last stand, and the audit of it all."""

import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from engine.connection import Address
from loadtest.chaos import audit
from loadtest.chaos.audit import JobSeen
from loadtest.chaos.controls import ended
from loadtest.chaos.faults import KINDS
from loadtest.chaos.ground import Ground
from loadtest.chaos.last_stand import last_stand
from loadtest.chaos.patience import patiently, until
from loadtest.chaos.plan import POISON, Plan, Report, calm_orders, disturbed_orders
from loadtest.chaos.readout import (
    doubled_replies,
    names_in_groups,
    processes_of,
    read_job,
    read_keys,
    read_streams,
    resident_bytes,
)
from loadtest.chaos.realtime import Caller
from loadtest.chaos.schedule import Strike, draw
from loadtest.chaos.stand import standing
from loadtest.chaos.waiting import see_out
from loadtest.chaos.work import BOOK, Order

Tell = Callable[[str], None]
"""Tells a person what is going on."""

RATE = 20.0
"""Realtime calls a second."""

LATEST = 60.0
"""Seconds after the last of a schedule in which a strike may still come that has had to wait for
others: each loss of data has every job resumed."""

LAST_CALLS = 20

ENDING = 5.0
"""Seconds that processes may take to end behind what started them."""

TOOK_OVER = "took over entries of a consumer that is gone"


async def run(plan: Plan, tell: Tell) -> Report:
    """Run a plan to its end and audit it; the logs of a run that fails are kept."""
    folder = Path(tempfile.mkdtemp(prefix="azfinsim-chaos-"))
    report = Report(plan)
    try:
        async with standing(plan, folder) as (ground, address):
            caller = _caller(plan, address) if plan.realtime else None
            async with anyio.create_task_group() as running:
                # Not in this task: a cancellation by Ctrl-C, which comes but once, may be swallowed
                # by asyncio.wait_for of Python 3.11, which the client uses. A group's is lasting.
                running.start_soon(_Run(plan, ground, caller, tell, report).run)
        report.findings += await _left_behind(ground)
    except Exception:
        tell(f"logs are in {folder}")
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if report.findings:
        report.logs = folder
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return report


def _caller(plan: Plan, address: Address) -> Caller:
    poison = POISON in plan.kinds
    return Caller(address, plan.seed, plan.trades, RATE, poison, deadly=not plan.steady)


@dataclass(slots=True)
class _Run:
    plan: Plan
    ground: Ground
    caller: Caller | None
    tell: Tell
    report: Report
    _seconds: dict[str, float] = field(default_factory=dict)
    _resident: list[int] = field(default_factory=list)
    """Bytes of the consumer that is spared."""

    async def run(self) -> None:
        ground = self.ground
        await ground.work.fill()
        ground.seats.fill()
        await ground.seats.serving()
        with self._stage("calm"):
            calm = await self._calm()
        right = {int(r["id"]): audit.price(r) for r in calm.records}
        ground.tending.start_soon(ground.seats.keep)
        with self._stage("chaos"):
            async with anyio.create_task_group() as watching:
                watching.start_soon(self._watch_memory)
                await self._chaos()
                watching.cancel_scope.cancel()
        if self.plan.steady:
            self._find(audit.audit_memory(self._resident))
        if "kill" in self.plan.kinds:
            with self._stage("last stand"):
                self._find(await last_stand(ground, self.plan))
        await self._audit(right)
        self.report.seconds, self.report.strikes = self._seconds, ground.strikes

    async def _calm(self) -> JobSeen:
        """Price all trades with nothing to disturb that; returns what came of it."""
        orders = calm_orders(self.plan)
        await self._see_out(orders)
        seen = [await read_job(self.ground.grid, order) for order in orders]
        consumers = self.ground.seats.everyone
        taken = [int(e["entries"]) for each in consumers for e in each.events(TOOK_OVER)]
        self._find(audit.audit_takeovers(sum(taken)))
        for job in seen:
            self._find(audit.audit_calm(job))
        return seen[0]

    async def _chaos(self) -> None:
        """Have the schedule strike, and wait until the work is done nevertheless."""
        plan, ground = self.plan, self.ground
        if self.caller is not None:
            ground.tending.start_soon(self.caller.run)
        # Resuming a job puts its counts right, whoever has spoilt them: for most of the time
        # there must be nothing but what has to come right without.
        early = [kind for kind in plan.striking if KINDS[kind].loses]
        strikes = draw(plan.seed, plan.seconds, plan.striking, plan.every, early)
        orders = disturbed_orders(plan)
        for order in orders:
            ground.work.place(order, ground.tending)
        began = time.monotonic()
        async with self._controlled(), anyio.create_task_group() as striking:
            for strike in strikes:
                await anyio.sleep(max(0.0, began + strike.at - time.monotonic()))
                striking.start_soon(self._strike, strike, began)
        self._find(await see_out(ground.work, ground.work.orders))

    @asynccontextmanager
    async def _controlled(self) -> AsyncIterator[None]:
        """While controllers keep consumers beside the seats, if the plan says so; audits them."""
        controls = self.ground.controls
        if controls is None:
            yield
            return
        async with anyio.create_task_group() as keeping:
            keeping.start_soon(controls.keep)
            yield
            keeping.cancel_scope.cancel()
        self._find(await ended(controls))

    async def _watch_memory(self) -> None:
        """Note the memory of the consumer that is spared, until cancelled or until it has ended."""
        spared = [c for c in self.ground.seats.living if c.seat == self.ground.spared]
        for consumer in spared:
            while (resident := resident_bytes(consumer.pid)) is not None:
                self._resident.append(resident)
                await anyio.sleep(1.0)

    async def _strike(self, strike: Strike, began: float) -> None:
        kind = KINDS[strike.kind]
        async with self.ground.server_lock if kind.exclusive else nullcontext():
            if time.monotonic() - began > self.plan.seconds + LATEST:
                self.tell(f"{'':8}  {strike.kind:9}  is left out: others took too long")
                return
            fault = kind.make(self.ground, strike.target)
            done = await fault.strike()
            self.tell(
                f"{time.monotonic() - began:6.1f} s  {strike.kind:9}  {done or 'nothing to strike'}"
            )
            if done:
                self.ground.strikes[strike.kind] += 1
            await anyio.sleep(strike.seconds)
            await fault.heal()

    async def _see_out(self, orders: Sequence[Order]) -> None:
        for order in orders:
            self.ground.work.place(order, self.ground.tending)
        self._find(await see_out(self.ground.work, orders))

    def _find(self, findings: Sequence[str]) -> None:
        """Note what was found, and tell it at once."""
        self.report.findings += findings
        for finding in findings:
            self.tell(f"FOUND {finding}")

    async def _audit(self, right: dict[int, bytes]) -> None:
        ground = self.ground
        if self.caller is not None:
            await self.caller.last_calls(LAST_CALLS)
            # Before the client leaves, and takes them with it.
            doubled = await patiently(doubled_replies, ground.grid)
            self._find(audit.audit_replies(doubled, strict=self.plan.calls_sent_once))
            self.caller.finish()
            await self.caller.finished.wait()
            self._find(audit.audit_calls(self.caller.calls, right))
        self._find(await ground.seats.leave())
        self._find(ground.seats.unexplained())
        jobs = [await read_job(ground.grid, order) for order in ground.work.orders]
        for job in jobs:
            self._find(audit.audit_job(job, right))
        self._find(audit.audit_streams(await read_streams(ground.grid)))
        found = await patiently(read_keys, ground.grid)
        self._find(audit.audit_keys(found, ground.grid.partitions, [BOOK]))
        names = await names_in_groups(ground.grid)
        self.report.figures = {**self._figures(jobs), "names_in_groups": names}

    def _figures(self, jobs: Sequence[JobSeen]) -> dict[str, float]:
        main = next(job for job in jobs if job.progress.job.name == "main")
        report = main.progress.report()
        figures = {
            "trades": float(sum(len(job.records) for job in jobs)),
            "again": float(sum(r.get("attempts", 0) > 1 for job in jobs for r in job.records)),
            "main_seconds": float(str(report["seconds"])),
            "main_trades_per_second": float(str(report["trades_per_second"])),
            "consumers_started": float(len(self.ground.seats.everyone)),
            "losses": float(self.ground.work.losses),
        }
        if recoveries := self.ground.recoveries:
            figures["recovery_median_seconds"] = statistics.median(recoveries)
            figures["recovery_longest_seconds"] = max(recoveries)
        if self._resident:
            first, last = audit.settled(self._resident)
            figures["steady_mb"] = last / 1e6
            figures["steady_grown_percent"] = 100 * (last / first - 1)
        if self.caller is not None:
            figures["calls"] = float(len(self.caller.calls))
            figures["calls_priced"] = float(sum(c.ending == "priced" for c in self.caller.calls))
        return {name: round(value, 3) for name, value in figures.items()}

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        self.tell(f"{name} begins")
        yield
        self._seconds[name] = round(time.monotonic() - began, 1)
        self.tell(f"{name} took {self._seconds[name]:.1f} s")


async def _left_behind(ground: Ground) -> list[str]:
    """Processes that should have ended with the run."""

    async def none_left() -> bool:
        return not processes_of(ground.seats.mark)

    await until(none_left, ENDING)
    return [f"a process is left: {process}" for process in processes_of(ground.seats.mark)]
