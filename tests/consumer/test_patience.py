"""Which errors are waited for, and how (G4)."""

import pytest
from redis import exceptions

from consumer.patience import patiently
from engine import backoff
from engine.backoff import FIRST_DELAY, LONGEST_DELAY, delay
from engine.connection import passes
from engine.streams import is_damage


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ConnectionError("Connection refused"),
        exceptions.BusyLoadingError("Redis is loading the dataset in memory"),
        exceptions.TimeoutError(),
        exceptions.ReadOnlyError("You can't write against a read only replica."),
        exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
        exceptions.NoScriptError("No matching script."),
        # What Redis 6.2 makes of an error within a script.
        exceptions.ResponseError(
            "Error running script (call to f_0): @user_script:36: @user_script: 36: "
            "-OOM command not allowed when used memory > 'maxmemory'."
        ),
        exceptions.ResponseError("MISCONF Errors writing to the AOF file: No space left on device"),
        exceptions.ResponseError("UNBLOCKED the stream key no longer exists"),
        exceptions.ResponseError("MASTERDOWN Link with MASTER is down"),
    ],
)
def test_what_passes_is_waited_for(error: Exception) -> None:
    """G4."""
    assert passes(error)
    assert not is_damage(error)


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ResponseError("WRONGTYPE Operation against a key holding the wrong kind"),
        exceptions.ResponseError("BUSYGROUP Consumer Group name already exists"),
        exceptions.NoPermissionError("this user has no permissions to run the 'xack' command"),
        ValueError("OOM"),
        1,
    ],
)
def test_what_does_not_pass_is_not(error: object) -> None:
    assert not passes(error)


@pytest.mark.parametrize("failures", [0, 1, 5, 10_000])
def test_delays_grow_up_to_a_bound(failures: int) -> None:
    assert FIRST_DELAY / 2 <= delay(failures) <= LONGEST_DELAY


async def test_a_call_is_made_until_it_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """G4; what does not pass is raised at once."""
    monkeypatch.setattr(backoff, "LONGEST_DELAY", 0.001)
    errors: list[Exception] = [exceptions.ConnectionError(), exceptions.OutOfMemoryError()]

    async def call(answer: int) -> int:
        if errors:
            raise errors.pop()
        return answer

    assert await patiently("a test", call, 7) == 7
    errors = [exceptions.TimeoutError(), exceptions.NoPermissionError("no"), ValueError("bug")]
    with pytest.raises(ValueError, match="bug"):
        await patiently("a test", call, 7)
    with pytest.raises(exceptions.NoPermissionError):
        await patiently("a test", call, 7)
