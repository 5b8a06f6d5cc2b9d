"""The Lua scripts, loaded from their files, and how they are called."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha1
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError

Argument = str | bytes | int


_known: list["Script"] = []


@dataclass(frozen=True)
class Script:
    """One of ``engine/lua``; the comments in the file say what it takes and returns."""

    name: str

    def __post_init__(self) -> None:
        _known.append(self)

    @cached_property
    def text(self) -> str:
        return files("engine").joinpath("lua", f"{self.name}.lua").read_text("utf-8")

    @cached_property
    def sha(self) -> str:
        # Redis names a script by this hash; nothing rests on its strength.
        return sha1(self.text.encode(), usedforsecurity=False).hexdigest()


def read_all() -> None:
    """Read every script that is known by now, rather than when it is first called.

    For processes that live long: by then the machine may be out of files, or hold another version.
    """
    for script in _known:
        script.sha  # noqa: B018 - which is kept


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a script, ready to be sent."""

    script: Script
    keys: Sequence[str]
    arguments: Sequence[Argument]


async def run(redis: Redis, *calls: Call) -> list[Any]:
    """Send the calls in one pipeline; each is atomic, the whole is not.

    Returns a result for each call, which is the exception if that call failed. Loads scripts that
    the server does not have (any more: a restart forgets them) and repeats the calls concerned.
    Raises redis.ConnectionError and redis.TimeoutError as the client does.
    """
    results = await _send(redis, calls)
    missing = [i for i, result in enumerate(results) if isinstance(result, NoScriptError)]
    if missing:
        for script in {calls[i].script for i in missing}:
            await redis.script_load(script.text)
        again = await _send(redis, [calls[i] for i in missing])
        for i, result in zip(missing, again, strict=True):
            results[i] = result
    return results


async def run_one(redis: Redis, call: Call) -> Any:
    """Send one call and return its result, or raise what it raised."""
    [result] = await run(redis, call)
    if isinstance(result, Exception):
        raise result
    return result


async def _send(redis: Redis, calls: Sequence[Call]) -> list[Any]:
    if len(calls) == 1:
        # Half of what a pipeline of one costs, and a realtime trade is often alone.
        client: Any = redis  # whose execute_command has no types
        try:
            return [await client.execute_command(*_command(calls[0]))]
        except ResponseError as error:
            return [error]
    pipe = redis.pipeline(transaction=False)
    for call in calls:
        # Not pipe.evalsha: redis-py keeps that one out of cluster pipelines.
        pipe.execute_command(*_command(call))
    return await pipe.execute(raise_on_error=False)


def _command(call: Call) -> tuple[Argument, ...]:
    return ("EVALSHA", call.script.sha, len(call.keys), *call.keys, *call.arguments)
