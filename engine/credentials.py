"""Who we are to Azure. One function, so that all that speaks to Azure does so as the same one.

The SDK is imported when it is needed: a laptop without Azure does without it.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import anyio

from engine.errors import AzfinsimError, ServerError, UsageError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.credentials_async import AsyncTokenCredential

IDENTITY = "AZFINSIM_IDENTITY"
"""The client ID of a managed identity; without it, or with ``default``, whoever is logged in."""

ATTEMPT = 40.0
"""Seconds after which Azure is given up for now. The SDK tries a managed identity for 24."""


def credential(settings: Mapping[str, str]) -> "AsyncTokenCredential":
    """The managed identity that the settings name, or whatever Azure's own chain finds.

    To be closed by who asked for it. Raises UsageError if the SDK is not installed.
    """
    try:
        from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential
    except ImportError:
        raise UsageError("Azure's SDK is not installed: pip install 'azfinsim[azure]'") from None
    if client_id := _chosen(settings):
        return ManagedIdentityCredential(client_id=client_id)
    return DefaultAzureCredential()


def blocking_credential(settings: Mapping[str, str]) -> "TokenCredential":
    """The same for what has threads of its own and no event loop."""
    try:
        from azure.identity import DefaultAzureCredential, ManagedIdentityCredential
    except ImportError:
        raise UsageError("Azure's SDK is not installed: pip install 'azfinsim[azure]'") from None
    if client_id := _chosen(settings):
        return ManagedIdentityCredential(client_id=client_id)
    return DefaultAzureCredential()


async def fetch_token(settings: Mapping[str, str], scope: str) -> tuple[str, float]:
    """A token for ``scope`` and when it expires, in Unix time.

    By a credential of its own: one that is kept gives the token that it has until minutes before
    that expires. Raises ServerError if there is none to be had, UsageError without the SDK.
    """
    try:
        with anyio.fail_after(ATTEMPT):
            async with credential(settings) as who:
                token = await who.get_token(scope)
    except AzfinsimError:
        raise
    except Exception as error:
        # Whatever the SDK raises, and it raises much, is no token.
        raise ServerError(azure_trouble(error)) from None
    return token.token, token.expires_on


def azure_trouble(error: Exception) -> str:
    """What is wrong, in words, by an error of Azure's SDK; where it can be, with the way out."""
    from azure.core.exceptions import ClientAuthenticationError

    said = str(getattr(error, "message", "") or error).strip().partition("\n")[0][:300]
    match error:
        case TimeoutError():
            return f"Azure has not answered within {ATTEMPT:g} s"
        case ClientAuthenticationError():
            return (
                "nobody is logged in to Azure here: run `az login`, or name a managed identity of "
                f"this machine with {IDENTITY} ({said})"
            )
        case _:
            return said or type(error).__name__


def _chosen(settings: Mapping[str, str]) -> str:
    chosen = settings.get(IDENTITY, "")
    return "" if chosen == "default" else chosen
