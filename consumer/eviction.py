"""Eviction: has a consumer leave before its machine is taken away (G7).

Azure gives a Spot machine half a minute's notice, to be asked for at the machine's own metadata
service: https://learn.microsoft.com/azure/virtual-machines/linux/scheduled-events
"""

import http.client
import urllib.request
from collections.abc import Mapping
from functools import partial
from typing import Any

import anyio
import structlog
from anyio import to_thread

from consumer.drain import Drain
from engine.codec import loads

METADATA = "http://169.254.169.254"
"""Of each machine on Azure; reached without leaving its host."""

EVERY = 2.0
"""Seconds between questions."""

PATIENCE = 5.0
"""Seconds for an answer: the first of all makes the service begin, and takes longer."""

QUIET = 60.0
"""Seconds between questions to a service that has never answered."""

FATAL = frozenset({"Preempt", "Terminate", "Reboot", "Redeploy"})
"""Events that end what runs on the machine; a Freeze of some seconds is left to the leases."""

_EVENTS = "/metadata/scheduledevents?api-version=2020-07-01"
_NAME = "/metadata/instance/compute/name?api-version=2021-02-01&format=text"

log = structlog.get_logger()


def notice(answer: bytes, name: str) -> str | None:
    """Why this machine will end soon, if it will; None if not, or if the answer is none.

    Events of all machines of a scale set are told to each of them: ``name`` is this one's.
    """
    try:
        told = loads(answer)
    except ValueError:
        return None
    events = told.get("Events") if isinstance(told, dict) else None
    for event in events if isinstance(events, list) else []:
        if isinstance(event, dict) and _concerns(event, name):
            return f"{event['EventType']}, not before {event.get('NotBefore') or 'now'}"
    return None


def _concerns(event: Mapping[str, Any], name: str) -> bool:
    resources = event.get("Resources")
    return (
        event.get("EventType") in FATAL
        and isinstance(resources, list)
        and name.lower() in [str(resource).lower() for resource in resources]
    )


async def run(drain: Drain, base: str) -> None:
    """Drain when notice is given; until cancelled, or the consumer drains."""
    name, answered = "", False
    while not drain.begun:
        name = name or ((await _get(base + _NAME)) or b"").decode(errors="replace").strip()
        answer = await _get(base + _EVENTS) if name else None
        if answer is not None and (why := notice(answer, name)):
            drain.begin(f"eviction: {why}")
            return
        # One that has answered once will again: it may be busy, or about to begin.
        answered = answered or bool(name)
        with anyio.move_on_after(EVERY if answered else QUIET):
            await drain.wait()


async def _get(url: str) -> bytes | None:
    # In a thread, since the standard library has no client that awaits.
    return await to_thread.run_sync(partial(_fetch, url), abandon_on_cancel=True)


def _fetch(url: str) -> bytes | None:
    """What the metadata service answers; None if it does not."""
    # Never through a proxy, which would answer for its own machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, headers={"Metadata": "true"})
    try:
        with opener.open(request, timeout=PATIENCE) as answer:
            return bytes(answer.read(1_000_000))
    except (OSError, http.client.HTTPException, ValueError) as error:
        log.debug("the metadata service does not answer", error=str(error))
        return None
