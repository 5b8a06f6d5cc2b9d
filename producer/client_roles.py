"""What a realtime client does in the background: it sends, reads, and watches who serves.

One task each, whatever the number of calls. What the server answers badly ends the calls concerned;
a server that is away is waited for until their deadlines.
"""

import asyncio
from collections.abc import Sequence
from time import monotonic

from redis.exceptions import RedisClusterException, RedisError

from engine.backoff import delay
from engine.call import Moved
from engine.calls import Busy as Backlog
from engine.calls import Sent
from engine.connection import passes
from engine.errors import Busy, NoConsumers, Refused
from engine.job import Lane
from engine.roster import TIME_TO_LIVE, Presence
from producer.client_post import Open, Post

MOST_AT_ONCE = 1000
"""Calls sent, withdrawn, or read the replies of, in one exchange."""

WAIT_MS = 500
"""A blocking read ends after so long, which bounds how long one outlasts the last call."""

LOOK_EVERY = 1.0
"""Seconds between looks at who serves, and at whether the calls are still there."""

ON_ITS_WAY = 0.05
"""Seconds in which the news of a call that is no longer in the stream may still be read."""

LOOK_AGAIN = 0.05
"""Seconds between looks while nobody serves."""

ABSENCE = TIME_TO_LIVE / 4 + 0.5
"""Seconds without a consumer after which those seen before are taken for gone. They announce
themselves about so often, and a server that comes back without its data knows of none at first."""


async def send(post: Post) -> None:
    """Send calls and withdraw those that nobody waits for, many in one exchange; until closed."""
    failures = 0
    while not (post.closed and not post.to_send and not post.to_withdraw):
        await post.work.wait()
        post.work.clear()
        while post.to_send or post.to_withdraw:
            again = await _send(post, post.next_to_send(MOST_AT_ONCE))
            await _withdraw(post, post.next_to_withdraw(MOST_AT_ONCE))
            if again:
                post.to_send.extendleft(reversed(again))
                await asyncio.sleep(delay(failures))
            failures = failures + 1 if again else 0


async def _send(post: Post, calls: Sequence[Open]) -> list[Open]:
    """Send some calls; returns those to be sent again."""
    if not calls:
        return []
    now = monotonic()
    asks = [post.ask(call, now) for call in calls]
    results: Sequence[Sent | Backlog | Exception]
    try:
        results = await post.grid.calls.send(post.partition, asks, post.limit)
    except (RedisError, RedisClusterException) as error:
        results = [error] * len(calls)
    again = []
    post.trouble.pop("send", None)
    for call, result in zip(calls, results, strict=True):
        match result:
            case Sent():
                post.queued(call, result.entry_id, now)
            case Backlog():
                post.fail(call, Busy(result.backlog))
            case _ if passes(result):
                post.trouble["send"] = str(result)
                again.append(call)
            case _:
                post.fail(call, _refused(result))
    return again


async def _withdraw(post: Post, entry_ids: Sequence[str]) -> None:
    """Delete what nobody waits for, unless a consumer has taken it; then its reply expires."""
    if entry_ids:
        try:
            await post.grid.calls.withdraw_all(post.partition, entry_ids)
        except (RedisError, RedisClusterException):
            return  # What is left expires at its deadline.


async def read(post: Post) -> None:
    """Read replies while there are calls to be answered."""
    failures = 0
    while not post.closed:
        await post.waiting.wait()
        try:
            after = post.after
            last, news = await post.grid.calls.news(
                post.partition, post.client, after, WAIT_MS, MOST_AT_ONCE
            )
        except (RedisError, RedisClusterException) as error:
            await _troubled(post, "read", error, failures)
            failures += 1
            continue
        failures = 0
        post.trouble.pop("read", None)
        if post.after == after:  # else it is to be read from the start
            post.after = last
        for each in news:
            if isinstance(each, Moved):
                post.moved(each)
            else:
                post.answer(each)


async def watch(post: Post) -> None:
    """While calls are open, see whether anybody serves them, and whether they are still there."""
    looked_at = seen_at = monotonic()
    failures = 0
    while not post.closed:
        await post.waiting.wait()
        # Who served long ago may have left since: then that nobody does is a clear answer.
        post.served = post.served and monotonic() - looked_at < TIME_TO_LIVE
        looked_at = monotonic()
        try:
            present = await _present(post)
            serving = any(not presence.draining for presence in present)
            if serving:
                post.served, seen_at = True, monotonic()
            elif not post.served or monotonic() - seen_at >= ABSENCE:
                post.served = False
                await _refuse(post, looked_at, leaving=bool(present))
            await _send_again(post)
        except (RedisError, RedisClusterException) as error:
            await _troubled(post, "watch", error, failures)
            failures += 1
            # The time in which nobody could be seen is nobody's absence.
            seen_at = monotonic()
            continue
        failures = 0
        post.trouble.pop("watch", None)
        await asyncio.sleep(LOOK_EVERY if serving else LOOK_AGAIN)


async def _present(post: Post) -> list[Presence]:
    """The consumers of the lane, those that are leaving included."""
    living = await post.grid.roster.living()
    return [presence for presence in living if Lane.REALTIME in presence.lanes]


async def _refuse(post: Post, before: float, *, leaving: bool) -> None:
    """End the calls made before a look that has found nobody to serve them.

    A consumer that is leaving still answers what it has taken.
    """
    for call in [call for call in post.open.values() if call.began <= before]:
        if not leaving or call.entry_id is None or await _withdrawn(post, call.entry_id):
            post.fail(call, NoConsumers())


async def _withdrawn(post: Post, entry_id: str) -> bool:
    return await post.grid.calls.withdraw(post.partition, entry_id)


async def _send_again(post: Post) -> None:
    """Send again what the server has lost. A call that is then answered twice has one answer."""
    now = monotonic()
    queued = {
        call.entry_id: call
        for call in post.open.values()
        if call.entry_id is not None and call.looked_at <= now - LOOK_EVERY
    }
    if not queued:
        return
    missing = set(await post.grid.calls.missing(post.partition, list(queued)))
    if missing:
        await asyncio.sleep(ON_ITS_WAY)
    for entry_id, call in queued.items():
        call.looked_at = now
        if entry_id in missing and call.name in post.open and call.entry_id == entry_id:
            post.send(call)
            # A server that was failed over may name its answers by a clock that is behind what was
            # read. What is read twice finds nobody who waits for it.
            post.after = "0"


async def _troubled(post: Post, role: str, error: Exception, failures: int) -> None:
    """Wait for a server that is away; where waiting mends nothing, end the calls."""
    post.trouble[role] = str(error)
    if not passes(error):
        for call in list(post.open.values()):
            post.fail(call, _refused(error))
    await asyncio.sleep(delay(failures))


def _refused(error: Exception) -> Refused:
    return Refused(f"the Redis server refuses: {error}")
