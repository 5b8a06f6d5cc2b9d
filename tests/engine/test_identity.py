"""Tokens of Entra ID: whom they are for, when they are renewed, and what goes wrong with that."""

import time

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import AuthenticationError

from engine import identity
from engine.connection import passes
from engine.errors import ServerError
from engine.identity import LONGEST_PAUSE, Token, Tokens, pause, renewed_tokens
from tests.entra import token


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_whom_it_is_for() -> None:
    made = Token.read(token("secret", oid="0-1"), 5.0)
    assert (made.user, made.expires, made.left(2.0)) == ("0-1", 5.0, 3.0)
    assert "secret" not in repr(made)


@pytest.mark.parametrize(
    "value",
    [
        *("", "secret", "a.secret", "a.b.secret", "a.é.secret", "a.W10.secret", "a.bnVsbA.secret"),
        *(token("secret", oid=oid) for oid in (None, 7, "", "a\nb", ["a"])),
        token("secret", sub="x"),
    ],
)
def test_what_is_no_token_for_a_user(value: str) -> None:
    with pytest.raises(ServerError, match="no JSON web token that names an object ID") as told:
        Token.read(value, 0.0)
    assert "secret" not in str(told.value)
    assert told.value.__cause__ is None


@given(st.floats(0, 1e6), st.integers(0, 10_000), st.floats(0, 1))
def test_when_the_next_attempt_is(left: float, failures: int, chance: float) -> None:
    seconds = pause(left, failures, chance)
    if failures:
        assert 0.5 <= seconds <= LONGEST_PAUSE
    else:
        assert max(left * 0.63 - 1e-6, 1.0) <= seconds <= max(left * 0.7, 1.0)


def test_a_token_that_is_given_again_is_asked_for_until_another_comes() -> None:
    """Azure gives the one that it has for hours: there is time for many attempts yet."""
    left, attempts = 86_400.0, 0
    while left > 300:
        left -= pause(left, 0, 0.0)
        attempts += 1
    assert attempts == 5
    assert left > 60


class Source:
    """Gives what it is told to; each token is another one unless that is told too."""

    def __init__(self) -> None:
        self.life = 100.0
        self.given = 0
        self.same = False
        self.trouble = ""

    async def fetch(self) -> tuple[str, float]:
        if self.trouble:
            raise ServerError(self.trouble)
        self.given += 1
        user = f"oid-{0 if self.same else self.given}"
        return token(oid=user), time.time() + self.life


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are a thousandth of what they are."""
    usual = identity.pause
    monkeypatch.setattr(identity, "pause", lambda *of: usual(*of) / 1000)


@pytest.mark.usefixtures("hurried")
async def test_it_is_renewed_while_the_body_runs(source: Source) -> None:
    async with renewed_tokens(source.fetch) as tokens:
        with anyio.fail_after(10):
            while (await tokens.get_credentials_async())[0] != "oid-3":
                await anyio.lowlevel.checkpoint()
    given = source.given
    await anyio.sleep(0.2)
    assert source.given == given


async def test_errors_of_the_body_are_as_they_were(source: Source) -> None:
    """Not in a group of them, as a task group would have them."""
    with pytest.raises(KeyError):
        async with renewed_tokens(source.fetch):
            raise KeyError


async def test_the_first_must_come(source: Source) -> None:
    source.trouble = "nobody is logged in"
    with pytest.raises(ServerError, match="nobody is logged in"):
        async with renewed_tokens(source.fetch):
            pass
    source.trouble, source.life = "", -1.0
    with pytest.raises(ServerError, match="set this machine's clock right"):
        async with renewed_tokens(source.fetch):
            pass


async def test_a_machine_that_slept_over_its_expiry(source: Source) -> None:
    """Its timer has hours to go yet: who needs a token wakes it."""
    async with renewed_tokens(source.fetch) as tokens:
        await anyio.wait_all_tasks_blocked()
        tokens._newest = Token("oid-1", "old", time.time() - 1)
        with anyio.fail_after(2):
            assert (await tokens.get_credentials_async())[0] == "oid-2"


async def test_no_token_is_to_be_had(source: Source) -> None:
    """It is told why, at once if it is known; and waited for, but not asked for at each call."""
    async with renewed_tokens(source.fetch) as tokens:
        await anyio.wait_all_tasks_blocked()
        source.trouble = "the endpoint is away"
        tokens._newest = Token("oid-1", "old", time.time() - 1)
        with anyio.fail_after(2):
            for _ in range(100):
                with pytest.raises(AuthenticationError, match=r"expired.*is away") as told:
                    await tokens.get_credentials_async()
                assert passes(told.value)
        assert tokens._failures == 1


async def test_the_same_token_again_is_not_shown_again(source: Source) -> None:
    source.same = True
    tokens = Tokens(source.fetch)
    await tokens.renew()
    first = tokens._newest
    await tokens.renew()
    assert tokens._newest is first
    assert source.given == 2
