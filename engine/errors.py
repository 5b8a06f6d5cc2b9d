"""The errors a user can cause or meet; each message says what is wrong and the way out.

The command-line edge turns them into one line on standard error and an exit code. Anything else
that escapes is a defect of ours.
"""


class AzfinsimError(Exception):
    """Base of all errors that are told to the user without a traceback."""


class UsageError(AzfinsimError):
    """What was asked for cannot be done as asked: a bad option, name or file (exit code 2)."""


class ServerError(AzfinsimError):
    """A server cannot be reached, refuses, or is not fit for use (exit code 3)."""


class ServerFull(ServerError):
    """The server has reached its ``maxmemory`` and takes no more writes."""


class NotPriced(AzfinsimError):
    """A realtime call has brought no price. Base of what its caller can be told."""


class Rejected(NotPriced):
    """The trade cannot be priced: a bad term, an unknown algorithm, or the pricer raised."""


class Dead(NotPriced):
    """The trade was given up: it has killed what was to price it, again and again."""


class Expired(NotPriced):
    """A consumer came to the trade when its deadline had passed, and so did not price it."""


class TimedOut(NotPriced):
    """Nobody has answered by the deadline."""


class Closed(NotPriced):
    """The client was closed before the answer came."""


class Refused(NotPriced, ServerError):
    """The Redis server refuses, which no waiting mends: rights, or a key that is damaged."""


class Busy(NotPriced, ServerError):
    """As many realtime calls as the client finds bearable are queued already."""

    def __init__(self, backlog: int) -> None:
        super().__init__(
            f"the realtime lane is busy, {backlog:,} calls are queued: call again later, or start "
            "more consumers with `azfinsim consume --lane realtime`"
        )
        self.backlog = backlog


class NoConsumers(NotPriced, ServerError):
    """No consumer serves the realtime lane."""

    def __init__(self) -> None:
        super().__init__(
            "no consumer serves the realtime lane: start one with "
            "`azfinsim consume --lane realtime`"
        )


def leaf(error: BaseException) -> BaseException:
    """What really happened, where task groups have wrapped it: what can be told to a user first."""
    while isinstance(error, BaseExceptionGroup):
        told = [e for e in error.exceptions if isinstance(leaf(e), AzfinsimError)]
        error = (told or list(error.exceptions))[0]
    return error
