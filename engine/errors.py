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


def leaf(error: BaseException) -> BaseException:
    """What really happened, where task groups have wrapped it: what can be told to a user first."""
    while isinstance(error, BaseExceptionGroup):
        told = [e for e in error.exceptions if isinstance(leaf(e), AzfinsimError)]
        error = (told or list(error.exceptions))[0]
    return error
